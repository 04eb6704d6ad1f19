"""A calibration from a run alone: its held-out views, by squares of their ground; and an answer for each of many places."""

import json
from dataclasses import replace

import numpy as np
import pytest
from command_line import call
from galleries import make_model
from layouts import make_flat, make_vigor
from PIL import Image

from cvig.datasets import load
from cvig.locate import Gallery, Photograph, calibration
from cvig.locate.calibration import SQUARE
from cvig.locate.model import Model
from cvig.locate.runs import calibrate_run, held_out, read_calibration
from cvig.locate.search import locate
from cvig.models import build
from cvig.ranking import exact_ranks
from cvig.training.embedding import embed_gallery, embed_ground


def make_run(folder, **parameters):
    """An untrained network with the record of a training."""
    model = make_model(folder)
    (folder / "train.json").write_text(json.dumps({"parameters": parameters}))
    return model


WORLD = {"data": "world", "root": "", "cache": "", "view": "90", "options": {"count": 40}}


def test_a_run_of_the_world_is_calibrated_on_its_test_views(tmp_path):
    model = make_run(tmp_path / "run", **WORLD)
    made = calibrate_run(tmp_path / "run", model, square=300.0)
    views = load("world", None, "test", size=16, count=40)
    ground, gallery = embed_ground(model.network, views), embed_gallery(model.network, views)
    ranks = exact_ranks(ground, gallery, views.positives)
    assert made.share * 40 == pytest.approx(ranks.closer + ranks.tied + 1)
    distance = np.linalg.norm(ground[:, None].astype(float) - gallery[None], axis=2)
    assert made.gap == pytest.approx(distance[np.arange(40), np.arange(40)] - distance.min(axis=1), abs=1e-6)
    cell = np.floor((views.coordinates - views.coordinates.min(axis=0)) / 300).astype(int)
    same = (cell[:, None] == cell[None]).all(axis=2)
    assert ((made.square[:, None] == made.square[None]) == same).all()
    assert 1 < made.count < 40
    assert (made.kind[0], made.source, made.side) == ("90", "held-out views of world/test", None)


def test_degrees_of_files_are_metres_of_ground_and_semi_positives_go_with_their_place(tmp_path):
    root = make_vigor(tmp_path / "vigor")
    model = make_run(tmp_path / "run", data="vigor", root=str(root), options={"views": "random"})
    views = held_out(tmp_path / "run", 16)
    made = calibrate_run(tmp_path / "run", model, square=45.0)
    lat, lon = views.coordinates.T
    metres = 111_195 * np.stack([np.cos(np.radians(lat.mean())) * (lon - lon.min()), lat - lat.min()], axis=1)
    cell = np.unique(np.floor(metres / 45), axis=0, return_inverse=True)[1].ravel()
    assert len(made) == views.ground_count
    assert ((made.square[:, None] == made.square) == (cell[:, None] == cell)).all()
    assert 1 < made.count < len(np.unique(views.coordinates, axis=0))
    per_place = calibrate_run(tmp_path / "run", model, square=1.0)
    assert per_place.count == len(np.unique(views.coordinates, axis=0))
    assert any(len(rows) for rows in views.ignored)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (None, "no finished training run"),
        ({}, "does not say on which data the network was trained"),
        ({"data": "flat", "options": {}}, "trained on flat, whose test views have no coordinates"),
    ],
)
def test_a_run_without_places_is_refused_with_the_reason(parameters, said, tmp_path):
    names = [f"{i:04d}.png" for i in range(40)]
    if parameters is not None:
        root = make_flat(tmp_path / "flat", names) if "data" in parameters else ""
        make_run(tmp_path / "run", root=str(root), **parameters)
    with pytest.raises((ValueError, FileNotFoundError), match=said) as raised:
        held_out(tmp_path / "run", 16)
    assert "\n" not in str(raised.value)
    assert parameters is None or "cvig calibrate --pairs" in str(raised.value)


