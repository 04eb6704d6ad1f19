"""The filter: features in chunks, a forest judged on places it never saw, and what is kept."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from cvig import files
from cvig.datasets import DATASETS
from cvig.datasets.images import read_image
from cvig.filtering import FilterReport, read_labels, score, train_filter, write_kept
from cvig.filtering.photographs import match_labels, open_photographs
from cvig.filtering.saved import Filter, Scenes
from cvig.filtering.scenes import CAFFE_LAYERS, CAFFE_MEAN, extract, scene_network
from cvig.models import preprocess
from study.chapters.data import leakage
from study.chapters.data import public as public_data
from study.published import numbers
from study.sessions.filtering import open_filter, read_filter
from study.settings import FilterSettings

RNG = np.random.default_rng(0)


class Flat(nn.Module):
    """Describes an image by its pixels, and counts what it was shown."""

    width, digest, seen = 3 * 16 * 16, "flat", 0

    def forward(self, images):
        self.seen += len(images)
        return images.flatten(1)


def picture(index: int) -> torch.Tensor:
    return torch.full((3, 16, 16), index % 256, dtype=torch.uint8)


def names(count: int) -> list[str]:
    return [f"{i}.jpg" for i in range(count)]


def test_an_interrupted_extraction_goes_on_with_the_first_missing_chunk(tmp_path):
    network = Flat()
    stream = extract(network, picture, names(10), tmp_path, chunk=4)
    next(stream)
    stream.close()
    assert network.seen == 4
    parts = list(extract(network, picture, names(10), tmp_path, chunk=4, batch=3))
    assert network.seen == 10
    together = np.concatenate([features for _, features in parts])
    assert np.array_equal(together, preprocess(torch.stack([picture(i) for i in range(10)])).flatten(1).numpy())
    assert [rows.start for rows, _ in parts] == [0, 4, 8]


def test_other_images_or_another_network_are_described_anew(tmp_path):
    for digest, count, described in (("flat", 4, 4), ("flat", 4, 0), ("other", 4, 4), ("flat", 3, 3)):
        network = Flat()
        network.digest = digest
        list(extract(network, picture, names(count), tmp_path, chunk=4))
        assert network.seen == described


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    peaks = []
    for count in (256, 2048):
        tracemalloc.start()
        for _ in extract(Flat(), picture, names(count), tmp_path / str(count), chunk=64):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4 * 64 * Flat.width + 2048 * 400  # a chunk, and the names


def test_an_image_that_cannot_be_read_has_no_features_and_ends_nothing(tmp_path):
    def image(index):
        if index == 2:
            raise ValueError("image '2.jpg' cannot be read")
        return picture(index)

    (_, features), *_ = extract(Flat(), image, names(4), tmp_path)
    assert np.isnan(features[2]).all()
    assert np.isfinite(features[[0, 1, 3]]).all()


@pytest.mark.parametrize("damage", ["cut", "one byte", "another shape"])
def test_a_damaged_file_of_features_is_set_aside_and_made_anew(tmp_path, capsys, damage):
    ((_, before),) = extract(Flat(), picture, names(4), tmp_path, batch=3)
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[100:]
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    if damage == "another shape":
        files.write_arrays(file, features=np.zeros((3, 3)))
    ((_, after),) = extract(Flat(), picture, names(4), tmp_path, batch=3)
    assert np.array_equal(after, before)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"features '{file}' are damaged: they are '{file.name}.damaged' now, and are made anew"


def test_a_photograph_is_known_by_its_content(tmp_path):
    """One that was broken and is restored, and two of one size that are exchanged, are other photographs."""

    def keys():
        return open_photographs("folder", str(tmp_path / "photos"), size=16, labels=str(tmp_path / "labels.csv")).keys

    (tmp_path / "photos").mkdir()
    for name, level in (("a.png", 5), ("b.png", 250)):
        Image.new("RGB", (16, 16), (level, level, level)).save(tmp_path / "photos" / name)
    paths = [tmp_path / "photos" / name for name in ("a.png", "b.png")]
    contents = [path.read_bytes() for path in paths]
    assert len(contents[0]) == len(contents[1])
    (tmp_path / "labels.csv").write_text("name,viable\na.png,true\n")
    before = keys()
    paths[0].write_bytes(bytes(len(contents[0])))  # broken, and of one size
    broken = keys()
    assert broken[0] != before[0]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    assert keys() == before[::-1]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    assert keys() == before


@pytest.mark.parametrize(("layer", "width"), [("penultimate", 512), ("scores", 365)])
def test_a_trunk_gives_its_penultimate_features_or_probabilities(layer, width):
    features = scene_network("resnet18", layer=layer, size=32)(preprocess(torch.stack([picture(9), picture(200)])))
    assert features.shape == (2, width)
    if layer == "scores":
        assert torch.allclose(features.sum(1), torch.ones(2))


def test_weights_in_caffes_names_see_bytes_blue_first_less_their_mean(tmp_path):
    plain = scene_network("vgg16", layer="penultimate", size=32)
    state = plain.network.state_dict()
    del plain
    caffe = {
        f"{theirs}.{part}": state.get(f"{ours}.{part}", torch.zeros(0))
        for ours, theirs in CAFFE_LAYERS.items()
        for part in ("weight", "bias")
    }
    caffe |= {"fc8a.weight": torch.zeros(365, 4096), "fc8a.bias": torch.zeros(365)}
    save_file({key: value.contiguous() for key, value in caffe.items()}, tmp_path / "caffe.safetensors")
    network = scene_network("vgg16", f"caffe:{tmp_path / 'caffe.safetensors'}", size=32)
    seen = []
    network.network.features[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    image = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    network(preprocess(image))
    expected = image.flip(1).float() - torch.tensor(CAFFE_MEAN).view(3, 1, 1)
    assert torch.allclose(seen[0], expected, atol=1e-3)
    assert torch.equal(network.network.features[28].weight, state["features.28.weight"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trunk": "vgg61"}, "unknown trunk 'vgg61'"),
        ({"layer": "last"}, "unknown feature layer 'last'"),
        ({"trunk": "squeezenet1_1"}, "has no linear layer"),
        ({"trunk": "alexnet", "size": 16}, "alexnet cannot take 16 × 16"),
        ({"trunk": "resnet18", "weights": "absent.pt"}, "no such file"),
        ({"trunk": "resnet18", "weights": "caffe:x.pt"}, "Caffe's layer names are known of vgg16"),
    ],
)
def test_a_network_that_cannot_be_is_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        scene_network(**arguments)
    assert "\n" not in str(caught.value)


def labelled(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    viable = np.arange(count) % 3 > 0
    return np.column_stack([viable + 0.1 * RNG.normal(size=count), RNG.normal(size=count)]), viable


def test_a_forest_learns_what_features_show_and_nothing_where_they_show_nothing():
    features, viable = labelled()
    _, report = train_filter(features, viable, trees=50, jobs=1)
    assert report.accuracy_interval()[0] > report.majority
    assert report.label.mean() == pytest.approx(viable.mean(), abs=0.02)
    _, blind = train_filter(RNG.normal(size=(200, 2)), viable, trees=50, jobs=1)
    assert blind.accuracy_interval()[0] < blind.majority
    assert "**not** distinguishable" in blind.sentence


def test_no_place_trains_and_judges():
    features, viable = labelled()
    groups = np.arange(200) // 5
    _, report = train_filter(features, viable, groups, trees=5, jobs=1)
    trained = np.setdiff1d(np.arange(200), report.row)
    assert not set(groups[report.row]) & set(groups[trained])


def test_the_report_counts_as_one_does_by_hand():
    report = FilterReport(np.arange(4), np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1]))
    assert report.confusion.to_numpy().tolist() == [[1, 1], [1, 1]]
    assert report.correct == 2
    assert sorted(report.mistakes()) == [1, 2]
    low, high = FilterReport(np.arange(3), np.ones(3, bool), np.ones(3)).accuracy_interval()
    assert (low, high) == (pytest.approx(0.025 ** (1 / 3)), 1.0)  # Clopper–Pearson of 3 of 3


@pytest.mark.parametrize(
    ("viable", "message"),
    [([1, 1, 1, 1], "0 images are labelled not viable"), ([1, 0, 0, 0], "1 images are labelled viable")],
)
def test_one_label_alone_teaches_nothing(viable, message):
    with pytest.raises(ValueError, match=message):
        train_filter(np.zeros((4, 2)), np.array(viable, dtype=bool))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,viable\na,true\n", "expected name and viable"),
        ("name,viable\na,maybe\n", "line 2: viable is 'maybe'"),
        ("name,viable\na,true\na,false\n", "'a' is labelled viable and not viable"),
    ],
)
def test_broken_labels_are_refused_by_line(text, message, tmp_path):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "labels.csv")


def test_labels_made_in_a_folder_fit_the_data_set_it_belongs_to():
    files = ["ground/a.jpg", "ground/b.jpg", "other/b.jpg"]
    assert match_labels(pd.Series({"a.jpg": True}), files, "l").to_dict() == {0: True}
    assert match_labels(pd.Series({"other/b.jpg": False}), files, "l").to_dict() == {2: False}
    with pytest.raises(ValueError, match=r"'b.jpg' is none, or several"):
        match_labels(pd.Series({"b.jpg": True}), files, "l")


def test_a_folder_is_filtered_labels_overrule_and_the_unreadable_is_dropped_by_name(tmp_path):
    photos, lines = tmp_path / "photos", ["name,viable"]
    photos.mkdir()
    for i in range(24):
        Image.new("RGB", (16, 16), (250, 250, 250) if i % 2 else (5, 5, 5)).save(photos / f"p{i:02d}x.png")
        if i < 16:
            lines.append(f"p{i:02d}x.png,{'true' if i % 2 or i == 0 else 'false'}")
    (photos / "p20x.png").write_bytes(b"no image")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    settings = FilterSettings(
        data="folder",
        root=str(photos),
        labels=str(tmp_path / "labels.csv"),
        size=32,
        trees=20,
        threads=1,
        batch=8,
        out=str(tmp_path / "run"),
        features=str(tmp_path / "features"),
    )
    session = open_filter(settings)
    session.train()
    counts = session.apply()
    record = session.finish()
    kept = (tmp_path / "run" / "kept.txt").read_text().split()
    assert {"p00x.png", "p17x.png", "p23x.png"} <= set(kept)
    assert not {"p02x.png", "p18x.png", "p20x.png"} & set(kept)
    assert record["unreadable"] == ["p20x.png"]
    assert counts.to_numpy().sum() == record["of"] == 24
    assert read_filter(tmp_path / "run").report.correct == session.report.correct
    judge = Filter.read(tmp_path / "run")
    assert (judge.correct, judge.judged) == (session.report.correct, len(session.report.label))
    features = 3 * np.random.default_rng(0).normal(size=(200, 512)).astype(np.float32)
    assert (judge.judge(features) == score(session.forest, features)).all()
    shown = torch.stack([read_image(photos / f"p{i:02d}x.png", 32) for i in (16, 17, 18)])
    assert judge.score(shown) == pytest.approx(session.scores[16:19], abs=0.05)
    again = open_filter(settings)
    assert again.finish() == record
    content = {path: path.read_bytes() for path in (tmp_path / "run").glob("[!.]*")}
    with pytest.raises(ValueError, match="holds a finished run, trees=20 there, 21 here"):
        open_filter(settings.model_copy(update={"trees": 21}))
    assert all(path.read_bytes() == before for path, before in content.items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "is not the network that the filter learned from"),
        ({"right": np.array([0, 0, 0], np.int32)}, "leads nowhere"),  # round and round
        ({"left": np.array([7, 0, 0], np.int32)}, "leads nowhere"),
        ({"feature": np.array([2, 0, 0], np.int32)}, "a feature that is not there"),
        ({"viable": np.array([0.0, np.nan, 1.0])}, "shares out of range"),
        ({"roots": np.array([], np.int32)}, "no trees"),
        ({"cut": np.array([0.0])}, "another form"),
        ({"about": np.array("{}")}, "format"),
    ],
)
def test_a_filter_that_no_forest_wrote_is_refused_in_one_line(change, said, tmp_path):
    tree = {"left": np.array([1, 0, 0], np.int32), "right": np.array([2, 0, 0], np.int32), "cut": np.array([0.5, 0, 0])}
    tree |= {"feature": np.array([1, 0, 0], np.int32), "viable": np.array([0.0, 0.25, 1.0])}
    made = Filter(Scenes("resnet18", "none", "scores", 32, 0), tree, np.array([0], np.int32), np.zeros(2), 0.5, 3, 4)
    made.write(tmp_path / "filter.npz")
    assert Filter.read(tmp_path).judge(np.array([[9, 0.5], [0, 0.6]])).tolist() == [0.25, 1.0]
    files.write_arrays(tmp_path / "filter.npz", **files.read_arrays(tmp_path / "filter.npz") | change)
    with pytest.raises(ValueError, match=said) as raised:
        _ = Filter.read(tmp_path).network
    assert "\n" not in str(raised.value)


def test_the_committed_run_beats_the_commoner_label():
    run = read_filter(Path(__file__).parents[2] / "results" / "quick" / "filter")
    assert run.report.accuracy_interval()[0] > run.report.majority
    assert run.record["correct"] == run.report.correct


def test_what_is_kept_is_written_a_name_a_line(tmp_path):
    names = ["a", "é", "c", "d\ne", "\udcff", '"f"']
    record = write_kept(tmp_path / "kept.txt", names, np.array([True, True, False, True, True, True]))
    assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == 'a\né\n"d\\ne"\n"\\udcff"\n"\\"f\\""\n'
    assert (record["kept"], record["of"]) == (5, 6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"treshold": 0.4}, "unknown parameter 'treshold': did you mean 'threshold'"),
        ({"threshold": 0.0}, "threshold=0.0"),
        ({"data": "folder", "root": "x"}, "parameter labels=''"),
        ({"data": "flickr"}, "data='flickr': expected 'folder', 'world'"),
        ({"labels": "x.csv"}, "the world knows its labels"),
        ({"labelled": 5000}, "expected at most count"),
    ],
)
def test_bad_parameters_are_refused_before_any_work(parameters, message):
    with pytest.raises(ValueError, match=message):
        FilterSettings.from_notebook(parameters)


def test_the_papers_pairs_add_up_and_every_public_data_set_has_a_loader():
    counts = numbers()["data"]
    assert counts["flickr_kept"] + counts["panorama_views"] == numbers()["training_pairs"]
    assert {fact["module"] for fact in public_data.known().values()} == set(DATASETS) - {"world", "flat"}


def test_a_matcher_that_remembers_gains_where_the_test_leaks():
    (same, elsewhere), (between, far) = (found.values() for found in leakage.experiment(150, 500))
    for leaky, clean in ((same, elsewhere), (between, far)):
        assert leaky.loc["R@1", "low"] > clean.loc["R@1", "value"]
    assert elsewhere.loc["R@1", "low"] <= elsewhere.loc["R@1", "chance"]
