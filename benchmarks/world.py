"""How fast the world is made and rendered: python benchmarks/world.py [threads]."""

import math
import sys
import time

import torch

from cvig.datasets.world import WorldViews
from cvig.datasets.world.countryside import make_countryside
from cvig.datasets.world.views import aerial_tiles, exposure, ground_views, weather

PAIRS = 2048


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
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    start = time.perf_counter()
    land = make_countryside(4096)
    print(f"map of 4096 m: {time.perf_counter() - start:.1f} s on {torch.get_num_threads()} threads")
    data = WorldViews("train", count=PAIRS, fresh=True)
    epoch = iter(range(1, 100))
    total = seconds(lambda: data.set_epoch(next(epoch)))
    print(f"{PAIRS / total:.0f} pairs a second at 64 × 64, everything included")

    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        large = WorldViews("train", size=224, count=512, fresh=True, device=device)
        print(f"{512 / seconds(lambda data=large: data.set_epoch(next(epoch))):.0f} pairs a second at 224 × 224, {device}")

    where, heading = torch.rand(256, 2) * 1000 + 500, torch.rand(256) * 6
    generator = torch.Generator().manual_seed(0)
    color, depth = ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64))
    stages = {
        "march rays": lambda: ground_views(land, where, heading, fov=math.pi / 2, size=(64, 64)),
        "weather": lambda: weather(color, depth, generator),
        "exposure, twice": lambda: [exposure(color, generator) for _ in range(2)],
        "cut tiles": lambda: aerial_tiles(land, where, span=128, size=64),
    }
    for name, work in stages.items():
        print(f"  {name}: {1e6 * seconds(work) / 256:.0f} µs a pair")


if __name__ == "__main__":
    main()
