"""The page on losses: its rule of decision on made runs."""

import numpy as np
import pandas as pd

from study.chapters.losses import comparison, figures, sentences, shrinking

RNG = np.random.default_rng(1)


def made(levels: dict[str, float], noise: float = 0.003) -> pd.DataFrame:
    """Runs of arms with these levels over three countries and five seeds, which all arms share."""
    rows = []
    for block in "123":
        for seed in range(5):
            shared = RNG.normal(0, 0.05)
            for arm, level in levels.items():
                pssr = level + shared + RNG.normal(0, noise)
                rows.append(
                    {
                        "run": f"{arm}/{block}/{seed}",
                        "arm": arm,
                        "block": block,
                        "seed": seed,
                        "pssr": pssr,
                        "recall_1pct": 2.0,
                    }
                )
    return pd.DataFrame(rows)


LEVELS = {
    "max-margin-unit": 0.7,
    "soft-margin-unit": 0.702,
    "infonce-unit": 0.75,
    "max-margin": 0.6,
    "soft-margin": 0.61,
    "infonce": 0.55,
}


def test_each_two_arms_are_decided_by_the_plan_s_rule():
    found = comparison.differences(made(LEVELS))
    assert len(found) == 15
    assert found.loc[("soft-margin-unit", "max-margin-unit"), "verdict"].startswith("equivalent")
    assert found.loc[("infonce-unit", "max-margin-unit"), "verdict"] == "differ"
    assert found.loc[("soft-margin", "max-margin"), "verdict"] == "equivalent and differ"  # small, and surely there
    noisy = comparison.differences(made(dict.fromkeys(LEVELS, 0.6), noise=0.1))
    assert set(noisy.verdict) == {"open"}


def test_pairs_take_out_what_a_country_and_a_seed_share():
    found = comparison.differences(made(LEVELS))
    assert (found.high - found.low).max() < 0.01
    gain = comparison.with_and_without(made(LEVELS))
    assert set(gain.index) == {"max-margin", "soft-margin", "infonce"}
    assert (gain.difference > 0.05).all()
    assert (gain.low < gain.high).all()


def test_gains_and_differences_of_unit_length_hold_together():
    runs = made(LEVELS)
    gain, apart = comparison.gains_and_differences(runs)
    assert len(gain) == len(apart) == 3
    assert np.allclose(gain.difference[["max-margin", "infonce"]], [0.1, 0.2], atol=0.01)
    alone = comparison.with_and_without(runs).loc[gain.index]  # at 90%, each by itself: quantiles of t with 14 degrees
    assert np.allclose((gain.high - gain.low) / (alone.high - alone.low), 3.0688 / 1.7613, rtol=1e-3)


def test_the_sentences_follow_the_numbers():
    said = sentences.found(comparison.differences(made(LEVELS)), made(LEVELS))
    assert "are refuted for 2 of three pairs" in said
    assert "InfoNCE loses most" in said
    assert "They lose less (their gain minus InfoNCE's: max-margin -0." in said
    tuning = pd.DataFrame({"0.001": [0.6, 0.7], "0.003": [0.5, 0.8], "0.01": [0.4, 0.6]}, index=["a", "b"])
    assert sentences.edge(tuning).endswith(": a.")


def test_an_exact_tie_has_no_interval_of_its_own_and_no_p():
    assert comparison.t_interval(np.full(5, 0.25), 0.9) == (0.25, 0.25)
    assert comparison.paired_t(np.zeros(4)) == 1
    assert comparison.verdict(-0.01, 0.01, 1.0) == "equivalent"
    assert "open" in figures.differences_plot(comparison.differences(made(dict.fromkeys(LEVELS, 0.6), noise=0.1)))[1]


def test_a_point_costs_a_margin_loss_least_until_positives_are_nearer_than_its_negatives():
    """Jensen: the hinge is convex, so that its mean is at least the margin where positives are no nearer on the average."""
    any_other, nearest = shrinking.CHOICES
    for agreement, choice in ((0.0, any_other), (0.0, nearest), (0.6, nearest)):
        anchor, positive, negative = shrinking.triplets(agreement, choice)
        assert ((anchor - positive) ** 2).sum() >= 0.95 * ((anchor - negative) ** 2).sum()
        assert shrinking.losses(agreement, choice).argmin() == 0
    assert shrinking.losses(0.6, any_other).min() < 0.5 * shrinking.MARGIN
    assert np.isclose(shrinking.losses(0.6, any_other)[0], shrinking.MARGIN, atol=1e-3)


def test_a_relu_ends_in_exact_ties_and_a_linear_unit_does_not():
    relu, linear = (shrinking.shrunk(kind, "adam", steps=200) for kind in ("relu", "linear"))
    assert (relu == 0).mean() > 0.9
    assert len(np.unique(linear)) == len(linear)
    assert np.abs(linear).max() < 1e-3
