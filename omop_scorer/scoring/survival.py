"""Kaplan-Meier curves and restricted means of days until an event, which may be censored.

`statsmodels` estimates the curve. It is imported only here, when a curve is asked for, because its
import takes about a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from omop_scorer.model.arrays import Floats
from omop_scorer.model.intervals import Z

Ints = NDArray[np.int64]

#: A restricted mean needs so many persons, and so many at risk at the horizon. With fewer, the end
#: of the curve hangs on one or two persons, and its 95% interval holds the truth in 80% of samples.
FEWEST_PERSONS, FEWEST_AT_RISK = 20, 10


@dataclass(frozen=True, eq=False)
class Curve:
    """Kaplan-Meier estimate of the share of persons without an event before each of some days."""

    n_at_risk: Ints
    """Persons followed, and without an event, until the day or longer."""
    n_events: Ints
    """Persons with an event before the day."""
    share: Floats
    """NaN if nobody is followed until the day; 0 once everybody left has had the event."""
    ci_low: Floats
    ci_high: Floats
    """Ends of the 95% interval; NaN where the share is 0 or 1, or not known."""


@dataclass(frozen=True)
class Estimate:
    """Mean days up to a horizon, or a difference of such means; NaN if it is not known."""

    days: float
    standard_error: float

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95% interval; NaN without a variance."""
        distance = Z * self.standard_error if self.standard_error > 0 else np.nan
        return self.days - distance, self.days + distance

    @property
    def p_value(self) -> float:
        """Two-sided p-value that the days are zero; NaN without a variance."""
        if not self.standard_error > 0:
            return np.nan
        return float(2 * special.ndtr(-abs(self.days) / self.standard_error))


_UNKNOWN = Estimate(np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The days on which a curve falls, and the estimate from each of them on."""

    days: Floats
    n_at_risk: Floats
    n_events: Floats
    share: Floats
    standard_error: Floats


def kaplan_meier(days: Ints, has_event: Ints, at: Sequence[int]) -> Curve:
    """Return the curve of persons at some days.

    Parameters
    ----------
    days
        Days of each person until the event or the end of follow-up.
    has_event
        1 for each person with the event, 0 where it is not known to have happened.
    at
        The days at which the curve is returned, of any order.

    Notes
    -----
    An event on a day counts from the next day on: the share is that of persons with at least so
    many days. A person censored on a day counts as at risk on that day. The interval is that of
    log(-log share), with Greenwood's variance (Kalbfleisch and Prentice, 1980).
    """
    ordered, events = np.sort(days), np.sort(days[has_event == 1])
    n_at_risk = len(days) - np.searchsorted(ordered, at, side="left")
    n_events = np.searchsorted(events, at, side="left")
    found = _steps(days, has_event)
    place = np.searchsorted(found.days, at, side="left")
    share = np.concatenate(([1.0], found.share))[place]
    error = np.concatenate(([np.nan], found.standard_error))[place]
    share = np.where((n_at_risk > 0) | (share == 0), share, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(share)
        distance = Z * error / (share * np.abs(log))
        ends = [np.exp(log * np.exp(sign * distance)) for sign in (1, -1)]
    is_known = np.isfinite(distance)
    low, high = (np.where(is_known, end, np.nan) for end in ends)
    return Curve(n_at_risk, n_events, share, low, high)


def restricted_mean(days: Ints, has_event: Ints, horizon: int) -> Estimate:
    """Return the mean of days up to a horizon: the area under the Kaplan-Meier curve.

    Parameters
    ----------
    days, has_event
        As in `kaplan_meier`.
    horizon
        Days above it count as the horizon.

    Notes
    -----
    The variance is Greenwood's: the sum of (area after the day)^2 d / (n (n - d)) over the days
    with events, times D / (D - 1) for D events in all (Klein and Moeschberger, Survival Analysis,
    2003, section 4.5). It is not known if D is 1. The mean is not known of fewer than
    `FEWEST_PERSONS`, or with fewer than `FEWEST_AT_RISK` at the horizon, unless everybody had the
    event before it. That the last person left had it is not enough, because others were censored.
    """
    is_followed = np.sum(days >= horizon) >= FEWEST_AT_RISK
    is_complete = bool(np.all((days < horizon) & (has_event == 1)))
    if len(days) < FEWEST_PERSONS or not (is_followed or is_complete):
        return _UNKNOWN
    found = _steps(days, has_event)
    is_within = found.days < horizon
    n, d = found.n_at_risk[is_within], found.n_events[is_within]
    edges = np.concatenate(([0.0], found.days[is_within], [float(horizon)]))
    areas = np.diff(edges) * np.concatenate(([1.0], found.share[is_within]))
    after = np.cumsum(areas[::-1])[::-1][1:]
    left = n - d
    terms = np.divide(after**2 * d, n * left, out=np.zeros_like(after), where=left > 0)
    n_events = float(d.sum())
    factor = np.nan if n_events == 1 else n_events / (n_events - 1)
    return Estimate(float(areas.sum()), float(np.sqrt(terms.sum() * factor)))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return one mean minus another of other persons; NaN unless both have a variance."""
    if not (one.standard_error > 0 and other.standard_error > 0):
        return _UNKNOWN
    error = float(np.hypot(one.standard_error, other.standard_error))
    return Estimate(one.days - other.days, error)


def combined(estimates: Iterable[Estimate]) -> Estimate:
    """Return the mean of estimates of different persons, weighted by their inverse variances.

    Estimates without a variance do not count; NaN if there is no other.
    """
    known = [each for each in estimates if each.standard_error > 0]
    if not known:
        return _UNKNOWN
    weights = np.array([each.standard_error**-2 for each in known])
    days = np.array([each.days for each in known])
    return Estimate(float(weights @ days / weights.sum()), float(weights.sum() ** -0.5))


def _steps(days: Ints, has_event: Ints) -> _Steps:
    if not np.any(has_event):
        return _Steps(*([np.empty(0)] * 5))
    from statsmodels.duration.survfunc import SurvfuncRight  # noqa: PLC0415

    fit: Any = SurvfuncRight(days, has_event)
    columns = (fit.surv_times, fit.n_risk, fit.n_events, fit.surv_prob, fit.surv_prob_se)
    return _Steps(*(np.asarray(column, np.float64) for column in columns))