def test_a_run_of_another_network_calibrates_nothing(tmp_path):
    make_run(tmp_path / "run", **WORLD)
    build("conv4", size=16, embedding=8, unit_norm=True, pool=1, seed=1).save(tmp_path / "other")
    with pytest.raises(ValueError, match=r"trained network \w+, this one is \w+"):
        read_calibration(tmp_path / "run", Model.read(tmp_path / "other"))


@pytest.fixture
def searched(tmp_path, monkeypatch):
    """A folder with a run of the world, and a gallery and photographs that are its own views."""
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "run", **WORLD)
    views, rows = load("world", None, "test", size=16, count=40), ["file,lat,lon,footprint"]
    for i in range(12):
        for folder, image in (("tiles", views.aerial_image(i)), ("photos", views.ground_image(i))):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(np.moveaxis(np.asarray(image), 0, -1)).save(tmp_path / folder / f"{i}.png")
        rows.append(f"{i}.png,0,{i / 1000},128")
    (tmp_path / "tiles" / "tiles.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


SEARCH = ("--model", "run", "--gallery", "tiles/tiles.csv", "--cache", "cache", "--fov", "90")


def test_a_run_alone_answers_and_says_what_it_was_calibrated_on(searched, monkeypatch, capsys):
    words = ("locate", "photos/3.png", *SEARCH, "--calibration", "run")
    code, first, _ = call(monkeypatch, capsys, *words, "--out", "answer")
    assert code == 0
    assert "The calibration is of held-out views of world/test, not of photographs like yours" in first
    answer = json.loads((searched / "answer" / "answer.json").read_text())
    assert answer["calibration"]["source"] == "held-out views of world/test"
    assert (answer["calibration"]["photographs"], answer["calibration"]["square_metres"]) == (40, SQUARE)
    assert len(list((searched / "cache").glob("calibration-*.json"))) == 1
    # of this field of view alone, and with shares that 12 tiles can have
    monkeypatch.setattr(calibration, "FEWEST", 1)
    model = Model.read("run")
    known = replace(calibrate_run("run", model, cache="cache"), kind=["90"] * 30 + ["60"] * 10)
    gallery = Gallery.open("tiles/tiles.csv").embed(model, "cache")
    used = locate([Photograph.read("photos/3.png", 90.0)], model, gallery, known, coverage=0.5).calibration
    assert len(used) == 30
    assert used.share * 12 == pytest.approx(np.rint(used.share * 12))
    code, again, _ = call(monkeypatch, capsys, *words, "--out", "again")
    assert (code, again.replace("again", "answer")) == (0, first)
    code, said, _ = call(monkeypatch, capsys, "calibrate", "--model", "run")
    assert (code, "held-out views of world/test" in said) == (0, True)
    code, _, said = call(monkeypatch, capsys, "calibrate", "--model", "run", "--pairs", "photos")
    assert (code, "belong together" in said) == (2, True)


def test_photographs_of_many_places_have_an_answer_each_and_are_watched(searched, monkeypatch, capsys):
    (searched / "more").mkdir()
    (searched / "photos" / "1.png").rename(searched / "more" / "0.png")
    words = ("locate", "--each", "photos/0.png", "more/0.png", "photos/2.png", *SEARCH, "--out", "answers")
    code, said, _ = call(monkeypatch, capsys, *words)
    assert code == 0
    listed = json.loads((searched / "answers" / "answers.json").read_text())
    assert [one["folder"] for one in listed["answers"]] == ["0", "0-2", "2"]
    for one in listed["answers"]:
        answer = json.loads((searched / "answers" / one["folder"] / "answer.json").read_text())
        assert answer["photographs"][0]["file"] == one["file"]
        assert len(answer["photographs"]) == 1
    assert len(listed["together"]["capital"]) == 3
    assert "Together the 3 photographs" in said
    code, _, _ = call(monkeypatch, capsys, *words)  # over what it wrote
    assert code == 0
    code, _, errors = call(monkeypatch, capsys, "locate", "--each", "photos/0.png", *SEARCH, "--out", "photos")
    assert (code, "is not empty and holds no answer" in errors) == (2, True)
