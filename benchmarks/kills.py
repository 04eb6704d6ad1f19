"""Kill each part of a study at random moments, give the same command again, and compare what comes out with an unkilled one.

    python benchmarks/kills.py [--kills 3] [--seed 0] [--only training]

A moment is drawn from the time that the part's work takes, once Python has started. What is compared is every byte of every
file, but for seconds; of labels it is what is read, for a line that was cut short stays in the file.

Of "two processes", which train together, one is ended at a time, at any moment from their start on; the same command goes
on in the same folder until the training is whole.

"study, whole group" is the study as `make study` and `make book` begin it. All its processes are ended at once while it
trains, by SIGKILL and at last by SIGINT, as Ctrl-C does, and the same command goes on each time; what is compared is what
the last one leaves.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from cvig import locks

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "print('begin', flush=True)"
TOGETHER = {"arch": "conv4-layernorm", "recipe": "sample4geo", "out": "run", "view": "panorama", "size": 16, "fresh": False}
TOGETHER |= {"switches": {"mining-every-two-epochs": True}, "train_count": 64, "val_count": 8, "epochs": 60, "batch": 8}
TOGETHER |= {"threads": 1, "devices": 2}
TRAIN = """
from study.sessions.training import open_training
from study.settings import TrainSettings
s = open_training(TrainSettings(arch="resnet18", out="run", size=32, options={"spacing": 16}, train_count=32, val_count=8,
                                epochs=6, batch=4, threads=1))
s.keep.every = 0
"""
EVALUATE = """
from study.sessions.evaluation import open_evaluation
from study.settings import EvaluateSettings
"""
PHOTOS = """
import numpy as np
from pathlib import Path
from PIL import Image
for folder in ("clean_ground", "clean_aerial"):
    Path("data", folder).mkdir(parents=True, exist_ok=True)
    for i in range(60):
        path = Path("data", folder, f"{i}.png")
        if not path.exists():
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (300, 300, 3), dtype=np.uint8)).save("x.png")
            Path("x.png").rename(path)
"""
# what a part needs beforehand, and the part: both are Python, in the folder of one try
PARTS = {
    "training": ("", f"{TRAIN}{BEGIN}\ns.fit(); s.finish()"),
    "checkpoint write": (
        "",
        f"from cvig import files\n{BEGIN}\nfor i in range(40): files.write('a.bin', bytes([i]) * 8_000_000)",
    ),
    "end of run": ("", f"{TRAIN}s.fit()\n{BEGIN}\ns.finish()"),
    "evaluation": (
        f"{TRAIN}s.fit(); s.finish()",
        f"{EVALUATE}{BEGIN}\n"
        "s = open_evaluation(EvaluateSettings(run='run', test_count=40, threads=1))\ns.score()\ns.finish()",
    ),
    "cache": (PHOTOS, f"from cvig.datasets import load\n{BEGIN}\nload('flat', 'data', 'train', size=128, cache='cache')"),
    "filter": (
        "",
        f"""
from study.sessions.filtering import open_filter
from study.settings import FilterSettings
{BEGIN}
s = open_filter(FilterSettings(options={{"spacing": 16}}, count=60, labelled=40, size=32, trees=10, threads=1, out="run",
                               features="features", chunk=8))
s.train(); s.apply(); s.finish()
""",
    ),
    "labelling": (
        PHOTOS,
        f"""
from cvig.filtering.labelling import Labels
{BEGIN}
labels = Labels("data", "labels.csv")
while (name := labels.state["name"]):
    labels.give(name, len(name) % 2 == 0)
