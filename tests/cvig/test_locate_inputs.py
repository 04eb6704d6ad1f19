"""What `cvig locate` reads from others: damaged, hostile or impossible files are one line, and cost no memory."""

import json
import math

import numpy as np
import pytest
from galleries import grid, make_model, noise_tiles, paint
from PIL import ExifTags, Image

from cvig.locate import Calibration, Gallery, Model, Photograph, photograph


@pytest.mark.parametrize("damage", ["empty", "torn", "one byte", "a zip file"])
def test_damaged_embeddings_are_set_aside_and_made_anew(tmp_path, damage, capsys):
    model = make_model(tmp_path / "model")
    made = Gallery(noise_tiles(grid(2, 3))).embed(model, tmp_path, progress=False)
    whole = np.array(made.blocks[0])
    (path,) = tmp_path.rglob("*.npy")
    content = path.read_bytes()
    torn = {"empty": b"", "torn": content[: len(content) // 2], "a zip file": b"PK\x03\x04" + content}
    path.write_bytes(torn.get(damage, content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]))
    again = Gallery(noise_tiles(grid(2, 3))).embed(model, tmp_path, progress=False)
    assert np.array_equal(again.blocks[0], whole)
    assert path.read_bytes() == content
    assert f"'{path}' are damaged: they are '{path.name}.damaged' now" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gap": [float("nan")] * 3}, "NaN in it"),
        ({"gap": [1e999] * 3}, "is no JSON|gap is no column"),
        ({"share": [0.0] * 3}, "expected gaps from 0"),
        ({"share": [2.0] * 3}, "expected gaps from 0"),
        ({"gap": [-1.0] * 3}, "expected gaps from 0|gap is no column"),
        ({"stands_out": [[1.0, 2.0]] * 3}, "stands_out is no column"),
        ({"tiles": "x"}, "expected tiles, side, overlap and square_side above 0"),
        ({"square_side": None}, "expected tiles, side, overlap and square_side above 0"),
        ({"kind": [1, 2, 3]}, "expected model, source and kind as text"),
        (["a"], "is no JSON object"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_calibration_that_holds_what_no_search_measures_is_refused_in_one_line(tmp_path, change, said):
    column = np.array([0.1, 0.2, 0.3])
    made = Calibration(column, column, column, column, np.arange(3), [""] * 3, model="", tiles=3, side=1.0)
    made.write(tmp_path / "a.json")
    if isinstance(change, dict):
        change = json.loads((tmp_path / "a.json").read_text()) | change
    (tmp_path / "a.json").write_text(change if isinstance(change, str) else json.dumps(change))
    with pytest.raises(ValueError, match=said) as caught:
        Calibration.read(tmp_path / "a.json")
    assert "a.json' is no calibration that cvig calibrate wrote" in str(caught.value)
    assert "\n" not in str(caught.value)


DEEP, NEGATIVE = "[" * 100_000, '{"parameters": {"options": {"fov": -4}}}'


@pytest.mark.parametrize(
    "record", ["", "[]", '{"parameters": []}', '{"parameters": {"options": {"fov": "x"}}}', DEEP, NEGATIVE]
)
def test_a_record_of_a_training_that_says_no_field_of_view_is_named(tmp_path, record):
    make_model(tmp_path)
    (tmp_path / "train.json").write_text(record)
    with pytest.raises(ValueError, match=r"is no record of a training|has a field of view of -4 degrees") as caught:
        Model.read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    for fov in (float("nan"), float("inf"), 0.0, -1.0):
        with pytest.raises(ValueError, match=r"--model-fov has a field of view of"):
            Model.read(tmp_path, fov)


@pytest.mark.parametrize("focal", [10**9, 0])
def test_a_camera_that_notes_an_impossible_lens_is_not_believed(tmp_path, focal):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = focal
    paint(tmp_path / "a.jpg", (40, 30), exif=exif)
    assert Photograph.read(tmp_path / "a.jpg").fov is None
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.FocalLengthIn35mmFilm] = 18
    paint(tmp_path / "a.jpg", (30, 40), exif=exif)  # upright: the film's 36 mm are its height
    assert Photograph.read(tmp_path / "a.jpg").fov == pytest.approx(2 * math.degrees(math.atan(27 / 36)))
    assert Photograph.read(tmp_path / "a.jpg", 50.0).fov == 50  # what is given goes before


def test_the_border_round_a_narrow_view_takes_no_more_room_than_an_image_may(tmp_path, monkeypatch):
    paint(tmp_path / "a.png", (400, 300))
    shown, asked, whole = Photograph.read(tmp_path / "a.png", 1.0), [], Image.Image.transform
    wide = shown.framed(64, 90.0)
    monkeypatch.setattr(photograph, "PIXEL_LIMIT", 50_000)
    monkeypatch.setattr(
        Image.Image, "transform", lambda image, size, *more: (asked.append(size), whole(image, size, *more))[1]
    )
    small = shown.framed(64, 90.0)
    assert math.prod(asked[0]) <= 60_000
    assert np.abs(wide.astype(int) - small).mean() < 2
