import json

import numpy as np
import pytest

from cvig import files
from study import provenance
from study.runs import find


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "metrics.json"
    files.write_json(path, {"a": 1})

    def interrupted():
        with files.atomic(path) as temporary:
            temporary.write_text('{"a": 2')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_not_a_number_is_no_result(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"pssr": float("nan")})
    assert not list(tmp_path.iterdir())


def test_arrays_come_back_as_they_were_and_equal_arrays_give_equal_bytes(tmp_path):
    arrays = {"closer": np.arange(5), "place": np.zeros(5, np.int32)}
    for name in ("a.npz", "b.npz"):
        files.write_arrays(tmp_path / name, **arrays)
    back = files.read_arrays(tmp_path / "a.npz")
    assert all((back[k] == v).all() and back[k].dtype == v.dtype for k, v in arrays.items())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_run_without_its_last_file_is_not_found(tmp_path):
    (tmp_path / "vgg16").mkdir()
    (tmp_path / "vgg16" / "evaluate.json").write_text("{}")
    assert find(tmp_path) == {}
    (tmp_path / "vgg16" / "train.json").write_text('{"parameters": {"arch": "vgg16"}}')
    assert {name: run.name for name, run in find(tmp_path).items()} == {"vgg16": "vgg16"}
    assert find(tmp_path / "absent") == {}


def test_digest_depends_on_the_parts_and_not_only_on_their_concatenation():
    assert files.digest("ab", "c") != files.digest("a", "bc")
    assert files.digest(b"a") == files.digest("a")


def test_provenance_names_what_ran():
    record = provenance.provenance({"seed": 1}, data={"test": "ab"}, device="cpu", threads=2, seconds=1.26)
    assert record["packages"]["torch"]
    assert record["seconds"] == 1.3
