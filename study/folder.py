"""A run's folder while it is written: one process holds it, and a finished run stays until all of the new one is there.

What a run writes goes to a folder of its own, hidden in the run's. When that is whole, its mark last, the files take their
place: the old mark goes first and the new one comes last, so that no reader takes a mixture for a run. Whoever is killed in
between leaves a whole new run, and the next process that opens the folder ends what he began.

The mark holds the run's identity and the digest of every other file, and `study.runs` reads a file only where its digest is
that one. An identity written into each file would say less: which run a file came from, and not that its bytes are still
those; and ``log.csv`` and the weights would have to carry what other programs that read them do not expect. An evaluation
names the training by its identity and the weights by their digest in the same way.

What a kill costs: before the mark, the epochs since the last kept one. The study's graph has a mark of its own for each
step, a moment after the run's: killed between the two, it makes the run again beside the finished one, which it replaces
by the same bytes. That costs the time of one run; the other way would take a run of older code for one of today's.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from cvig import files, locks
from study.provenance import difference

EVALUATED = ("evaluate.json", "metrics.json", "ranks-*.npz", "projection.npz", "retrievals.npz")
NETWORK = ("checkpoint.safetensors", "network.json")
# marks of each part of a run, and the files of an older one that go when a new one takes its place
PARTS = {
    "train": (
        ("train.json", "diverged.json"),
        ("train.json", *EVALUATED, "diverged.json", "log.csv", "validation.npz", *NETWORK),
    ),
    "evaluate": (("evaluate.json",), EVALUATED),
    "filter": (("kept.json",), ("kept.json", "kept.txt", "report.npz", "galleries.npz", "filter.npz")),
}
KEPT = "unfinished.ckpt"  # of a training that is under way


@dataclass(frozen=True)
class Work:
    """One part of a run that is being made.

    Attributes
    ----------
    folder : Path
        The run's.
    part : {"train", "evaluate", "filter"}
    identity : str
    finished : bool
        The very same run lies there already, and nothing is to be made.
    """

    folder: Path
    part: str
    identity: str
    finished: bool = False

    @property
    def path(self) -> Path:
        """Where files are written until all are there."""
        return self.folder / f".{self.part}-{self.identity}"

    def place(self, mark: str, record: dict) -> dict:
        """Write `record` as the mark, put all files into the run's folder, let go of it; give what was written."""
        written = sorted(path for path in self.path.glob("*") if path.name != KEPT)
        record = record | {"files": {path.name: files.digest_file(path) for path in written}}
        files.write_json(self.path / mark, record)
        _put_in_place(self.path)
        locks.let_go(self.folder)
        return record


def _put_in_place(work: Path) -> None:
    """Move a whole part of a run from its own folder to the run's; may be killed and begun again at any moment."""
    folder = work.parent
    marks, older = PARTS[work.name[1:].split("-")[0]]
    (mark,) = [name for name in marks if (work / name).exists()]
    new = json.loads((work / mark).read_text())["files"]
    (work / KEPT).unlink(missing_ok=True)
    for path in [path for pattern in older for path in folder.glob(pattern)]:
        if path.name not in new:  # else it is replaced, or was before a kill
            path.unlink()
    files.sync(folder)
    for name in new:
        if (work / name).exists():
            (work / name).replace(folder / name)
    files.sync(folder)
    (work / mark).replace(folder / mark)
    files.sync(folder)
    shutil.rmtree(work)


def unfinished(folder: Path, part: str) -> list[Path]:
    """Folders of this part of a run that are under way, or were when they were cut short."""
    return sorted(path for path in folder.glob(f".{part}-*") if path.is_dir())


def open_work(folder: Path, part: str, record: dict, *, overwrite: bool) -> Work:
    """Hold a run's folder and say whether this part of it is finished.

    Parameters
    ----------
    folder : Path
    part : {"train", "evaluate", "filter"}
    record : dict
        Provenance of what is to be made.
    overwrite : bool
        Make it anew even where a finished run lies, which it replaces at its end.

    Raises
    ------
    ValueError
        Another process holds the folder; or a finished run of another identity lies there and is not to be replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    locks.hold(folder)
    files.clean(folder)
    marks, _ = PARTS[part]
    for work in unfinished(folder, part):
        files.clean(work)
        if any((work / mark).exists() for mark in marks):
            _put_in_place(work)
    mark = folder / marks[0]
    if mark.exists() and not overwrite:
        locks.let_go(folder)
        there = json.loads(mark.read_text())
        if there.get("identity") != record["identity"]:
            raise ValueError(
                f"'{folder}' holds a finished run, {difference(there, record)}: "
                "name another folder, or set overwrite to true to replace it"
            )
        work = Work(folder, part, record["identity"], finished=True)
        print(f"'{folder}': this very run is finished ({mark.name}); set overwrite to true to make it anew", flush=True)
        shutil.rmtree(work.path, ignore_errors=True)  # empty: its process was killed when all else was done
        return work
    return Work(folder, part, record["identity"])


def say_kept(epochs: int, folder: Path | str) -> str:
    """That so many epochs of a training are kept in its folder, and how it goes on: a line."""
    return f"epochs 1 to {epochs} are kept in '{folder}': the same command goes on from there"
