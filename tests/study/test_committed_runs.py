"""Committed runs come from committed code."""

import json
import subprocess
from pathlib import Path

import pytest

from study.chapters.results.all_runs import best_and_most_collapsed
from study.runs import TITLES, find_all

ROOT = Path(__file__).parents[2]
# the runs of this machine alone, below results/local, are not committed
MARKS = {path: json.loads(path.read_text()) for path in (ROOT / "results").glob("*/*/*.json") if path.parts[-3] != "local"}


def from_uncommitted_code(marks: dict[Path, dict]) -> set[str]:
    """Runs, as ``study/run``, whose provenance names no commit, or one with changes on top of it."""
    dirty = {path for path, record in marks.items() if "commit" in record and not clean(record["commit"])}
    return {f"{path.parents[1].name}/{path.parent.name}" for path in dirty}


def clean(commit: str | None) -> bool:
    """Whether a provenance's commit is one, without the ``+`` of changed files (`study.provenance.commit`)."""
    return commit is not None and not commit.endswith("+")


def test_no_run_comes_from_uncommitted_code():
    assert from_uncommitted_code(MARKS) == set()


def test_a_run_from_changed_code_is_seen():
    train, evaluate = (ROOT / "results" / "quick" / "new" / f"{name}.json" for name in ("train", "evaluate"))
    assert from_uncommitted_code({train: {"commit": "0a1b"}, evaluate: {"commit": "0a1b+"}}) == {"quick/new"}
    assert from_uncommitted_code({train: {"commit": None}}) == {"quick/new"}
    assert from_uncommitted_code({train: {"commit": "0a1b"}, evaluate: {"other": 1}}) == set()


def git(*arguments: str) -> subprocess.CompletedProcess:
    """A command of git on this repository, whose end is looked at by whoever asks."""
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True)


def outside_the_history(commits: set[str]) -> set[str]:
    """Commits from which ``git checkout`` of this branch cannot make a run anew: no ancestors of what is checked out."""
    return {commit for commit in commits if git("merge-base", "--is-ancestor", commit, "HEAD").returncode}


def test_the_commits_that_runs_name_are_in_the_history():
    """Runs made on a branch are merged with their commits, not copied."""
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("the history is not here: no clone, or a shallow one")
    tables = [json.loads(path.read_text()) for path in (ROOT / "results").glob("*/environments.json")]
    records = [*MARKS.values(), *(record for table in tables for record in table.values())]
    commits = {record["commit"] for record in records if clean(record.get("commit"))}
    assert len(commits) > 10
    assert outside_the_history(commits) == set()
    assert outside_the_history({"0" * 40}) == {"0" * 40}


def test_results_stay_small():
    files = [path for path in (ROOT / "results").rglob("*") if path.is_file() and "local" not in path.parts]
    kept = [path for path in files if path.suffix not in (".safetensors", ".ckpt") and not path.name.startswith(".")]
    assert sum(path.stat().st_size for path in kept) < 20 * 2**20


def test_the_runs_whose_retrievals_the_book_shows_have_kept_them_and_the_right_tile():
    for run in best_and_most_collapsed(list(find_all(ROOT / "results")[TITLES["apart"]].values())).values():
        assert len(run.retrievals["queries"]) == len(run.retrievals["positive"]) == 3
