"""Kaplan-Meier curves and restricted means: a textbook, odd groups, and simulations."""

import numpy as np
import pytest

from omop_scorer.scoring.survival import (
    Estimate,
    combined,
    difference,
    kaplan_meier,
    restricted_mean,
)

# Weeks of remission under 6-mercaptopurine (Freireich et al., Blood 1963;21:699); + is censored.
WEEKS = "6, 6, 6, 6+, 7, 9+, 10, 10+, 11+, 13, 16, 17+, 19+, 20+, 22, 23, 25+, 32+, 32+, 34+, 35+"
REMISSION = np.array([int(week.rstrip("+")) for week in WEEKS.split(", ")])
RELAPSED = np.array([int(not week.endswith("+")) for week in WEEKS.split(", ")])

HORIZON = 720


def test_the_curve_is_that_of_the_textbook() -> None:
    # Klein and Moeschberger, Survival Analysis (2003), table 4.1B, a week later.
    found = kaplan_meier(REMISSION, RELAPSED, [0, 6, 7, 8, 11, 14, 17, 23, 24, 35, 36])
    expected = [1, 1, 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448, 0.448, np.nan]
    assert found.share == pytest.approx(expected, abs=5e-4, nan_ok=True)
    assert list(found.n_at_risk) == [21, 21, 17, 16, 13, 11, 10, 6, 5, 1, 0]
    assert list(found.n_events) == [0, 0, 3, 4, 5, 6, 7, 8, 9, 9, 9]
    # survfit(..., conf.type = "log-log") of R 4.2 after weeks 6 and 23.
    assert (found.ci_low[2], found.ci_high[2]) == pytest.approx((0.620, 0.952), abs=5e-4)
    assert (found.ci_low[8], found.ci_high[8]) == pytest.approx((0.188, 0.680), abs=5e-4)
    assert np.isnan([found.ci_low[:2], found.ci_high[:2]]).all()


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    # Ten are at risk in week 17, and nine in week 18. A relapse in week 16 counts from 17 on.
    found = restricted_mean(REMISSION, RELAPSED, 17)
    # The shares of the textbook times the weeks between its relapses.
    shares = [1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275]
    areas = np.array([6, 1, 3, 3, 3, 1]) * shares
    assert found.days == pytest.approx(areas.sum(), abs=2e-3)
    # Greenwood's sum, term by term: area after the relapse squared, times d / (n (n - d)).
    after = [areas[i:].sum() for i in range(1, 6)]
    of = [(3, 21), (1, 17), (1, 15), (1, 12), (1, 11)]
    variance = sum(a**2 * d / (n * (n - d)) for a, (d, n) in zip(after, of, strict=True)) * 7 / 6
    assert found.standard_error == pytest.approx(variance**0.5, abs=2e-3)
    # Nothing after the horizon counts: only the relapses of weeks 6 and 7.
    assert restricted_mean(REMISSION, RELAPSED, 8).days == pytest.approx(
        6 + 0.8571 + 0.8067, abs=1e-3
    )
    assert np.isnan(restricted_mean(REMISSION, RELAPSED, 18).days)


@pytest.mark.parametrize(
    ("days", "stopped", "mean", "error"),
    [
        # 10 (10 leave) 20 at half: the area after day 10 is 10, so 100 10 / (20 10) 20 / 19.
        ([10] * 10 + [30] * 10, [1] * 20, 20, (100 / 19) ** 0.5),
        ([10] * 10 + [30] * 9, [1] * 19, np.nan, np.nan),
        # One was censored: all who are left stopped, but not all.
        ([10] * 10 + [30] * 10, [0] + [1] * 19, np.nan, np.nan),
        # Ten at risk at the horizon: half leave on day 20, so 350^2 / 20 10 / 9 follows 20 + 350.
        ([20] * 10 + [720] * 10, [1] * 10 + [0] * 10, 370, (350**2 / 20 * 10 / 9) ** 0.5),
        ([20] * 11 + [720] * 9, [1] * 11 + [0] * 9, np.nan, np.nan),
        # One event has no variance, none has none either.
        ([20] + [721] * 19, [1] + [0] * 19, 1 + 719 * 19 / 20 + 19 / 20, np.nan),
        ([721] * 20, [0] * 20, 720, np.nan),
        ([30] * 20, [1] * 20, 30, np.nan),
    ],
)
def test_a_mean_of_few_is_not_known(
    days: list[int], stopped: list[int], mean: float, error: float
) -> None:
    found = restricted_mean(np.array(days, np.int64), np.array(stopped, np.int64), HORIZON)
    assert found.days == pytest.approx(mean, nan_ok=True)
    if np.isnan(error):
        assert np.isnan(found.interval).all()
    else:
        assert found.standard_error == pytest.approx(error)


