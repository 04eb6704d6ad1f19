"""What does bfloat16 gain over float32 in training here? python benchmarks/precision.py [pixels] [batch] [rounds]

A training step's work on the towers, forward and backward, on one thread of the CPU. Both precisions take turns, so that a
busy machine slows both; the median of the ratios counts. Without instructions of its own the processor imitates bfloat16,
and `cvig.training.devices.choose_precision` should choose float32.
"""

import sys
import time

import numpy as np
import torch

from cvig.models import build
from cvig.training.devices import choose_precision

ARCHITECTURES = {"vgg16": {}, "resnet50": {}, "cvm-net-i": {"embedding": 512}}


def seconds(network: torch.nn.Module, images: torch.Tensor, *, bf16: bool) -> float:
    """One pass of both towers, there and back."""
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        ground, aerial = network(images, images)
    (ground.float() - aerial.float()).square().sum().backward()
    return time.perf_counter() - start


if __name__ == "__main__":
    size, batch, rounds = (*map(int, sys.argv[1:]), *(32, 16, 5)[len(sys.argv) - 1 :])
    torch.set_num_threads(1)
    chosen = choose_precision("auto", "cpu")
    for arch, options in ARCHITECTURES.items():
        network = build(arch, size=size, **options)
        images = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
        seconds(network, images, bf16=False), seconds(network, images, bf16=True)  # first passes choose kernels
        times = [[seconds(network, images, bf16=bf16) for bf16 in (False, True)] for _ in range(rounds)]
        ratio = float(np.median([full / half for full, half in times]))
        pairs = batch / float(np.median(times, axis=0)[int(chosen == "bf16")])
        print(f"{arch:10s} bfloat16 is {ratio:.2f} times as fast as float32; chosen: {chosen}, {pairs:.1f} pairs a second")
