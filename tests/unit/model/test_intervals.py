"""The Wilson interval against statsmodels, bit by bit, and at its ends."""

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from omop_scorer.model.intervals import wilson_interval


def test_the_interval_is_that_of_statsmodels() -> None:
    n = np.repeat(np.arange(1, 400), 400)
    count = np.tile(np.arange(400), 399)
    n, count = n[count <= n], count[count <= n]
    low, high = wilson_interval(count, n)
    expected_low, expected_high = proportion_confint(count, n, method="wilson")
    is_inside = (count > 0) & (count < n)
    assert np.array_equal(low[is_inside], expected_low[is_inside])
    assert np.array_equal(high[is_inside], expected_high[is_inside])
    np.testing.assert_allclose(low, expected_low, atol=1e-15)
    np.testing.assert_allclose(high, expected_high, atol=1e-15)


def test_the_ends_are_exact_and_nobody_has_no_interval() -> None:
    low, high = wilson_interval([0, 3, 0], [3, 3, 0])
    assert low[0] == 0
    assert high[1] == 1
    assert np.isnan([low[2], high[2]]).all()
    # By hand, of 1 in 2: centre 0.5, half-width 0.4055 (z = 1.96).
    low, high = wilson_interval([1], [2])
    np.testing.assert_allclose([low[0], high[0]], [0.0945, 0.9055], atol=5e-5)