def test_a_difference_needs_two_variances() -> None:
    apart = difference(Estimate(30, 3), Estimate(20, 4))
    assert (apart.days, apart.standard_error) == (10, 5)
    assert apart.p_value == pytest.approx(0.0455, abs=1e-4)
    for error in (0, np.nan):
        for found in (
            difference(Estimate(30, 3), Estimate(20, error)),
            difference(Estimate(30, error), Estimate(20, 3)),
        ):
            assert np.isnan([found.days, *found.interval, found.p_value]).all()


def test_estimates_are_weighted_by_their_precision() -> None:
    # Weights 1 / 9 and 1 / 36: 4 to 1.
    found = combined([Estimate(10, 3), Estimate(np.nan, np.nan), Estimate(20, 6)])
    assert found.days == pytest.approx(12)
    assert found.standard_error == pytest.approx((36 / 5) ** 0.5)
    assert np.isnan(combined([Estimate(5, np.nan)]).days)


@pytest.mark.parametrize(
    ("days", "events", "shares"),
    [
        ([], [], (np.nan, np.nan, np.nan)),
        ([0], [1], (1, 0, 0)),
        ([30], [1], (1, 1, 0)),
        ([30], [0], (1, 1, np.nan)),
        ([721], [0], (1, 1, 1)),
        # Censored on the day of an event: at risk on it.
        ([30, 30, 721], [1, 0, 0], (1, 1, 2 / 3)),
        ([10, 10, 10], [1, 1, 1], (1, 0, 0)),
    ],
)
def test_odd_groups(days: list[int], events: list[int], shares: tuple[float, ...]) -> None:
    persons = np.array(days, np.int64), np.array(events, np.int64)
    assert kaplan_meier(*persons, [0, 30, 31]).share == pytest.approx(shares, nan_ok=True)
    assert np.isnan(restricted_mean(*persons, HORIZON).days)


def kept(
    rng: np.random.Generator, mean: float, n: int, longest: int = 1500
) -> tuple[np.ndarray, np.ndarray]:
    """Persons who stop at random with a mean of days, and are followed for up to the longest."""
    stopped, followed = np.floor(rng.exponential(mean, n)), rng.integers(0, longest, n)
    days = np.minimum(stopped, followed).astype(np.int64)
    is_known = ((stopped <= followed) & (days <= HORIZON)).astype(np.int64)
    return np.minimum(days, HORIZON + 1), is_known


def true_mean(mean: float) -> float:
    """The sum of the shares with at least so many days."""
    return float(np.exp(-np.arange(1, HORIZON + 1) / mean).sum())


@pytest.mark.parametrize("other", [300, 600])
def test_a_class_kept_twice_as_long_is_found_and_none_where_there_is_none(other: float) -> None:
    rng, n_replicates, at = np.random.default_rng(16), 400, [90, 360, 720]
    truth, planted = np.exp(-np.array(at) / 300), true_mean(300) - true_mean(other)
    holds, means, differs, found = np.zeros(3), 0, 0, 0
    for _ in range(n_replicates):
        one, two = kept(rng, 300, 400), kept(rng, other, 400)
        curve = kaplan_meier(*one, at)
        holds += (curve.ci_low <= truth) & (truth <= curve.ci_high)
        mean = restricted_mean(*one, HORIZON)
        means += mean.interval[0] <= true_mean(300) <= mean.interval[1]
        apart = difference(mean, restricted_mean(*two, HORIZON))
        differs += apart.interval[0] <= planted <= apart.interval[1]
        found += apart.p_value < 0.05
    # 99.9% of such simulations are within 3.3 standard errors of 95%.
    margin = 3.3 * np.sqrt(0.05 * 0.95 / n_replicates)
    assert np.abs(np.array([*holds, means, differs]) / n_replicates - 0.95).max() < margin
    if other == 300:
        assert abs(found / n_replicates - 0.05) < margin
    else:
        assert found / n_replicates > 0.95


@pytest.mark.parametrize("mean", [60, 150, 300])
def test_thin_follow_up_gives_no_mean_or_one_that_holds(mean: float) -> None:
    rng, n_replicates, wrong = np.random.default_rng(17), 1000, 0
    for _ in range(n_replicates):
        found = restricted_mean(*kept(rng, mean, 20, 760), HORIZON)
        low, high = found.interval
        wrong += not (np.isnan(found.days) or low <= true_mean(mean) <= high)
    assert wrong <= 0.05 * n_replicates
