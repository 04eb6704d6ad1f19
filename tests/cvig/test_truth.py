"""Ground truth in every form that projects keep it in comes to one, and what could mean two things is refused."""

import json
import pickle
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import torch

from cvig.reading.coordinates import as_points, metres_between, read_coordinates, settle_unit, within_radius
from cvig.reading.forms import Reader, read_truth
from cvig.reading.truth import from_labels

Q, N = 40, 70
ANSWER = np.random.default_rng(0).permutation(N)[:Q]
SEVERAL = [[int(a), *(int(x) for x in (a + np.arange(1, i % 3 + 1)) % N)] for i, a in enumerate(ANSWER)]
NAMES = [f"query/{i}.jpg" for i in range(Q)], [f"sat_{i}.png" for i in range(N)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(name, **settings):
    return read_truth(name, Reader(Q, N, **settings))


def text(name, lines, encoding="utf-8", end=""):
    with open(name, "wb") as stream:
        stream.write(("".join(f"{line}\r\n" for line in lines) + end).encode(encoding))


def objects(rows):
    filled = np.empty(len(rows), dtype=object)
    filled[:] = rows
    return filled


def hdf(name, place, array):
    with h5py.File(name, "w") as file:
        file[place] = array
        file["other/numbers"] = np.arange(7)


def mask(rows=None):
    marks = np.zeros((Q, N), dtype=bool)
    for i, row in enumerate([[a] for a in ANSWER] if rows is None else rows):
        marks[i, row] = True
    return marks


ONE = {
    "a.npy": lambda f: np.save(f, ANSWER),
    "float.npy": lambda f: np.save(f, ANSWER.astype(float)),
    "column.npy": lambda f: np.save(f, ANSWER[:, None]),
    "row.npy": lambda f: np.save(f, ANSWER[None]),
    "filled.npy": lambda f: np.save(f, np.column_stack([ANSWER, np.full(Q, -1)])),
    "nan.npy": lambda f: np.save(f, np.column_stack([ANSWER, np.full(Q, np.nan)])),
    "mask.npy": lambda f: np.save(f, mask()),
    "ones.npy": lambda f: np.save(f, mask().astype(np.uint8)),
    "doubles.npy": lambda f: np.save(f, mask().astype(float)),
    "turned.npy": lambda f: np.save(f, mask().T),
    "lists.npy": lambda f: np.save(f, objects([[int(a)] for a in ANSWER])),
    "arrays.npy": lambda f: np.save(f, objects([np.array([a]) for a in ANSWER])),
    "one.npz": lambda f: np.savez(f, whatever=ANSWER),
    "row.mat": lambda f: scipy.io.savemat(f, {"positives": ANSWER}),
    "double.mat": lambda f: scipy.io.savemat(f, {"positives": ANSWER[:, None].astype(float)}),
    "cells.mat": lambda f: scipy.io.savemat(f, {"positives": objects([np.array([a]) for a in ANSWER])}),
    "a.json": lambda f: Path(f).write_text(json.dumps([[int(a)] for a in ANSWER])),
    "flat.json": lambda f: Path(f).write_text(json.dumps([int(a) for a in ANSWER])),
    "dict.json": lambda f: Path(f).write_text(json.dumps({i: [int(a)] for i, a in enumerate(ANSWER)})),
    "qrels.json": lambda f: Path(f).write_text(
        json.dumps({i: {int(a): 1, int(a + 1) % N: 0} for i, a in enumerate(ANSWER)})
    ),
    "a.pkl": lambda f: Path(f).write_bytes(pickle.dumps({i: int(a) for i, a in enumerate(ANSWER)})),
    "a.pt": lambda f: torch.save([[int(a)] for a in ANSWER], f),
    "tensor.pt": lambda f: torch.save(torch.from_numpy(ANSWER), f),
    "a.txt": lambda f: np.savetxt(f, ANSWER),
    "mark.csv": lambda f: text(f, ANSWER, "utf-8-sig"),
    "u16.txt": lambda f: text(f, ANSWER, "utf-16"),
    "u16le.txt": lambda f: text(f, ANSWER, "utf-16-le"),
    "blank.txt": lambda f: text(f, ANSWER, end="\r\n\n"),
    "header.csv": lambda f: text(f, ["query,gallery", *(f"{i},{a}" for i, a in enumerate(ANSWER))]),
    "swapped.tsv": lambda f: text(f, ["gallery\tquery", *(f"{a}\t{i}" for i, a in enumerate(ANSWER))]),
    "true.csv": lambda f: text(f, [",".join(map(str, row)) for row in mask()]),
    "named.csv": lambda f: text(f, [",".join(NAMES[1]), *(",".join(map(str, row)) for row in mask().astype(int))]),
    "records.json": lambda f: Path(f).write_text(
        json.dumps([{"query": i, "gallery": int(a)} for i, a in enumerate(ANSWER)])
    ),
    "qrels.txt": lambda f: text(f, [f"{i} 0 {a} {r}" for i, a in enumerate(ANSWER) for r in (1, 0) if r or i == 3]),
    "mask.csv": lambda f: np.savetxt(f, mask(), delimiter=",", fmt="%d"),
    "sparse.npz": lambda f: scipy.sparse.save_npz(f, scipy.sparse.csr_matrix(mask())),
    "turned.npz": lambda f: scipy.sparse.save_npz(f, scipy.sparse.coo_array(mask().T.astype(float))),
    "column.csv": lambda f: pd.DataFrame({"positives": [[int(a)] for a in ANSWER]}).to_csv(f, index=False),
    "lines.csv": lambda f: text(f, [[int(a)] for a in ANSWER]),
    "series.csv": lambda f: pd.Series(ANSWER).to_csv(f),
    "printed.txt": lambda f: Path(f).write_text(str(ANSWER[:, None])),
    "records.npy": lambda f: np.save(f, pd.DataFrame({"query": range(Q), "gallery": ANSWER}).to_records()),
    "masked.npy": lambda f: np.ma.array(ANSWER, mask=False).dump(f),
}


@pytest.mark.parametrize("name", ONE)
def test_one_answer_a_query_in_every_form(name):
    ONE[name](name)
    truth = read(name)
    np.testing.assert_array_equal(truth.rows(), ANSWER)
    assert truth.said().startswith("positives: 1 gallery row for each of 40 queries, from ")


SOME = {
    "lists.json": lambda f: Path(f).write_text(json.dumps(SEVERAL)),
    "objects.npy": lambda f: np.save(f, objects(SEVERAL)),
    "filled.npy": lambda f: np.save(f, np.array([row + [-1] * (3 - len(row)) for row in SEVERAL])),
    "mask.npy": lambda f: np.save(f, mask(SEVERAL)),
    "lines.txt": lambda f: text(f, [" ".join(map(str, row)) for row in SEVERAL]),
    "cells.mat": lambda f: scipy.io.savemat(f, {"positives": objects([np.array(row) for row in SEVERAL])}),
    "pairs.csv": lambda f: text(f, [f"{i};{a}" for i, row in enumerate(SEVERAL) for a in row]),
    "sparse.npz": lambda f: scipy.sparse.save_npz(f, scipy.sparse.lil_matrix(mask(SEVERAL)).tocsc()),
    "frame.csv": lambda f: pd.DataFrame({"query": range(Q), "positives": SEVERAL}).to_csv(f),
    "arrays.tsv": lambda f: pd.DataFrame({"positives": [np.array(row) for row in SEVERAL]}).to_csv(f, sep="\t"),
    "lists.txt": lambda f: text(f, SEVERAL),
    "whole.txt": lambda f: Path(f).write_text(str(SEVERAL).replace("], [", "],\n [")),
    "group.h5": lambda f: hdf(f, "/truth/positives", np.array([row + [-1] * (3 - len(row)) for row in SEVERAL])),
    "pairs.npy": lambda f: np.save(f, np.array([(i, a) for i, row in enumerate(SEVERAL) for a in row])),
}


@pytest.mark.parametrize("name", SOME)
def test_several_answers_in_every_form(name):
    SOME[name](name)
    truth = read(f"{name}:/truth" if name == "group.h5" else name)
    assert [sorted(row.tolist()) for row in truth.listed()] == [sorted(row) for row in SEVERAL]
    assert "1 to 3 gallery rows for each of 40 queries" in truth.said()


def test_by_name():
    Path("n.json").write_text(json.dumps({NAMES[0][i]: [NAMES[1][a]] for i, a in enumerate(ANSWER)}))
    text("n.csv", ["query,gallery", *(f"{NAMES[0][i]},{NAMES[1][a]}" for i, a in enumerate(ANSWER))])
    text("g.txt", [NAMES[1][a] for a in ANSWER])
    for name in ("n.json", "n.csv", "g.txt"):
        truth = read(name, query_names=NAMES[0], gallery_names=NAMES[1])
        np.testing.assert_array_equal(truth.rows(), ANSWER)
    with pytest.raises(ValueError, match=r"give the queries' names with --query-names"):
        read("n.json")
    with pytest.raises(ValueError, match=r"40 of 40 names are none of the 70 gallery rows.*they are called like 'other_0'"):
        read("n.json", query_names=NAMES[0], gallery_names=[f"other_{i}" for i in range(N)])


def test_one_letter_written_in_two_ways_is_one_letter():
    names = [f"café_{i}.jpg" for i in range(N)]
    apart = [unicodedata.normalize("NFD", name) for name in names]
    assert apart[0] != names[0]
    text("g.txt", [apart[a] for a in ANSWER])
    np.testing.assert_array_equal(read("g.txt", gallery_names=names).rows(), ANSWER)
    labels = from_labels(np.array([names[a] for a in ANSWER]), np.array(apart), Q, N)
    np.testing.assert_array_equal(labels.rows(), ANSWER)
    with pytest.raises(ValueError, match=r"of row 0 and .* of row 69 differ only in how Unicode composes"):
        read("g.txt", gallery_names=[*names[:-1], apart[0]])


def test_a_list_as_python_writes_it_may_hold_names_and_may_be_empty():
    rows = [[] if i == 3 else [NAMES[1][a] for a in row] for i, row in enumerate(SEVERAL)]
    pd.DataFrame({"query": NAMES[0], "positives": rows}).to_csv("n.csv", index=False)
    truth = read("n.csv", query_names=NAMES[0], gallery_names=NAMES[1])
    expected = [[] if i == 3 else sorted(row) for i, row in enumerate(SEVERAL)]
    assert [sorted(row.tolist()) for row in truth.listed()] == expected


def test_a_blank_line_among_lists_of_rows_is_a_query_without_an_answer():
    for gone in (5, Q - 1):
        text("p.txt", ["" if i == gone else " ".join(map(str, row)) for i, row in enumerate(SEVERAL)])
        found = [sorted(row.tolist()) for row in read("p.txt").listed()]
        assert found == [[] if i == gone else sorted(row) for i, row in enumerate(SEVERAL)]
    text("p.txt", ["", *map(str, ANSWER)])
    with pytest.raises(ValueError, match=r"line 1: .* a line for each of 40 queries, and here are 41"):
        read("p.txt")
    text("p.txt", ["" if i == 5 else f"{i} {a}" for i, a in enumerate(ANSWER)])
    with pytest.raises(ValueError, match=r"line 6 is blank.*--form pairs.*--form rows"):
        read("p.txt")
    assert read("p.txt", form="rows").counts.tolist() == [0 if i == 5 else 2 - (i == ANSWER[i]) for i in range(Q)]


def test_a_sparse_matrix_that_is_no_mask_is_refused():
    scipy.sparse.save_npz("p.npz", scipy.sparse.csr_matrix(mask() * 0.5))
    with pytest.raises(ValueError, match=r"sparse matrix that holds 0\.5"):
        read("p.npz")
    scipy.sparse.save_npz("p.npz", scipy.sparse.csr_matrix(mask()[:-1]))
    with pytest.raises(ValueError, match=r"sparse mask of shape \(39, 70\): expected \(40, 70\)"):
        read("p.npz")


def test_text_in_latin_1_is_refused_with_the_line_that_converts_it():
    text("g.txt", [f"café_{a}" for a in ANSWER], "latin-1")
    with pytest.raises(ValueError, match="byte 3 is no text in UTF-8; if it is Latin-1") as refusal:
        read("g.txt", gallery_names=[f"café_{i}" for i in range(N)])
    line = str(refusal.value).partition("convert it: ")[2]
    subprocess.run(line.replace("python", sys.executable, 1), shell=True, check=True)
    np.testing.assert_array_equal(read("g-utf8.txt", gallery_names=[f"café_{i}" for i in range(N)]).rows(), ANSWER)


def test_labels_of_both_sides_in_one_file():
    label = np.random.default_rng(1).integers(0, 9, N)
    scipy.io.savemat(
        "pytorch_result.mat", {"query_label": label[ANSWER], "gallery_label": label, "query_f": np.ones((Q, 2))}
    )
    for row, query in zip(read("pytorch_result.mat").listed(), label[ANSWER], strict=True):
        assert row.tolist() == np.flatnonzero(label == query).tolist()


def test_labels_may_be_several_a_query_and_minus_one_is_none():
    truth = from_labels(np.array([[3, 5], [5, -1], [-1, -1]]), np.array([5, 3, 5, -1]), 3, 4)
    assert [row.tolist() for row in truth.listed()] == [[1, 0, 2], [0, 2], []]
    truth = from_labels(np.array(["a", "b "]), np.array(["b", "a", "a"], dtype=object), 2, 3)
    assert [row.tolist() for row in truth.listed()] == [[1, 2], [0]]


def scans(databases):
    """Queries as PointNetVLAD's generate_test_sets.py describes them: answers by number of a database, none where none."""
    return {
        i: {"query": f"{i}.bin", "northing": 5.7e6 + i, "easting": 6.2e5} | {m: [int(a), int(a)] for m in databases}
        for i, a in enumerate(ANSWER)
    }


NESTED = {
    "train.pkl": lambda f: Path(f).write_bytes(
        pickle.dumps({i: {"query": "x", "positives": [int(a)], "negatives": [0]} for i, a in enumerate(ANSWER)})
    ),
    "test.pickle": lambda f: Path(f).write_bytes(pickle.dumps([scans([1])], pickle.HIGHEST_PROTOCOL)),
    "test.npy": lambda f: np.save(f, scans([3]), allow_pickle=True),
    "test.json": lambda f: Path(f).write_text(json.dumps(scans([0]))),
    "lists.txt": lambda f: text(f, [f"{i}: [{a}]" for i, a in enumerate(ANSWER)]),
    "spaced.txt": lambda f: text(f, [f"{i} : {a}, {a}" for i, a in enumerate(ANSWER)]),
    "a line.txt": lambda f: Path(f).write_text(str(ANSWER.tolist())),
    "pandas.json": lambda f: Path(f).write_text(
        json.dumps({"query": {i: i for i in range(Q)}, "gallery": {i: int(a) for i, a in enumerate(ANSWER)}})
    ),
    "series.csv": lambda f: pd.Series(ANSWER).to_csv(f),
    "printed.txt": lambda f: Path(f).write_text(str({i: [int(a)] for i, a in enumerate(ANSWER)})),
}


@pytest.mark.parametrize("name", NESTED)
def test_dictionaries_of_dictionaries_and_lines_by_query(name):
    NESTED[name](name)
    assert (read(name).rows() == ANSWER).all()


def test_lines_of_two_numbers_in_brackets_are_asked_about_as_two_columns_are():
    text("tuples.txt", [f"({i}, {a})" for i, a in enumerate(ANSWER)])
    with pytest.raises(ValueError, match="the first holds each query's number once: pairs of a query and its gallery row"):
        read("tuples.txt")
    assert (read("tuples.txt", form="pairs").rows() == ANSWER).all()


def test_names_of_a_query_and_its_answer_with_a_colon_between_them():
    text("named.txt", [f"{NAMES[0][i]}: {NAMES[1][a]}" for i, a in enumerate(ANSWER)])
    assert (read("named.txt", query_names=NAMES[0], gallery_names=NAMES[1]).rows() == ANSWER).all()


def test_a_sparse_mask_of_torch_is_read():
    torch.save(torch.from_numpy(mask()).to_sparse(), "sparse.pt")
    assert (read("sparse.pt").rows() == ANSWER).all()


def test_several_sets_or_databases_are_asked_about():
    Path("runs.pickle").write_bytes(pickle.dumps([scans([1]), scans([0])]))
    with pytest.raises(ValueError, match=r"2 sets of queries, one a run: name one, as in runs\.pickle:0 to runs\.pickle:1"):
        read("runs.pickle")
    assert (read("runs.pickle:1").rows() == ANSWER).all()
    Path("two.pickle").write_bytes(pickle.dumps(scans([0, 2])))
    with pytest.raises(ValueError, match="rows of 2 databases, 0, 2: positives are of one gallery; take one, such as 0"):
        read("two.pickle")
    Path("base.pickle").write_bytes(pickle.dumps(scans([])))
    with pytest.raises(ValueError, match="a dictionary of easting, northing, query: expected one of positives"):
        read("base.pickle")


def test_the_line_that_takes_one_database_does():
    Path("two.pickle").write_bytes(pickle.dumps(scans([0, 2])))
    with pytest.raises(ValueError, match="python -c") as error:
        read("two.pickle")
    line = re.search('python -c "(.*)" \\(', str(error.value))[1]
    exec(line, {})
    assert (read("positives.json").rows() == ANSWER).all()


def test_queries_without_an_answer_have_none():
    np.save("p.npy", np.where(np.arange(Q) % 4 == 0, -1, ANSWER))
    marks = mask()
    marks[::4] = False
    np.save("m.npy", marks)
    Path("d.json").write_text(json.dumps({i: int(a) for i, a in enumerate(ANSWER) if i % 4}))
    for name in ("p.npy", "m.npy", "d.json"):
        truth = read(name)
        assert (truth.counts == (np.arange(Q) % 4 > 0)).all()
        np.testing.assert_array_equal(truth.of(np.flatnonzero(truth.counts)).rows(), ANSWER[np.arange(Q) % 4 > 0])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.stack([np.arange(Q), ANSWER], axis=1), ["--form pairs", "--form rows"]),
        (np.stack([np.arange(Q), ANSWER]), ["--form pairs", "--form rows"]),
        (np.stack([np.arange(Q), 0 * ANSWER, ANSWER, 0 * ANSWER + 1], axis=1), ["qrels", "--form pairs", "--form rows"]),
        (np.roll(np.arange(Q), 7) + 1, ["--first-row 1", "--first-row 0"]),
        (np.random.default_rng(0).permutation(N)[:, None][:Q] + 0.0, []),
        (np.random.default_rng(0).normal(size=(Q, 2)), ["--query-coordinates", "--radius"]),
        (ANSWER + 0.5, ["positives of query 0"]),
        (ANSWER[:-1], ["positives of 39 queries"]),
        (np.where(ANSWER[3] == ANSWER, N + 5, ANSWER), [f"positives of query 3: {N + 5} is not within the 70 gallery rows"]),
        (mask()[:, :-1], ["mask of shape (40, 69)"]),
    ],
)
def test_two_readings_or_none_are_told(value, said):
    np.save("p.npy", value)
    if not said:
        read("p.npy")
        return
    with pytest.raises(ValueError, match=r"positives file 'p\.npy': ") as refusal:
        read("p.npy")
    for words in said:
        assert words in str(refusal.value)


