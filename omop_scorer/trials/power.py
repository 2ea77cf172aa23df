"""Power of a trial of one drug class against another, and the arm sizes that it needs.

Three definitions are given, because the published ones differ by far. `binary_outcome` is the power
of a trial that counts responders. `predicted_probability` is what the published code calculates: a
t-test of the predicted probabilities themselves, without the noise of outcomes.
`expected_counts` is what the published text says: sums of probabilities taken as counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.exact_power import (
    binary_arm_size,
    binary_power,
    continuous_arm_size,
    continuous_power,
)
from omop_scorer.trials.population import Population
from omop_scorer.trials.simulated_power import SimulatedPower, simulate_power

#: Powers for which arm sizes are given.
POWERS = (0.8, 0.9)

ArmSizes: TypeAlias = Mapping[float, int | None]

"""Patients an arm by power; None = no number is enough, because the first class is not better."""


@dataclass(frozen=True)
class Settings:
    """Settings of the calculation."""

    sizes: Sequence[int]
    """Patients an arm, each two or more."""
    residual_variance: tuple[float, float]
    """Residual variance of the two classes, in the squared unit of the outcome."""
    seed: int
    n_simulations: int = 20_000
    alpha: float = 0.05
    is_corrected: bool = False
    """True if required sizes are for the chi-squared test with Yates' correction."""


@dataclass(frozen=True)
class Protection:
    """Rules for the figures of a population whose persons are in a warehouse."""

    minimum_cell_count: int
    digits: int
    """Significant digits to which means are rounded before anything is calculated from them, so
    that no printed power tells more than the printed means."""

    def allows(self, n: int, n_whole: int) -> bool:
        """Return True if a part of n persons, and the rest of the whole, may both be counted."""
        return all(each == 0 or each >= self.minimum_cell_count for each in (n, n_whole - n))


@dataclass(frozen=True)
class Moments:
    """Means and standard deviations over a population, by arm."""

    n: int
    mean_probability: tuple[float, float]
    sd_probability: tuple[float, float]
    mean_reduction: tuple[float, float]
    sd_reduction: tuple[float, float]

    def rounded(self, digits: int) -> "Moments":
        """Return the moments with so many significant digits."""

        def shown(pair: tuple[float, float]) -> tuple[float, float]:
            first, second = (float(f"{each:.{digits}g}") for each in pair)
            return first, second

        return Moments(
            self.n,
            shown(self.mean_probability),
            shown(self.sd_probability),
            shown(self.mean_reduction),
            shown(self.sd_reduction),
        )


@dataclass(frozen=True)
class PowerAtSize:
    """Power with n patients an arm, by each definition."""

    n: int
    binary_outcome: float
    binary_outcome_corrected: float
    """With Yates' correction."""
    simulated: SimulatedPower
    subgroup: float | None
    """Of responders in a trial of the eligible subgroup; None without one."""
    continuous_outcome: float


@dataclass(frozen=True)
class PlannedTrial:
    """Power and required sizes of a trial in one population, and of two better designs."""

    name: str
    moments: Moments
    at_size: Sequence[PowerAtSize]
    needed: ArmSizes
    subgroup: Moments | None
    """Persons whose label ranks the first class alone first; None if there are none or too few."""
    n_subgroup: int | None
    """None if the number is too small, or leaves too few others, to be shown."""
    needed_in_subgroup: ArmSizes
    needed_with_continuous_outcome: ArmSizes
    outcome_sd: tuple[float, float]
    """Standard deviation of one patient's outcome by arm, in its unit."""


def moments_of(probability: Floats, reduction: Floats) -> Moments:
    """Return the moments of one or more persons; both arrays are (n, 2).

    The population is fixed, so its standard deviations have the divisor n.
    """

    def pair(values: Floats) -> tuple[float, float]:
        first, second = values.tolist()
        return first, second

    return Moments(
        n=len(probability),
        mean_probability=pair(probability.mean(axis=0)),
        sd_probability=pair(probability.std(axis=0)),
        mean_reduction=pair(reduction.mean(axis=0)),
        sd_reduction=pair(reduction.std(axis=0)),
    )


def plan(
    population: Population, settings: Settings, protection: Protection | None = None
) -> PlannedTrial:
    """Calculate the power of a trial in a population of one or more persons.

    Parameters
    ----------
    population
        The persons.
    settings
        Sizes, level, seed.
    protection
        Rules for persons of a warehouse; the caller has held the population as a whole to them.
    """
    moments = _moments(population, np.ones(len(population), np.bool_), protection)
    n_subgroup: int | None = int(population.is_first_alone.sum())
    if protection and not protection.allows(n_subgroup or 0, len(population)):
        n_subgroup = None
    subgroup = _moments(population, population.is_first_alone, protection) if n_subgroup else None
    first, second = (
        float(np.sqrt(residual + spread**2))
        for residual, spread in zip(settings.residual_variance, moments.sd_reduction, strict=True)
    )
    difference = moments.mean_reduction[0] - moments.mean_reduction[1]
    continuous = (difference, first**2 + second**2)
    return PlannedTrial(
        name=population.name,
        moments=moments,
        at_size=[
            _at_size(n, population, moments, subgroup, continuous, settings) for n in settings.sizes
        ],
        needed=_needed(moments, settings),
        subgroup=subgroup,
        n_subgroup=n_subgroup,
        needed_in_subgroup=_needed(subgroup, settings) if subgroup else {},
        needed_with_continuous_outcome={
            power: continuous_arm_size(*continuous, power, settings.alpha) for power in POWERS
        },
        outcome_sd=(first, second),
    )


def _moments(
    population: Population, members: NDArray[np.bool_], protection: Protection | None
) -> Moments:
    moments = moments_of(population.probability[members], population.reduction[members])
    return moments.rounded(protection.digits) if protection else moments


def _at_size(
    n: int,
    population: Population,
    moments: Moments,
    subgroup: Moments | None,
    continuous: tuple[float, float],
    settings: Settings,
) -> PowerAtSize:
    alpha, chances = settings.alpha, moments.mean_probability
    better, other = np.ascontiguousarray(population.probability.T)
    in_subgroup = None
    if subgroup:
        in_subgroup = binary_power(
            n, *subgroup.mean_probability, alpha, is_corrected=settings.is_corrected
        )
    return PowerAtSize(
        n=n,
        binary_outcome=binary_power(n, *chances, alpha),
        binary_outcome_corrected=binary_power(n, *chances, alpha, is_corrected=True),
        simulated=simulate_power(better, other, n, settings.n_simulations, settings.seed, alpha),
        subgroup=in_subgroup,
        continuous_outcome=continuous_power(n, *continuous, alpha),
    )


def _needed(moments: Moments, settings: Settings) -> ArmSizes:
    return {
        power: binary_arm_size(
            *moments.mean_probability, power, settings.alpha, is_corrected=settings.is_corrected
        )
        for power in POWERS
    }
