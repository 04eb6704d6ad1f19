"""The demonstration: a small network that has learned, and files that the commands take."""

import json

import numpy as np
from command_line import call

from cvig.locate import Calibration, Gallery, demo
from cvig.locate.geometry import plane, squares, tiles_that_hold


def test_the_demo_is_made_of_files_that_the_commands_take(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "COUNT", 150)
    code, output, _ = call(monkeypatch, capsys, "locate", "--demo", "--out", "answer")
    assert code == 0
    assert "no place on Earth" in output
    answer = json.loads((tmp_path / "answer" / "answer.json").read_text())
    words = ("answer-world/photo.png", "--model", demo.MODEL, "--gallery", "answer-world/tiles/tiles.csv", "--fov", 90)
    more = ("--calibration", "answer-world/calibration.json", "--cache", "answer-world/cache", "--out", "again")
    code, output, _ = call(monkeypatch, capsys, "locate", *words, *more)
    assert code == 0
    assert "No filter was asked whether 'photo.png' shows a place" in output
    again = json.loads((tmp_path / "again" / "answer.json").read_text())
    assert again["regions"] == answer["regions"]
    # the filter keeps the photograph, and knows a wall
    wall = ("answer-world/wall.png", *words[1:], "--filter", demo.MODEL, *more[:-1], "wall")
    code, output, _ = call(monkeypatch, capsys, "locate", *wall)
    assert code == 0
    assert "The filter calls 'wall.png' useless" in output
    judged = [answer["photographs"][0], json.loads((tmp_path / "wall" / "answer.json").read_text())["photographs"][0]]
    assert [(one["judged_by"], one["viable"]) for one in judged] == [("filter", True), ("filter", False)]
    assert judged[0]["filter_score"] >= 0.5 > judged[1]["filter_score"]
    # the photograph lies in the middle of a tile, and no photograph of the calibration in its square of ground
    truth = json.loads((tmp_path / "answer-world" / "truth.json").read_text())
    gallery = Gallery.open("answer-world/tiles/tiles.csv")
    place = np.array([[truth["longitude"], truth["latitude"]]])
    (rows,) = tiles_that_hold(gallery.tiles.corners, place)
    assert np.abs(plane(gallery.tiles.corners[rows[0]].mean(axis=0) - place[0], 0)).max() < 0.1
    middles = gallery.tiles.corners.mean(axis=1)
    numbers = squares(middles, 250.0)
    made = Calibration.read(tmp_path / "answer-world")
    assert len(made) == (numbers != numbers[rows[0]]).sum()
    # by chance it would be about one half, less for tiles that several hold
    assert 1 - made.share.mean() > 0.85
