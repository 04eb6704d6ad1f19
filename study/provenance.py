"""Where a result came from: parameters, data, code, packages, device and time."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

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


def commit() -> str | None:
    """Commit of the tree this package lies in, with ``+`` when a file outside results differs from it; None outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def provenance(parameters: dict, *, data: dict[str, str], device: str, threads: int, seconds: float) -> dict:
    """Everything needed to say where a result came from.

    Parameters
    ----------
    parameters : dict
        The notebook's parameters as they were used.
    data : dict
        Digest of each data split read, by name.
    device, threads, seconds
        What it ran on, with how many CPU threads, for how long. Of a GPU the model is kept (`cvig.training.devices.model`).
    """
    return {
        "parameters": parameters,
        "data": data,
        "commit": commit(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": devices.model(device),
        "threads": threads,
        "seconds": round(seconds, 1),
    }
