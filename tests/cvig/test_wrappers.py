import pickle

import layouts
import numpy as np
import pytest
import torch

from cvig.datasets import PairedViews, load
from cvig.datasets.cache import CachedViews
from cvig.datasets.crops import PanoramaViews
from cvig.datasets.world import WorldViews
from cvig.datasets.wrappers import KeptViews, RepeatedTiles, Wrapper

BOX = torch.tensor([0.1, 0.2, 0.7, 0.6])


@pytest.fixture
def vigor(tmp_path):
    return layouts.make_vigor(tmp_path / "vigor")


@pytest.fixture
def cvusa(tmp_path):
    return layouts.make_cvusa(tmp_path / "cvusa")


def keep_all(views, folder):
    (folder / "kept.txt").write_text("\n".join(views.ground.names))
    return KeptViews(views, folder / "kept.txt")


def test_a_wrapper_that_changes_nothing_is_its_source():
    source = WorldViews("train", size=16, count=6, spacing=16, each=2)
    source.ignored, source.aligned, source.polar = [np.array([1])] * 6, True, True
    wrapper = pickle.loads(pickle.dumps(Wrapper(source)))
    for name in (*PairedViews.__annotations__, "ground_count", "heading"):
        assert np.array_equal(getattr(wrapper, name), getattr(source, name)), name
    assert torch.equal(wrapper[3]["ground"], source[3]["ground"])
    assert torch.equal(wrapper.cropped_aerial(1, BOX), source.cropped_aerial(1, BOX))
    with pytest.raises(AttributeError, match="no_such_thing"):
        wrapper.no_such_thing  # noqa: B018


@pytest.mark.parametrize("made", [Wrapper, RepeatedTiles])
def test_what_an_epoch_draws_anew_is_new_behind_a_wrapper(made):
    source = WorldViews("train", size=16, count=6, spacing=16, each=2, fresh=True)
    wrapper = made(source)
    before = wrapper.coordinates.copy()
    wrapper.set_epoch(1)
    assert np.array_equal(wrapper.coordinates, source.coordinates)
    assert not np.array_equal(wrapper.coordinates, before)


@pytest.mark.parametrize("made", [keep_all, CachedViews, lambda views, _: PanoramaViews(views)])
def test_every_wrapper_leaves_the_rest_to_its_source(vigor, tmp_path, made):
    source = load("vigor", str(vigor), "train", size=8)
    wrapper = made(source, tmp_path)
    assert wrapper.ground.names == source.ground.names
    assert wrapper.coordinate_unit == source.coordinate_unit
    assert [rows.tolist() for rows in wrapper.ignored] == [rows.tolist() for rows in source.ignored]
    for name in ("positives", "places", "coordinates", "gallery_count"):
        assert np.array_equal(getattr(wrapper, name), getattr(source, name)), name


def test_repeated_tiles_ignore_the_copies_of_what_is_ignored(vigor):
    source = load("vigor", str(vigor), "train", size=8)
    repeated = RepeatedTiles(source)
    tile = [source.partner(row) for row in range(len(source))]  # of each row of the repeated gallery
    assert any(len(rows) for rows in repeated.ignored)
    for rows, ignored in zip(source.ignored, repeated.ignored, strict=True):
        assert ignored.tolist() == [row for row, its in enumerate(tile) if its in rows]


def test_a_repeated_polar_image_is_cropped_before_it_is_unrolled(cvusa, tmp_path):
    source = load("cvusa", str(cvusa), "train", size=16, views="four", polar=True)
    for views in (RepeatedTiles(source), RepeatedTiles(CachedViews(source, tmp_path))):
        assert views.polar
        assert torch.equal(views.cropped_aerial(5, BOX), source.cropped_aerial(source.partner(5), BOX))
