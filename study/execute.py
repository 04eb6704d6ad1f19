"""Run a notebook with parameters from a file: ``python -m study.execute NOTEBOOK OUTPUT PARAMETERS.json [CODE]``.

Parameters are data from a plan to a notebook: no shell and no YAML parser reads them on the way. CODE is the folder from
which the notebook imports, where that is another one than this program's: the tree of an older commit.
"""

import json
import keyword
import os
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

from cvig import locks


def _end_with(*processes: int) -> None:
    """End this process as soon as one of those has ended, so that no training outlives the command that began it."""

    def watch() -> None:
        while all(map(locks.alive, processes)):
            time.sleep(0.3)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


class SocketEngine(NBClientEngine):
    """papermill's own engine, whose kernels listen at files of their own instead of at ports.

    Jupyter chooses a kernel's ports, sets them free, and leaves it to the kernel to take them: of kernels that start at the
    same moment, now and then one finds that another was faster, and dies.
    """

    @classmethod
    def execute_notebook(cls, *args: Any, **kwargs: Any) -> Any:
        """Execute, with a socket for each of the kernel's channels in a folder that is gone afterwards."""
        with locks.meeting_folder("kernel") as folder:
            config = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})
            return super().execute_notebook(*args, config=config, **kwargs)


papermill_engines.register("sockets", SocketEngine)


def execute(notebook: Path | str, output: Path | str, parameters: Path | str) -> None:
    """Run `notebook` with the parameters in a JSON file, and keep it at `output` as it ran.

    Raises
    ------
    ValueError
        Parameters that are no JSON object, or whose names are none.
    papermill.PapermillExecutionError
        A cell that failed.
    """
    try:
        given = json.loads(Path(parameters).read_text())
    except ValueError as error:
        raise ValueError(f"parameters '{parameters}': not JSON ({error})") from error
    if not isinstance(given, dict):
        raise ValueError(f"parameters '{parameters}': expected an object of names and values, got {type(given).__name__}")
    for name in given:  # papermill writes them as assignments of Python
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"parameters '{parameters}': {name!r} is no name of a parameter")
    papermill.execute_notebook(str(notebook), str(output), given, engine_name="sockets", progress_bar=False)


def kept(parameters: Path | str) -> str:
    """What is kept of the training with the parameters in a JSON file, in a line; nothing where nothing is."""
    from cvig.training.continuation import KeepEpochs  # these take a second or two, and it has failed
    from study.folder import KEPT, say_kept, unfinished

    try:
        folder = Path(json.loads(Path(parameters).read_text())["out"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    epochs = max((KeepEpochs(work / KEPT, {}).epochs() for work in unfinished(folder, "train")), default=0)
    return say_kept(epochs, folder) if epochs else ""


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit("usage: python -m study.execute NOTEBOOK OUTPUT PARAMETERS.json [CODE]")
    _end_with(os.getppid(), *[int(process) for process in [os.environ.get("CVIG_STUDY")] if process])
    if len(sys.argv) == 5:  # the kernel's path; this process has imported what it needs
        os.environ["PYTHONPATH"] = os.pathsep.join([sys.argv[4], *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        execute(*sys.argv[1:4])
    except (ValueError, OSError, papermill.PapermillException, DeadKernelError) as error:
        sys.exit("\n".join(filter(None, [f"{sys.argv[1]}: {error}", kept(sys.argv[3])])))
