"""Ranks of every positive of a query, not of the best placed alone: what average precision needs."""

import numpy as np

from cvig.ranking.answers import Answers
from cvig.ranking.counted import PositiveRanks
from cvig.ranking.counting import count_closer

PAIRS = 1 << 14  # positives that are ranked at a time


def rank_every(query: np.ndarray, gallery: np.ndarray, answers: Answers, **options) -> PositiveRanks:
    """Rank each positive among the rows that are none, exactly, as if it were the only answer of its query.

    Costs a search for each positive; `options` are those of `cvig.ranking.counting.count_closer`.
    """
    asked, rows = answers.pairs.T
    closer, tied = np.empty((2, len(asked)), np.int64)
    start = np.searchsorted(answers.left_out[:, 0], np.arange(len(query) + 1))
    for at in range(0, len(asked), PAIRS):
        part = slice(at, at + PAIRS)
        length = np.diff(start)[asked[part]]
        again = np.repeat(np.arange(len(length)), length)
        inside = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        left_out = np.column_stack([again, answers.left_out[start[asked[part]][again] + inside, 1]])
        closer[part], tied[part] = count_closer(
            query[asked[part]], gallery[rows[part]], left_out, [gallery], len(gallery), **options
        )
    return PositiveRanks(asked, closer, tied)
