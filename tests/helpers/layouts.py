"""Small trees in the layouts that the data sets are published in, of made-up images.

`SIZES` are the published sizes, width and height; with `small` every image is an eighth of that. Panoramas join at their
edges. Every function returns the root.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"  # samples that are not part of the repository
SIZES = {
    "cvusa": {"ground": (1232, 224), "aerial": (750, 750)},
    "cvact": {"ground": (1664, 832), "aerial": (1200, 1200)},
    "vigor": {"ground": (2048, 1024), "aerial": (640, 640)},
    "university": {"ground": (512, 512), "aerial": (512, 512)},
    "other": {"ground": (320, 240), "aerial": (256, 256)},
}
CITIES = ("Chicago", "NewYork", "SanFrancisco", "Seattle")


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    """An image of waves, unlike every other seed's, which goes on from its right edge to its left one."""
    rng = np.random.default_rng([seed, 11])
    width, height = size
    turn = 2 * np.pi * np.arange(width) / width
    across = sum(rng.uniform(0.5, 1, 3) / k * np.sin(k * turn[:, None] + rng.uniform(0, 2 * np.pi, 3)) for k in range(1, 6))
    down = np.sin(np.linspace(0, rng.uniform(2, 6), height)[:, None] + rng.uniform(0, 2 * np.pi, 3))
    return Image.fromarray((128 + 40 * across[None] + 30 * down[:, None]).clip(0, 255).astype(np.uint8))


def save(root: Path, name: str, seed: int, size: tuple[int, int], small: bool = False) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, tuple(side // 8 for side in size) if small else size).save(path, quality=85)


def make_cvusa(root: Path, train: int = 12, test: int = 4, small: bool = False) -> Path:
    """The CVPR subset: image i is pair i, and row i - 1 of the locations."""
    lists = {"train-19zl.csv": range(1, train + 1), "val-19zl.csv": range(train + 1, train + test + 1)}
    (root / "splits").mkdir(parents=True)
    (root / "split_locations").mkdir()
    for file, numbers in lists.items():
        lines = []
        for i in numbers:
            names = f"bingmap/19/{i:07d}.jpg", f"streetview/panos/{i:07d}.jpg"
            save(root, names[0], i, SIZES["cvusa"]["aerial"], small)
            save(root, names[1], 1000 + i, SIZES["cvusa"]["ground"], small)
            lines.append(",".join([*names, f"streetview/annotations/{i:07d}.png"]))
        (root / "splits" / file).write_text("\n".join(lines) + "\n")
    rows = [f"{40 + i / 100:.15f},{-100 - i / 100:.15f},{40 + i / 100},{-100 - i / 100},90.0" for i in range(train + test)]
    (root / "split_locations" / "all.csv").write_text("\n".join(rows) + "\n")
    return root


def make_cvusa_full(root: Path, places: int = 20, zooms=(14, 16, 18), small: bool = True) -> Path:
    """Photographs of Flickr, one a place, and two cut-outs of Street View a place, some south and west of zero."""
    lists = {"flickr": [], "streetview": []}
    for i in range(places):
        lat, lon = f"{39.25 + i / 10:.6f}", f"{-0.75 - i / 10:.6f}"
        folder = f"{int(float(lat))}/{int(float(lon))}"
        lists["flickr"].append(f"flickr/{folder}/{1000 + i}@N00_{77000 + i}_{lat}_{lon}.jpg")
        lists["streetview"] += [f"streetview/cutouts/{folder}/{lat}_{lon}_{heading}.jpg" for heading in ("0.0", "182.5")]
        for source in lists:
            for zoom in zooms:
                name = f"{source}_aerial/{zoom}/{folder}/{lat}_{lon}.jpg"
                save(root, name, 100 * zoom + i + 5000 * (source == "flickr"), SIZES["other"]["aerial"], small)
    for source, names in lists.items():
        (root / f"{source}_images.txt").write_text("\n".join(names) + "\n")
        for i, name in enumerate(names):
            save(root, name, 20000 + i + 500 * (source == "flickr"), SIZES["other"]["ground"], small)
    return root


def make_flat(root: Path, names: list[str], folders=("clean_ground", "clean_aerial"), seed: int = 0) -> Path:
    """The paper's layout; the crops ``X_1`` to ``X_4`` have copies of one aerial image."""
    for side, folder in enumerate(folders):
        for i, name in enumerate(names):
            shown = names.index(next(n for n in names if n.rsplit("_", 1)[0] == name.rsplit("_", 1)[0])) if side else i
            save(root, f"{folder}/{name}.jpg", 1000 * seed + 100 * side + shown, (64, 64))
    return root


def make_cvact(root: Path, train: int = 12, val: int = 4, test: int = 8, small: bool = False) -> Path:
    """All panoramas in one index, 30 m apart; of the large test's the last two stand 3 m from the two before them."""
    count = train + val + test
    names = np.array([f"pano{i:016d}_-" for i in range(count)])
    utm = np.stack([30.0 * np.arange(count), np.zeros(count)], axis=1)
    utm[-2:, 0] = utm[-4:-2, 0] + 3
    sets = {
        "trainSet": {"trainNum": train, "trainInd": np.arange(1, train + 1)[:, None]},
        "valSet": {"valNum": val, "valInd": np.arange(train + 1, train + val + 1)[:, None]},
        "valSetAll": {"valNum": test, "valInd": np.arange(train + val + 1, count + 1)[:, None]},
    }
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "ACT_data.mat", {"panoIds": names, "utm": utm, **sets})
    for i, name in enumerate(names):
        folder = "ANU_data_small" if i < train + val else "ANU_data_test"
        save(root, f"{folder}/streetview/{name}_grdView.jpg", 1000 + i, SIZES["cvact"]["ground"], small)
        save(root, f"{folder}/satview_polish/{name}_satView_polish.jpg", i, SIZES["cvact"]["aerial"], small)
    return root


