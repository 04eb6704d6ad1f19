"""What a search of a very large gallery takes: python benchmarks/gallery.py [--tiles N] [--dimensions D] [--folder F].

The embeddings are made up, written in blocks as `cvig.locate.Gallery` keeps them, and mapped; the tiles are a grid of
made-up places, their pictures noise. Each step is timed by the clock and by the processor. Memory is what the process
holds of its own: the pages of the mapped files are the system's, which takes them back.

A million tiles of 256 dimensions on a very busy machine (AMD EPYC, AVX-512, one thread), in seconds of processor time: a
search in exact order 0.6 to 0.9, region and its ground 19, the answer's files 13; 0.66 GiB at most. By the clock it was up
to twenty times as long, for others used the processor. Approximate search would save less than a second of it, so there is
none.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from ranking import processor

from cvig.locate import Calibration, Gallery, Photograph, region
from cvig.locate.answer.folder import write_answer
from cvig.locate.answer.report import Case
from cvig.locate.gallery import BLOCK
from cvig.locate.geometry import square_corners
from cvig.locate.resemblance import p_unlike
from cvig.locate.sources import Tiles
from cvig.locate.usable import judge


def held() -> float:
    """Memory of its own that the process holds, in GiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 2**20


def make(folder: Path, count: int, dimensions: int) -> list[np.ndarray]:
    """Unit rows in files of one block each, mapped."""
    rng, blocks = np.random.default_rng(0), []
    for first in range(0, count, BLOCK):
        rows = rng.standard_normal((min(BLOCK, count - first), dimensions), dtype=np.float32)
        path = folder / f"{first}.npy"
        np.save(path, rows / np.linalg.norm(rows, axis=1, keepdims=True))
        blocks.append(np.load(path, mmap_mode="r"))
    return blocks


class Names:
    """A name for each tile, made when it is asked for."""

    def __getitem__(self, row: int) -> str:
        return f"tile {row}"


def picture(row: int, side: int) -> np.ndarray:
    """Noise."""
    return np.random.default_rng(row).integers(0, 256, (side, side, 3), dtype=np.uint8)


def main() -> None:
    """Make, search, and write an answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the embeddings are made; a temporary one if not given"
    )
    given = parser.parse_args()
    print(processor())
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        spent: dict[str, tuple[float, float, float]] = {}

        def step(what: str, work):
            start, busy = time.perf_counter(), time.process_time()
            done = work()
            spent[what] = time.perf_counter() - start, time.process_time() - busy, held()
            print(
                f"{what:>24}: {spent[what][0]:7.1f} s, {spent[what][1]:7.1f} s of processor time, {held():.2f} GiB",
                flush=True,
            )
            return done

        blocks = step("make embeddings", lambda: make(folder, given.tiles, given.dimensions))
        side = int(np.ceil(given.tiles**0.5))
        at = np.stack(np.divmod(np.arange(given.tiles), side), axis=1) * 1e-3 + [10.0, 40.0]
        tiles = Tiles(step("place tiles", lambda: square_corners(at, 100.0)), Names(), picture, str)
        gallery = Gallery(tiles, blocks)
        rng = np.random.default_rng(1)
        query = gallery.rows(np.array([12_345 % given.tiles]))[0] + 0.05 * rng.standard_normal(given.dimensions)
        found = step("search", lambda: gallery.search(query))
        found = step("search again", lambda: gallery.search(query))
        print(f"found at rank {found.rank[12_345 % given.tiles]}")
        gaps = rng.exponential(0.1, 300)
        made = Calibration(
            gaps, gaps, rng.normal(5, 1, 300), rng.normal(4, 1, 300), np.arange(300), [""] * 300, "", given.tiles, 100.0
        )
        where = step("region and its ground", lambda: region([found], made, tiles.corners))
        photograph = Photograph(Path("photo.png"), Image.fromarray(picture(0, 64)), None, "", None)
        out = np.array([found.stands_out])
        case = Case([photograph], tiles, made, where, 0.9, "gap", "", out, p_unlike(made, out), judge([photograph]))
        step("write the answer", lambda: write_answer(folder / "answer", case))
        print({path.name: f"{path.stat().st_size / 2**20:.1f} MiB" for path in sorted((folder / "answer").iterdir())})


if __name__ == "__main__":
    main()
