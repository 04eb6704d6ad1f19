import numpy as np
import pytest

from cvig.collapse import diagnose, distinct_rows, effective_rank, relative_spread

HEALTHY = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)


def test_one_point_has_no_spread_one_row_and_no_rank():
    point = np.ones((50, 8), np.float32)
    assert relative_spread(point) == 0
    assert distinct_rows(point) == (1, 50)
    assert effective_rank(point) == 0


def test_a_centered_cloud_has_spread_one_and_all_its_dimensions():
    assert relative_spread(HEALTHY) == pytest.approx(1, abs=0.01)
    assert effective_rank(HEALTHY) == pytest.approx(8, abs=0.5)


def test_a_line_has_effective_rank_one():
    line = np.linspace(-1, 1, 50)[:, None] * np.ones((1, 8))
    assert effective_rank(line) == pytest.approx(1)


def test_zero_and_minus_zero_are_the_same_row():
    assert distinct_rows(np.array([[0.0, 1.0], [-0.0, 1.0]])) == (1, 2)


def test_verdicts_name_what_collapsed():
    dead = HEALTHY.copy()
    dead[:184] = 0
    assert diagnose(HEALTHY, HEALTHY).verdict.startswith("healthy")
    assert "92% of the gallery are one point" in diagnose(HEALTHY, dead).verdict
    assert "92% of the ground views are one point" in diagnose(dead, HEALTHY).verdict
    assert "spread over" in diagnose(1 + 1e-6 * HEALTHY, HEALTHY).verdict
