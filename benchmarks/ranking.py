"""How much exact ranks cost above the bare matrix product: python benchmarks/ranking.py [--pairs N] [--large]."""

import argparse
import resource
import statistics
import time

import torch

from cvig.ranking import exact_ranks

DIMENSIONS = 256
ROUNDS = 5


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def product(query: torch.Tensor, gallery: torch.Tensor) -> None:
    """The matrix product alone, block by block into one place."""
    out = torch.empty(1024 * 4096)
    for q in query.split(1024):
        for g in gallery.split(4096):
            torch.mm(q, g.T, out=out[: len(q) * len(g)].view(len(q), len(g)))


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


def small(count: int) -> None:
    cases = models(count)
    query, gallery = cases["healthy"]
    times = {name: [] for name in ("product", *cases)}
    for _ in range(ROUNDS + 1):  # interleaved, so that a busy machine is busy for all
        times["product"].append(seconds(lambda: product(query, gallery)))
        for name, pair in cases.items():
            times[name].append(seconds(lambda pair=pair: exact_ranks(*pair, progress=False)))
    median = {name: statistics.median(spent[1:]) for name, spent in times.items()}
    some = min(500, count)
    single = seconds(lambda: one_at_a_time(query[:some], gallery)) * count / some
    print(f"{count} × {count} × {DIMENSIONS} on {torch.get_num_threads()} threads, median of {ROUNDS}")
    print(f"product {median['product']:.2f} s; one query at a time {single / median['healthy']:.1f} times the healthy case")
    for name in cases:
        print(
            f"{name}: {median[name] / median['product']:.2f} products, {median[name] / median['healthy']:.2f} healthy cases"
        )


def large() -> None:
    count = 92_802  # CVACT's test pairs
    query = torch.nn.functional.normalize(torch.randn(count, DIMENSIONS), dim=1)
    gallery = query + 0.05 * torch.randn(count, DIMENSIONS)
    bare = seconds(lambda: product(query, gallery))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = seconds(lambda: exact_ranks(query, gallery))
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    bare = (bare + seconds(lambda: product(query, gallery))) / 2
    print(
        f"{count} × {count} × {DIMENSIONS}: {spent / bare:.2f} products of {bare:.1f} s, peak memory {peak:.2f} GiB higher"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="92,802 pairs, minutes")
    parser.add_argument("--pairs", type=int, default=20_000, help="queries, and rows of the gallery, without --large")
    given = parser.parse_args()
    large() if given.large else small(given.pairs)