""",
    ),
    "two processes": ("", ""),
    "study": ("", ""),
    "study, whole group": ("", ""),
}
# one training that is long beside the start of its processes
PLAN = {
    "out": "study",
    "run": "{arch}-{recipe}",
    "threads": 1,
    "runs": [{"architectures": ["resnet18"], "recipes": ["modern"], "seeds": [0]}],
    "train": {"data": "world", "options": {"spacing": 16}, "size": 32, "train_count": 32, "val_count": 8, "epochs": 6}
    | {"batch": 4, "fresh": False},
    "evaluate": {"test_count": 24},
}


def command(part: str, folder: Path) -> list[str]:
    """What a user gives, and gives again."""
    if part == "study, whole group":
        plan = ["--config", f"study={folder / 'plan.yaml'}", f"out={folder / 'study'}"]
        return [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", "--rerun-incomplete", "study", *plan]
    if part == "study":
        plan = ["--config", "study=tests/tiny.yaml", f"out={folder / 'study'}"]
        return [sys.executable, "-m", "snakemake", "--cores", "2", "study", *plan]
    if part == "two processes":
        return [sys.executable, "-m", "study.train", str(folder / "settings.json"), "--keep-every", "0"]
    return [sys.executable, "-c", PARTS[part][1]]


def start(part: str, folder: Path) -> subprocess.Popen:
    """Begin a part in `folder`; come back when its work begins."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command(part, folder),
        cwd=ROOT if part == "study" else folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    if part == "two processes":
        while process.poll() is None and len(children(process)) < 2:
            time.sleep(0.01)
        return process
    for line in process.stdout:
        if line.startswith("training") if part == "study" else line.strip() == "begin":
            break
    return process


def children(process: subprocess.Popen) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def prepare(part: str, folder: Path) -> None:
    """Make what the part needs."""
    folder.mkdir()
    if part == "two processes":
        (folder / "settings.json").write_text(json.dumps(TOGETHER))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if PARTS[part][0]:
        words = [sys.executable, "-c", PARTS[part][0]]
        subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)


def begin_group(folder: Path) -> subprocess.Popen:
    """The study, in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    null = subprocess.DEVNULL
    words = command("study, whole group", folder)
    return subprocess.Popen(
        words,
        cwd=ROOT,
        stdin=null,
        stdout=null,
        stderr=null,
        env=environment,
        start_new_session=True,
        # a shell has its jobs in the background ignore SIGINT, and what they start inherits it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def trains(folder: Path) -> bool:
    """Whether the study in `folder` has opened its training and has not marked its end."""
    run = folder / "study" / "resnet18-modern"
    return run.exists() and not (run / "train.json").exists() and locks.holder(run) is not None


def until_it_trains(process: subprocess.Popen, folder: Path) -> bool:
    """Wait until the study trains; False where it ends before."""
    while process.poll() is None and not trains(folder):
        time.sleep(0.1)
    return process.poll() is None


def group_kills(kills: int, draw: random.Random, whole: Path) -> list[dict]:
    """End a whole group `kills` times while it trains, each time by the command of the time before; rows as `measure`'s."""
    whole.mkdir()
    (whole / "plan.yaml").write_text(json.dumps(PLAN))
    process = begin_group(whole)
    until_it_trains(process, whole)
    began = time.perf_counter()
    while trains(whole):
        time.sleep(0.1)
    takes = time.perf_counter() - began
    assert process.wait() == 0, "the study fails unkilled"
    expected, rows, tries = outcome(whole), [], 0
    while len(rows) < kills:
        folder, tries = whole.with_name(f"{whole.name}-{tries}"), tries + 1
        folder.mkdir()
        (folder / "plan.yaml").write_text(json.dumps(PLAN))
        here: list[dict] = []
        while len(rows) + len(here) < kills:
            process = begin_group(folder)
            if not until_it_trains(process, folder):
                break  # the training had ended before it was met
            moment, began = draw.uniform(0, takes), time.perf_counter()
            while trains(folder) and time.perf_counter() - began < moment:
                time.sleep(0.1)
            if not trains(folder):
                takes /= 2  # the machine is faster than it was
                break
            how = signal.SIGINT if len(rows) + len(here) == kills - 1 else signal.SIGKILL
            os.killpg(process.pid, how)
            process.wait()
            here.append({"part": "study, whole group", "moment": moment, "of": takes, "how": how.name})
            print(f"{how.name} to the group, {moment:.2f} of {takes:.2f} s of training", flush=True)
        process.wait()
        code, found = begin_group(folder).wait(), outcome(folder)
        differ = [file for file in sorted({*expected, *found}) if expected.get(file) != found.get(file)]
        said = f"exit {code}  differ: {', '.join(differ) or 'none'}"
        print(f"{'study, whole group':17s} after {len(here)} ends of the group  {said}", flush=True)
        rows += [row | {"code": code, "differ": differ} for row in here]
    return rows


