"""Files written whole or not at all, read back, and digests of content."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path that takes the place of `path` only when the block ends well.

    A reader sees the old file or the new one, never half of one; after an error or Ctrl-C the old one stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path | str, content: dict) -> None:
    """Write `content` as JSON, atomically; NaN and infinity are refused, for they are no JSON."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n")


def write_csv(path: Path | str, frame: "pd.DataFrame") -> None:
    """Write a data frame as CSV without its index, atomically."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_arrays(path: Path | str, **arrays: np.ndarray) -> None:
    """Write arrays as one compressed ``.npz`` file, atomically."""
    with atomic(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Read an ``.npz`` file whole."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def digest(*parts: bytes | str) -> str:
    """Sixteen hexadecimal digits that change when any part does."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)
    return total.hexdigest()[:16]
