"""Percentiles of a card: linear interpolation, and in small data nobody's own value."""

import numpy as np
import pytest

from omop_scorer.trials.percentiles import percentiles

PERCENTS = (1, 5, 25, 50, 75, 95, 99)


def test_many_values_are_interpolated():
    values = np.random.default_rng(1).permutation(np.arange(101.0))
    assert percentiles(values, (1, 50, 99)) == [1.0, 50.0, 99.0]


@pytest.mark.parametrize("n", [30, 64, 100])
def test_no_percentile_of_few_values_is_one_of_them(n):
    values = np.random.default_rng(n).normal(size=n)
    found = percentiles(values, PERCENTS)
    assert found == sorted(found)
    assert not set(found) & set(values.tolist())
    # The extremes have a weight of a fifth at most.
    assert values.min() < found[0] < np.sort(values)[7]


def test_percentiles_of_few_values_by_hand():
    # Places 0 to 10; the median is the mean of 3 to 7, the ends are those of the last five.
    values = np.array([0, 1, 2, 30, 40, 50, 60, 70, 8, 9, 10]) ** 2.0
    ordered = sorted(values.tolist())
    assert percentiles(values, (1, 50, 99)) == pytest.approx(
        [np.mean(ordered[:5]), np.mean(ordered[3:8]), np.mean(ordered[6:])]
    )
    assert percentiles(np.array([1.0, 3.0]), (50,)) == pytest.approx([2.0])
    assert percentiles(np.array([7.0]), (1, 99)) == [7.0, 7.0]
