"""The loaders of published data sets, on generated trees of their layouts and on real split files where there are some."""

import os
import shutil

import layouts
import numpy as np
import pandas as pd
import pytest

from cvig.datasets import cvact, cvusa, cvusa_full, load, vigor, witw
from cvig.datasets.files import FileViews, of_split
from cvig.datasets.paths import Paths, unique_files
from cvig.ranking import exact_ranks

REAL = layouts.REAL / "splits"
TREES = {
    "cvusa": lambda root: layouts.make_cvusa(root, small=True),
    "cvusa_full": layouts.make_cvusa_full,
    "cvact": lambda root: layouts.make_cvact(root, small=True),
    "vigor": layouts.make_vigor,
    "university": layouts.make_university,
    "witw": layouts.make_witw,
    "flat": lambda root: layouts.make_flat(root, [f"{i}_{crop}" for i in range(8) for crop in (1, 2, 3, 4)]),
}
SETTINGS = [
    ("cvusa", {}),
    ("cvusa_full", {"source": "flickr", "zoom": 14}),
    ("cvusa_full", {"source": "streetview", "zoom": 18}),
    ("cvact", {"test": "large"}),
    ("cvact", {"test": "small"}),
    ("vigor", {"area": "same"}),
    ("vigor", {"area": "cross", "corrected": True}),
    ("university", {"task": "drone-satellite"}),
    ("university", {"task": "satellite-drone"}),
    ("university", {"task": "street-satellite"}),
    ("witw", {}),
    ("flat", {}),
]


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """A tree of each layout, made when it is first asked for."""
    made = {}

    def tree(name: str):
        if name not in made:
            made[name] = TREES[name](tmp_path_factory.mktemp(name) / name)
        return made[name]

    return tree


def names(views: FileViews, rows=None) -> list[str]:
    return [views.aerial[row].name for row in (range(views.gallery_count) if rows is None else rows)]


def splits(data: str, root, **options) -> dict[str, FileViews]:
    return {split: load(data, root, split, size=8, **options) for split in ("train", "val", "test")}


def rank_by_hand(query, gallery, positives, ignored) -> list[tuple[int, int]]:
    """Closer and tied rows of each query, by sorting nothing and trusting nobody."""
    counts = []
    for q, vector in enumerate(query):
        distance = ((gallery - vector) ** 2).sum(axis=1)
        right = np.atleast_1d(positives[q])
        out = set(right) | set(() if ignored is None else ignored[q])
        others = [distance[row] for row in range(len(gallery)) if row not in out]
        best = min(distance[row] for row in right)
        counts.append((sum(d < best for d in others), sum(d == best for d in others)))
    return counts


