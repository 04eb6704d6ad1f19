"""How much exact ranks cost above the bare matrix product: python benchmarks/ranking.py [--pairs N] [--large].

The product is the faster one, in processor time, of PyTorch's and NumPy's, block by block into one place. Rounds are
interleaved and ratios taken round by round, so that a busy machine is busy for all; medians are shown, of the time that
passed and of processor time, which other work on the machine disturbs less. Set OMP_NUM_THREADS for fewer threads.

On a busy machine (AMD EPYC, AVX-512 and bf16, one thread), processor time in products, 20,000² × 256: healthy 1.13, chance
1.33, four copies 0.38, one point 0.05, clouds far from the queries 1.32 and with them in it 1.33; five lines of torch 1.12.
92,802² × 256, healthy, once: 1.09 products, and 0.20 GiB of memory beside the embeddings.

On a GPU (NVIDIA H200, once, embeddings in the computer's memory at the start), `exact_ranks` with ``device="cuda"`` took
0.165 s for 20,000² × 256, where ranks were equal to the CPU's, and 1.14 s for 92,802² × 256: 29 and 12 products of
rows in float32 that lie there ready.

Past one machine's memory, run once by `cvig.ranking.sharded_ranks` on a busy machine of two cores (AMD EPYC): 512 queries
against 10,000,000 × 256 half-precision rows in a file of 5.1 GB took 318 s and 170 s of processor time, 1.12 of the
product's 152 s, and 0.96 GiB of memory beside the file's own pages, which the system takes back. All of it grows with the
rows, so 100,000,000 of them, 51 GB, would take ten times as long: 1,700 s of processor time, by 16 processes of
`distributed_ranks` under two minutes each, at no more memory a process.
"""

import argparse
import platform
import resource
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from cvig.ranking import exact_ranks

DIMENSIONS = 256
ROUNDS = 5


def seconds(work) -> tuple[float, float]:
    """Time that passes, and processor time of all threads."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def processor() -> str:
    """What /proc/cpuinfo calls it, and the instructions that decide a product's speed."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, value in lines.items()}
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in facts.get("flags", "").split()]
    return f"{facts.get('model name', platform.machine())} ({', '.join(wide)})"


def torch_product(query: torch.Tensor, gallery: torch.Tensor) -> None:
    """The matrix product alone, block by block into one place."""
    out = torch.empty(1024 * 4096)
    for q in query.split(1024):
        for g in gallery.split(4096):
            torch.mm(q, g.T, out=out[: len(q) * len(g)].view(len(q), len(g)))


def numpy_product(query: torch.Tensor, gallery: torch.Tensor) -> None:
    out = np.empty(1024 * 4096, np.float32)
    for q in query.split(1024):
        for g in gallery.split(4096):
            np.matmul(q.numpy(), g.numpy().T, out=out[: len(q) * len(g)].reshape(len(q), len(g)))


def five_lines(query: torch.Tensor, gallery: torch.Tensor) -> None:
    """What people write: normalise, product, compare; of ties and rounding it knows nothing."""
    query, gallery = (torch.nn.functional.normalize(rows, dim=1) for rows in (query, gallery))
    closer, mask = torch.zeros(len(query)), torch.empty(1024 * 1024)
    own = (query * gallery).sum(dim=1, keepdim=True)
    for at in range(0, len(query), 1024):
        for g in gallery.split(1024):
            scores = query[at : at + 1024] @ g.T
            torch.gt(scores, own[at : at + 1024], out=mask[: scores.numel()].view(scores.shape))
            closer[at : at + 1024] += mask[: scores.numel()].view(scores.shape).sum(dim=1)


def one_at_a_time(query: torch.Tensor, gallery: torch.Tensor) -> None:
    """Closer and tied counts by one distance vector a query."""
    for i, q in enumerate(query):
        distance = (gallery - q).square().sum(dim=1)
        (distance < distance[i]).sum(), (distance == distance[i]).sum()


def models(count: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Query and gallery embeddings [count, 256] of a healthy model and of sick ones."""
    torch.manual_seed(0)
    normalize = torch.nn.functional.normalize
    noise = torch.randn(count, DIMENSIONS)
    query = normalize(torch.randn(count, DIMENSIONS), dim=1)
    healthy = normalize(query + 0.05 * noise, dim=1)
    point = query[0]
    return {
        "healthy": (query, healthy),
        "chance": (query, normalize(noise, dim=1)),
        "four copies of each row": (query, healthy[: count // 4].repeat_interleave(4, dim=0)),
        "one point": (query, point.expand(count, -1).contiguous()),
        "cloud 1e-7 wide far from the queries": (query, point + 1e-7 * noise),
        "cloud 1e-7 wide with the queries in it": (point + 1e-7 * torch.randn(count, DIMENSIONS), point + 1e-7 * noise),
    }


def compare(work: dict, rounds: int) -> None:
    """Print what each takes in units of the faster product."""
    spent = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, call in work.items():
            spent[name].append(seconds(call))
    times = {name: np.array(rows[1:] if rounds else rows) for name, rows in spent.items()}
    product = min(("torch's product", "NumPy's product"), key=lambda name: np.median(times[name][:, 1]))
    print(
        f"one product: {product}, {statistics.median(times[product][:, 0]):.2f} s, on {processor()}; passed, processor time"
    )
    for name, rows in times.items():
        passed, busy = np.median(rows / times[product], axis=0)
        print(f"{name}: {passed:.2f}, {busy:.2f} products")


def small(count: int) -> None:
    cases = models(count)
    query, gallery = cases["healthy"]
    print(f"{count} × {count} × {DIMENSIONS} on {torch.get_num_threads()} threads, median of {ROUNDS}")
    work = {
        "torch's product": lambda: torch_product(query, gallery),
        "NumPy's product": lambda: numpy_product(query, gallery),
        "five lines of torch": lambda: five_lines(query, gallery),
    }
    for name, pair in cases.items():
        work[name] = lambda pair=pair: exact_ranks(*pair, progress=False)
    some = min(500, count)
    single = seconds(lambda: one_at_a_time(query[:some], gallery))[0] * count / some
    print(f"one query at a time: {single:.1f} s")
    compare(work, ROUNDS)


def large() -> None:
    count = 92_802  # CVACT's test pairs
    query = torch.nn.functional.normalize(torch.randn(count, DIMENSIONS), dim=1)
    gallery = query + 0.05 * torch.randn(count, DIMENSIONS)
    print(f"{count} × {count} × {DIMENSIONS} on {torch.get_num_threads()} threads, once")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work = {
        "torch's product": lambda: torch_product(query, gallery),
        "exact ranks": lambda: exact_ranks(query, gallery),
        "NumPy's product": lambda: numpy_product(query, gallery),
    }
    compare(work, 0)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(f"peak memory {peak:.2f} GiB higher")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="92,802 pairs, minutes")
    parser.add_argument("--pairs", type=int, default=20_000, help="queries, and rows of the gallery, without --large")
    given = parser.parse_args()
    large() if given.large else small(given.pairs)
