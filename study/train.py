"""Train by settings in a file, outside a notebook: ``python -m study.train SETTINGS.json``.

The file holds what the parameters cell of ``notebooks/train.ipynb`` does, by name. With ``devices`` above one this starts as
many processes on this machine, as the notebook does by this very command. Where ``torchrun`` or SLURM's ``srun`` has started
it several times, on one machine or on many, it is one of them, and ``devices`` is their number.
"""

import argparse
import json
import sys
from pathlib import Path

from cvig.training import processes
from cvig.training.starting import LOST_OTHERS, ProcessFailed
from study.sessions.training import open_training
from study.settings import TrainSettings


def train(path: Path, keep_every: float, rows: bool) -> None:
    """Train by the settings in `path`; `rows` prints each epoch's row of the log as JSON."""
    try:
        given = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"settings '{path}': not JSON ({error})") from error
    if not isinstance(given, dict):
        raise ValueError(f"settings '{path}': expected an object of names and values, got {type(given).__name__}")
    session = open_training(TrainSettings(**given))
    session.keep.every, session.quiet = keep_every, rows
    session.fit((lambda row: print(json.dumps(row), flush=True)) if rows else None)
    session.finish()
    processes.leave()


def main() -> None:
    """Run the command; what is wrong is one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m study.train", description=__doc__.split("\n")[0])
    parser.add_argument("settings", type=Path, help="JSON file of parameters")
    parser.add_argument("--keep-every", type=float, default=60.0, help="seconds at least between two kept epochs")
    parser.add_argument("--rows", action="store_true", help="print the log's rows as JSON, for another program")
    given = parser.parse_args()
    try:
        train(given.settings, given.keep_every, given.rows)
    except (ValueError, OSError, FloatingPointError, ProcessFailed) as error:
        sys.exit(f"python -m study.train: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except RuntimeError as error:
        if processes.count() > 1 and LOST_OTHERS.search(repr(error)):
            sys.exit(processes.LOST)
        raise


if __name__ == "__main__":
    main()
