"""Confidence intervals of shares and of means."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from omop_scorer.model.arrays import Floats

#: The 97.5th percentile of the standard normal distribution.
Z = 1.9599639845400545


def wilson_interval(count: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """Return the lower and upper ends of the Wilson 95% interval of the share count / n.

    Parameters
    ----------
    count, n
        Arrays of the same shape. The result is NaN where n is 0.

    Notes
    -----
    Wilson, J Am Stat Assoc 1927;22:209. The terms are in the order of statsmodels, whose import
    takes longer than a night on a small CDM; a test compares the two.
    """
    count = np.asarray(count, dtype=np.float64)
    n = np.asarray(n, dtype=np.float64)
    n = np.where(n > 0, n, np.nan)
    share = count / n
    square = Z**2
    scale = 1 + square / n
    centre = (share + square / (2 * n)) / scale
    distance = Z * np.sqrt(share * (1.0 - share) / n + square / (4.0 * n**2)) / scale
    low, high = np.clip(centre - distance, 0, 1), np.clip(centre + distance, 0, 1)
    # At the ends the formula leaves a rounding error of either sign, so the exact values are set.
    return np.where(count == 0, 0 * n, low), np.where(count == n, 1.0, high)


def mean_interval(mean: float, standard_deviation: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a mean of n >= 2 values by Student's t distribution."""
    distance = float(special.stdtrit(n - 1, 0.975)) * standard_deviation / n**0.5
    return mean - distance, mean + distance
