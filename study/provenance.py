"""Where a result came from: parameters, data, code, packages, device and time; and which run it is.

A run's identity is a digest of everything that its outcome depends on but the processor. Two runs of one identity on one
kind of processor are the same to the last bit, apart from how long they took. Another processor rounds otherwise: it is told
beside the identity, so that a run can go on elsewhere.
"""

import json
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

import cvig
from cvig.files import digest
from cvig.training import devices

PACKAGES = (
    "cvig",
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
)


# parameters that say where something lies: what lies there is in the data's digests
PLACES = ("out", "overwrite", "run", "root", "weights", "start", "labels", "crops", "cache", "features", "tensorboard")
SHOWN = ("chapters", "plans")  # what only shows runs, or names them


@cache
def source() -> str:
    """Digest of the library and of the study's code that runs, as they are when it is first asked for."""
    parts = []
    for package in (Path(cvig.__file__).parent, Path(__file__).parent):
        paths = (path for kind in ("*.py", "*.json") for path in package.rglob(kind))
        for path in sorted(paths):
            name = path.relative_to(package)
            if package.name != "study" or name.parts[0] not in SHOWN:
                parts += [f"{package.name}/{name.as_posix()}", path.read_bytes()]
    return digest(*parts)


def commit() -> str | None:
    """Commit of the tree this package lies in, with ``+`` when a file outside results differs from it.

    None outside git, and where the package lies in another project's tree.
    """
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(
    parameters: dict, *, data: dict[str, str], device: str, threads: int, seconds: float = 0.0, **more: str
) -> dict:
    """Everything needed to say where a result came from.

    Parameters
    ----------
    parameters : dict
        The notebook's parameters as they were used.
    data : dict
        Digest of each data split read, by name, and of whatever else was.
    device, threads, seconds
        What it ran on, with how many CPU threads, for how long. Of a GPU the model is kept (`cvig.training.devices.model`).
    more : str
        What else the outcome depends on.
    """
    made_of = {
        "parameters": parameters,
        "data": data,
        "source": source(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": devices.model(device),
        "threads": threads,
        **more,
    }
    told = {"commit": commit(), "processor": devices.processor(), "seconds": round(seconds, 1)}
    return {**made_of, "identity": identity_of(made_of), **told}


NOT_OF_IT = ("identity", "commit", "processor", "seconds")  # of a record, what is no part of the run's identity


def identity_of(record: dict, apart_from: tuple[str, ...] = ()) -> str:
    """Digest of all that a run's outcome depends on, of parameters `apart_from` some."""
    made_of = {name: value for name, value in record.items() if name not in NOT_OF_IT}
    chosen = {name: value for name, value in made_of["parameters"].items() if name not in (*PLACES, *apart_from)}
    return digest(json.dumps({**made_of, "parameters": chosen}, sort_keys=True))


def difference(one: dict, two: dict) -> str:
    """In what two records of provenance differ, in a few words; the first is the older one."""
    if "identity" not in one:
        return "made before runs were told apart by their source"
    for what in ("parameters", "data", "packages"):
        for name, value in two[what].items():
            if (what != "parameters" or name not in PLACES) and one.get(what, {}).get(name) != value:
                return f"{name}={one.get(what, {}).get(name)!r} there, {value!r} here"
    names = ("source", "python", "machine", "device", "threads", "precision")
    return f"another {next((name for name in names if one.get(name) != two.get(name)), 'origin')}"
