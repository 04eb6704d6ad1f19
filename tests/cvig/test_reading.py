"""Embeddings as projects write them, each file made by the writing project's own call."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
from safetensors.torch import save_file

from cvig.reading.embeddings import read_embeddings

N, D = 60, 16


def sides():
    rng = np.random.default_rng(0)
    return tuple(rng.normal(size=(N, D)).astype(np.float32) for _ in range(2))


Q, G = sides()
LABELS = list(range(N))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def matlab73(name, **arrays):
    """As MATLAB's save -v7.3 writes: columns first, behind a header of 512 bytes."""
    with h5py.File(name, "w", userblock_size=512) as file:
        for key, array in arrays.items():
            file[key] = array.T
            file[key].attrs["MATLAB_class"] = np.bytes_("single")
    header = bytearray(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
    header[124:128] = b"\x00\x02IM"
    with open(name, "r+b") as stream:
        stream.write(header)


def hloc(name):
    """As hloc's extract_features writes global descriptors."""
    with h5py.File(name, "w") as file:
        for side, rows in (("query", Q), ("db", G)):
            for i in range(N):
                file.create_group(f"{side}/{i}.jpg").create_dataset("global_descriptor", data=rows[i])


def fvecs(name, rows):
    np.column_stack([np.full(len(rows), D, "<i4").view("<f4"), rows]).astype("<f4").tofile(name)


def both(name):
    """Writes one file that holds both sides, as its project does; returns nothing."""
    t = torch.from_numpy
    {
        "safa.mat": lambda f: scipy.io.savemat(f, {"grd_global_descriptor": Q, "sat_global_descriptor": G}),
        "dsm.mat": lambda f: scipy.io.savemat(
            f,
            {
                "orientation_gth": np.zeros(N),
                "grd_descriptor": Q.reshape(N, 2, 4, 2),
                "sat_descriptor": G.reshape(N, 2, 4, 2),
            },
        ),
        "pytorch_result.mat": lambda f: scipy.io.savemat(
            f,
            {
                "gallery_f": G,
                "gallery_label": LABELS,
                "gallery_path": [(f"gallery/{i}.jpeg", i) for i in LABELS],
                "query_f": Q,
                "query_label": LABELS,
                "query_path": [(f"query/{i}.jpeg", i) for i in LABELS],
            },
        ),
        "v73.mat": lambda f: matlab73(f, grd_global_descriptor=Q, sat_global_descriptor=G),
        "dict.pt": lambda f: torch.save({"query": Q, "gallery": G}, f),
        "lists.pt": lambda f: torch.save({"query": list(t(Q)), "gallery": list(t(G))}, f),
        "d.pickle": lambda f: Path(f).write_bytes(pickle.dumps({"query": Q, "gallery": G})),
        "p2.pkl": lambda f: Path(f).write_bytes(pickle.dumps({"query": Q, "gallery": G}, protocol=2)),
        "dict.npy": lambda f: np.save(f, {"query": Q, "gallery": G}),
        "vpr.npz": lambda f: np.savez(f, queries_descriptors=Q, database_descriptors=G),
        "dtr.npz": lambda f: np.savez_compressed(f, grd_des=Q, sat_des=G),
        "a.json": lambda f: Path(f).write_text(json.dumps({"query": Q.tolist(), "gallery": G.tolist()})),
        "feats.h5": hloc,
        "b.safetensors": lambda f: save_file({"query": t(Q), "gallery": t(G)}, f),
    }[name](name)


BOTH = (
    "safa.mat dsm.mat pytorch_result.mat v73.mat dict.pt lists.pt d.pickle p2.pkl dict.npy vpr.npz dtr.npz a.json feats.h5"
)


@pytest.mark.parametrize("name", [*BOTH.split(), "b.safetensors"])
def test_files_of_both_sides_give_back_each_row(name):
    both(name)
    for side, rows in (("query", Q), ("gallery", G)):
        found = read_embeddings(name, side)
        np.testing.assert_array_equal(np.asarray(found.rows, dtype=np.float32), rows)


def test_labels_and_paths_lie_beside_university_1652s_features():
    both("pytorch_result.mat")
    found = read_embeddings("pytorch_result.mat", "gallery")
    assert found.labels.tolist() == LABELS
    assert found.names[:2] == ["gallery/0.jpeg", "gallery/1.jpeg"]


PATHS = [f"{i}.jpg" for i in range(N)]


def frame(index=None):
    return pd.DataFrame(Q, index=index)


def fields():
    rows = np.zeros(N, [("path", "U6"), ("feature", "f4", D), ("label", "i8")])
    rows["path"], rows["feature"], rows["label"] = PATHS, Q, LABELS
    return rows


ONE = {
    "whole.npy": lambda f: np.save(f, Q),
    "pooled.npy": lambda f: np.save(f, Q[:, :, None, None]),
    "maps.npy": lambda f: np.save(f, Q.reshape(N, 2, 4, 2)),
    "vectors.npy": lambda f: np.save(f, np.array([*Q, None], dtype=object)[:-1]),
    "records.npy": lambda f: np.save(f, pd.DataFrame(Q).to_records()),
    "fields.npy": lambda f: np.save(f, fields()),
    "dump.npy": lambda f: Q.dump(f),
    "masked.npy": lambda f: np.ma.array(Q, mask=False).dump(f),
    "batches.pt": lambda f: torch.save([torch.from_numpy(x) for x in np.split(Q, 4)], f),
    "predict.pt": lambda f: torch.save((torch.from_numpy(Q), torch.arange(N)), f),
    "loop.pt": lambda f: torch.save([(torch.from_numpy(x), torch.arange(len(x))) for x in np.split(Q, 3)], f),
    "features.pt": lambda f: torch.save({"features": torch.from_numpy(Q), "labels": torch.arange(N), "epoch": 3}, f),
    "items.pt": lambda f: torch.save({f"{i}.jpg": torch.from_numpy(Q[i]) for i in range(N)}, f),
    "text.csv": lambda f: np.savetxt(f, Q, delimiter=","),
    "text.txt": lambda f: np.savetxt(f, Q),
    "pandas.csv": lambda f: pd.DataFrame(Q).to_csv(f),
    "printed.txt": lambda f: Path(f).write_text(np.array2string(Q, threshold=sys.maxsize)),
    "lists.csv": lambda f: pd.DataFrame({"name": [f"{i}.jpg" for i in range(N)], "x": Q.tolist()}).to_csv(f),
    "noindex.csv": lambda f: pd.DataFrame(Q).to_csv(f, index=False),
    "named.tsv": lambda f: pd.DataFrame(Q, index=[f"{i}.jpg" for i in range(N)]).to_csv(f, sep="\t"),
    "index.csv": lambda f: frame(pd.Index(PATHS, name="image")).to_csv(f),
    "behind.csv": lambda f: frame().assign(image=PATHS).to_csv(f, index=False),
    "ids.csv": lambda f: frame(pd.Index(range(7, N + 7), name="id")).to_csv(f),
    "quoted.csv": lambda f: frame().to_csv(f, index=False, header=False, quoting=1),
    "word2vec.txt": lambda f: Path(f).write_text(f"{N} {D}\n" + frame(PATHS).to_csv(sep=" ", header=False)),
    "tabbed.txt": lambda f: Path(f).write_text(
        "".join(f"{p}\t{' '.join(map(str, x))}\n" for p, x in zip(PATHS, Q, strict=True))
    ),
    "struct.mat": lambda f: scipy.io.savemat(f, {"data": {"query": Q, "gallery": G}}),
    "tuples.pkl": lambda f: Path(f).write_bytes(pickle.dumps(list(zip(PATHS, Q, strict=True)))),
    "lists.pkl": lambda f: Path(f).write_bytes(pickle.dumps([Q.tolist(), PATHS])),
    "sides.pt": lambda f: torch.save(
        {"query": {"features": torch.from_numpy(Q), "labels": LABELS}, "gallery": {"features": G}}, f
    ),
    "comma.csv": lambda f: pd.DataFrame(Q).to_csv(f, index=False, sep=";", decimal=","),
    "faiss.fvecs": lambda f: fvecs(f, Q),
    "netvlad.bin": lambda f: Q.tofile(f),
}


@pytest.mark.parametrize("name", ONE)
def test_files_of_one_side_give_back_each_row(name):
    ONE[name](name)
    found = read_embeddings(name, "query", dimensions=D if name.endswith(".bin") else None)
    np.testing.assert_array_equal(np.asarray(found.rows, dtype=np.float32), Q)
    if name in ("predict.pt", "fields.npy"):
        assert found.labels.tolist() == LABELS
    if (
        name in ("named.tsv", "items.pt", "fields.npy", "index.csv", "behind.csv", "word2vec.txt", "tabbed.txt")
        or ".pkl" in name
    ):
        assert found.names[:2] == ["0.jpg", "1.jpg"]


def test_a_group_of_an_hdf5_file_is_named_by_its_path():
    hloc("feats.h5")
    for place in ("feats.h5:query", "feats.h5:/query", "feats.h5:query/"):
        found = read_embeddings(place, "gallery")
        np.testing.assert_array_equal(found.rows, Q)
        assert found.names[:2] == ["0.jpg", "1.jpg"]
    with h5py.File("deep.h5", "w") as file:
        file["run/a/query"], file["run/a/gallery"], file["run/b/query"] = Q, G, G
    np.testing.assert_array_equal(read_embeddings("deep.h5:/run/a", "query").rows, Q)
    np.testing.assert_array_equal(read_embeddings("deep.h5:run/b/query", "query").rows, G)


def test_columns_are_rows_where_the_caller_says_so():
    np.save("columns.npy", Q.T.copy())
    np.testing.assert_array_equal(read_embeddings("columns.npy", "query", layout="columns").rows, Q)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda: np.save("x.npy", Q.reshape(N, 2, 8)), ["60 rows of 16 numbers", "60 batches of 2 rows"]),
        (lambda: torch.save((torch.from_numpy(Q), torch.from_numpy(G)), "x.pt"), ["FILE:0", "--layout batches"]),
        (lambda: Q.tofile("x.bin"), ["--dim"]),
        (lambda: Q.tofile("x.fvecs"), ["name it .bin"]),
        (lambda: Path("x.csv").write_text("1,2\n3\n"), ["several lengths"]),
        (lambda: Path("x.jsonl").write_text("[1, 2]\n[3, 4]\n"), ["convert it: python -c", "open('x.jsonl')", "'x.json'"]),
        (lambda: Path("x.csv").write_text("1,2\n3,b\n"), ["line 2"]),
        (lambda: Path("x.txt").write_text(str(np.ones((60, 60)))), ["printed array", "numpy.savetxt"]),
        (lambda: np.ma.masked_less(Q, 0).dump("x.npy"), ["masked entries", "convert it: python -c"]),
    ],
)
def test_what_could_mean_two_things_or_nothing_is_refused(write, said):
    write()
    (name,) = os.listdir()
    with pytest.raises(ValueError, match="query file") as refusal:
        read_embeddings(name, "query")
    assert "\n" not in str(refusal.value)
    for words in said:
        assert words in str(refusal.value)


