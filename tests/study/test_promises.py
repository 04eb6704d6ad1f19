"""Does the metric do what it promises: smaller galleries, orders of models, earliness, and the paper's claims."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cvig.metrics import pssr, recall_at_k, summary
from cvig.ranking import Ranks, exact_ranks
from study.chapters.promises import claims, earliness, figures, orders, subsets

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


def flat(head: int, n: int = 600) -> Ranks:
    """Some positives come first, the others' ranks are spread evenly over the gallery."""
    return Ranks(np.where(np.arange(n) < head, 0, np.arange(n)), np.zeros(n), n)


def test_metrics_of_one_order_agree_and_of_opposite_orders_do_not():
    same = orders.scores({power: model(power) for power in (1.5, 2, 3, 4)})
    assert orders.tau(same).min().min() == pytest.approx(1)
    # the more positives come first, the worse the middle of the list
    crossed = {h: Ranks(np.r_[np.zeros(h), np.full(600 - h, 2 * h)], np.zeros(600), 600) for h in (30, 60, 90, 120)}
    table = orders.agreement(orders.scores(crossed))
    assert table.tau["R@1 and PSSR"] == pytest.approx(-1)
    assert table.tau["PSSR, pessimistic and optimistic"] == pytest.approx(1)
    assert (table.low <= table.tau + 1e-9).all()


def test_a_tie_rule_alone_can_turn_an_order_round():
    tied = {t: Ranks(np.full(50, 20 - t), np.full(50, 3 * t), 100) for t in (1, 5, 9, 13)}
    table = orders.agreement(orders.scores(tied))
    assert table.tau["PSSR, pessimistic and optimistic"] == pytest.approx(-1)


