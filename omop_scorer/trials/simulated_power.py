"""Power by two definitions that treat predicted probabilities as outcomes.

Neither is the power of a trial that counts responders; they are here because the published code and
the published text use them. Both draw the two arms from the population, with replacement.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.exact_power import is_significantly_more

#: Patients drawn at once: few enough for tens of megabytes.
_MOST_DRAWN = 2_000_000


@dataclass(frozen=True)
class Simulated:
    """A share of simulated trials."""

    power: float
    n_simulations: int

    @property
    def monte_carlo_error(self) -> float:
        """Standard error of the share from the number of simulations."""
        return math.sqrt(self.power * (1 - self.power) / self.n_simulations)


@dataclass(frozen=True)
class SimulatedPower:
    """Power by each of the two definitions, from the same simulated trials."""

    predicted_probability: Simulated
    expected_counts: Simulated


def simulate_power(
    better: Floats, other: Floats, n: int, n_simulations: int, seed: int, alpha: float = 0.05
) -> SimulatedPower:
    """Simulate trials with n patients an arm, and count those in which the first arm is better.

    Parameters
    ----------
    better, other
        (N,): response probability of each person of the population under the two classes.
    n
        Patients an arm, two or more.
    n_simulations
        Number of trials.
    seed
        Seed; the same seed and n give the same trials.
    alpha
        Two-sided level of the tests.
    """
    random = np.random.default_rng([seed, n])
    n_by_t_test = n_by_counts = 0
    at_once = max(1, _MOST_DRAWN // n)
    for start in range(0, n_simulations, at_once):
        size = (min(at_once, n_simulations - start), n)
        first, second = (p[random.integers(len(p), size=size)] for p in (better, other))
        n_by_t_test += _n_better_by_t_test(first, second, alpha)
        counts = first.sum(axis=1), second.sum(axis=1)
        n_by_counts += int(np.count_nonzero(is_significantly_more(*counts, n, alpha)))
    return SimulatedPower(
        Simulated(n_by_t_test / n_simulations, n_simulations),
        Simulated(n_by_counts / n_simulations, n_simulations),
    )


def _n_better_by_t_test(first: Floats, second: Floats, alpha: float) -> int:
    """Return the trials (rows) whose first arm has the higher mean by the pooled t-test."""
    n = first.shape[1]
    difference = first.mean(axis=1) - second.mean(axis=1)
    pooled = (first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / 2
    critical = stats.t.ppf(1 - alpha / 2, 2 * n - 2)
    # The test without a division, because arms without any spread have a variance of 0.
    return int(np.count_nonzero(difference > critical * np.sqrt(pooled * 2 / n)))
