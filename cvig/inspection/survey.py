"""Every image file of a data set decoded once: its size, a digest of what it shows, and whether it joins at its edges.

**Content.** The digest is of the decoded pixels, so that a file saved again with other metadata, or as PNG, counts as a
copy, and one compressed again does not.

**Seam.** In a panorama of a full turn the last column is the first one's neighbor. The image is averaged to at most 512
columns, and the difference of its two edge columns (mean over rows and colors) is set against those of all neighboring
columns: it is a seam where it exceeds three times their median, the largest of them, and the eight levels of 255 that a
JPEG's blocks can differ by. What the test cannot see: a cut between two stretches that look alike (fog, a hedge all round),
and one of few degrees; and it cries out where a full panorama was stitched badly at the very edge. One image is a hint,
most images of a data set are a finding.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from tqdm import tqdm

from cvig.datasets.images import decode, peculiarity
from cvig.datasets.paths import Paths

SEAM_COLUMNS = 512
SEAM_TIMES = 3.0  # the median difference of neighboring columns
SEAM_LEVELS = 8.0
CHUNK = 16  # files a task


@dataclass
class Survey:
    """What was found in the files of one kind, ground or aerial; entry i is file i.

    Attributes
    ----------
    names : list of str
    size : int32 array [N, 2]
        Width and height in pixels; 0 where the file could not be read.
    content : uint64 array [N]
        Digest of the decoded pixels, 0 where none was taken. Among a million images the odds of two alike are 3e-8.
    seam : float32 array [N]
        Difference of the edge columns, in medians of neighboring columns' differences, where it is a seam; else 0.
    missing : list of int
        Files that are not there.
    unreadable : dict of int to str
        Files that cannot be read, and why.
    peculiar : dict of int to str
        Files that are read right here and wrong by many programs, and why (`cvig.datasets.images.peculiarity`).
    """

    names: list[str]
    size: np.ndarray
    content: np.ndarray
    seam: np.ndarray
    missing: list[int] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)
    peculiar: dict[int, str] = field(default_factory=dict)

    @property
    def readable(self) -> np.ndarray:
        """Files that could be read: bool [N]."""
        return self.size[:, 0] > 0


def seam(picture: Image.Image) -> float:
    """How many medians of neighboring columns' differences the edges differ by, where that is a seam; else 0."""
    if picture.width > SEAM_COLUMNS:
        rows = max(1, round(picture.height * SEAM_COLUMNS / picture.width))
        picture = picture.resize((SEAM_COLUMNS, rows), Image.Resampling.BOX)
    columns = np.asarray(picture, dtype=np.float32)
    neighbors = np.abs(np.diff(columns, axis=1)).mean(axis=(0, 2))
    edges = float(np.abs(columns[:, 0] - columns[:, -1]).mean())
    if len(neighbors) < 2 or edges <= max(SEAM_LEVELS, neighbors.max(), SEAM_TIMES * np.median(neighbors)):
        return 0.0
    return edges / max(float(np.median(neighbors)), 1e-3)


def _inspect(paths: Paths, rows: range, hashed: bool, panoramas: bool) -> list[tuple]:
    """Width, height, digest, seam and peculiarity of each file; or the error, of one that is not there or cannot be read."""
    facts = []
    for row in rows:
        try:
            picture = decode(paths[row])
        except (FileNotFoundError, ValueError) as error:
            facts.append((error,))
            continue
        digest = 0
        if hashed:
            pixels = hashlib.blake2b(str(picture.size).encode(), digest_size=8)
            pixels.update(picture.tobytes())
            digest = int.from_bytes(pixels.digest(), "little")
        facts.append((*picture.size, digest, seam(picture) if panoramas else 0.0, peculiarity(paths[row])))
    return facts


def _in_order(pool: ThreadPoolExecutor, workers: int, count: int, *task) -> Iterator[tuple[range, list[tuple]]]:
    """Results of `_inspect` by chunks of files, with no more chunks under way than keep the workers busy."""
    under_way = deque()
    for start in range(0, count, CHUNK):
        rows = range(start, min(start + CHUNK, count))
        under_way.append((rows, pool.submit(_inspect, task[0], rows, *task[1:])))
        if len(under_way) > 2 * workers:
            rows, future = under_way.popleft()
            yield rows, future.result()
    for rows, future in under_way:
        yield rows, future.result()


def survey(
    paths: Paths, *, hashed: bool = False, panoramas: bool = False, workers: int = 2, bar: tqdm | None = None
) -> Survey:
    """Decode every file once.

    Parameters
    ----------
    paths : Paths
    hashed : bool
        Take the digest of the pixels.
    panoramas : bool
        Look for a seam.
    workers : int
        Threads; decoding, scaling and hashing leave the interpreter to the others. A worker holds one image at a time.
    bar : tqdm, optional
        Moved on by the files.
    """
    count = len(paths)
    found = Survey(
        list(paths.names), np.zeros((count, 2), np.int32), np.zeros(count, np.uint64), np.zeros(count, np.float32)
    )
    with ThreadPoolExecutor(workers) as pool:
        try:
            for rows, facts in _in_order(pool, workers, count, paths, hashed, panoramas):
                for row, fact in zip(rows, facts, strict=True):
                    if isinstance(fact[0], FileNotFoundError):
                        found.missing.append(row)
                    elif isinstance(fact[0], ValueError):
                        found.unreadable[row] = str(fact[0])
                    else:
                        found.size[row], found.content[row], found.seam[row] = fact[:2], fact[2], fact[3]
                        if fact[4]:
                            found.peculiar[row] = fact[4]
                if bar is not None:
                    bar.update(len(rows))
        finally:
            pool.shutdown(cancel_futures=True)
    return found
