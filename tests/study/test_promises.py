"""What metrics promise: smaller galleries, improvements and ties."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from cvig.metrics import pssr, recall_at_k
from cvig.ranking import Ranks, exact_ranks
from study.chapters.promises import claims, figures, subsets

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


def test_rows_kept_follow_the_hypergeometric_distribution():
    before = np.arange(300)
    for k, m in ((1, 2), (3, 40), (30, 300), (7, 7)):
        assert subsets.kept_below(k, before, 300, m) == pytest.approx(
            stats.hypergeom.cdf(k - 1, 299, before, m - 1), abs=1e-11
        )


def test_how_many_rows_a_draw_keeps_varies_as_the_hypergeometric_distribution_does():
    rng, ranks = np.random.default_rng(0), Ranks(np.full(401, 200), np.zeros(401), 401)
    kept = np.concatenate([subsets.draw(ranks, 101, rng).closer for _ in range(50)])
    mean, variance = stats.hypergeom.stats(400, 200, 100)
    assert kept.mean() == pytest.approx(mean, abs=0.3)
    assert kept.var() == pytest.approx(variance, rel=0.1)


def model(power: float, queries: int = 600, n: int = 600, seed: int = 0) -> Ranks:
    """Ranks without ties; of power 1 chance, of more a model that has learned."""
    closer = np.floor(n * np.random.default_rng(seed).uniform(size=queries) ** power).astype(int)
    return Ranks(closer, np.zeros(queries), n)


def test_improvements_do_what_they_are_called():
    ranks = model(3)
    top = 6
    assert recall_at_k(claims.improved(ranks, "far"), "1%") == recall_at_k(ranks, "1%")
    assert recall_at_k(claims.improved(ranks, "head"), 1) == recall_at_k(ranks, "1%")
    assert 0 < pssr(claims.improved(ranks, "head")) - pssr(ranks) < top / 600
    assert (claims.improved(ranks, "halved").closer == ranks.closer // 2).all()
    assert (claims.improved(ranks, "slight").closer + 1 == np.ceil(0.99 * (ranks.closer + 1) - 1e-9)).all()
    table = claims.noticed(ranks)
    assert table.errors["far", "PSSR"] > 2 > table.errors["far", "R@1%"] == 0
    assert table.errors["halved", "R@1%"] > 2


def test_the_gap_between_tie_rules_is_the_share_tied_for_pssr_and_everything_at_a_collapse():
    gaps = claims.tie_gaps(model(3), [1, 6, 12, 600])
    assert gaps.PSSR.tolist() == pytest.approx([0, 5 / 600, 11 / 600, 599 / 600])
    assert gaps.loc[1].abs().max() == 0
    assert gaps["R@1%"][6] == 0  # the boundary lies between two groups
    assert gaps["R@1%"][12] == pytest.approx(recall_at_k(model(3), 12))
    assert gaps["R@1%"][600] == 1


def test_plots_say_what_they_show():
    ranks = model(3)
    alts = {
        "PSSR at 100 is 0.99 of its full value": figures.stability(subsets.stability(ranks, [100], draws=5)),
        "over galleries of 100 to 600 rows": figures.growth({"a": subsets.growth(ranks, [100, 600])}),
        "far: R@1 0.00, R@1% 0.00": figures.improvements(claims.noticed(ranks)),
        "At 12 of 600 rows": figures.tie_gaps(claims.tie_gaps(ranks, [6, 12, 600]), 600),
    }
    for said, (figure, alt) in alts.items():
        assert figure.axes
        assert said in alt