class Harm:
    def __reduce__(self):
        return (open, ("harm", "w"))


def test_an_array_of_hdf5_that_lies_in_another_file_is_not_read():
    Path("secret").write_bytes(bytes(1024))
    with h5py.File("outside.h5", "w") as file:
        file.create_dataset("query", (8, 16), np.float32, external=[("secret", 0, h5py.h5f.UNLIMITED)])
    layout = h5py.VirtualLayout(Q.shape, Q.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "query", Q.shape)
    with h5py.File("virtual.h5", "w") as file:
        file.create_virtual_dataset("query", layout)
    for name in ("outside.h5", "virtual.h5"):
        with pytest.raises(ValueError, match="'query' lies in another file: expected numbers that lie in this one"):
            read_embeddings(name, "query")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_is_never_run(protocol):
    for value in (Harm(), {"query": Q, "x": Harm()}, [Harm()], torch.ones(2)):
        with open("x.pkl", "wb") as stream:
            pickle.dump(value, stream, protocol)
        with pytest.raises(ValueError, match=r"can only be unpickled.*convert it: python -c "):
            read_embeddings("x.pkl", "query")
    assert not os.path.exists("harm")


def test_the_line_that_converts_a_file_holds_no_name_that_a_shell_or_python_would_run():
    for name in ("$(touch harm).pkl", "`x`.pkl", "x'+open('harm','w').name+'.pkl", 'x"; touch harm; ".pkl'):
        Path(name).write_bytes(pickle.dumps(Harm()))
        with pytest.raises(ValueError, match="convert it") as refusal:
            read_embeddings(name, "query")
        assert "open('FILE.pkl'" in str(refusal.value).partition("convert it: ")[2]
    Path("$(x).csv").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"open\('FILE\.csv'"):
        read_embeddings("$(x).csv", "query")


