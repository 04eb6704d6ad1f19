"""How long a study takes on this machine: python benchmarks/study_time.py study/plans/apart.yaml [runs side by side, or 2].

Each kind of run is trained for three short epochs and tested on few places, as many kinds at a time as runs are to be; an
epoch's time is that between the ends of two. The rest is multiplication: epochs, pairs and places as the study asks, and
the order in which runs can begin that start from others.
"""

import math
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

from study.plans import read
from study.sessions.evaluation import open_evaluation
from study.sessions.training import open_training
from study.settings import EvaluateSettings, TrainSettings

PART = 8  # the measured epoch and test set are an eighth of the study's
NO_MATTER = {"epochs", "half_size_epochs", "seed", "start", "learning_rate"}  # to the time of an epoch


def kind(settings: dict) -> tuple:
    """What an epoch's time depends on, and whether there are epochs at half the size."""
    depends = sorted((key, str(value)) for key, value in settings.items() if key not in NO_MATTER)
    return *depends, settings.get("half_size_epochs", 0) > 0


def measure(settings: dict, evaluate: dict, threads: int) -> tuple[float, float, float]:
    """Seconds of an epoch at half the size (0 where there are none), of one at the full size, and of the evaluation."""
    half = bool(settings.get("half_size_epochs"))
    part = settings | {
        "train_count": settings["train_count"] // PART,
        "val_count": settings["val_count"] // PART,
        "epochs": 3 + half,
        "half_size_epochs": 2 if half else 0,
        "learning_rate": 1e-6,  # so that no short training diverges
        "start": "",
        "threads": threads,
    }
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        session = open_training(TrainSettings(**part, out=folder))
        session.keep.every = math.inf  # a short epoch would pay for a whole file
        session.fit(report=lambda row: ends.append(time.perf_counter()))
        session.finish()
        count = evaluate["test_count"] // PART
        started = time.perf_counter()
        test = open_evaluation(EvaluateSettings(run=folder, test_count=count, threads=threads))
        test.score()
        tested = time.perf_counter() - started
    return PART * (ends[1] - ends[0]) * half, PART * (ends[-1] - ends[-2]), PART * tested


def finish(study: dict, seconds: dict[str, float], side_by_side: int) -> float:
    """Seconds until the last of the runs ends, where a free place takes the first of the study's runs that can begin."""
    places, waiting = [0.0] * side_by_side, dict(study["runs"])
    ended = {"": 0.0}
    while waiting:
        place = min(range(side_by_side), key=places.__getitem__)
        ready = {name: ended[start] for name, run in waiting.items() if (start := run.get("start", "")) in ended}
        name = min(ready, key=lambda name: max(ready[name], places[place]))  # the first of equals
        places[place] = ended[name] = max(ready[name], places[place]) + seconds[name]
        del waiting[name]
    return max(places)


def main() -> None:
    study, side_by_side = read(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2
    kinds = {kind(settings): settings for settings in study["runs"].values()}
    with ProcessPoolExecutor(side_by_side, mp_context=multiprocessing.get_context("spawn")) as pool:
        rest = study["evaluate"], study["threads"]
        jobs = {key: pool.submit(measure, settings, *rest) for key, settings in kinds.items()}
        measured = {key: job.result() for key, job in jobs.items()}
    seconds = {}
    print(f"{'run':28s} {'epochs':>9s} {'s/epoch':>15s} {'test s':>7s} {'hours':>6s}")
    for name, settings in study["runs"].items():
        halves = settings.get("half_size_epochs", 0)
        small, full, tested = measured[kind(settings)]
        seconds[name] = halves * small + (settings["epochs"] - halves) * full + tested
        print(
            f"{name:28s} {f'{halves} + ' if halves else ''}{settings['epochs'] - halves:>3d}".ljust(38)
            + f" {f'{small:.0f} and ' if halves else ''}{full:.0f}".rjust(16)
            + f" {tested:7.0f} {seconds[name] / 3600:6.2f}"
        )
    total = sum(seconds.values())
    print(
        f"{len(seconds)} runs: {total / 3600:.1f} hours one after another, "
        f"{finish(study, seconds, side_by_side) / 3600:.1f} hours {side_by_side} side by side"
    )


if __name__ == "__main__":
    main()