def test_the_options_settle_what_was_asked():
    np.save("p.npy", np.stack([np.arange(Q), ANSWER], axis=1))
    np.testing.assert_array_equal(read("p.npy", form="pairs").rows(), ANSWER)
    assert read("p.npy", form="rows").listed()[1].tolist() == [1, ANSWER[1]]
    np.save("one.npy", np.roll(np.arange(Q), 7) + 1)
    np.testing.assert_array_equal(read("one.npy", first_row=1).rows(), np.roll(np.arange(Q), 7))
    np.testing.assert_array_equal(read("one.npy", first_row=0).rows(), np.roll(np.arange(Q), 7) + 1)
    np.save("square.npy", np.arange(N) + 1)  # row N exists only when counted from 1
    with pytest.raises(ValueError, match="--first-row 1"):
        read_truth("square.npy", Reader(N, N))


# --- coordinates -------------------------------------------------------------------------------------------------------


def test_rows_within_a_radius_in_metres_and_in_degrees():
    rng = np.random.default_rng(0)
    gallery, query = (rng.uniform(0, 300, (count, 2)) + np.array([500_000, 5_000_000]) for count in (N, Q))
    truth = within_radius(query, gallery, 25, "metres")
    distance = np.linalg.norm(query[:, None] - gallery, axis=2)
    for i, row in enumerate(truth.listed()):
        assert set(row.tolist()) == set(np.flatnonzero(distance[i] <= 25).tolist())
        assert (np.diff(distance[i, row]) >= 0).all()
    # a degree of latitude is 111.195 km on a sphere of the mean radius; of longitude that by the cosine of the latitude
    degrees = np.array([[60.0, 10.0]]), np.array([[60.001, 10.0], [60.0, 10.001], [60.0, 10.003]])
    assert metres_between(*np.broadcast_arrays(*degrees), "lat-lon") == pytest.approx([111.195, 55.598, 166.79], rel=1e-4)
    assert within_radius(*degrees, 112, "lat-lon").listed()[0].tolist() == [1, 0]
    assert within_radius(degrees[0][:, ::-1], degrees[1][:, ::-1], 60, "lon-lat").listed()[0].tolist() == [1]
    assert np.linalg.norm(as_points(degrees[0], "lat-lon")) == pytest.approx(6_371_008.8)


