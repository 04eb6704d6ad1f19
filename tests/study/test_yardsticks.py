"""E4: metrics against ground, on made galleries."""

import numpy as np
import pandas as pd
import pytest

from study import yardsticks
from study.yardsticks import METRICS, QUERIES, SPAN, decided, each_query, land_searched, summed_up, telling, true_pairs

RNG = np.random.default_rng(0)


def test_tiles_apart_are_searched_one_by_one_and_land_under_two_tiles_is_searched_once():
    apart = np.array([[0.0, 0], [SPAN, 0], [0, SPAN], [SPAN, SPAN]])
    order = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [3, 2, 1, 0]])
    assert land_searched(order, apart, apart[[0, 2, 0]]).tolist() == [1 / 4, 3 / 4, 1]
    twice = np.array([[0.0, 0], [0, 0], [10 * SPAN, 0]])
    assert land_searched(np.array([[0, 1, 2]]), twice, twice[[2]]).tolist() == [1]
    assert land_searched(np.array([[1, 0, 2]]), twice, twice[[0]]).tolist() == [1 / 2]
    half = np.array([[0.0, 0], [SPAN / 2, 0], [10 * SPAN, 0]])  # the second tile holds the first place, at its edge
    assert land_searched(np.array([[1, 0, 2]]), half, half[[0]]).tolist() == [pytest.approx(1 / 2.5)]


def test_with_tiles_apart_the_land_ruled_out_is_pssr_and_a_hit_is_recall():
    tiles = SPAN * np.stack(np.meshgrid(np.arange(15), np.arange(15)), axis=-1).reshape(-1, 2).astype(float)
    aerial = RNG.normal(size=(225, 6))
    found = each_query(aerial + RNG.normal(size=aerial.shape), aerial, tiles)
    assert found["land"] == pytest.approx(found["PSSR"])
    assert (found["hit"] == found["R@1"]).all()
    assert ((found["metres"] == 0) == (found["R@1"] == 1)).all()
    assert found["PSSR"] == pytest.approx(224 / 225 * found["AUROC"])
    perfect = summed_up(each_query(aerial, aerial, tiles))
    assert perfect["R@1"] == perfect["hit"] == perfect["land 1%"] == 1
    assert perfect["metres"] == 0


def test_a_metric_that_sees_the_better_arm_orders_it_rightly_and_one_that_sees_nothing_half_the_time(monkeypatch):
    monkeypatch.setattr(yardsticks, "DRAWS", 4)
    queries = {}
    for seed in range(40):
        for arm, level in (("good", 1.0), ("bad", 0.0)):
            queries[128, "1", seed, arm] = {name: RNG.normal(level if name == "PSSR" else 0, 0.1, 1000) for name in METRICS}
    found = telling(queries, {("bad", "good"): -1}).groupby("metric").right.mean()
    assert found["PSSR"] == 1
    assert found.drop("PSSR").between(0.3, 0.7).all()
    assert set(telling(queries, {("bad", "good"): -1}).queries) == set(QUERIES)


def test_a_pair_is_true_that_both_metrics_decide_alike():
    rows = [
        {"spacing": 128, "size": 1000, "block": block, "seed": seed, "arm": arm, "PSSR": pssr, "R@1%": recall}
        for block in "123"
        for seed in range(5)
        for arm, pssr, recall in (
            ("a", 0.9 + RNG.normal(0, 0.01), 0.5 + RNG.normal(0, 0.01)),
            ("b", 0.7 + RNG.normal(0, 0.01), 0.3 + RNG.normal(0, 0.01)),
            ("c", 0.6 + RNG.normal(0, 0.01), 0.4 + RNG.normal(0, 0.01)),
        )
    ]
    values = pd.DataFrame(rows)
    assert true_pairs(values) == {("a", "b"): 1, ("a", "c"): 1}  # of b and c they say the opposite
    assert (decided(values.pivot(index=["block", "seed"], columns="arm", values="PSSR")).p < 0.05).all()
