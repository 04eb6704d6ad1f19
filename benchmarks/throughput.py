"""How much of a machine's speed does training keep? python benchmarks/throughput.py [--arch resnet50 ...] [--device cuda]

For each architecture, two towers:

step        a training step of `cvig.training.fit`, all that comes with it, as a share of the bare forward, backward and
            update of the same network on ready tensors: 1 is no loss
embedding   `cvig.training.embedding.embed_gallery` as a share of the bare forward
input       seconds that one process takes to give a batch of ready images, over those of the bare step: below 1 it keeps up
layout      the bare step of tensors in torch's own layout over that in channels-last: above 1 channels-last is faster
compiled    the bare step over that of the same towers compiled by `torch.compile` (with --compile)
memory      the most that was in use: of the process, which only grows from line to line, or on the device
busy        of a GPU: the share of time in which it is at work during the steps of `cvig.training.fit`, as its driver tells

On the CPU all times are the process's own, which a busy machine changes little; on a GPU they are of the clock, of finished
work. Float32 is that of the format unless --tf32 lets a GPU round what it multiplies to ten bits.
"""

import argparse
import platform
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from cvig.datasets import PairedViews
from cvig.losses import InfoNCELoss
from cvig.models import SiameseNetwork, build, preprocess
from cvig.training import devices, fit
from cvig.training.embedding import embed_gallery
from cvig.training.recipes import MODERN


class Ready(PairedViews):
    """Pairs that lie in memory."""

    def __init__(self, count: int, size: int):
        self.name = self.digest = "ready"
        self.gallery_count = count
        self.places = self.positives = np.arange(count)
        self.images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8)

    def ground_image(self, index: int) -> torch.Tensor:
        """One of the images."""
        return self.images[index]

    aerial_image = ground_image


def processor() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def taken(work: Callable[[], object], device: str) -> float:
    """Seconds of one piece of work: the process's own, or those until the device has finished."""
    if device == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


@contextmanager
def watched(device: str, seen: list[float]) -> Iterator[None]:
    """Within, the share of time that a GPU is at work is asked for ten times a second; on the CPU nothing is."""
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.1):
            seen.append(torch.cuda.utilization() / 100)

    thread = threading.Thread(target=ask)
    if device == "cuda":
        thread.start()
    try:
        yield
    finally:
        done.set()
        if device == "cuda":
            thread.join()


def bare_step(network: SiameseNetwork, given: argparse.Namespace, layout: torch.memory_format) -> Callable[[], None]:
    """Forward, backward and update of both towers on tensors that are ready."""
    images = preprocess(Ready(given.batch, given.size).images).to(given.device).to(memory_format=layout)
    loss_of = InfoNCELoss(label_smoothing=0.1).to(given.device)
    optimizer = torch.optim.AdamW([*network.parameters(), *loss_of.parameters()], fused=True)

    def step() -> None:
        with torch.autocast(given.device, torch.bfloat16, enabled=given.bf16):
            ground, aerial = network(images, images)
        optimizer.zero_grad()
        loss_of(ground.float(), aerial.float()).backward()
        optimizer.step()

    return step


def a_step(work: Callable[[], None], given: argparse.Namespace) -> float:
    """Median seconds of a step, the first ones apart."""
    work(), work()
    return float(np.median([taken(work, given.device) for _ in range(given.steps)]))


def our_step(arch: str, given: argparse.Namespace, busy: list[float]) -> float:
    """Seconds of a step of `fit`: what more steps take than few, over how many more they are; and how `busy` a GPU is."""

    def training(steps: int) -> Callable[[], object]:
        data = Ready(steps * given.batch, given.size)
        network = build(arch, size=given.size, unit_norm=True).to(given.device)
        options = {name: getattr(given, name) for name in ("batch", "workers", "device", "bf16")}
        return lambda: fit(network, MODERN, data, Ready(2, given.size), epochs=1, **options)

    few, many = 2, 2 + 2 * given.steps
    taken(training(few), given.device)  # what is done once is done
    works = [training(steps) for steps in (few, many)]
    times = [taken(works[0], given.device)]
    with watched(given.device, busy):
        times.append(taken(works[1], given.device))
    return (times[1] - times[0]) / (many - few)


def measure(arch: str, given: argparse.Namespace) -> dict[str, float]:
    """One architecture's row."""
    torch.manual_seed(0)
    network = build(arch, size=given.size, unit_norm=True).to(given.device)
    bare = a_step(bare_step(network, given, torch.channels_last), given)
    data = Ready(given.batch, given.size)
    busy: list[float] = []
    row = {"images a second": 2 * given.batch / bare, "step": bare / our_step(arch, given, busy)}

    x = preprocess(data.images).to(given.device).to(memory_format=torch.channels_last)
    network.eval()

    def forward() -> None:
        with torch.inference_mode(), torch.autocast(given.device, torch.bfloat16, enabled=given.bf16):
            network.aerial(x).float().cpu()

    where = {"batch": given.batch, "device": given.device, "bf16": given.bf16}
    row["embedding"] = a_step(forward, given) / a_step(lambda: embed_gallery(network, data, **where), given)
    network.train()

    batches = DataLoader(Ready(given.batch * 8, given.size), batch_size=given.batch)
    row["input"] = taken(lambda: list(batches), "cpu") / 8 / bare
    other = build(arch, size=given.size, unit_norm=True).to(given.device, memory_format=torch.contiguous_format)
    row["layout"] = a_step(bare_step(other, given, torch.contiguous_format), given) / bare
    if given.compile:
        for side in ("ground", "aerial"):
            getattr(other, side).compile()
        other = other.to(memory_format=torch.channels_last)
        row["compiled"] = bare / a_step(bare_step(other, given, torch.channels_last), given)
    if given.device == "cuda":
        row["busy"] = float(np.mean(busy)) if busy else np.nan
        row["memory MB"] = torch.cuda.max_memory_allocated() / 2**20
        torch.cuda.reset_peak_memory_stats()
    else:
        row["memory MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arch", action="append", help="by default vgg16, resnet50, cvm-net-i and convnext_tiny")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0, help="processes that put batches together, in steps of fit")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--tf32", action="store_true", help="on a GPU")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    devices.set_up(given.device, 1)
    if given.tf32:
        torch.set_float32_matmul_precision("high")  # Lightning asks for it in this way alone
        torch.backends.cudnn.conv.fp32_precision = "tf32"
    on = processor() if given.device == "cpu" else devices.model("cuda")
    numbers = "bf16" if given.bf16 else "TF32" if given.tf32 else "float32"
    print(f"{on}; {given.size} px, batch {given.batch}, {numbers}", flush=True)
    for arch in given.arch or ("vgg16", "resnet50", "cvm-net-i", "convnext_tiny"):
        row = measure(arch, given)
        print(f"{arch:16s}" + "  ".join(f"{name} {value:.3g}" for name, value in row.items()), flush=True)