def test_the_unit_is_told_by_size_or_header_and_else_asked():
    metres, near = np.array([[500_000.0, 5e6], [500_100, 5e6]]), np.array([[48.1, 11.5], [48.2, 11.6]])
    assert settle_unit(metres, metres, "auto", 25) == "metres"
    assert settle_unit(near * [1, 10], near * [1, 10], "auto", 25) == "lat-lon"
    with pytest.raises(ValueError, match=r"could be lat-lon or lon-lat: say which with --coordinates"):
        settle_unit(near, near, "auto", 25)
    assert settle_unit(near, near, "lat-lon", 25) == "lat-lon"
    with pytest.raises(ValueError, match="no lat-lon"):
        settle_unit(metres, metres, "lat-lon", 25)
    text("c.csv", ["name,lon,lat", "a,11.5,48.1", "b,11.6,48.2"])
    array, unit = read_coordinates("c.csv", "query")
    assert unit == "lat-lon"
    np.testing.assert_array_equal(array, near)
    text("vpr.txt", ["database/@500000.00@5000000.00@10@S@.jpg", "database/@500100.00@5000000.00@10@S@.jpg"])
    array, unit = read_coordinates("vpr.txt", "gallery")
    assert unit == "metres"
    np.testing.assert_array_equal(array, metres)


def test_decimal_commas_of_coordinates_are_no_other_columns():
    text("c.csv", ["Latitude;Longitude", *(f"{50 + i / 100:.2f};7,5".replace(".", ",") for i in range(Q))])
    found, _ = read_coordinates("c.csv", "query coordinates")
    np.testing.assert_allclose(found, [(50 + i / 100, 7.5) for i in range(Q)])
