"""How fast the world is made and rendered: python benchmarks/world.py [--threads N] [--pairs N] [--kilometres N]."""

import argparse
import math
import resource
import time

import torch

from cvig.datasets.world import WorldViews, places_of
from cvig.datasets.world.countries import KNOWN
from cvig.datasets.world.countryside import PIECE, make_countryside
from cvig.datasets.world.lattice import Window
from cvig.datasets.world.views import aerial_tiles, exposure, ground_views, weather


def seconds(work) -> float:
    """Median of five runs after a warm-up."""
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("threads", 1), ("pairs", 2048), ("kilometres", 12)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for number in range(len(KNOWN)):
        start = time.process_time()  # of the processor, so that what else it does is not counted
        for row in range(given.kilometres * 10**6 // PIECE**2):
            make_countryside(Window(row * PIECE, 0, PIECE, PIECE), number)
        area = given.kilometres * 10**6 // PIECE**2 * PIECE**2 / 1e6
        print(f"country {number}: {area / (time.process_time() - start):.1f} km² of land a second of processor time")
    start = time.perf_counter()
    apart = WorldViews("test", count=given.pairs)
    print(f"{given.pairs / (time.perf_counter() - start):.0f} pairs a second at 64 × 64 of places apart, land included")
    del apart
    data = WorldViews("train", count=given.pairs, fresh=True)
    epoch = iter(range(1, 100))
    total = seconds(lambda: data.set_epoch(next(epoch)))
    print(f"{given.pairs / total:.0f} training pairs a second at 64 × 64, everything included")
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB of memory at most so far")

    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        count = max(1, given.pairs // 4)
        large = WorldViews("train", size=224, count=count, fresh=True, device=device)
        print(f"{count / seconds(lambda data=large: data.set_epoch(next(epoch))):.0f} pairs a second at 224 × 224, {device}")

    block = next(places_of("train", spacing=24))
    land, where, heading = block.land, block.where[: given.pairs], block.heading[: given.pairs]
    generator = torch.Generator().manual_seed(0)
    color, depth = ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64))
    stages = {
        "march rays": lambda: ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64)),
        "weather": lambda: weather(color, depth, generator),
        "exposure, twice": lambda: [exposure(color, generator) for _ in range(2)],
        "cut tiles": lambda: aerial_tiles(land, where, span=128, size=64),
    }
    for name, work in stages.items():
        print(f"  {name}: {1e6 * seconds(work) / len(where):.0f} µs a pair")


if __name__ == "__main__":
    main()
