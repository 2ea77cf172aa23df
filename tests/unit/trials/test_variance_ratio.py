"""The best variance ratio of many outcomes at once."""

import numpy as np
import pytest

from omop_scorer.trials.variance_ratio import FINE, Criterion, best_ratio


def random_outcomes(seed: int, q: int, b: int) -> tuple[Criterion, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    d = np.sort(random.uniform(0.5, 60.0, q))[::-1].copy()
    weight = 40.0
    squares = random.chisquare(1, (q, b)) * (1.0 + random.choice([0.0, 0.1, 5.0], b) * d[:, None])
    return Criterion(d, d, weight), random.chisquare(weight - q, b), squares


@pytest.mark.parametrize("q", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
def test_no_ratio_of_a_fine_grid_is_better(seed: int, q: int) -> None:
    criterion, s0, squares = random_outcomes(seed, q, 200)
    best = best_ratio(criterion, s0, squares)
    lowest = criterion.values(best, s0, squares)
    for ratio in [0.0, *np.geomspace(1e-4, 1e4, 150)]:
        assert (lowest <= criterion.values(np.full(200, ratio), s0, squares) + 1e-9).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_root_is_one_to_machine_precision(seed: int) -> None:
    criterion, s0, squares = random_outcomes(seed, 5, 200)
    best = best_ratio(criterion, s0, squares)
    inside = best > 0.0
    slope, curvature = criterion.derivatives(best[inside], s0[inside], squares[:, inside])
    assert inside.sum() > 20
    assert (curvature > 0).all()
    assert (abs(slope / curvature) < 1e-12 * (best[inside] + 1e-2)).all()
    at_zero, _ = criterion.derivatives(np.zeros((~inside).sum()), s0[~inside], squares[:, ~inside])
    assert (at_zero >= 0.0).all()


def test_one_alone_is_as_among_many() -> None:
    criterion, s0, squares = random_outcomes(4, 6, 50)
    together = best_ratio(criterion, s0, squares)
    alone = [best_ratio(criterion, s0[i : i + 1], squares[:, i : i + 1])[0] for i in range(50)]
    assert together == pytest.approx(alone, rel=1e-12, abs=1e-15)
    fine = best_ratio(criterion, s0, squares, FINE)
    assert together == pytest.approx(fine, rel=1e-10, abs=1e-14)


def test_a_ratio_far_beyond_the_grid_is_found() -> None:
    # One eigenvalue: S0 + w^2 / (1 + L d) with m = 10: 1 + L d = 9 w^2 / S0.
    criterion = Criterion(np.array([2.0]), np.array([2.0]), 10.0)
    best = best_ratio(criterion, np.array([1e-8]), np.array([[1e8]]))
    assert best[0] == pytest.approx((9.0 * 1e16 - 1.0) / 2.0, rel=1e-12)


def test_the_lower_of_two_minima_wins() -> None:
    # A huge and a tiny eigenvalue give two dips; the outcome decides which one is lower.
    d = np.array([1e4, 1e-2])
    criterion = Criterion(d, d, 30.0)
    s0, squares = np.full(2, 10.0), np.array([[1.0, 40.0], [60.0, 30.0]])
    best = best_ratio(criterion, s0, squares)
    grid = np.concatenate([[0.0], np.geomspace(1e-7, 1e6, 4000)])
    for i in range(2):
        many = s0[[i] * len(grid)], squares[:, [i] * len(grid)]
        lowest = criterion.values(grid, *many).min()
        assert criterion.values(best[[i]], s0[[i]], squares[:, [i]])[0] <= lowest + 1e-10


def test_without_eigenvalues_the_ratio_is_0() -> None:
    empty = np.zeros(0)
    assert (
        best_ratio(Criterion(empty, empty, 5.0), np.ones(3), np.zeros((0, 3))).tolist() == [0] * 3
    )