def finish(process: subprocess.Popen) -> int:
    """Wait for a process, reading what it says."""
    process.communicate()
    return process.returncode


NOT_COMPARED = ("seconds", "device_seconds", "joules", "log.csv", "out", "run", "start")


def victim(part: str, process: subprocess.Popen, draw: random.Random) -> int:
    """Whom the kill meets: any of two processes that train together, else the command itself."""
    return draw.choice((children(process) if part == "two processes" else []) or [process.pid])


def _plain(content: object) -> object:
    """JSON without seconds, without folders of this try, and without digests of files that hold seconds."""
    if isinstance(content, dict):
        left = {name: value for name, value in content.items() if name not in NOT_COMPARED}
        return {name: _plain(value) for name, value in left.items()}
    return content


def outcome(folder: Path) -> dict[str, object]:
    """All that a part left, file by file, but for seconds."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(piece.startswith(".") for piece in Path(name).parts)
        if not path.is_file() or (hidden and ".part" not in name and "unfinished" not in name) or name == "x.png":
            continue
        if path.suffix == ".ipynb" or name.endswith((".parameters.json", "/lock")):
            continue
        if path.name == "labels.csv":
            from cvig.filtering import read_labels

            found[name] = read_labels(path).to_dict()
        elif path.name == "log.csv":
            found[name] = pd.read_csv(path).drop(columns="seconds").to_dict()
        elif path.suffix == ".json":
            found[name] = _plain(json.loads(path.read_text()))
        else:
            found[name] = path.read_bytes()
    return found


def measure(parts: list[str], kills: int, seed: int) -> list[dict]:
    """A row a kill in the midst of the work: part, moment in seconds of so many, and what differs after resuming."""
    draw, rows = random.Random(seed), []
    with tempfile.TemporaryDirectory() as name:
        for part in parts:
            whole = Path(name, part.replace(" ", "-"))
            if part == "study, whole group":
                rows += group_kills(max(kills, 2), draw, whole)
                continue
            prepare(part, whole)
            process = start(part, whole)
            began = time.perf_counter()
            assert finish(process) == 0, f"{part} fails unkilled"
            takes, expected = time.perf_counter() - began, outcome(whole)
            mine, number = 0, 0
            while mine < kills:
                folder, number = Path(name, f"{part.replace(' ', '-')}-{number}"), number + 1
                prepare(part, folder)
                moments: list[float] = []
                while len(moments) < (kills - mine if part == "two processes" else 1):
                    process, moment = start(part, folder), draw.uniform(0, takes)
                    began = time.perf_counter()
                    try:
                        process.wait(moment)
                    except subprocess.TimeoutExpired:
                        os.kill(victim(part, process, draw), signal.SIGKILL)
                        finish(process)
                        moments.append(moment)
                        continue
                    if not moments:  # the machine is faster than it was
                        takes = time.perf_counter() - began
                    break
                if not moments:
                    continue
                code, mine = finish(start(part, folder)), mine + len(moments)
                found = outcome(folder)
                differ = [file for file in sorted({*expected, *found}) if expected.get(file) != found.get(file)]
                rows += [{"part": part, "moment": at, "of": takes, "code": code, "differ": differ} for at in moments]
                said = f"exit {code}  differ: {', '.join(differ) or 'none'}"
                print(f"{part:17s} {', '.join(f'{at:.2f}' for at in moments)} of {takes:.2f} s  {said}", flush=True)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=3, help="of each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, action="append")
    given = parser.parse_args()
    found = measure(given.only or list(PARTS), given.kills, given.seed)
    same = sum(not row["differ"] and row["code"] == 0 for row in found)
    print(f"{len(found)} kills in the midst of the work, and {same} ended the same")
    sys.exit(same < len(found))