def make_vigor(root: Path, side: int = 4, by_kind: bool = False, small: bool = True) -> Path:
    """Each city a square of overlapping tiles; the tile of row r and column c is the positive of two panoramas.

    One of them is in the training half and one in the test half of the same-area lists, but in the last column both are in
    the training half. In the corrected edition the first semi-positive of each line has changed places with the second.
    """
    for number, city in enumerate(CITIES):
        folders = (f"ground/{city}", f"satellite/{city}") if by_kind else (f"{city}/panorama", f"{city}/satellite")
        lat = [f"{40 + number + row * 0.000328:.14f}" for row in range(side + 1)]
        lon = [f"{-80 - number + column * 0.00044:.14f}" for column in range(side + 1)]
        tiles = {(r, c): f"satellite_{lat[r]}_{lon[c]}.png" for r in range(side + 1) for c in range(side + 1)}
        lines = {"same_area_balanced_train": [], "same_area_balanced_test": []}
        for (r, c), tile in tiles.items():
            save(root, f"{folders[1]}/{tile}", 10000 * number + 100 * r + c, SIZES["vigor"]["aerial"], small)
            if r == side or c == side:
                continue
            for half, file in enumerate(lines):
                dx, dy = 20 + half, 10 + r
                panorama = f"id{r}{c}{half}_x-,{float(lat[r]) + half * 1e-5:.6f},{float(lon[c]):.6f},.jpg"
                near = [(tile, dx, dy), (tiles[r, c + 1], dx, dy - 320), (tiles[r + 1, c], dx + 320, dy)]
                near.append((tiles[r + 1, c + 1], dx + 320, dy - 320))
                fields = [panorama, *(f"{name} {float(x)} {float(y)}" for name, x, y in near)]
                lines["same_area_balanced_train" if c == side - 1 else file].append(fields)
                seed = 50000 + 10000 * number + 1000 * half + 100 * r + c
                save(root, f"{folders[0]}/{panorama}", seed, SIZES["vigor"]["ground"], small)
        lines["pano_label_balanced"] = [fields for its in list(lines.values()) for fields in its]
        for edition in ("", "__corrected"):
            folder = root / f"splits{edition}" / city
            folder.mkdir(parents=True)
            order = [0, 1, 2, 3, 4] if not edition else [0, 1, 3, 2, 4]
            for file, rows in lines.items():
                text = "\n".join(" ".join(fields[i] for i in order) for fields in rows)
                (folder / f"{file}{edition}.txt").write_text(text + "\n")
            (folder / "satellite_list.txt").write_text("\n".join(tiles.values()) + "\n")
    return root


def make_university(root: Path, buildings: int = 10, distractors: int = 2, drones: int = 3, small: bool = True) -> Path:
    """Each building with one satellite image, some drone images, and two street photographs, which every fifth lacks."""
    for part, numbers in (("train", range(839, 839 + buildings)), ("test", range(buildings + distractors))):
        for n, building in enumerate(f"{number:04d}" for number in numbers):
            kinds = {
                "satellite": [f"{building}.jpg"],
                "drone": [f"image-{i:02d}.jpeg" for i in range(1, drones + 1)],
                "street": [] if n % 5 == 4 else ["1.jpg", "2.jpg"],
            }
            for k, (kind, images) in enumerate(kinds.items()):
                folders = [f"train/{kind}"] if part == "train" else [f"test/gallery_{kind}"]
                if part == "test" and n < buildings:
                    folders.append(f"test/query_{kind}")
                for folder in folders:
                    for i, image in enumerate(images):
                        seed = 100000 * (part == "test") + 1000 * k + 10 * n + i
                        save(root, f"{folder}/{building}/{image}", seed, SIZES["university"]["aerial"], small)
    save(root, "train/google/0839/1.jpg", 1, SIZES["other"]["ground"], small)
    return root


def make_witw(root: Path, train: int = 12, test: int = 4, small: bool = True) -> Path:
    """Seventeen columns, of which the last two name the files; every surface image has a tile of its own."""
    header = ["id", "aoi_name", "lat", "lon", *(f"column{i}" for i in range(4, 15)), "surface_path", "overhead_path"]
    start = 0
    for file, city, count in (("train.csv", "Rio de Janeiro", train), ("test.csv", "Paris", test)):
        lines = [",".join(header)]
        for i in range(start, start + count):
            names = f"surface/{9000 + i}.jpg", f"overhead/{9000 + i}.jpg"
            place = f"{-22.9 + i / 100 if city != 'Paris' else 48.8 + i / 100:.5f}", f"{2.3 + i / 100:.5f}"
            lines.append(",".join([str(9000 + i), city, *place, *[""] * 11, *names]))
            save(root, names[0], 3000 + i, SIZES["other"]["ground"], small)
            save(root, names[1], i, SIZES["other"]["aerial"], small)
        (root / file).write_text("\n".join(lines) + "\n")
        start += count
    return root
