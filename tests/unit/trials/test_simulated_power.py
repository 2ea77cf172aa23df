"""The two simulated definitions: against scipy, and in the cases where the answer is known."""

import math

import numpy as np
import pytest
from scipy import stats

from omop_scorer.trials.simulated_power import Simulated, simulate_power


def test_the_same_seed_gives_the_same_trials():
    p, q = np.random.default_rng(1).uniform(0.2, 0.8, (2, 30))
    one = simulate_power(p, q, 40, 500, 7)
    assert one == simulate_power(p, q, 40, 500, 7)
    assert one != simulate_power(p, q, 40, 500, 8)


def test_the_t_test_is_that_of_scipy():
    random = np.random.default_rng(3)
    p, q = random.uniform(0.3, 0.7, 25), random.uniform(0.25, 0.65, 25)
    found = simulate_power(p, q, 20, 400, 11).predicted_probability.power
    again = np.random.default_rng([11, 20])
    first, second = (each[again.integers(25, size=(400, 20))] for each in (p, q))
    tested = stats.ttest_ind(first, second, axis=1)
    assert found == np.mean((tested.pvalue < 0.05) & (tested.statistic > 0))


def test_one_probability_for_all_is_certain_by_the_published_code():
    # Arms without spread: any difference is significant, which shows what is wrong with it.
    found = simulate_power(np.full(5, 0.5), np.full(5, 0.49), 100, 200, 1)
    assert found.predicted_probability.power == 1.0
    assert found.expected_counts.power == 0.0
    equal = simulate_power(np.full(5, 0.5), np.full(5, 0.5), 100, 200, 1)
    assert equal.predicted_probability.power == equal.expected_counts.power == 0.0


def test_without_a_difference_half_of_alpha_is_left():
    p = np.random.default_rng(5).uniform(0.2, 0.8, 200)
    found = simulate_power(p, p, 50, 20_000, 1).predicted_probability
    assert abs(found.power - 0.025) < 4 * found.monte_carlo_error


def test_many_patients_are_drawn_in_parts_with_the_same_number_of_trials():
    p, q = np.random.default_rng(2).uniform(0.4, 0.6, (2, 10))
    found = simulate_power(p + 0.01, q, 30_000, 150, 1)
    assert found.predicted_probability.n_simulations == 150
    assert (found.predicted_probability.power * 150) % 1 == pytest.approx(0, abs=1e-9)


def test_monte_carlo_error_by_hand():
    assert Simulated(0.2, 400).monte_carlo_error == pytest.approx(0.02)
    assert math.isclose(Simulated(1.0, 400).monte_carlo_error, 0.0)
