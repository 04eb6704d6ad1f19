"""Experiment E2's rules on made runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.chapters.causes import screening, screening_sentences
from study.planned import SeedsPlan

FOLDER = Path(__file__).parents[2] / "study" / "plans" / "seeds"
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def plan() -> SeedsPlan:
    return SeedsPlan.read(FOLDER / "e2-screen.yaml")


def made(plan: SeedsPlan, effects: dict[str, float], gone: str = "", noise: float = 0.003) -> pd.DataFrame:
    """Runs of PSSR .7 and effects of words, half to either side; cells with all of `gone` diverge."""
    rows = []
    for arm, signs in plan.design.iterrows():
        level = 0.7 + sum(effect / 2 * signs[list(word)].prod() for word, effect in effects.items())
        for seed in plan.content["seeds"]:
            diverged = bool(gone) and set(gone) <= set(arm)
            pssr = np.nan if diverged else level + RNG.normal(0, noise)
            rows.append({"arm": arm, "seed": seed, "pssr": pssr, "seen_pssr": pssr, "diverged": "inf" if diverged else ""})
    return pd.DataFrame(rows)


def test_effects_are_found_with_their_size_and_pairs_in_their_alias_set_alone(plan):
    found = screening.screened(plan, made(plan, {"a": -0.1, "e": 0.05, "cg": 0.08}), "pssr")
    assert found.effect["a"] == pytest.approx(-0.1, abs=0.003)
    assert found.effect["e"] == pytest.approx(0.05, abs=0.003)
    assert found.effect["ab=cg=dh=ef"] == pytest.approx(0.08, abs=0.003)
    assert found.verdict[["a", "e", "ab=cg=dh=ef"]].tolist() == ["harms", "helps", "helps"]
    assert set(found.verdict.drop(["a", "e", "ab=cg=dh=ef"])) == {"negligible"}
    assert len(found) == 15


def test_a_verdict_that_hangs_on_diverged_runs_is_open(plan):
    runs = made(plan, {"a": -0.1}, gone="ch")
    assert set(screening.diverged(plan, runs)) == {arm for arm in plan.design.index if {"c", "h"} <= set(arm)}
    found = screening.screened(plan, runs, "pssr")
    assert found.verdict["a"] == "harms"
    assert found.verdict[["c", "h"]].tolist() == ["open: hangs on diverged runs"] * 2
    said = screening_sentences.divergence(plan, runs)
    assert "32 of the 32 runs with `any-length` and `soft-margin-as-coded`" in said
    assert "and 0 of the other 96" in said


def test_one_at_a_time_is_paired_with_the_base_and_chance_is_known(plan):
    alone = SeedsPlan.read(FOLDER / "e2-alone.yaml")
    rng = np.random.default_rng(1)  # its own: what other tests drew before decides nothing here
    shared = rng.normal(0, 0.05, 8)
    base = pd.DataFrame({"arm": "base", "seed": range(8), "pssr": 0.8 + shared, "diverged": ""})
    levels = dict.fromkeys(alone.arms, 0.8) | {"rate-1e-5": 0.5, "mixed-preprocessing": 0.4995, "batch-16": 0.85}
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "pssr": (level if level < 0.6 else level + shared[seed]) + rng.normal(0, 0.002),
            "diverged": "",
        }
        for arm, level in levels.items()
        for seed in range(8)
    ]
    found = screening.alone(alone, pd.DataFrame(rows), base, "pssr")
    assert found.at_chance[found.at_chance].index.tolist() == ["mixed-preprocessing", "rate-1e-5"]
    assert found.verdict["batch-16"] == "helps"
    assert found.verdict["keras-start"] == "negligible"
    assert found.verdict["rate-1e-5"] == "harms"


def test_a_switch_that_changes_only_the_test_is_seen(plan):
    runs = made(plan, {"a": -0.1})
    letters = plan.design.loc[runs.arm].reset_index(drop=True)
    runs["pssr"] -= 0.1 * (letters["g"] > 0)
    seen, own = (screening.screened(plan, runs, metric).loc[list(plan.design)] for metric in (screening.SEEN, screening.OWN))
    assert screening.changes_only_the_test(seen, own).loc[lambda x: x].index.tolist() == ["g"]
