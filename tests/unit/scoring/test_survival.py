"""Kaplan-Meier curves and restricted means: a textbook, odd groups, and simulations."""

import numpy as np
import pytest

from omop_scorer.scoring.survival import difference, kaplan_meier, restricted_mean

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
    found = restricted_mean(REMISSION, RELAPSED, 35)
    # The shares of the textbook times the weeks between its relapses.
    shares = [1, 0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    areas = np.array([6, 1, 3, 3, 3, 6, 1, 12]) * shares
    assert found.days == pytest.approx(areas.sum(), abs=2e-3)
    # Greenwood's sum, term by term: area after the relapse squared, times d / (n (n - d)).
    after = [areas[i:].sum() for i in range(1, 8)]
    of = [(3, 21), (1, 17), (1, 15), (1, 12), (1, 11), (1, 7), (1, 6)]
    variance = sum(a**2 * d / (n * (n - d)) for a, (d, n) in zip(after, of, strict=True))
    assert found.standard_error == pytest.approx(variance**0.5, abs=2e-3)
    # Nothing after the horizon counts: only the relapses of weeks 6 and 7.
    assert restricted_mean(REMISSION, RELAPSED, 8).days == pytest.approx(
        6 + 0.8571 + 0.8067, abs=1e-3
    )


@pytest.mark.parametrize(
    ("days", "events", "shares", "mean"),
    [
        ([], [], (np.nan, np.nan, np.nan), np.nan),
        ([0], [1], (1, 0, 0), 0),
        ([30], [1], (1, 1, 0), 30),
        ([30], [0], (1, 1, np.nan), np.nan),
        ([721], [0], (1, 1, 1), 720),
        ([720, 720], [1, 1], (1, 1, 1), 720),
        # Censored on the day of an event: at risk on it.
        ([30, 30, 721], [1, 0, 0], (1, 1, 2 / 3), (30 + 690 * 2 / 3)),
        ([10, 10, 10], [1, 1, 1], (1, 0, 0), 10),
    ],
)
def test_odd_groups(
    days: list[int], events: list[int], shares: tuple[float, ...], mean: float
) -> None:
    persons = np.array(days, np.int64), np.array(events, np.int64)
    found, area = kaplan_meier(*persons, [0, 30, 31]), restricted_mean(*persons, HORIZON)
    assert found.share == pytest.approx(shares, nan_ok=True)
    assert area.days == pytest.approx(mean, nan_ok=True)
    if len(set(days)) < 2:
        assert np.isnan(area.interval).all()
        assert np.isnan(difference(area, area)[1])


def kept(rng: np.random.Generator, mean: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Persons who stop at random with a mean of days, and are followed for up to 1,500 days."""
    stopped, followed = np.floor(rng.exponential(mean, n)), rng.integers(0, 1500, n)
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
        one, two = kept(rng, 300, 120), kept(rng, other, 120)
        curve = kaplan_meier(*one, at)
        holds += (curve.ci_low <= truth) & (truth <= curve.ci_high)
        mean = restricted_mean(*one, HORIZON)
        means += mean.interval[0] <= true_mean(300) <= mean.interval[1]
        apart, p_value = difference(mean, restricted_mean(*two, HORIZON))
        differs += apart.interval[0] <= planted <= apart.interval[1]
        found += p_value < 0.05
    # 99.9% of such simulations are within 3.3 standard errors of 95%.
    margin = 3.3 * np.sqrt(0.05 * 0.95 / n_replicates)
    assert np.abs(np.array([*holds, means, differs]) / n_replicates - 0.95).max() < margin
    if other == 300:
        assert abs(found / n_replicates - 0.05) < margin
    else:
        assert found / n_replicates > 0.95
