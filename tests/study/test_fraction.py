"""Fractions of factorial designs: what a design cannot tell apart."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from study.fraction import aliases, cells, resolution
from study.planned import SeedsPlan

SCREEN = Path(__file__).parents[2] / "study" / "plans" / "seeds" / "e2-screen.yaml"


def test_the_screening_is_balanced_and_of_resolution_four():
    design = SeedsPlan.read(SCREEN).design
    assert design.shape == (16, 8)
    assert (design.sum() == 0).all()
    assert (design.T.to_numpy() @ design.to_numpy() == 16 * np.eye(8)).all()
    assert resolution(design) == 4
    assert all(len(word) == 2 for words in aliases(design) for word in words)
    assert [len(words) for words in aliases(design)] == [4] * 7  # all 28 pairs, in sets of four


def test_what_two_factors_do_together_is_seen_in_its_alias_set_and_in_no_main_effect():
    design = SeedsPlan.read(SCREEN).design
    together = {word: words for words in aliases(design) for word in words}
    for pair in combinations(design, 2):
        response = 0.3 * design[list(pair)].prod(axis=1)
        effects = {
            "".join(word): (response * design[list(word)].prod(axis=1)).mean()
            for k in (1, 2)
            for word in combinations(design, k)
        }
        seen = {word for word, effect in effects.items() if abs(effect) > 1e-9}
        assert seen == set(together["".join(pair)])


def test_a_cell_has_the_changes_of_the_factors_that_are_on():
    plan = SeedsPlan.read(SCREEN)
    factors = plan.content["fraction"]["factors"]
    assert plan.arms["base"] == {}
    for arm, change in plan.arms.items():
        on = {name for letter in arm if arm != "base" for name in factors[letter]["switches"]}
        assert set(change.get("switches", {})) == on


def test_a_word_of_other_letters_is_no_generator():
    with pytest.raises(ValueError, match="generator c = ax: expected letters of ab"):
        cells("ab", {"c": "ax"})
