"""Confidence intervals of shares."""

import numpy as np
from numpy.typing import ArrayLike

from omop_scorer.model.arrays import Floats

#: The 97.5th percentile of the standard normal distribution.
_Z = 1.9599639845400545


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
    square = _Z**2
    scale = 1 + square / n
    centre = (share + square / (2 * n)) / scale
    distance = _Z * np.sqrt(share * (1.0 - share) / n + square / (4.0 * n**2)) / scale
    low, high = np.clip(centre - distance, 0, 1), np.clip(centre + distance, 0, 1)
    # At the ends the formula leaves a rounding error of either sign, so the exact values are set.
    return np.where(count == 0, 0 * n, low), np.where(count == n, 1.0, high)
