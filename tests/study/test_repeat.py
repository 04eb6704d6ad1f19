"""A run is repeated from the commit that it names, after the runs it starts from, and held against what is committed."""

import json
import shutil
import subprocess

import nbformat
import pytest
from made_runs import cloud, make_run

from cvig import files
from study.repeat import compare, repeat, tree_of
from study.runs import Run

KIND = {"threads": 1, "machine": "x86_64", "processor": "a", "python": "3"}


def told(run: Run, **changes) -> Run:
    """The run with what its records need besides."""
    for part in ("train", "evaluate"):
        path = run.folder / f"{part}.json"
        record = json.loads(path.read_text()) | KIND | {"data": {"test": "ab"}} | changes
        files.write_json(path, record | {"parameters": record.get("parameters", {})})
    return Run(run.folder)


@pytest.fixture
def run(tmp_path):
    return told(make_run(tmp_path / "results" / "s" / "run", *cloud(200, 0.5), start=""))


def copy(run: Run, folder, **changes) -> Run:
    shutil.copytree(run.folder, folder)
    return told(Run(folder), **changes)


def test_a_repetition_with_equal_ranks_agrees_to_the_last_bit_however_long_it_took(run, tmp_path):
    again = copy(run, tmp_path / "again")
    again.log.assign(seconds=99.5).to_csv(again.folder / "log.csv", index=False)
    found = compare(run, Run(again.folder))
    assert found.agrees
    assert found.differs == ()
    assert str(found).endswith("the run agrees to the last bit")


def test_one_other_rank_on_one_kind_of_machine_is_no_agreement_and_on_another_kind_it_may_be(run, tmp_path):
    for name, processor, word in (
        ("same", "a", "the run does NOT agree"),
        ("other", "b", "the run agrees within the intervals"),
    ):
        again = copy(run, tmp_path / name, processor=processor)
        ranks = files.read_arrays(again.folder / "ranks-cropped.npz")
        ranks["closer"][0] += 1
        files.write_arrays(again.folder / "ranks-cropped.npz", **ranks)
        assert str(compare(run, again)).splitlines()[-1] == word


def test_another_kind_of_machine_does_not_excuse_scores_beyond_the_intervals(run, tmp_path):
    worse = told(make_run(tmp_path / "worse", *cloud(200, 5), start=""), processor="b")
    found = compare(run, worse)
    assert found.differs == ("processor: a, b",)
    assert not found.agrees


def write_notebook(path, code):
    parameters = nbformat.v4.new_code_cell('out = run = start = ""', metadata={"tags": ["parameters"]})
    content = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(code)])
    content.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(content, path)


# a study whose training writes which code it ran and what it started from
TRAIN = """
import json, pathlib, cvig, said
assert not hasattr(cvig, "files") and pathlib.Path(cvig.__file__).parent.parent == pathlib.Path(said.__file__).parent
pathlib.Path(out, "log.csv").write_text("epoch\\n1\\n")
pathlib.Path(out, "train.json").write_text(json.dumps({"code": said.WORD, "start": start}))
"""


def test_a_run_is_repeated_by_the_code_of_its_commit_after_the_run_that_it_starts_from(run, tmp_path):
    def git(*words):
        ours = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *ours, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    write_notebook(tmp_path / "notebooks" / "train.ipynb", TRAIN)
    write_notebook(tmp_path / "notebooks" / "evaluate.ipynb", 'open(run + "/evaluate.json", "w").write("{}")')
    (tmp_path / "said.py").write_text('WORD = "then"')
    (tmp_path / "cvig").mkdir()  # of a commit that lacks what the program that runs notebooks needs today
    (tmp_path / "cvig" / "__init__.py").touch()
    git("init", "-q")
    git("add", "notebooks", "said.py", "cvig")
    git("commit", "-qm", "then")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "said.py").write_text('WORD = "now"')
    told(make_run(tmp_path / "results" / "s" / "trunk", *cloud(20, 0.5), start=""), commit=commit)
    record = json.loads((run.folder / "train.json").read_text())
    record["parameters"]["start"] = "results/s/trunk"
    run = told(run, commit=commit + "+", parameters=record["parameters"])
    for shared in ("test-crop-0.npz", "test-places-0.npz"):
        (run.folder.parent / shared).write_bytes(b"")
    again = repeat(run, tmp_path / "out", tmp_path)
    assert again.folder == tmp_path / "out" / "s" / "run"
    trunk = tmp_path / "out" / "s" / "trunk"
    assert json.loads((again.folder / "train.json").read_text()) == {"code": "then", "start": str(trunk)}
    assert (trunk / "evaluate.json").exists()
    assert {path.name for path in trunk.parent.glob("test-*")} == {"test-crop-0.npz", "test-places-0.npz"}
    (tmp_path / "out" / "trees" / "../x").mkdir()  # a stranger's folder is not code to run
    with pytest.raises(ValueError, match="no commit: expected 40 hexadecimal digits"):
        tree_of("../x", tmp_path / "out" / "trees", tmp_path)
    with pytest.raises(ValueError, match="commit 0123456789ab is not in this repository: a shallow clone"):
        tree_of("0123456789abcdef" + "0" * 24, tmp_path / "out" / "trees", tmp_path)


def test_a_run_without_a_commit_cannot_be_repeated(run, tmp_path):
    with pytest.raises(ValueError, match="names no commit to repeat it from"):
        repeat(run, tmp_path / "out", tmp_path)
