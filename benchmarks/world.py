"""How fast the world is made and rendered: python benchmarks/world.py [--threads N] [--pairs N]."""

import argparse
import math
import time

import torch

from cvig.datasets.world import WorldViews
from cvig.datasets.world.countryside import make_countryside
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
    for name, default in (("threads", 2), ("pairs", 2048), ("extent", 4096)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    start = time.perf_counter()
    land = make_countryside(given.extent)
    print(f"map of {given.extent} m: {time.perf_counter() - start:.1f} s on {torch.get_num_threads()} threads")
    data = WorldViews("train", count=given.pairs, fresh=True, extent=given.extent)
    epoch = iter(range(1, 100))
    total = seconds(lambda: data.set_epoch(next(epoch)))
    print(f"{given.pairs / total:.0f} pairs a second at 64 × 64, everything included")

    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        count = given.pairs // 4
        large = WorldViews("train", size=224, count=count, fresh=True, extent=given.extent, device=device)
        print(f"{count / seconds(lambda data=large: data.set_epoch(next(epoch))):.0f} pairs a second at 224 × 224, {device}")

    batch = min(256, given.pairs)
    where, heading = (torch.rand(batch, 2) / 2 + 0.25) * given.extent, torch.rand(batch) * 6
    generator = torch.Generator().manual_seed(0)
    color, depth = ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64))
    stages = {
        "march rays": lambda: ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64)),
        "weather": lambda: weather(color, depth, generator),
        "exposure, twice": lambda: [exposure(color, generator) for _ in range(2)],
        "cut tiles": lambda: aerial_tiles(land, where, span=128, size=64),
    }
    for name, work in stages.items():
        print(f"  {name}: {1e6 * seconds(work) / batch:.0f} µs a pair")


if __name__ == "__main__":
    main()
