"""Exact ranks: how many gallery rows are closer than each query's answer, and how many exactly as far."""

from cvig.ranking.answers import reverse_positives
from cvig.ranking.bits import as_bits
from cvig.ranking.cosine import cosine_ranks
from cvig.ranking.counted import Ranks
from cvig.ranking.given import matrix_ranks
from cvig.ranking.ranks import as_rows, exact_ranks
from cvig.ranking.shards import distributed_ranks, sharded_ranks

__all__ = [
    "Ranks",
    "as_bits",
    "as_rows",
    "cosine_ranks",
    "distributed_ranks",
    "exact_ranks",
    "matrix_ranks",
    "reverse_positives",
    "sharded_ranks",
]
