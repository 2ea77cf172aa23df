"""Exact power against every pair of counts there is, scipy's tests, and what must hold of it."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from omop_scorer.trials.exact_power import (
    binary_arm_size,
    binary_power,
    continuous_arm_size,
    continuous_power,
    is_significantly_more,
)

CHANCES = st.floats(0.02, 0.98)


def power_by_hand(n, better, other, alpha, is_corrected):
    """Add up every pair of counts that scipy's test of the 2 x 2 table finds significant."""
    total = 0.0
    for x in range(n + 1):
        for y in range(x):
            if x + y == 2 * n:
                continue
            table = [[x, n - x], [y, n - y]]
            if stats.chi2_contingency(table, correction=is_corrected).pvalue < alpha:
                total += stats.binom.pmf(x, n, better) * stats.binom.pmf(y, n, other)
    return total


@pytest.mark.parametrize("is_corrected", [False, True])
@pytest.mark.parametrize(
    ("n", "better", "other", "alpha"),
    [(2, 0.9, 0.2, 0.05), (5, 0.9, 0.1, 0.05), (7, 0.5, 0.5, 0.2), (12, 0.7, 0.3, 0.05)],
)
def test_every_pair_of_counts(n, better, other, alpha, is_corrected):
    found = binary_power(n, better, other, alpha, is_corrected=is_corrected)
    assert found == pytest.approx(power_by_hand(n, better, other, alpha, is_corrected), abs=1e-13)


def test_two_arms_of_two_by_hand():
    # Only 2 against 0 responders: chi-squared 4 > 3.84, and 4/16 of the corrected test is less.
    assert binary_power(2, 0.9, 0.2) == pytest.approx(0.9**2 * 0.8**2, abs=1e-15)
    assert binary_power(2, 0.9, 0.2, is_corrected=True) == 0.0


@pytest.mark.parametrize("n", [6, 14])
def test_the_test_is_that_of_scipy_for_every_pair(n):
    pairs = [(x, y) for x in range(n + 1) for y in range(n + 1) if 0 < x + y < 2 * n]
    for is_corrected in (False, True):
        for x, y in pairs:
            tested = stats.chi2_contingency([[x, n - x], [y, n - y]], correction=is_corrected)
            expected = tested.pvalue < 0.05 and x > y
            found = is_significantly_more(np.array(x), np.array(y), n, 0.05, is_corrected)
            assert bool(found) == expected, (x, y, is_corrected)


def test_arms_without_a_responder_or_with_responders_only_tell_nothing():
    for n in (1, 5, 50):
        assert not is_significantly_more(np.array([0, n]), np.array([0, n]), n).any()
    assert binary_power(50, 1.0, 1.0) == binary_power(50, 0.0, 0.0) == 0.0
    assert binary_power(50, 1.0, 0.0) == 1.0


@settings(max_examples=15, deadline=None)
@given(CHANCES, CHANCES)
def test_more_patients_give_more_power_and_the_other_way_round_none(one, other):
    low, high = sorted((one, other))
    if high - low < 0.05:
        return
    powers = [binary_power(n, high, low) for n in (50, 200, 800, 3200)]
    assert all(b > a - 1e-12 for a, b in pairwise(powers))
    assert binary_power(800, low, high) < 0.02
    assert binary_power(200, high, low, is_corrected=True) <= powers[1]


@settings(max_examples=12, deadline=None)
@given(st.floats(0.2, 0.8), st.integers(200, 2000))
def test_without_a_difference_half_of_alpha_is_left(chance, n):
    assert binary_power(n, chance, chance) == pytest.approx(0.025, abs=0.006)


@settings(max_examples=12, deadline=None)
@given(CHANCES, CHANCES, st.integers(2, 300))
def test_counting_those_without_response_turns_the_arms_round(better, other, n):
    turned = binary_power(n, 1 - other, 1 - better)
    assert binary_power(n, better, other) == pytest.approx(turned, abs=1e-12)


def test_sizes_of_the_formula_reach_their_power():
    for better, other in ((0.53, 0.35), (0.51, 0.464), (0.2, 0.1)):
        for power in (0.8, 0.9):
            n = binary_arm_size(better, other, power)
            assert binary_power(n, better, other) == pytest.approx(power, abs=0.012)
            corrected = binary_arm_size(better, other, power, is_corrected=True)
            reached = binary_power(corrected, better, other, is_corrected=True)
            assert corrected > n
            assert reached == pytest.approx(power, abs=0.012)


def test_sizes_by_hand():
    # m = 0.5: (1.959964 sqrt(0.5) + 0.841621 sqrt(0.24 + 0.24))^2 / 0.2^2 = 96.8 for 0.6 and 0.4
    level, reached = 1.959964, 0.841621
    by_hand = (level * math.sqrt(0.5) + reached * math.sqrt(0.48)) ** 2 / 0.04
    assert binary_arm_size(0.6, 0.4, 0.8) == math.ceil(by_hand) == 97
    # (1.96 + 0.84)^2 = 7.849; times 200 / 10^2
    assert continuous_arm_size(10.0, 200.0, 0.8) == math.ceil(7.849 * 2) == 16
    assert binary_arm_size(0.4, 0.6, 0.8) is None
    assert binary_arm_size(0.5, 0.5, 0.8) is None
    assert continuous_arm_size(0.0, 200.0, 0.8) is None


def test_the_size_of_a_continuous_outcome_reaches_its_power():
    for power in (0.8, 0.9):
        n = continuous_arm_size(12.0, 2 * 95.0**2, power)
        assert (
            continuous_power(n, 12.0, 2 * 95.0**2)
            >= power
            > continuous_power(n - 1, 12.0, 2 * 95.0**2)
        )
    assert continuous_power(100, 0.0, 10.0) == pytest.approx(0.025)


def test_large_arms_are_quick_and_finite():
    assert 0.4 < binary_power(200_000, 0.503, 0.5) < 0.5
