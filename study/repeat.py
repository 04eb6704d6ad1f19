"""Repeat a committed run and say whether it agrees: ``python -m study.repeat results/STUDY/RUN``.

The run is trained and evaluated anew by the code of the commit that it was made from, with its own parameters, after the
runs that it starts from. What is repeated goes to a folder below ``out``: a repetition that is cut short goes on from there.

Two trainings of one commit are the same to the last bit on one kind of machine: processor, device, precision, threads and
versions alike. Elsewhere sums round otherwise, and a training carries that on as it does another seed. So there a repetition
agrees where each score's 95% interval over places meets the committed one.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from cvig import files
from cvig.files import read_arrays
from study.runs import TEST_SETS, Run

SCORES = ("PSSR", "R@1%")
SHOWN = ("results", "book", "benchmarks", "tests")  # what a run needs nothing of
KIND = ("device", "precision", "threads", "machine", "processor", "python")


def _git(*words: str, folder: Path) -> bytes:
    """What git says; ValueError with its last line where it fails."""
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True)
    if done.returncode:
        raise ValueError(f"git {' '.join(words[:2])}: {(done.stderr.decode().strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def tree_of(commit: str, folder: Path, repository: Path) -> Path:
    """The code of a commit, in a folder below `folder` that is made when it is not there.

    Raises
    ------
    ValueError
        The commit is none, or is not in the repository.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):  # it becomes a folder's name, and code runs there
        raise ValueError(f"{commit!r} is no commit: expected 40 hexadecimal digits")
    tree = folder / commit[:12]
    if not tree.exists():
        try:
            _git("cat-file", "-e", f"{commit}^{{commit}}", folder=repository)
        except ValueError:
            raise ValueError(
                f"commit {commit[:12]} is not in this repository: a shallow clone gets it by git fetch --unshallow"
            ) from None
        names = _git("ls-tree", "--name-only", commit, folder=repository).decode().split()
        archive = _git("archive", commit, *(name for name in names if name not in SHOWN), folder=repository)
        part = tree.with_name(f"{tree.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        with tarfile.open(fileobj=BytesIO(archive)) as packed:
            # Python 3.11.4 and later know the filter, and 3.11.2 is Debian 12's; the archive is git's own
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
            packed.extractall(part)
        part.rename(tree)
    return tree


def _execute(tree: Path, name: str, parameters: dict, out: Path) -> None:
    """One notebook of a tree, in that tree; CalledProcessError where it fails."""
    out.mkdir(parents=True, exist_ok=True)
    given = out / f"{name}.parameters.json"
    files.write_json(given, parameters)
    program = (
        Path(__file__).resolve().with_name("execute.py")
    )  # of today, as all that it imports; the notebook is of the tree
    words = [
        sys.executable,
        "-P",
        str(program),
        f"notebooks/{name}.ipynb",
        str(out / f"{name}.ipynb"),
        str(given),
        str(tree),
    ]
    today = {"PYTHONPATH": str(program.parents[1])}
    subprocess.run(words, cwd=tree, env=os.environ | today, stdin=subprocess.DEVNULL, check=True)


def repeat(run: Run, out: Path, repository: Path) -> Run:
    """Train and evaluate a run anew, below `out`, from the commit that it names and after the runs that it starts from."""
    folder = out / run.folder.parent.name / run.folder.name
    commit = run.train["commit"]
    if not commit:
        raise ValueError(f"'{run.folder}' was made outside a repository, and names no commit to repeat it from")
    if commit.endswith("+"):
        print(f"{run.label}: its commit had changes beside it that were not committed; they are lost", flush=True)
    parameters = {**run.parameters, "out": str(folder.resolve())}
    if run.start:
        parent = run.folder.parent / run.start
        if not (parent / "train.json").exists():
            raise ValueError(f"'{run.folder}' starts from '{run.start}', which is no finished run beside it")
        repeat(Run(parent), out, repository)
        parameters["start"] = str((folder.parent / run.start).resolve())
    tree = tree_of(commit.rstrip("+"), out / "trees", repository)
    if not (folder / "train.json").exists():
        print(f"{run.label}: training, which took {run.train['seconds']:.0f} s on {run.train['device']}", flush=True)
        _execute(tree, "train", parameters, folder)
    for pattern in ("test-crop-*.npz", "test-places-*.npz"):  # what all runs of a study share
        for shared in run.folder.parent.glob(pattern):
            files.write(folder.parent / shared.name, shared.read_bytes())
    again = (run.evaluate.get("commit") or commit).rstrip("+")
    if not (folder / "evaluate.json").exists():
        print(f"{run.label}: evaluating, which took {run.evaluate['seconds']:.0f} s", flush=True)
        given = {**run.evaluate["parameters"], "run": str(folder.resolve())}
        _execute(tree_of(again, out / "trees", repository), "evaluate", given, folder)
    return Run(folder)


@dataclass(frozen=True)
class Agreement:
    """What a repetition comes to beside the run.

    Attributes
    ----------
    scores : DataFrame
        Index test set and score; columns committed and repeated, each with low and high, and agrees.
    same_ranks, same_log, same_data : bool
        Whether every rank of both test sets, the log but for its seconds, and the digests of the data are the same to the
        last bit.
    differs : tuple of str
        In what the two machines differ, as "device: cpu, NVIDIA H200"; empty where they are of one kind.
    """

    scores: pd.DataFrame
    same_ranks: bool
    same_log: bool
    same_data: bool
    differs: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """To the last bit on one kind of machine, else within the intervals."""
        return (self.same_ranks and self.same_log) or (bool(self.differs) and bool(self.scores.agrees.all()))

    def __str__(self) -> str:
        lines = [f"{'ranks':>8s}: {_same(self.same_ranks)}", f"{'log':>8s}: {_same(self.same_log)}"]
        lines += [f"{'data':>8s}: {'the same digests' if self.same_data else 'other digests'}"]
        for (test_set, score), row in self.scores.iterrows():
            said = (f"{row[n]:.4f} [{row[f'{n} low']:.4f}, {row[f'{n} high']:.4f}] {n}" for n in ("committed", "repeated"))
            lines.append(f"{score:>8s}: {test_set} {', '.join(said)}")
        if self.differs:
            lines.append(f" machine: another kind ({'; '.join(self.differs)}), so equal bits are not expected")
        word = "agrees to the last bit" if self.same_ranks and self.same_log else "agrees within the intervals"
        return "\n".join([*lines, f"the run {word if self.agrees else 'does NOT agree'}"])


def _same(equal: bool) -> str:
    return "the same to the last bit" if equal else "not the same"


def _equal_arrays(one: Path, two: Path, names: tuple[str, ...]) -> bool:
    first, second = read_arrays(one), read_arrays(two)
    return all(np.array_equal(first[name], second[name]) for name in names)


def _without_seconds(log: pd.DataFrame) -> pd.DataFrame:
    """A log without the seconds of its epochs, which no repetition can have alike."""
    return log.drop(columns="seconds", errors="ignore")


def compare(one: Run, two: Run) -> Agreement:
    """Hold a repetition `two` against the run `one`."""
    rows = {}
    for test_set in TEST_SETS:
        for score in SCORES:
            before, after = (run.metrics[test_set].loc[score, ["value", "low", "high"]] for run in (one, two))
            rows[test_set, score] = {
                **{f"committed {key}".removesuffix(" value"): value for key, value in before.items()},
                **{f"repeated {key}".removesuffix(" value"): value for key, value in after.items()},
                "agrees": before.low <= after.high and after.low <= before.high,
            }
    differs = [
        f"{what}: {one.train[what]}, {two.train.get(what)}"
        for what in KIND
        if what in one.train and one.train[what] != two.train.get(what)
    ]
    if "processor" not in one.train:
        differs.append("the processor of the committed run is unknown")
    for name, number in one.train["packages"].items():
        if two.train["packages"].get(name) != number:
            differs.append(f"{name}: {number}, {two.train['packages'].get(name)}")
    names = [f"ranks-{test_set}.npz" for test_set in TEST_SETS]
    return Agreement(
        scores=pd.DataFrame.from_dict(rows, orient="index"),
        same_ranks=all(_equal_arrays(one.folder / name, two.folder / name, ("closer", "tied")) for name in names),
        same_log=_without_seconds(one.log).equals(_without_seconds(two.log)),
        same_data=one.train["data"] | one.evaluate["data"] == two.train["data"] | two.evaluate["data"],
        differs=tuple(differs),
    )


def main() -> None:
    """Run the command; what is wrong is one line on stderr, and a run that does not agree ends with 1."""
    parser = argparse.ArgumentParser(prog="python -m study.repeat", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run: results/STUDY/RUN")
    parser.add_argument("--out", type=Path, default=Path("out/check"), help="where the repetition goes (%(default)s)")
    given = parser.parse_args()
    run = Run(given.run.resolve())
    try:
        if not all((run.folder / f"{part}.json").exists() for part in ("train", "evaluate")):
            raise ValueError(
                f"no finished run in '{given.run}': expected results/STUDY/RUN with train.json and evaluate.json"
            )
        agreement = compare(run, repeat(run, given.out.resolve(), Path(__file__).parents[1]))
    except (ValueError, OSError) as error:
        sys.exit(f"python -m study.repeat: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"python -m study.repeat: {Path(error.cmd[3]).name} failed; its notebook is '{error.cmd[4]}'")
    print(agreement)
    sys.exit(not agreement.agrees)


if __name__ == "__main__":
    main()
