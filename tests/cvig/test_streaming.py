"""The torchmetrics classes: batches, processes and collections give what the functions give, to the bit."""

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torchmetrics import MetricCollection

from cvig import metrics
from cvig.metrics import MeanReciprocalRank, MedianRank, ProportionalSearchSpaceReduction, RetrievalRecall
from cvig.ranking import exact_ranks

ROWS, PROCESSES = 96, 2


def embeddings(dtype=torch.float32):
    """Embeddings with ties: the aerial ones on a coarse grid, a third of them copies."""
    generator = torch.Generator().manual_seed(0)
    gallery = torch.randint(-3, 4, (ROWS, 4), generator=generator).to(dtype) / 4
    gallery[::3] = gallery[0]
    return (gallery + 0.4 * torch.randn(ROWS, 4, generator=generator)).to(dtype), gallery


def classes(ties):
    return {
        "PSSR": (ProportionalSearchSpaceReduction(ties=ties), lambda r: metrics.pssr(r, ties=ties)),
        "R@1": (RetrievalRecall(k=1, ties=ties), lambda r: metrics.recall_at_k(r, 1, ties=ties)),
        "R@5%": (RetrievalRecall(k="5%", ties=ties), lambda r: metrics.recall_at_k(r, "5%", ties=ties)),
        "MRR": (MeanReciprocalRank(ties=ties), lambda r: metrics.mean_reciprocal_rank(r, ties=ties)),
        "median": (MedianRank(ties=ties), lambda r: metrics.median_rank(r, ties=ties)),
    }


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
@pytest.mark.parametrize("ties", metrics.TIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_batches_give_what_the_function_gives_for_all_rows(ties, dtype):
    query, gallery = embeddings(dtype)
    ranks = exact_ranks(query, gallery, progress=False)
    assert ranks.tied.any()
    for metric, function in classes(ties).values():
        for part in torch.arange(ROWS).split(20):
            metric.update(query[part], gallery[part])
        assert metric.compute().item() == function(ranks)
        metric.reset()
        with pytest.raises(ValueError, match="no query was seen"):
            metric.compute()


def test_places_join_queries_to_a_gallery_in_another_order():
    query, gallery = embeddings()
    place, order = torch.arange(ROWS) * 7, torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
    metric = ProportionalSearchSpaceReduction()
    metric.update(query, gallery[order], place, place[order])
    assert metric.compute().item() == metrics.pssr(exact_ranks(query, gallery, progress=False))


def test_a_collection_keeps_one_copy_of_the_embeddings():
    query, gallery = embeddings()
    collection = MetricCollection({"pssr": ProportionalSearchSpaceReduction(), "recall": RetrievalRecall(k=5)})
    for part in torch.arange(ROWS).split(32):
        collection.update(query[part], gallery[part])
    ranks = exact_ranks(query, gallery, progress=False)
    assert {name: value.item() for name, value in collection.compute().items()} == {
        "pssr": metrics.pssr(ranks),
        "recall": metrics.recall_at_k(ranks, 5),
    }
    assert list(collection.compute_groups.values()) == [["pssr", "recall"]]


def _score_a_share(rank: int, store: str, out: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=PROCESSES)
    query, gallery = embeddings()
    mine = torch.arange(rank, ROWS, PROCESSES)
    for name, (metric, _) in classes("expected").items():
        for part in mine.split(17):
            metric.update(query[part], gallery[part])
        torch.save(metric.compute(), f"{out}/{rank}-{name}.pt")
    dist.destroy_process_group()


def test_two_processes_agree_with_one(tmp_path):
    mp.spawn(_score_a_share, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=PROCESSES)
    query, gallery = embeddings()
    # rows come together process by process; only the sum over queries knows their order
    together = torch.cat([torch.arange(rank, ROWS, PROCESSES) for rank in range(PROCESSES)])
    ranks = exact_ranks(query[together], gallery[together], progress=False)
    for name, (_, function) in classes("expected").items():
        for rank in range(PROCESSES):
            assert torch.load(tmp_path / f"{rank}-{name}.pt").item() == function(ranks)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(torch.zeros(3), torch.zeros(3, 2))], r"query of shape \(3,\)"),
        ([(torch.zeros(3, 2), torch.zeros(4, 2))], "3 queries and 4 gallery rows: without places"),
        ([(torch.zeros(3, 2), torch.zeros(3, 5))], "gallery of 5 dimensions: expected 2 of both"),
        ([(torch.zeros(3, 2), torch.zeros(3, 2)), (torch.zeros(1, 3), torch.zeros(1, 3))], "expected 2 of both"),
        ([(torch.zeros(2, 2), torch.zeros(2, 2), torch.arange(2))], "places of one tower alone"),
        ([(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2), torch.arange(2))], "query_place of shape"),
        (
            [(torch.zeros(2, 2), torch.zeros(2, 2)), (torch.zeros(1, 2), torch.zeros(1, 2), *[torch.arange(1)] * 2)],
            "some batches have places",
        ),
    ],
)
def test_what_does_not_fit_is_refused_at_once(batches, message):
    metric = ProportionalSearchSpaceReduction()
    for batch in batches[:-1]:
        metric.update(*batch)
    with pytest.raises(ValueError, match=message):
        metric.update(*batches[-1])


def test_what_cannot_be_ranked_is_refused():
    nan = torch.tensor([[np.nan], [0.0]])
    metric = ProportionalSearchSpaceReduction()
    metric.update(nan, torch.zeros(2, 1))
    with pytest.raises(ValueError, match="query: 1 of 2 rows hold NaN or infinity, the first is row 0"):
        metric.compute()
    metric.reset()
    metric.update(torch.zeros(2, 1), torch.zeros(1, 1), torch.tensor([4, 5]), torch.tensor([4]))
    with pytest.raises(ValueError, match="1 queries have no gallery row of their place, the first is query 1"):
        metric.compute()
    with pytest.raises(ValueError, match="unknown tie rule 'lucky'"):
        RetrievalRecall(ties="lucky")
    with pytest.raises(ValueError, match="k 0"):
        RetrievalRecall(k=0)
