"""Does the metric do what it promises: smaller galleries, orders of models, earliness, and the paper's claims."""

from itertools import combinations

import numpy as np
import pytest

from cvig import subsets
from cvig.ranking import Ranks, exact_ranks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("m", [1, 2, 5, 7])
def test_the_expectation_in_a_smaller_gallery_is_the_mean_over_every_one(m):
    query, gallery = RNG.integers(0, 3, (2, 7, 2)).astype(float)  # on a grid: with ties
    full = exact_ranks(query, gallery)
    assert full.tied.any()
    each = []
    for i in range(7):
        others = [j for j in range(7) if j != i]
        for part in combinations(others, m - 1):
            each.append(subsets.means(exact_ranks(query[[i]], gallery[[i, *part]], [0])))
    found = subsets.expected(full, m)
    for name in subsets.METRICS:
        assert found[name] == pytest.approx(np.mean([row[name] for row in each])), name


def test_draws_have_the_expected_means_and_the_full_size_gives_the_queries_themselves():
    ranks = Ranks(np.minimum(*RNG.integers(0, 400, (2, 400))), np.zeros(400), 400)
    table = subsets.stability(ranks, [50, 100, 9999], draws=300)
    assert table.index.get_level_values("size").unique().tolist() == [50, 100, 400]
    error = table.deviation / np.sqrt(300)
    assert ((table.drawn - table.expected).abs() < 4 * error).all()
    assert table.loc[400].bias.abs().max() < 1e-12
    assert table.loc[50, "deviation"]["PSSR"] > 2 * table.loc[400, "deviation"]["PSSR"]
    drawn = subsets.draw(ranks, 400, np.random.default_rng(1))
    assert set(drawn.closer) <= set(ranks.closer)


def test_counts_fall_with_the_gallery_and_shares_hardly_do():
    ranks = Ranks(np.minimum(*RNG.integers(0, 2000, (2, 2000))), np.zeros(2000), 2000)
    curve = subsets.growth(ranks, [100, 200, 1000, 2000])
    assert (curve["R@1"].diff().dropna() < 0).all()
    assert (curve["MRR"].diff().dropna() < 0).all()
    assert curve["PSSR"].max() / curve["PSSR"].min() < 1.011
    assert subsets.changes({"model": curve}).loc["model", "R@1"] == curve["R@1"].iloc[-1] / curve["R@1"].iloc[0]


def test_rounding_down_makes_one_percent_of_199_rows_half_a_percent():
    ranks = Ranks(np.arange(2000), np.zeros(2000), 2000)  # chance: every rank once
    curve = subsets.growth(ranks, [199, 200])
    assert curve["R@1%"].tolist() == pytest.approx([1 / 199, 2 / 200])


def test_sizes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="between 1 and the 3"):
        subsets.expected(Ranks([0], [0], 3), 4)
    with pytest.raises(ValueError, match="one gallery size"):
        subsets.expected(Ranks([0, 0], [0, 0], np.array([3, 4])), 2)


def test_subsets_that_share_their_gallery_spread_about_as_independent_draws_do():
    query, gallery = RNG.normal(size=(2, 800, 8))
    query += gallery
    plain = subsets.shared_deviation(query, gallery, 80)
    assert (plain.shared / plain.independent).between(0.75, 1.35).all()
