from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvig.datasets import load


def picture(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, 24, 24), generator=generator, dtype=torch.uint8)


def save(image: torch.Tensor, path: Path) -> None:
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


def make_flat(root: Path, names: list[str], folders=("clean_ground", "clean_aerial")) -> Path:
    for side, folder in enumerate(folders):
        (root / folder).mkdir(parents=True)
        for i, name in enumerate(names):
            save(picture(100 * side + i), root / folder / f"{name}.jpg")
    return root


@pytest.fixture
def flat(tmp_path) -> Path:
    return make_flat(tmp_path, [f"{i:07d}" for i in range(20)])


def test_pairs_by_name_and_splits_share_no_place(flat):
    splits = {split: load("flat", flat, split, size=16) for split in ("train", "val", "test")}
    assert {split: data.ground_count for split, data in splits.items()} == {"train": 14, "val": 3, "test": 3}
    files = [path.name for data in splits.values() for path in data.ground]
    assert len(set(files)) == 20
    for data in splits.values():
        assert [path.name for path in data.ground] == [data.aerial[row].name for row in data.positives]
        assert data[0]["ground"].shape == data[0]["aerial"].shape == (3, 16, 16)
        assert data[0]["ground"].dtype == torch.uint8


def test_four_crops_of_a_panorama_share_a_gallery_row_and_a_place(tmp_path):
    names = [f"{i}_{crop}" for i in range(8) for crop in range(1, 5)]
    make_flat(tmp_path, names)
    for i in range(8):
        for crop in range(1, 5):
            save(picture(i), tmp_path / "clean_aerial" / f"{i}_{crop}.jpg")
    data = load("flat", tmp_path, "train", size=16)
    assert data.gallery_count * 4 == data.ground_count
    assert np.bincount(data.places).tolist() == [4] * data.gallery_count
    assert not {p.name[0] for p in data.ground} & {p.name[0] for p in load("flat", tmp_path, "test").ground}


def test_the_folders_of_the_papers_code_are_the_splits(tmp_path):
    make_flat(tmp_path, [f"a{i}" for i in range(10)], ("gnd_train", "sat_train"))
    make_flat(tmp_path, ["b1", "b2"], ("gnd_test", "sat_test"))
    assert {p.stem for p in load("flat", tmp_path, "test").ground} == {"b1", "b2"}
    assert [load("flat", tmp_path, split).ground_count for split in ("train", "val")] == [9, 1]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            lambda root: (root / "clean_aerial" / "0000003.jpg").unlink(),
            r"0000003.jpg' has no partner '0000003' in .*clean_aerial",
        ),
        (
            lambda root: (root / "clean_ground" / "0000004.jpg").unlink(),
            r"0000004.jpg' has no partner '0000004' in .*clean_ground",
        ),
        (lambda root: [p.unlink() for p in root.glob("*/*.jpg")], r"no \.jpg, \.png, \.webp or \.tif image in"),
        (lambda root: (root / "clean_ground").rename(root / "ground"), r"no folder '.*clean_ground'"),
    ],
)
def test_what_is_missing_is_named(flat, harm, message):
    harm(flat)
    with pytest.raises(FileNotFoundError, match=message) as caught:
        load("flat", flat, "train")
    assert "\n" not in str(caught.value)


def test_a_missing_root_and_an_option_nobody_knows(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder '.*absent'"):
        load("flat", tmp_path / "absent", "train")
    with pytest.raises(ValueError, match="give its root"):
        load("flat", None, "train")
    with pytest.raises(TypeError, match="zoom"):
        load("flat", tmp_path, "train", zoom=3)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def no_image(path: Path) -> None:
    path.write_bytes(b"hello")


def rotten(path: Path) -> None:
    path.write_bytes(b"\xff\xd8" + b"\x00" * 500 + b"\xff\xd9")


@pytest.mark.parametrize(
    ("harm", "message"), [(cut, "truncated"), (no_image, "cannot identify"), (rotten, "cannot be read")]
)
def test_an_unreadable_image_is_named_before_training(flat, harm, message):
    path = next(iter(load("flat", flat, "train").ground))
    harm(path)
    with pytest.raises(ValueError, match=message) as caught:
        load("flat", flat, "train")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_gray_png_becomes_rgb(tmp_path):
    make_flat(tmp_path, [str(i) for i in range(6)])
    path = next(iter(load("flat", tmp_path, "train").ground))
    Image.fromarray(picture(0)[0].numpy()).save(path, format="PNG")
    image = load("flat", tmp_path, "train").ground_image(0)
    assert torch.equal(image[0], image[2])


@pytest.mark.parametrize(
    ("names", "options"),
    [
        ([f"{i}.x{100 * i}.y50.a{angle}" for i in range(10) for angle in (0, 90, 180)], {}),
        ([f"house{i}-{when}" for i in range(10) for when in ("day", "night", "snow")], {"group": r"(house\d+)-"}),
    ],
    ids=["Dayton's crops", "a pattern"],
)
def test_views_whose_names_share_a_place_never_lie_in_two_splits(names, options, tmp_path):
    make_flat(tmp_path, names)
    where = {}
    for split in ("train", "val", "test"):
        views = load("flat", tmp_path, split, size=16, **options)
        assert np.bincount(views.places).tolist() == [3] * (views.ground_count // 3)
        for name in views.place_names:
            where.setdefault(name, set()).add(split)
    assert len(where) == 10
    assert all(len(splits) == 1 for splits in where.values())


@pytest.mark.parametrize(("group", "said"), [("(", "no regular expression"), ("a", "0 groups"), ("(a)(b)", "2 groups")])
def test_a_pattern_that_names_no_place_is_refused(group, said, flat):
    with pytest.raises(ValueError, match=said):
        load("flat", flat, "train", group=group)


def test_check_reports_a_place_whose_views_lie_in_two_folders(tmp_path):
    from cvig.inspection.check import check

    make_flat(tmp_path, [f"{i}_{crop}" for i in range(10) for crop in (1, 2)], ("gnd_train", "sat_train"))
    make_flat(tmp_path, ["3_3", "77_1"], ("gnd_test", "sat_test"))
    report = check("flat", tmp_path, progress=False, splits=("train", "val", "test"))
    found = report.findings[report.findings["check"] == "place"]
    assert found["file"].tolist() == ["gnd_test/3_3.jpg"]
    assert "place '3'" in found["detail"].iloc[0]


def test_panoramas_in_the_flat_layout_are_cut_or_refused_and_never_squeezed_in_silence(tmp_path):
    """300 × 601: an odd width, for which the sphere is a little less than two times as wide as high."""
    make_flat(tmp_path, [f"{i}" for i in range(10)])
    for path in (tmp_path / "clean_ground").iterdir():
        Image.fromarray(np.zeros((300, 601, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r"601 × 300 pixels, a panorama it seems.*views: four"):
        load("flat", tmp_path, "train", size=16)
    four = load("flat", tmp_path, "train", size=16, views="four")
    assert four.ground_count == 4 * four.gallery_count
    assert four.ground_image(3).shape == (3, 16, 16)
    assert load("flat", tmp_path, "train", size=16, views="panorama").ground_image(0).shape == (3, 16, 16)
    assert load("flat", tmp_path, "train", size=(16, 32)).ground_image(0).shape == (3, 16, 32)
