"""Confidence intervals of shares."""

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.proportion import proportion_confint

from omop_scorer.model.arrays import Floats


def wilson_interval(count: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of the Wilson 95% interval of the share count / n.

    Parameters
    ----------
    count, n
        Arrays of the same shape. The result is NaN where n is 0.
    """
    count = np.asarray(count, dtype=np.float64)
    n = np.asarray(n, dtype=np.float64)
    n = np.where(n > 0, n, np.nan)
    low, high = proportion_confint(count, n, alpha=0.05, method="wilson")
    # At the ends the formula leaves a rounding error of either sign, so the exact values are set.
    return np.where(count == 0, 0 * n, low), np.where(count == n, 1.0, high)
