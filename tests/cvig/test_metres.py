"""How far off the first place is, and average precision, at the command line."""

import json

import numpy as np
import pytest
from command_line import call
from sklearn.metrics import average_precision_score


def files(folder, **arrays):
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return {name: folder / f"{name}.npy" for name in arrays}


def score(monkeypatch, capsys, *words):
    code, out, errors = call(monkeypatch, capsys, "score", *words, "--json", "-", "--no-collapse", "--no-conventions")
    assert code == 0, errors
    return json.loads(out)


def on_a_line(folder, shift):
    """Embeddings are positions on a street, a tile each 10 m; query i looks like the tile `shift` further on."""
    gallery = np.arange(20.0)[:, None] * np.ones((1, 2))
    east = np.column_stack([10 * np.arange(20.0), np.zeros(20)])
    return files(folder, q=gallery[:10] + shift + 0.1, g=gallery, qc=east[:10], gc=east)


@pytest.mark.parametrize("shift", [0, 3])
def test_the_first_place_is_as_many_metres_off_as_its_tile(shift, monkeypatch, capsys, tmp_path):
    f = on_a_line(tmp_path, shift)
    words = ("--query", f["q"], "--gallery", f["g"], "--query-coordinates", f["qc"], "--gallery-coordinates", f["gc"])
    report = score(monkeypatch, capsys, *words, "--radius", "5", "--coordinates", "metres")
    assert report["first_place"]["median_metres"] == 10 * shift
    assert report["first_place"]["optimistic"] == report["first_place"]["pessimistic"] == 10 * shift
    within = score(monkeypatch, capsys, *words, "--radius", "35", "--coordinates", "metres")
    assert within["summary"]["R@1"]["value"] == 1


def test_rows_that_tie_for_the_first_place_count_by_the_rule(monkeypatch, capsys, tmp_path):
    f = on_a_line(tmp_path, 0)
    np.save(f["g"], np.zeros((20, 2)))
    words = ("--query", f["q"], "--gallery", f["g"], "--query-coordinates", f["qc"], "--gallery-coordinates", f["gc"])
    for ties, metres in (("pessimistic", 145), ("optimistic", 0), ("expected", None)):
        found = score(monkeypatch, capsys, *words, "--radius", "5", "--coordinates", "metres", "--ties", ties)["first_place"]
        each = [np.mean(10 * np.abs(np.arange(20) - i)) for i in range(10)]
        assert found["median_metres"] == pytest.approx(np.median(each) if metres is None else metres)


def test_average_precision_is_scikit_learns_where_nothing_ties(monkeypatch, capsys, tmp_path):
    rng = np.random.default_rng(0)
    query, gallery = rng.normal(size=(12, 4)), rng.normal(size=(40, 4))
    mask = rng.random((12, 40)) < 0.2
    mask[:, 0] = True
    f = files(tmp_path, q=query, g=gallery, m=mask)
    words = ("--query", f["q"], "--gallery", f["g"], "--positives", f["m"])
    distance = np.square(query[:, None] - gallery).sum(-1)
    expected = np.mean([average_precision_score(row, -far) for row, far in zip(mask, distance, strict=True)])
    assert score(monkeypatch, capsys, *words, "--average-precision")["summary"]["mAP"]["value"] == pytest.approx(expected)
    assert "mAP" not in score(monkeypatch, capsys, *words)["summary"]
    code, _, errors = call(monkeypatch, capsys, "score", *words, "--average-precision", "--similarity", "cosine")
    assert code == 2
    assert "--average-precision needs embeddings and a similarity other than cosine" in errors


@pytest.mark.parametrize("option", ["--csv", "--json", "--per-query"])
def test_no_output_takes_the_place_of_an_input(option, monkeypatch, capsys, tmp_path):
    np.save(tmp_path / "q.npy", np.eye(4))
    np.save(tmp_path / "g.npy", np.eye(4))
    link = tmp_path / "table.csv"
    link.symlink_to(tmp_path / "g.npy")
    before = (tmp_path / "g.npy").read_bytes()
    words = ("--query", tmp_path / "q.npy", "--gallery", tmp_path / "g.npy", "--own-row", "keep")
    code, _, errors = call(monkeypatch, capsys, "score", *words, option, link)
    assert code == 2
    assert f"{option} '{link}' is '{tmp_path / 'g.npy'}', which is read" in errors
    assert (tmp_path / "g.npy").read_bytes() == before


def test_a_list_of_two_equal_arrays_could_be_both_sides_and_is_asked_about(monkeypatch, capsys, tmp_path):
    torch = pytest.importorskip("torch")
    torch.save([torch.eye(5), torch.eye(5).flip(0)], tmp_path / "both.pt")
    words = ("--query", tmp_path / "both.pt", "--gallery", tmp_path / "both.pt")
    code, _, errors = call(monkeypatch, capsys, "score", *words)
    assert code == 2
    assert "parts, of which FILE:0 names the first, or batches" in errors
