"""Exact power of a trial that counts responders, and the arm size that it needs.

Two arms of n patients each are drawn from a population, and each patient responds or not. The
responders of an arm are then binomial with the mean probability of the population, so the power is
a double binomial sum over the rejection region, without simulation.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from omop_scorer.model.arrays import Floats


def binary_power(
    n: int, better: float, other: float, alpha: float = 0.05, *, is_corrected: bool = False
) -> float:
    """Return the probability that the first arm has significantly more responders.

    Parameters
    ----------
    n
        Patients in each of the two arms.
    better, other
        Response probability in the first and the second arm.
    alpha
        Two-sided level of Pearson's chi-squared test of the 2 x 2 table.
    is_corrected
        True for the test with Yates' continuity correction.
    """
    fewest = _fewest_responders(n, alpha, is_corrected)
    second = stats.binom.pmf(np.arange(n + 1), n, other)
    return min(1.0, float(np.sum(second * stats.binom.sf(fewest - 1, n, better))))


def _fewest_responders(n: int, alpha: float, is_corrected: bool) -> NDArray[np.int64]:
    """Return (n + 1,): the fewest responders of the first arm that are significantly more.

    The index is the number of responders of the second arm; n + 1 = no number is enough. For each,
    the statistic grows with the responders of the first arm, so the search is by halving.
    """
    second = np.arange(n + 1)
    low, high = second.copy(), np.full(n + 1, n + 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        is_enough = is_significantly_more(middle, second, n, alpha, is_corrected)
        is_enough |= middle > n
        high = np.where(is_enough, middle, high)
        low = np.where(is_enough, low, middle)
    return high


def is_significantly_more(
    first: Floats | NDArray[np.int64],
    second: Floats | NDArray[np.int64],
    n: int,
    alpha: float = 0.05,
    is_corrected: bool = False,
) -> NDArray[np.bool_]:
    """Return True where the first of two arms of n has more responders by the chi-squared test.

    Counts may be fractions, as sums of probabilities are. Without a responder, or with responders
    only, there is no statistic, and nothing is significant.
    """
    difference = np.asarray(first - second, dtype=np.float64)
    responders = np.asarray(first + second, dtype=np.float64)
    counted = np.maximum(difference - is_corrected, 0.0)
    critical = stats.chi2.ppf(1 - alpha, 1)
    # n (a d - b c)^2 / (product of the margins), with the margins n and n of two equal arms.
    is_more: NDArray[np.bool_] = (difference > 0) & (
        2.0 * n * counted**2 > critical * responders * (2.0 * n - responders)
    )
    return is_more


def binary_arm_size(
    better: float, other: float, power: float, alpha: float = 0.05, *, is_corrected: bool = False
) -> int | None:
    """Return the patients an arm that a trial of responders needs, by the normal formula.

    None if the first probability is not the higher one: then no number is enough. With the
    correction, the size is that of Fleiss, Tytun and Ury (Biometrics 1980;36:343).
    """
    difference = better - other
    if difference <= 0:
        return None
    mean = (better + other) / 2
    level, reached = stats.norm.ppf(1 - alpha / 2), stats.norm.ppf(power)
    pooled = level * math.sqrt(2 * mean * (1 - mean))
    separate = reached * math.sqrt(better * (1 - better) + other * (1 - other))
    n = ((pooled + separate) / difference) ** 2
    if is_corrected:
        n = n / 4 * (1 + math.sqrt(1 + 4 / (n * difference))) ** 2
    return math.ceil(n)


def continuous_arm_size(
    difference: float, variance: float, power: float, alpha: float = 0.05
) -> int | None:
    """Return the patients an arm that a trial of a continuous outcome needs.

    Parameters
    ----------
    difference
        Expected outcome of the first arm minus that of the second.
    variance
        Variance of one patient's outcome in the first arm plus that in the second.
    power, alpha
        Power to reach, and two-sided level of the comparison of the two means.
    """
    if difference <= 0:
        return None
    deviate = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return math.ceil(variance * (deviate / difference) ** 2)


def continuous_power(n: int, difference: float, variance: float, alpha: float = 0.05) -> float:
    """Return the power of a trial with n patients an arm and a continuous outcome.

    Parameters are those of `continuous_arm_size`; the means count as normal.
    """
    shift = difference / math.sqrt(variance / n)
    return float(stats.norm.cdf(shift - stats.norm.ppf(1 - alpha / 2)))
