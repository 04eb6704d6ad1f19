"""One network tested on views of any field of view and heading."""

from collections.abc import Sequence

from cvig.datasets import PairedViews
from cvig.datasets.fields import LimitedFields
from cvig.metrics import pssr, recall_at_k, search_share
from cvig.models import SiameseNetwork
from cvig.ranking import exact_ranks
from cvig.training.embedding import embed_gallery, embed_ground

HEADINGS = {"north": False, "turned": True}
MEASURES = ("recall_1", "recall_1pct", "pssr", "search_share")
COVERAGE = 0.9  # of the search share


def by_field(network: SiameseNetwork, test: PairedViews, fields: Sequence[int], device: str) -> dict[str, float]:
    """Columns ``north_90_recall_1`` and the like: each of `MEASURES` for parts of the test's panoramas.

    Parameters
    ----------
    test : PairedViews
        With panoramas that look north.
    fields : sequence of int
        Degrees; none gives no column.
    """
    if not fields:
        return {}
    aerial, row = embed_gallery(network, test, device=device), {}
    for heading, turned in HEADINGS.items():
        for fov in fields:
            ground = embed_ground(network, LimitedFields(test, fov, turned=turned), device=device)
            ranks = exact_ranks(ground, aerial, test.positives, ignored=test.ignored)
            found = (
                100 * recall_at_k(ranks, 1, ties="pessimistic"),
                100 * recall_at_k(ranks, "1%", ties="pessimistic"),
                pssr(ranks, ties="pessimistic"),
                search_share(ranks, COVERAGE).share,
            )
            row |= {f"{heading}_{fov}_{name}": value for name, value in zip(MEASURES, found, strict=True)}
    return row
