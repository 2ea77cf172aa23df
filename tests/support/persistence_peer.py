"""Kaplan-Meier curves of the index drug and restricted means, as textbooks print them."""

import math
from collections.abc import Sequence
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
        other = means.get((*group[:3], "others_preferred"), (0, None, None))
        is_compared = group[3] == "preferred" and None not in (days, other[1])
        further = (None, None, None, None)
        if is_compared:
            both = math.hypot(error, other[2])
            apart = days - other[1]
            p_value = math.erfc(abs(apart) / both / math.sqrt(2)) if both else None
            further = (apart, *around(apart, both, -math.inf, math.inf), p_value)
        rows.append((*group, n, days, *around(days, error, 0.0, HORIZON), *further))
    return {"persistence": curves, "persistence_mean": rows}


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
    """Restricted mean and its standard error: the sum of the shares of day 1 to the horizon."""
    if not times or (max(days for days, _ in times) < HORIZON and shares[HORIZON] > 0):
        return None, None
    variance = 0.0
    for day in {days for days, is_stopped in times if is_stopped and days < HORIZON}:
        n = sum(days >= day for days, _ in times)
        d = sum(is_stopped and days == day for days, is_stopped in times)
        if n > d:
            variance += sum(shares[day + 1 :]) ** 2 * d / n / (n - d)
    return math.fsum(shares[1:]), math.sqrt(variance)


def around(
    middle: float | None, error: float | None, lowest: float, highest: float
) -> tuple[float | None, float | None]:
    if middle is None or not error:
        return None, None
    return max(lowest, middle - Z * error), min(highest, middle + Z * error)
