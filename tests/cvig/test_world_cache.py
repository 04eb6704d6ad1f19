"""Rendered views of the world, kept on disk, and the land that they are rendered from, which is not kept."""

import weakref

import numpy as np
import pytest
import torch

from cvig.datasets import load
from cvig.datasets.world import countryside, data, places
from cvig.datasets.world.data import WorldViews

SMALL = {"spacing": 16, "size": 16, "count": 12}


def opened(folder, split="val", **options) -> WorldViews:
    return load("world", None, split, cache=str(folder), **SMALL | options)


def never(*_):
    raise AssertionError("rendered")


def folders(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def assert_same(kept: WorldViews, made: WorldViews) -> None:
    for name in ("ground", "aerial", "heading", "viable"):
        assert torch.equal(getattr(kept, name), getattr(made, name)), name
    for name in ("coordinates", "gallery_coordinates", "places"):
        assert np.array_equal(getattr(kept, name), getattr(made, name)), name
    assert kept.digest == made.digest


def test_views_that_are_kept_are_those_that_were_rendered_and_are_rendered_once(tmp_path, monkeypatch):
    made = load("world", None, "train", fresh=True, each=2, **SMALL)
    for _ in range(2):
        kept = opened(tmp_path, "train", fresh=True, each=2)
        for epoch in (0, 1):
            for views in (kept, made):
                views.set_epoch(epoch)
            assert_same(kept, made)
        monkeypatch.setattr(WorldViews, "_render", never)
        monkeypatch.setattr(made, "_render", WorldViews.__dict__["_render"], raising=False)
        made = load("world", None, "train", fresh=True, each=2, cache=str(tmp_path), **SMALL)
    assert len(folders(tmp_path)) == 2


@pytest.mark.parametrize("other", [{"seed": 1}, {"useless": 0.0}, {"size": 17}, {"country": 1}, {"split": "test"}])
def test_other_views_are_kept_apart(tmp_path, other):
    opened(tmp_path)
    assert_same(opened(tmp_path, **other), load("world", None, **{"split": "val"} | SMALL | other))
    assert len(folders(tmp_path)) == 2


def test_views_of_another_source_are_not_taken(tmp_path, monkeypatch):
    opened(tmp_path)
    monkeypatch.setattr(data, "_source", lambda: "changed")
    opened(tmp_path)
    assert len(folders(tmp_path)) == 2


def test_views_whose_keeping_was_cut_short_are_made_anew(tmp_path, monkeypatch):
    save, written = np.save, []

    def stop(path, array):
        written.append(path)
        save(path, array)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", stop)
    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path)
    assert folders(tmp_path) == []
    monkeypatch.undo()
    assert_same(opened(tmp_path), load("world", None, "val", **SMALL))
    (folder,) = tmp_path.glob("[!.]*")
    array = folder / "aerial.npy"
    array.write_bytes(array.read_bytes()[:-1] + b"?")
    assert_same(opened(tmp_path), load("world", None, "val", **SMALL))


def test_land_that_was_looked_at_is_dropped(monkeypatch):
    pieces, make = [], countryside.make_countryside

    def made(*given):
        piece = make(*given)
        pieces.append(weakref.ref(piece.color))
        return piece

    countryside._pieces.clear()
    monkeypatch.setattr(countryside, "make_countryside", made)
    monkeypatch.setattr(countryside, "KEPT", 10 * 16 * countryside.PIECE**2)  # bytes: ten pieces, of 16 a square metre
    monkeypatch.setattr(places, "WIDTH", 1024)
    load("world", None, "test", count=8, spacing=512, size=16)
    assert len(pieces) > 20
    assert sum(piece() is not None for piece in pieces) <= 10
