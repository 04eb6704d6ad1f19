"""The page on the field's recipes: its rules of decision on made runs."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.chapters.recipes import effects, figures, sentences
from study.sessions.fields import MEASURES


def ablation(worth: dict[str, float], noise: float, seeds: int = 5, draw: int = 0) -> pd.DataFrame:
    """Runs of a base and of arms that lack a trick, over seeds that all arms share."""
    rng, rows = np.random.default_rng(draw), []
    for seed in range(seeds):
        shared = rng.normal(0, 0.1)
        for arm, value in {"base": 0.0, **worth}.items():
            pssr = 0.7 - value + shared + rng.normal(0, noise)
            rows.append({"run": f"{arm}/{seed}", "arm": arm, "seed": seed, "pssr": pssr, "recall_1": 1.0})
    return pd.DataFrame(rows)


TRICKS = {"joint-turns": 0.1, "shared-trunk": -0.1, "both-samplings": 0.0, "appearance": 0.0}


def test_each_trick_is_judged_by_the_plan_s_rule():
    found = effects.worth(ablation(TRICKS, 0.002))
    assert found.verdict.to_dict() == {
        "joint-turns": "helps",
        "shared-trunk": "harms",
        "both-samplings": "little",
        "appearance": "little",
    }
    assert found.worth["joint-turns"] == pytest.approx(0.1, abs=0.005)  # what seeds share is taken out
    assert set(effects.worth(ablation(dict.fromkeys(TRICKS, 0.0), 0.2)).verdict) == {"open"}


def test_an_interval_of_two_arms_is_that_of_the_paired_t_test():
    """With one comparison the two-way layout is the paired design."""
    runs = ablation({"joint-turns": 0.03}, 0.05)
    table = runs.pivot(index="seed", columns="arm", values="pssr")
    expected = stats.ttest_rel(table.base, table["joint-turns"]).confidence_interval(0.95)
    found = effects.worth(runs).loc["joint-turns"]
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_intervals_hold_together():
    """Of many ablations in which no trick is worth anything, about one in twenty finds one that is, and no more."""
    wrong = 0
    for draw in range(200):
        found = effects.worth(ablation(dict.fromkeys("abcdefghijk", 0.0), 0.05, draw=draw))
        wrong += bool(((found.low > 0) | (found.high < 0)).any())
    assert wrong / 200 < 0.09


def fields(level: dict[str, float]) -> pd.DataFrame:
    """Runs of three recipes whose PSSR falls with the field of view."""
    rng, rows = np.random.default_rng(1), []
    for seed in range(3):
        for arm, value in level.items():
            row = {"run": f"{arm}/{seed}", "arm": arm, "seed": seed}
            for heading in ("north", "turned"):
                for field in (360, 90, 70, 50):
                    pssr = value + field / 3600 + rng.normal(0, 0.001)
                    row |= {f"{heading}_{field}_{name}": pssr for name in MEASURES}
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_curve_s_hypotheses_are_decided_and_drawn():
    runs = fields({"sample4geo": 0.6, "congeo": 0.7, "congeo-any-field": 0.7})
    found = effects.curve_hypotheses(runs)
    assert found.outcome[["H1", "H2"]].to_list() == ["refuted", "holds"]
    assert found.outcome["H3"] in ("open", "holds", "refuted")
    curve = effects.curve(runs)
    assert len(curve) == 3 * 3 * 2 * 4
    assert "congeo, heading unknown: 0.80" in figures.curve_plot(curve)[1]
    said = sentences.hypotheses(found, "x", 3)
    assert "H2, congeo minus sample4geo, 90°, heading unknown* (`x`, n = 3 seeds): +0." in said


def test_the_ladder_s_hypotheses_are_decided():
    rng, rows = np.random.default_rng(2), []
    gain = {"random": {8: 0.5, 32: 0.7, 128: 0.7, 512: 0.5}, "sampled": {8: 0.7, 32: 0.7, 128: 0.7, 512: 0.5}}
    for seed in range(3):
        for arm, levels in gain.items():
            for batch, level in levels.items():
                rows.append({"arm": arm, "block": str(batch), "seed": seed, "pssr": level + rng.normal(0, 0.002)})
    runs = pd.DataFrame(rows)
    assert effects.ladder_hypotheses(runs).outcome.to_list() == ["holds", "holds", "holds"]
    assert "random: 8 0.5" in figures.ladder_plot(runs)[1]


def test_the_sentences_follow_the_verdicts():
    runs = ablation(TRICKS, 0.002)
    found = effects.worth(runs)
    said = sentences.ablation(found, runs)
    assert "joint turns, is supported; the second, on the shared trunk, is refuted" in said
    assert "- *helps*: `joint-turns`" in said
    assert "helps" in figures.worth_plot(found)[1]
    assert "without" in effects.shown(found, "worth")