@pytest.mark.parametrize(("data", "options"), SETTINGS)
def test_images_of_every_layout_go_through_exact_ranks(trees, data, options):
    for views in splits(data, trees(data), **options).values():
        # coarse gray levels of the images themselves, so that there are ties as well
        ground = np.stack([views.ground_image(i).numpy()[:, ::4, ::4].ravel() // 64 for i in range(len(views))]).astype(int)
        gallery = np.stack([views.aerial_image(i).numpy()[:, ::4, ::4].ravel() // 64 for i in range(views.gallery_count)])
        ranks = exact_ranks(ground, gallery.astype(int), views.positives, ignored=views.ignored)
        expected = rank_by_hand(ground, gallery.astype(int), views.positives, views.ignored)
        assert list(zip(ranks.closer.tolist(), ranks.tied.tolist(), strict=True)) == expected


@pytest.mark.parametrize(("data", "options"), SETTINGS)
def test_splits_share_no_ground_view_and_but_for_vigors_halves_no_answer(trees, data, options):
    seen_ground, seen_answers = set(), set()
    for views in splits(data, trees(data), **options).values():
        ground = {str(path) for path in views.ground}
        answers = {str(views.aerial[row]) for rows in views.positives for row in np.atleast_1d(rows)}
        assert len(ground) == len(views)
        assert not ground & seen_ground
        assert options == {"area": "same"} or not answers & seen_answers
        seen_ground |= ground
        seen_answers |= answers


@pytest.mark.parametrize(("data", "options"), SETTINGS)
def test_a_gallery_lists_each_image_once_and_views_of_one_place_share_their_answer(trees, data, options):
    for views in splits(data, trees(data), **options).values():
        files = [str(path) for path in views.aerial]
        assert len(set(files)) == len(files) == views.gallery_count
        partners = pd.DataFrame({"place": views.places, "row": [views.partner(i) for i in range(len(views))]})
        assert (partners.groupby("place")["row"].nunique() == 1).all()
        assert views.coordinates is None or np.isfinite(views.coordinates).all()


def test_cvusa_tests_on_the_published_val_list_and_knows_where_each_panorama_stands(trees):
    views = splits("cvusa", trees("cvusa"))
    assert {split: len(its) for split, its in views.items()} == {"train": 11, "val": 1, "test": 4}
    test = views["test"]
    assert [path.name for path in test.ground] == [f"{i:07d}.jpg" for i in (13, 14, 15, 16)] == names(test, test.positives)
    assert [path.parent.name for path in (test.ground[0], test.aerial[0])] == ["panos", "19"]
    assert np.allclose(test.coordinates, [[40 + i / 100, -100 - i / 100] for i in (12, 13, 14, 15)])


def test_cvusa_without_locations_has_no_coordinates(trees, tmp_path):
    root = shutil.copytree(trees("cvusa"), tmp_path / "c")
    shutil.rmtree(root / "split_locations")
    assert load("cvusa", root, "test").coordinates is None


def test_street_view_cut_outs_share_tile_and_place_and_folders_count_toward_zero(trees):
    for split, views in splits("cvusa_full", trees("cvusa_full"), source="streetview", zoom=16).items():
        assert len(views) == 2 * views.gallery_count, split
        assert np.bincount(views.places).tolist() == [2] * views.gallery_count
    flickr = [load("cvusa_full", trees("cvusa_full"), "train", zoom=zoom) for zoom in (14, 16, 18)]
    assert all([p.name for p in its.ground] == [p.name for p in flickr[0].ground] for its in flickr)
    assert {path.parent.parent.parent.name for path in flickr[0].aerial} == {"14"}
    west = next(path for path in load("cvusa_full", trees("cvusa_full"), "train").aerial if "-0.75" in path.name)
    assert west.parts[-3:] == ("39", "0", "39.250000_-0.750000.jpg")
    assert flickr[0].coordinates[:, 0].min() >= 39


def test_cvact_splits_are_the_index_lists_counted_from_one(trees):
    views = splits("cvact", trees("cvact"))
    number = {split: [int(path.name[4:20]) for path in its.ground] for split, its in views.items()}
    assert number == {"train": list(range(12)), "val": list(range(12, 16)), "test": list(range(16, 24))}
    assert views["val"].ground[0].parts[-3] == "ANU_data_small"
    assert views["test"].ground[0].parts[-3] == "ANU_data_test"
    small = splits("cvact", trees("cvact"), test="small")
    assert [path.name for path in small["test"].ground] == [path.name for path in views["val"].ground]
    assert len(small["train"]) + len(small["val"]) == 12
    assert len(small["val"]) == 1


def test_on_cvacts_large_test_what_lies_within_five_metres_is_right(trees):
    test = load("cvact", trees("cvact"), "test")
    answers = [sorted(rows.tolist()) for rows in test.positives]
    # the last two stand 3 m from the two before them, the others 30 m apart
    assert answers == [[0], [1], [2], [3], [4, 6], [5, 7], [4, 6], [5, 7]]
    assert [rows[0] for rows in test.positives] == list(range(8))
    assert all(len(np.atleast_1d(rows)) == 1 for rows in load("cvact", trees("cvact"), "val").positives)
    far = test.coordinates.copy()
    far[6, 0] = far[4, 0] + 5.001
    test.positives, test.coordinates = np.arange(8), far
    assert sorted(cvact.within(test, 5.0)[4].tolist()) == [4]


def test_vigors_semi_positives_are_neither_right_nor_wrong(trees):
    test = load("vigor", trees("vigor"), "test")
    assert test.gallery_count == 4 * 25  # every tile of the four cities, also those that no panorama names
    assert len(test) == 4 * 12
    for i in range(len(test)):
        row, column = test.ground[i].name[2:4]
        near = names(test, test.ignored[i])
        assert len(near) == 3
        assert test.positives[i] not in test.ignored[i]
        city = test.aerial[test.positives[i]].parts[-3]
        south, west = 40 + layouts.CITIES.index(city), -80 - layouts.CITIES.index(city)
        lat = [f"{south + (int(row) + step) * 0.000328:.14f}" for step in (0, 1)]
        lon = [f"{west + (int(column) + step) * 0.00044:.14f}" for step in (0, 1)]
        assert names(test, [test.positives[i]]) == [f"satellite_{lat[0]}_{lon[0]}.png"]
        assert set(near) == {f"satellite_{a}_{b}.png" for a in lat for b in lon} - set(names(test, [test.positives[i]]))
    assert np.allclose(test.coordinates[0], [40.00001, -80.0])


def test_one_tile_of_vigor_answers_several_panoramas(trees):
    cross = load("vigor", trees("vigor"), "test", area="cross")
    assert len(cross) == 2 * 32
    assert cross.gallery_count == 2 * 25
    assert np.bincount(np.bincount(cross.positives, minlength=50)).tolist() == [
        18,
        0,
        32,
    ]  # tiles by how many panoramas they answer
    assert {path.parts[-3] for path in cross.ground} == {"Chicago", "SanFrancisco"}
    train = load("vigor", trees("vigor"), "train", area="cross")
    assert {path.parts[-3] for path in train.ground} == {"NewYork", "Seattle"}


def test_both_folder_conventions_of_vigor_read_alike(trees, tmp_path):
    other = layouts.make_vigor(tmp_path / "v", by_kind=True)
    for split in ("train", "val", "test"):
        one, two = load("vigor", trees("vigor"), split), load("vigor", other, split)
        assert [path.name for path in one.ground] == [path.name for path in two.ground]
        assert names(one) == names(two)
        assert np.array_equal(one.positives, two.positives)
    assert two.ground[0].parts[-3:-1] == ("ground", "Chicago")


def test_vigors_corrected_labels_are_another_file(trees, tmp_path):
    root = shutil.copytree(trees("vigor"), tmp_path / "v")
    path = root / "splits__corrected/Chicago/same_area_balanced_test__corrected.txt"
    lines = path.read_text().splitlines()
    fields = lines[0].split(" ")
    path.write_text("\n".join([" ".join([fields[0], *fields[4:7], *fields[1:4], *fields[7:]]), *lines[1:]]))
    plain, corrected = (load("vigor", root, "test", corrected=flag, cities="Chicago") for flag in (False, True))
    assert plain.positives[0] != corrected.positives[0]
    assert plain.positives[0] in corrected.ignored[0]
    assert np.array_equal(plain.positives[1:], corrected.positives[1:])
    shutil.move(path, root / "splits/Chicago" / path.name)
    shutil.rmtree(root / "splits__corrected")
    assert np.array_equal(load("vigor", root, "test", corrected=True, cities=("Chicago",)).positives, corrected.positives)


def test_a_building_of_university_has_all_its_images_for_answers(trees):
    root = trees("university")
    down = load("university", root, "test", task="drone-satellite")
    assert (len(down), down.gallery_count) == (30, 12)  # two buildings are shown by no query
    assert [down.ground[i].parent.name for i in range(30)] == [
        down.aerial[int(rows[0])].parent.name for rows in down.positives
    ]
    up = load("university", root, "test", task="satellite-drone")
    assert (len(up), up.gallery_count) == (10, 36)
    assert all(len(rows) == 3 for rows in up.positives)
    assert all({up.aerial[row].parent.name for row in up.positives[i]} == {up.ground[i].parent.name} for i in range(10))
    street = splits("university", root, task="street-satellite")
    assert len(street["test"]) == 16  # two buildings have no photograph from the street
    assert street["test"].gallery_count == 12
    assert street["train"].gallery_count + street["val"].gallery_count == 8
    assert not any("google" in str(path) for its in street.values() for path in its.ground)


def test_witws_surface_image_comes_before_its_overhead_image(trees):
    train = load("witw", trees("witw"), "train")
    assert {path.parent.name for path in train.ground} == {"surface"}
    assert {path.parent.name for path in train.aerial} == {"overhead"}
    test = load("witw", trees("witw"), "test")
    assert [path.name for path in test.ground] == [f"{i}.jpg" for i in range(9012, 9016)]
    assert np.allclose(test.coordinates[0], [48.92, 2.42])


@pytest.mark.parametrize(
    ("data", "gone", "expected", "source"),
    [
        ("cvusa", "bingmap", "bingmap, streetview, splits/val-19zl.csv", "mvrl.cse.wustl.edu"),
        ("cvusa_full", "flickr_images.txt", "flickr_images.txt, flickr, flickr_aerial/18", "mvrl.cse.wustl.edu"),
        (
            "cvact",
            "ACT_data.mat",
            "ACT_data.mat, ANU_data_test/streetview, ANU_data_test/satview_polish",
            "Liumouliu/OriCNN",
        ),
        ("vigor", "splits/Seattle", "splits/Seattle/same_area_balanced_test.txt", "Jeff-Zilence/VIGOR"),
        ("university", "test/query_drone", "test/query_drone, test/gallery_satellite", "layumi/University1652-Baseline"),
        ("witw", "test.csv", "test.csv, surface, overhead", "IQTLabs/WITW"),
        ("flat", "clean_aerial", "clean_ground, clean_aerial", "mvrl.cse.wustl.edu"),
    ],
)
def test_what_is_missing_is_said_with_what_is_there_and_where_to_ask(trees, tmp_path, data, gone, expected, source):
    root = shutil.copytree(trees(data), tmp_path / "copy")
    path = root / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        load(data, root, "test")
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert expected in text
    assert source in text.split("the data are requested at")[1]
    assert gone not in text.split("; found ")[1].split("; the data")[0]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "thumbs.db").touch()
    with pytest.raises(FileNotFoundError, match=r"found none of them, but thumbs\.db"):
        load(data, tmp_path / "empty", "test")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*absent'.*requested at"):
        load(data, tmp_path / "absent", "test")


def append(root, file: str, line: str) -> None:
    with (root / file).open("a") as stream:
        stream.write(line + "\n")


@pytest.mark.parametrize(
    ("data", "file", "line"),
    [
        ("cvusa", "splits/val-19zl.csv", "../0000001.jpg,streetview/panos/0000001.jpg,x.png"),
        ("cvusa", "splits/val-19zl.csv", "bingmap/19/0000001.jpg,/etc/0000001.jpg,x.png"),
        ("cvusa_full", "flickr_images.txt", "flickr/../../1@N00_2_3.5_4.5.jpg"),
        ("witw", "test.csv", "1,Paris,1,2" + "," * 12 + "surface/../../1.jpg,overhead/1.jpg"),
    ],
)
def test_names_of_a_split_file_cannot_leave_the_root(trees, tmp_path, data, file, line):
    root = shutil.copytree(trees(data), tmp_path / "copy")
    append(root, file, line)
    with pytest.raises(ValueError, match="leads out of the data set's folder"):
        splits(data, root)


def test_links_cannot_leave_the_root_but_may_point_within_it(trees, tmp_path):
    root = shutil.copytree(trees("cvusa"), tmp_path / "copy")
    outside = shutil.move(root / "bingmap/19/0000013.jpg", tmp_path / "x.jpg")
    (root / "bingmap/19/0000013.jpg").symlink_to(outside)
    (root / "bingmap/19/0000014.jpg").unlink()
    (root / "bingmap/19/0000014.jpg").symlink_to("0000015.jpg")
    views = load("cvusa", root, "test", size=8)
    with pytest.raises(ValueError, match=r"'bingmap/19/0000013\.jpg' leads out"):
        views[0]
    assert views[1]["aerial"].equal(views[2]["aerial"])
    shutil.move(root / "streetview", tmp_path / "streetview")
    (root / "streetview").symlink_to(tmp_path / "streetview")
    with pytest.raises(ValueError, match=r"'streetview/panos' leads out"):
        load("cvusa", root, "test")


def test_pairs_with_a_missing_side_are_left_out_when_asked(trees, tmp_path):
    root = shutil.copytree(trees("cvusa"), tmp_path / "copy")
    (root / "bingmap/19/0000014.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"no image '.*0000014\.jpg'"):
        load("cvusa", root, "test")[1]
    views = load("cvusa", root, "test", skip_missing=True)
    assert [path.name for path in views.ground] == ["0000013.jpg", "0000015.jpg", "0000016.jpg"]
    assert views.missing == ["bingmap/19/0000014.jpg"]
    shutil.rmtree(root / "bingmap/19")
    with pytest.raises(FileNotFoundError, match=r"cvusa/test: 0 ground .*'bingmap/19/0000013\.jpg' is not there, nor are 3"):
        load("cvusa", root, "test", skip_missing=True)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (cvusa.read_list, "a.jpg\n", "is no list of aerial image and panorama"),
        (cvusa.read_list, "a.jpg,b.jpg,c\nd.jpg\n", "line 2: expected an aerial image and a panorama"),
        (lambda path: cvusa_full.read_list(path, "flickr", 18), "", "is empty"),
        (lambda path: cvusa_full.read_list(path, "flickr", 18), "a/1_2.jpg\n\na/b.jpg", "line 1: .* not of the form USER"),
        (vigor.read_labels, "p,1,2,.jpg a 1 2\n", "expected 13 fields a line"),
        (vigor.read_labels, "p,1,2,.jpg" + " t.png 1 2" * 4 + "\np,1,2,.jpg t.png 1\n", "line 2: expected ID,LAT,LON"),
        (vigor.read_labels, "p.jpg" + " t.png 1 2" * 4, "line 1: expected ID,LAT,LON"),
        (witw.read_list, "a,b\n1,2\n", "has 2 columns"),
        (
            witw.read_list,
            ",".join("abcdefghijklmnopq") + "\n" + "," * 16 + "x.jpg\n",
            "row 1: '' in column 15 from 0 names no image",
        ),
        (lambda path: cvact.read_index(path, "train"), "MATLAB", "cannot be read"),
    ],
)
def test_a_broken_list_is_named_with_its_line(tmp_path, read, text, message):
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tile_that_vigors_list_does_not_have_is_named(trees, tmp_path):
    root = shutil.copytree(trees("vigor"), tmp_path / "v")
    path = root / "splits/Seattle/satellite_list.txt"
    path.write_text(path.read_text().split("\n", 1)[1])
    with pytest.raises(
        ValueError, match=r"names tile 'satellite_43\.0.*', which 'splits/Seattle/satellite_list.txt' does not"
    ):
        load("vigor", root, "test")


@pytest.mark.parametrize(
    ("data", "options"),
    [
        ("cvusa_full", {"source": "bing"}),
        ("cvusa_full", {"zoom": 15}),
        ("cvact", {"test": "big"}),
        ("vigor", {"area": "near"}),
        ("vigor", {"area": "cross", "cities": "Seattle"}),
        ("university", {"task": "drone-drone"}),
    ],
)
def test_an_unknown_value_of_an_option_is_refused_with_the_known_ones(trees, data, options):
    with pytest.raises(ValueError, match="expected") as caught:
        load(data, trees(data), "test", **options)
    assert str(list(options.values())[-1]) in str(caught.value)


def test_a_held_out_tenth_depends_on_no_order_and_keeps_places_whole():
    places = [f"p{i // 3}" for i in range(300)]
    chosen = of_split(places, {"train": 0.9, "val": 0.1}, "val")
    assert chosen.sum() == 30
    assert (chosen.reshape(-1, 3).sum(axis=1) % 3 == 0).all()
    assert np.array_equal(chosen, of_split(places[::-1], {"train": 0.9, "val": 0.1}, "val")[::-1])
    assert np.array_equal(~chosen, of_split(places, {"train": 0.9, "val": 0.1}, "train"))
    with pytest.raises(ValueError, match="1 places cannot be split"):
        of_split(["a", "a"], {"train": 0.9, "val": 0.1}, "val")


def test_unique_files_go_by_every_byte(tmp_path):
    tail = bytes(5000)
    for name, content in (("a", b"1" + tail), ("b", b"2" + tail), ("c", b"1" + tail), ("d", b"1"), ("e", b"1")):
        (tmp_path / name).write_bytes(content)
    assert unique_files(Paths(tmp_path, "abcde")).tolist() == [0, 1, 0, 3, 3]


@pytest.mark.skipif(not REAL.is_dir(), reason="no real split files here")
def test_cvusas_real_test_list_and_locations_have_their_published_counts():
    pairs = cvusa.read_list(REAL / "cvusa-val-19zl.csv")
    assert len(pairs) == pairs["aerial"].nunique() == pairs["ground"].nunique() == 8884
    places = cvusa.read_locations(REAL / "cvusa-all-locations.csv", pairs["aerial"])
    assert len(pd.read_csv(REAL / "cvusa-all-locations.csv", header=None)) == 45_516
    assert places["x"].between(18, 72).all()
    assert places["y"].between(-170, -60).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="no real split files here")
def test_vigors_real_lists_of_chicago_become_queries_gallery_and_semi_positives(tmp_path):
    shutil.copytree(REAL / "vigor", tmp_path / "splits")
    for folder in ("Chicago/panorama", "Chicago/satellite"):
        (tmp_path / folder).mkdir(parents=True)
    views = load("vigor", tmp_path, "test", corrected=True, cities="Chicago")
    lines = (REAL / "vigor/Chicago/same_area_balanced_test__corrected.txt").read_text().splitlines()
    tiles = (REAL / "vigor/Chicago/satellite_list.txt").read_text().split()
    assert (len(views), views.gallery_count) == (len(lines), len(tiles))
    fields = lines[-1].split(" ")
    assert views.ground[len(views) - 1].name == fields[0]
    assert names(views, [views.positives[-1]]) == [fields[1]]
    assert set(names(views, views.ignored[-1])) == {fields[4], fields[7], fields[10]}
    assert len(np.unique(views.positives)) < len(views)
    # a panorama lies in the inner quarter of its positive tile: within 160 of 640 pixels, 18.2 m, of the middle
    tile = np.array([name.removesuffix(".png").split("_")[1:] for name in names(views, views.positives)], dtype=float)
    north_south = np.deg2rad(tile[:, 0] - views.coordinates[:, 0]) * 6_371_004
    assert 18 < np.abs(north_south).max() < 18.5


@pytest.mark.parametrize(("data", "make"), [("vigor", layouts.make_vigor), ("cvusa", layouts.make_cvusa)])
def test_training_keeps_what_the_filter_listed_and_the_test_stays_whole(data, make, tmp_path):
    root = make(tmp_path / "root")
    whole = load(data, str(root), "train")
    listed = whole.ground.names[1:4]
    kept_list = tmp_path / "kept.txt"
    kept_list.write_text(f"{listed[0]}\n" + "".join(f"{name.rsplit('/', 1)[1]}\n" for name in listed[1:]))
    kept = load(data, str(root), "train", keep=str(kept_list))
    assert kept.ground.names == listed
    assert (kept.places == whole.places[1:4]).all()
    assert [kept.partner(i) for i in range(3)] == [whole.partner(i) for i in range(1, 4)]
    assert kept.digest != whole.digest
    assert load(data, str(root), "test", keep=str(kept_list)).ground_count == load(data, str(root), "test").ground_count
    kept_list.write_text("absent.jpg\n")
    with pytest.raises(ValueError, match="none of its 1 names is one of the"):
        load(data, str(root), "train", keep=str(kept_list))


def test_the_digest_is_of_contents(tmp_path):
    """One byte in the middle of a large file, which keeps its size, its ends and its time; elsewhere the same data."""

    def views(folder) -> FileViews:
        return FileViews("some", Paths(folder, ["a.png"]), Paths(folder, ["b.png"]), np.array([0]))

    content = bytes(range(256)) * 200
    for folder in (tmp_path / "one", tmp_path / "other"):
        folder.mkdir()
        for name in ("a.png", "b.png"):
            (folder / name).write_bytes(content)
    first = views(tmp_path / "one").digest
    assert views(tmp_path / "other").digest == first
    path = tmp_path / "one" / "b.png"
    time = path.stat().st_mtime_ns
    path.write_bytes(content[:20000] + b"x" + content[20001:])
    os.utime(path, ns=(time, time))
    assert views(tmp_path / "one").digest != first
