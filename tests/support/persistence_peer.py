"""Kaplan-Meier curves of the index drug and restricted means, as textbooks print them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Z = 1.959963984540054
HORIZON = 720
CLASSES = ("anti_tnf", "anti_il12_23", "anti_integrin")
PREFERENCES = ("preferred", "others_preferred", "no_preference", "not_scored")
POPULATIONS = {
    "all": PREFERENCES,
    "women_50_and_over": PREFERENCES,
    **dict.fromkeys(("men_50_and_over", "women_under_50", "men_under_50"), ()),
}


@dataclass(frozen=True)
class OnDrug:
    """A person on the index drug: days, and whether they are known to have ended."""

    populations: Sequence[str]
    index_rule: str
    drug_class: str
    preference: str
    days: int
    is_stopped: bool


def groups() -> list[tuple[str, str, str, str]]:
    """Population, index rule, class and preference of each curve."""
    found = []
    for population, preferences in POPULATIONS.items():
        found += list(
            product([population], ["first_biologic"], ("all", *CLASSES), ("all", *preferences))
        )
        found.append((population, "first_anti_tnf", "all", "all"))
    return found


def persistence(people: Sequence[OnDrug]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of both tables."""
    curves, means = [], {}
    for group in groups():
        population, rule, given, preference = group
        times = [
            (one.days, one.is_stopped)
            for one in people
            if population in one.populations
            and one.index_rule == rule
            and given in ("all", one.drug_class)
            and preference in ("all", one.preference)
        ]
        shares, greenwood = estimate(times)
        for day in range(0, HORIZON + 1, 30):
            at_risk = sum(days >= day for days, _ in times)
            stopped = sum(is_stopped and days < day for days, is_stopped in times)
            share = shares[day] if at_risk or shares[day] == 0 else None
            ends = interval(share, greenwood[day])
            curves.append((*group, day, at_risk, stopped, share, *ends))
        means[group] = (len(times), *mean(times, shares))
    rows = []
    for group, (n, days, error) in means.items():
        further: tuple[float | None, ...] = (None, None, None, None)
        if group[3] == "preferred":
            further = within_classes(means, group[:2], CLASSES if group[2] == "all" else group[2:3])
        rows.append((*group, n, days, *around(days, error, 0.0, HORIZON), *further))
    return {"persistence": curves, "persistence_mean": rows}


def within_classes(
    means: Mapping[tuple[str, ...], tuple[Any, ...]], of: tuple[str, ...], classes: Sequence[str]
) -> tuple[float | None, ...]:
    """Preferred minus others within each class, weighted by one over the variance."""
    total = weights = 0.0
    for given in classes:
        _, one, error = means[*of, given, "preferred"]
        _, two, other = means[*of, given, "others_preferred"]
        if one is not None and two is not None and error and other:
            weight = 1 / (error**2 + other**2)
            total += weight * (one - two)
            weights += weight
    if not weights:
        return None, None, None, None
    apart, error = total / weights, 1 / math.sqrt(weights)
    p_value = math.erfc(abs(apart) / error / math.sqrt(2))
    return apart, *around(apart, error, -math.inf, math.inf), p_value


def estimate(times: Sequence[tuple[int, bool]]) -> tuple[list[float], list[float]]:
    """Share with at least so many days, and Greenwood's sum, for 0 to the horizon."""
    shares, sums = [1.0], [0.0]
    for day in range(HORIZON):
        n = sum(days >= day for days, _ in times)
        d = sum(is_stopped and days == day for days, is_stopped in times)
        shares.append(shares[-1] * (n - d) / n if d else shares[-1])
        sums.append(sums[-1] + (d / n / (n - d) if d and n > d else 0.0))
    return shares, sums


def interval(share: float | None, greenwood: float) -> tuple[float | None, float | None]:
    """By log(-log share)."""
    if share is None or share in (0.0, 1.0):
        return None, None
    factor = math.exp(Z * math.sqrt(greenwood) / abs(math.log(share)))
    return share**factor, share ** (1 / factor)


def mean(
    times: Sequence[tuple[int, bool]], shares: Sequence[float]
) -> tuple[float | None, float | None]:
    """Restricted mean and its standard error: the sum of the shares of day 1 to the horizon.

    Of 20 persons or more, if 10 are at risk at the horizon or all have stopped before it.
    """
    have_all_stopped = all(is_stopped and days < HORIZON for days, is_stopped in times)
    n_left = sum(days >= HORIZON for days, _ in times)
    if len(times) < 20 or (n_left < 10 and not have_all_stopped):
        return None, None
    variance = 0.0
    stops = [days for days, is_stopped in times if is_stopped and days < HORIZON]
    for day in set(stops):
        n = sum(days >= day for days, _ in times)
        d = stops.count(day)
        if n > d:
            variance += sum(shares[day + 1 :]) ** 2 * d / n / (n - d)
    if len(stops) < 2:
        return math.fsum(shares[1:]), None
    return math.fsum(shares[1:]), math.sqrt(variance * len(stops) / (len(stops) - 1))


def around(
    middle: float | None, error: float | None, lowest: float, highest: float
) -> tuple[float | None, float | None]:
    if middle is None or not error:
        return None, None
    return max(lowest, middle - Z * error), min(highest, middle + Z * error)