def test_a_contradiction_needs_both_differences_to_be_sure():
    n = 600
    head, steady = flat(150), Ranks(np.full(n, 100), np.zeros(n), n)
    found = orders.disagreements(orders.SameTest(np.arange(n), {"steady": steady, "head": head}))
    row = found[(found.metric == "R@1") & (found.other == "PSSR")].iloc[0]
    assert (row["first"], row.second) == ("head", "steady")
    assert row.gain == pytest.approx(recall_at_k(head, 1))
    assert row.loss == pytest.approx(pssr(head) - pssr(steady))
    assert row.loss < 0 < row.gain
    assert orders.contradictions(found)["R@1 and PSSR"] == 1
    assert len(orders.strongest(found)) == 1
    unsure = orders.SameTest(np.arange(n), {"a": flat(2), "b": Ranks(np.full(n, 280), np.zeros(n), n)})
    assert recall_at_k(unsure.ranks["a"], 1) > 0
    assert pssr(unsure.ranks["a"]) < pssr(unsure.ranks["b"])
    found = orders.disagreements(unsure)
    assert not ((found.metric == "R@1") & (found.other == "PSSR")).any()
    # copies of one place are no evidence
    places = np.repeat(np.arange(2), n // 2)
    assert not len(orders.disagreements(orders.SameTest(places, {"head": head, "steady": steady})))


@pytest.mark.parametrize("views", [1, 4])
def test_tests_against_chance_are_those_of_the_summary(views):
    ranks, places = model(1.3, queries=400), np.arange(400) // views
    ours, theirs = earliness.against_chance(ranks, places), summary(ranks, places=places, resamples=1)
    assert ours.p_value.to_dict() == pytest.approx(theirs.p_value[ours.index].to_dict(), rel=1e-6)
    assert ours.value.to_dict() == pytest.approx(theirs.value[ours.index].to_dict())


def test_a_signal_is_a_standard_normal_by_chance_and_no_hit_is_no_certainty():
    signals = pd.DataFrame([earliness.against_chance(model(1, seed=s), np.arange(600)).signal for s in range(60)])
    assert signals.PSSR.std() == pytest.approx(1, abs=0.3)
    assert signals.PSSR.mean() == pytest.approx(0, abs=0.4)
    none = Ranks(np.full(600, 599), np.zeros(600), 600)
    assert np.isfinite(earliness.against_chance(none, np.arange(600)).signal).all()


def p_values(**columns) -> pd.DataFrame:
    epochs = len(next(iter(columns.values())))
    each = {name: columns.get(name.replace("@", "").replace("%", "_"), [1.0] * epochs) for name in subsets.METRICS}
    parts = {"p_value": pd.DataFrame(each), "signal": pd.DataFrame({name: [2.0] * epochs for name in each})}
    parts["signal"]["R@1"] = 1.0
    table = pd.concat(parts, axis=1)
    return table.set_index(pd.MultiIndex.from_product([["run"], range(1, epochs + 1)], names=["run", "epoch"]))


def test_learning_is_seen_from_the_epoch_on_that_is_never_taken_back():
    table = p_values(PSSR=[1, 1e-9, 1e-9, 1e-9], R1_=[1e-9, 1, 1, 1e-9], MRR=[1e-9, 1e-9, 1e-9, 1])
    seen = earliness.first_seen(table).loc["run"]
    assert seen[["PSSR", "R@1%", "MRR"]].tolist() == [2, 4, np.inf]
    told = earliness.efficiency(table)
    assert told.earliest["PSSR"] == 1
    assert told.never.to_dict() == {"R@1": 1, "R@1%": 0, "R@10%": 1, "MRR": 1, "PSSR": 0}
    assert told.late[["R@1", "MRR", "PSSR"]].tolist() == [0.25, 1, 1]


def test_a_run_that_no_metric_sees_is_left_out():
    assert earliness.first_seen(p_values(PSSR=[1e-9, 0.5])).empty


def test_improvements_do_what_they_are_called():
    ranks = model(3)
    top = 6
    assert recall_at_k(claims.improved(ranks, "far"), "1%") == recall_at_k(ranks, "1%")
    assert recall_at_k(claims.improved(ranks, "head"), 1) == recall_at_k(ranks, "1%")
    assert 0 < pssr(claims.improved(ranks, "head")) - pssr(ranks) < top / 600
    assert (claims.improved(ranks, "halved").closer == ranks.closer // 2).all()
    assert (claims.improved(ranks, "slight").closer + 1 == np.ceil(0.99 * (ranks.closer + 1) - 1e-9)).all()
    table = claims.noticed(ranks, np.arange(600))
    assert table.p_value["far", "PSSR"] < 1e-10 < table.p_value["far", "R@1%"] == 1
    assert table.p_value["halved", "R@1%"] < 0.01


def test_the_gap_between_tie_rules_is_the_share_tied_for_pssr_and_everything_at_a_collapse():
    gaps = claims.tie_gaps(model(3), [1, 6, 12, 600])
    assert gaps.PSSR.tolist() == pytest.approx([0, 5 / 600, 11 / 600, 599 / 600])
    assert gaps.loc[1].abs().max() == 0
    assert gaps["R@1%"][6] == 0  # the boundary lies between two groups
    assert gaps["R@1%"][12] == pytest.approx(recall_at_k(model(3), 12))
    assert gaps["R@1%"][600] == 1


def test_verdicts_follow_the_runs():
    good = {"model": (model(3), np.arange(600))}
    told = claims.verdicts(good)
    words = told.verdict.str.split(" \\(").str[0].tolist()
    assert words == ["holds", "holds", "fails", "fails", "holds", "fails", "holds", "holds", "fails", "holds"]
    # a tail to the left, but the peak is in the ninth tenth
    short = Ranks(np.r_[np.full(500, 100), np.arange(100, 600, 5)], np.zeros(600), 600)
    assert claims.shape(short)["skewness"] < 0
    assert claims.shape_verdicts({"short": (short, np.arange(600))})[0]["verdict"].startswith("fails")
    with pytest.raises(ValueError, match="no run beats chance"):
        claims.verdicts({})


def test_only_runs_that_beat_chance_are_learned_and_the_worst_comes_first():
    test = orders.SameTest(np.arange(600), {"best": model(4), "chance": model(1), "fair": model(2)})
    learned = claims.learned([test])
    assert list(learned) == ["fair", "best"]
    assert list(claims.representatives(learned)) == ["fair", "best"]


def test_plots_say_what_they_show():
    ranks = model(3)
    table = p_values(PSSR=[1, 1e-9], R1_=[1, 1])
    seen = earliness.first_seen(table)
    alts = {
        "PSSR sees 1 of 1 runs learn, half of them by epoch 2": figures.earliness(seen, table.signal),
        "one: from 1.00, between": figures.orders({"one": orders.tau(orders.scores({p: model(p) for p in (1.5, 2, 3)}))}),
        "PSSR at 100 is 0.99 of its full value": figures.stability(subsets.stability(ranks, [100], draws=5)),
        "over galleries of 100 to 600 rows": figures.growth({"a": subsets.growth(ranks, [100, 600])}),
        "far: R@1 0.00, R@1% 0.00": figures.improvements(claims.noticed(ranks, np.arange(600))),
        "At 12 of 600 rows": figures.tie_gaps(claims.tie_gaps(ranks, [6, 12, 600]), 600),
    }
    for said, (figure, alt) in alts.items():
        assert figure.axes
        assert said in alt


def test_which_of_two_metrics_is_earlier_is_one_sign_test_over_runs(monkeypatch):
    seen = pd.DataFrame({"PSSR": [1, 1, 2, 1, 1, 1, np.inf, 2], "R@1%": [2, 3, 2, 2, np.inf, 4, np.inf, 1]})
    monkeypatch.setattr(earliness, "first_seen", lambda table: seen)
    before, after, p_value = earliness.earlier(None, "PSSR", "R@1%")
    assert (before, after) == (5, 1)
    assert p_value == pytest.approx(2 * (1 + 6) / 64)
