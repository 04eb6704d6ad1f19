"""What `cvig check` finds on generated trees, each with one defect planted, and on trees without any."""

import json
import shutil
import struct
import zlib

import layouts
import numpy as np
import pandas as pd
import pytest
import torch
from command_line import call
from PIL import Image
from torch.utils.data import DataLoader

from cvig.datasets import images, load
from cvig.datasets.paths import Paths
from cvig.inspection.check import check
from cvig.inspection.findings import CHECKS, Findings
from cvig.inspection.survey import seam, survey

REAL = layouts.REAL


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A clean CVUSA tree at the published sizes: places 1 to 12 train and validate, 13 to 16 test."""
    return layouts.make_cvusa(tmp_path_factory.mktemp("check") / "cvusa")


@pytest.fixture
def tree(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "cvusa")


def found(root, data: str = "cvusa", **options) -> pd.DataFrame:
    return check(data, root, progress=False, **options).findings


def aerial(root, i: int):
    return root / f"bingmap/19/{i:07d}.jpg"


def panorama(root, i: int):
    return root / f"streetview/panos/{i:07d}.jpg"


@pytest.mark.parametrize(
    ("data", "make", "options"),
    [
        ("cvusa", layouts.make_cvusa, {}),
        ("cvusa_full", layouts.make_cvusa_full, {"source": "streetview", "zoom": 16}),
        ("cvact", lambda root: layouts.make_cvact(root, train=3, val=1, test=4), {}),
        ("vigor", lambda root: layouts.make_vigor(root, side=1, small=False), {"area": "cross"}),
        ("university", lambda root: layouts.make_university(root, small=False), {}),
        ("witw", layouts.make_witw, {}),
        ("flat", lambda root: layouts.make_flat(root, [f"{i}_{crop}" for i in range(8) for crop in (1, 2, 3, 4)]), {}),
    ],
)
def test_a_clean_tree_of_every_layout_has_no_finding(tmp_path, data, make, options):
    report = check(data, make(tmp_path / data), options=options, progress=False)
    assert report.findings.empty, report.findings.to_string()
    assert set(report.splits) == {"train", "val", "test"}


@pytest.mark.parametrize("storage", ["python", "pyarrow"])
def test_no_finding_is_an_empty_table_however_pandas_keeps_text(storage):
    if storage == "pyarrow":
        pytest.importorskip("pyarrow")
    with pd.option_context("mode.string_storage", storage):
        assert Findings().table().empty


def delete(root):
    aerial(root, 3).unlink()
    return "missing", "bingmap/19/0000003.jpg", "not there"


def truncate(root):
    panorama(root, 14).write_bytes(panorama(root, 14).read_bytes()[:-300])
    return "unreadable", "streetview/panos/0000014.jpg", "truncated"


def no_image(root):
    aerial(root, 2).write_bytes(b"<html>404</html>")
    return "unreadable", "bingmap/19/0000002.jpg", "cannot identify"


def other_size(root):
    layouts.save(root, "bingmap/19/0000005.jpg", 5, (640, 640))
    return "size", "bingmap/19/0000005.jpg", "640×640, where 15 of 16 are 750×750"


def copied(root):
    shutil.copy(aerial(root, 13), aerial(root, 15))
    return "duplicate", "bingmap/19/0000015.jpg", "shows what 'bingmap/19/0000013.jpg' shows"


def copied_into_the_test(root):
    # the same pixels in another container: a copy by content, not by bytes
    Image.open(aerial(root, 4)).save(aerial(root, 16), format="PNG")
    return "shared", "bingmap/19/0000016.jpg", "shows what 'bingmap/19/0000004.jpg' shows"


def listed_twice(root):
    with (root / "splits/val-19zl.csv").open("a") as stream:
        stream.write("bingmap/19/0000001.jpg,streetview/panos/0000013.jpg,x.png\n")
    return "shared", "bingmap/19/0000001.jpg", "one file"


def beside(root):
    path = root / "split_locations/all.csv"
    table = pd.read_csv(path, header=None)
    table.iloc[13, [2, 3]] = table.iloc[6, 2] + 0.000036, table.iloc[6, 3]  # 4.0 m to the north of the seventh
    table.to_csv(path, header=False, index=False)
    return "near", "streetview/panos/0000014.jpg", "4.00 m from 'streetview/panos/0000007.jpg'"


def cut(root):
    with Image.open(panorama(root, 6)) as picture:
        picture.crop((0, 0, 1056, 224)).save(panorama(root, 6), quality=90)
    return "panorama", "streetview/panos/0000006.jpg", "by its width it spans 308.6 of 360 degrees; its edges differ"


def cut_and_stretched(root):
    with Image.open(panorama(root, 6)) as picture:
        picture.crop((0, 0, 1056, 224)).resize((1232, 224)).save(panorama(root, 6), quality=90)
    return "panorama", "streetview/panos/0000006.jpg", "its edges differ"


def link_out(root):
    target = shutil.move(aerial(root, 8), root.parent / "elsewhere.jpg")
    aerial(root, 8).symlink_to(target)
    return "unreadable", "bingmap/19/0000008.jpg", "leads out of the data set's folder"


def name_out(root):
    shutil.copy(aerial(root, 1), root.parent / "0000001.jpg")
    with (root / "splits/val-19zl.csv").open("a") as stream:
        stream.write("../0000001.jpg,streetview/panos/0000013.jpg,x.png\n")
    return "split", "", "'../0000001.jpg' leads out of the data set's folder"


DEFECTS = [
    delete, truncate, no_image, other_size, copied, copied_into_the_test, listed_twice, beside, cut, cut_and_stretched,
    link_out, name_out,
]  # fmt: skip


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
def test_each_defect_is_found_and_nothing_else(tree, plant, monkeypatch, capsys):
    kind, file, detail = plant(tree)
    findings = found(tree)
    of_kind = findings[findings.check == kind]
    assert len(of_kind) == 1, findings.to_string()
    assert of_kind.file.item() == file
    assert detail in of_kind.detail.item()
    # a panorama that was cut has another width as well
    assert set(findings.check) == {kind} | ({"size"} if plant is cut else set()), findings.to_string()
    code, text, _ = call(monkeypatch, capsys, "check", "cvusa", tree)
    assert code == (1 if CHECKS[kind][0] == "error" else 0)
    assert file in text


def test_an_image_of_too_many_pixels_is_not_decoded(tree, monkeypatch):
    monkeypatch.setattr(images, "PIXEL_LIMIT", 750 * 750)
    Image.new("L", (751, 750)).save(aerial(tree, 2))
    findings = found(tree)
    assert findings.check.tolist() == ["unreadable"]
    assert "751 × 750 pixels, more than" in findings.detail.item()


def test_a_decompression_bomb_is_named_and_survived(tree):
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    aerial(tree, 2).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    findings = found(tree)
    assert findings.check.tolist() == ["unreadable"]
    assert findings.file.item() == "bingmap/19/0000002.jpg"


def test_a_missing_half_of_the_flat_layout_and_a_copy_of_another_place(tmp_path):
    root = layouts.make_flat(tmp_path, [f"p{i}" for i in range(20)])
    (root / "clean_ground/p3.jpg").unlink()
    (root / "clean_aerial/p7.jpg").unlink()
    findings = found(root, "flat")
    assert set(zip(findings.check, findings.file, strict=True)) == {
        ("missing", "clean_ground/p3"),
        ("missing", "clean_aerial/p7"),
    }
    root = layouts.make_flat(tmp_path / "more", [f"p{i}" for i in range(20)])
    train = [path.name for path in load("flat", root, "train").aerial]
    shutil.copy(root / "clean_aerial" / train[0], root / "clean_aerial" / train[1])
    findings = found(root, "flat")
    assert findings.check.tolist() == ["duplicate"]
    assert {findings.file.item(), findings.other.item()} == {f"clean_aerial/{name}" for name in train[:2]}


def test_crops_of_one_panorama_in_train_and_test_are_found(tmp_path):
    names = [f"{i}_{crop}" for i in range(6) for crop in (1, 2)]
    layouts.make_flat(tmp_path, names, ("gnd_train", "sat_train"))
    layouts.make_flat(tmp_path, ["0_3", "9_1"], ("gnd_test", "sat_test"), seed=9)
    shutil.copy(tmp_path / "sat_train/0_1.jpg", tmp_path / "sat_test/0_3.jpg")
    findings = found(tmp_path, "flat")
    assert findings.check.tolist() == ["shared", "place"]
    assert findings.file.tolist() == ["sat_test/0_3.jpg", "gnd_test/0_3.jpg"]
    assert set(findings.severity) == {"error"}


def test_vigors_published_halves_share_tiles_and_that_is_no_error(tmp_path):
    report = check("vigor", layouts.make_vigor(tmp_path / "v", side=2), options={"area": "same"}, progress=False)
    shared = report.findings[(report.findings.check == "shared") & (report.findings.split == "train, test")]
    assert len(shared)
    assert report.errors == 0
    assert shared.detail.str.contains("as published").all()


def test_a_data_set_scaled_as_a_whole_is_one_finding(tmp_path):
    findings = found(layouts.make_cvusa(tmp_path / "c", small=True), panoramas=False)
    assert findings.check.tolist() == ["size", "size"]
    assert findings.detail.tolist() == [
        "ground images are 154×28, and were published as 1232×224",
        "aerial images are 93×93, and were published as 750×750",
    ]


def test_a_split_that_cannot_be_opened_does_not_hide_the_others(tree):
    (tree / "splits/val-19zl.csv").unlink()
    report = check("cvusa", tree, progress=False)
    assert report.findings.check.tolist() == ["split"]
    assert list(report.splits) == ["train", "val"]
    alone = check("cvusa", tree, splits=("train",), progress=False)
    assert alone.errors == 0
    assert alone.skipped == dict.fromkeys(("shared", "place", "near"), "one split alone")


def test_the_report_is_written_for_machines(tree, tmp_path, monkeypatch, capsys):
    truncate(tree)
    copied(tree)
    words = ("check", "cvusa", tree, "--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--distance", 2)
    code, text, _ = call(monkeypatch, capsys, *words)
    report = json.loads((tmp_path / "r.json").read_text())
    table = pd.read_csv(tmp_path / "r.csv", keep_default_na=False)
    assert code == 1
    assert text.endswith("1 error and 1 warning\n")
    assert table.to_dict("records") == report["findings"]
    assert report["checks"]["unreadable"] == {"result": "error", "count": 1}
    assert report["checks"]["near"] == {"result": "ok", "count": 0}
    assert report["distance"] == 2
    assert report["splits"] == {split: {"ground": n, "gallery": n} for split, n in (("train", 11), ("val", 1), ("test", 4))}
    first = (tmp_path / "r.json").read_bytes()
    call(monkeypatch, capsys, *words, "--workers", 1)
    assert (tmp_path / "r.json").read_bytes() == first


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("vigr", "."), "'vigr' is not one of 'flat', 'cvusa'"),
        (("world", "."), "'world' is not one of 'flat', 'cvusa'"),
        (("cvusa", "absent"), "no folder 'absent'"),
        (("cvusa", ".", "--option", "zoom=14"), "unknown option 'zoom'"),
        (("cvusa", ".", "--option", "zoom"), "option 'zoom': expected key=value"),
        (("cvusa", ".", "--split", "dev"), "'dev' is not one of 'train', 'val', 'test'"),
        (("cvusa_full", ".", "--option", "zoom=15"), "unknown zoom 15"),
    ],
)
def test_a_bad_call_is_one_line_and_exit_code_2(monkeypatch, capsys, words, message):
    code, _, errors = call(monkeypatch, capsys, "check", *words)
    assert code == 2
    assert message in errors
    assert errors.count("\n") == 1


def test_a_corrupt_file_is_named_through_a_worker_process(tree):
    truncate(tree)
    batches = iter(DataLoader(load("cvusa", tree, "test", size=16), batch_size=1, num_workers=1))
    assert next(batches)["index"].item() == 0
    with pytest.raises(ValueError, match=r"0000014\.jpg' cannot be read: .*truncated"):
        next(batches)
    assert [batch["index"].item() for batch in batches] == [2, 3]


def test_a_survey_of_more_files_than_are_under_way_keeps_their_order(tmp_path):
    names = [f"{i:03d}.png" for i in range(150)]
    for i, name in enumerate(names):
        Image.new("RGB", (2 + i, 3)).save(tmp_path / name)
    seen = survey(Paths(tmp_path, names), workers=2)
    assert np.array_equal(seen.size[:, 0], 2 + np.arange(150))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
def test_real_panoramas_join_at_their_edges_and_cut_ones_do_not():
    # turned, so that the edge lies at forty places of each of the five
    whole, shortened = [], []
    for path in sorted((REAL / "cvusa/streetview/panos").glob("*.jpg")):
        columns = np.asarray(Image.open(path))
        for turn in range(0, 1232, 31):
            turned = np.roll(columns, turn, axis=1)
            whole.append(seam(Image.fromarray(turned)) > 0)
            shortened.append(seam(Image.fromarray(turned[:, :1056])) > 0)
    assert np.mean(whole) < 0.02
    assert np.mean(shortened) > 0.9


@pytest.mark.skipif(not REAL.is_dir(), reason="no real images here")
@pytest.mark.parametrize("data", ["cvusa", "flat"])
def test_the_real_samples_have_no_finding(data):
    assert found(REAL / data, data).empty


def test_a_uniform_image_has_no_seam():
    assert seam(Image.fromarray(torch.full((8, 32, 3), 90, dtype=torch.uint8).numpy())) == 0
    assert seam(Image.new("RGB", (1, 1))) == 0