def test_the_line_that_converts_a_pickle_does():
    with open("x.pkl", "wb") as stream:
        pickle.dump({"query": torch.from_numpy(Q), "gallery": torch.from_numpy(G)}, stream)
    with pytest.raises(ValueError, match="convert it") as refusal:
        read_embeddings("x.pkl", "query")
    line = str(refusal.value).partition("convert it: ")[2]
    subprocess.run(line.replace("python", sys.executable, 1), shell=True, check=True)
    np.testing.assert_array_equal(read_embeddings("x.npz", "gallery").rows, G)


def test_brackets_in_a_name_are_no_list():
    Path("x.csv").write_text("".join(f"image[{i}].jpg,{i},2,3\n" for i in range(N)))
    assert read_embeddings("x.csv", "query").rows.shape == (N, 3)


def test_hdf5_without_h5py_names_the_extra(monkeypatch):
    both("feats.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises((ValueError, ModuleNotFoundError), match=r"cvig\[formats\]"):
        read_embeddings("feats.h5", "query")


def test_a_first_line_of_decimal_commas_is_no_header():
    rows = np.array([[0.5, -0.25], [1.5, 2.0], [0.125, 3.0]])
    Path("q.csv").write_text("\n".join(";".join(str(x).replace(".", ",") for x in row) for row in rows))
    np.testing.assert_array_equal(read_embeddings("q.csv", "query").rows, rows)
