"""The ratio of trial to residual variance that minimises a likelihood criterion, for many outcomes.

With the ratio L >= 0, a criterion is `m log S(L) + sum log(1 + L c)`, up to a constant, where
`S(L) = S0 + sum w^2 / (1 + L d)`. REML has m = n - p and c = d; ML has m = n and c = participants
per trial. The minimum is found as a root of the derivative: a minimum of function values alone is
known to half of the digits only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats

#: Numbers of ratios at which the sign of the derivative is looked at: for one fit, and for refits.
FINE, COARSE = 400, 24

_MOST_STEPS = 100
# A Newton step that is this small, relative to the ratio, leaves an error of its square.
_LAST_STEP = 1e-9
_ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Criterion:
    """A criterion without its data: q eigenvalues d > 0, penalties c, and the weight m."""

    eigenvalues: Floats
    penalties: Floats
    weight: float

    def values(self, ratio: Floats, s0: Floats, squares: Floats) -> Floats:
        """Return the criterion, shape (b,), at a ratio of each of b outcomes.

        Parameters
        ----------
        ratio, s0
            (b,)
        squares
            (q, b): w^2 of each outcome.
        """
        spread = s0 + (squares / (1.0 + self.eigenvalues[:, None] * ratio)).sum(axis=0)
        penalty = np.log1p(self.penalties[:, None] * ratio).sum(axis=0)
        answer: Floats = self.weight * np.log(spread) + penalty
        return answer

    def derivatives(self, ratio: Floats, s0: Floats, squares: Floats) -> tuple[Floats, Floats]:
        """Return the first and the second derivative at a ratio of each outcome; as `values`."""
        shrinkage = 1.0 / (1.0 + self.eigenvalues[:, None] * ratio)
        rate = self.eigenvalues[:, None] * shrinkage
        part = squares * shrinkage
        spread = s0 + part.sum(axis=0)
        part *= rate
        first = part.sum(axis=0) / spread
        part *= rate
        second = part.sum(axis=0) / spread
        if self.penalties is not self.eigenvalues:
            rate = self.penalties[:, None] / (1.0 + self.penalties[:, None] * ratio)
        slope = rate.sum(axis=0) - self.weight * first
        rate *= rate
        return slope, self.weight * (2.0 * second - first * first) - rate.sum(axis=0)

    def grid(self, n: int) -> Floats:
        """Return n ratios, 0 and then as powers, from far below to far above 1 / d."""
        low, high = 1e-2 / self.eigenvalues.max(), 1e3 / self.eigenvalues.min()
        return np.concatenate([[0.0], np.geomspace(low, high, n - 1)])

    def is_falling(self, grid: Floats, s0: Floats, squares: Floats) -> NDArray[np.bool_]:
        """Return, shape (g, b), whether the derivative is negative at each ratio of the grid.

        S times the derivative is linear in S0 and w^2, so one sum of products gives all signs.
        """
        shrinkage = 1.0 / (1.0 + np.outer(grid, self.eigenvalues))
        penalty = (self.penalties / (1.0 + np.outer(grid, self.penalties))).sum(axis=1)
        weights = shrinkage * (penalty[:, None] - self.weight * self.eigenvalues * shrinkage)
        signs = np.einsum("gq,qb->gb", weights, squares)
        signs += np.multiply.outer(penalty, s0)
        falling: NDArray[np.bool_] = signs < 0.0
        return falling

    def bound(self, s0: Floats, squares: Floats) -> Floats:
        """Return a ratio beyond which the criterion rises, for each outcome."""
        least = 1.0 / min(self.eigenvalues.min(), self.penalties.min())
        between = (squares / self.eigenvalues[:, None]).sum(axis=0)
        limit: Floats = np.maximum(least, 2.0 * self.weight * between / (len(self.penalties) * s0))
        return limit * 1.01


def best_ratio(criterion: Criterion, s0: Floats, squares: Floats, n_grid: int = COARSE) -> Floats:
    """Return the ratio with the lowest criterion for each outcome; exactly 0 for a singular fit.

    Parameters
    ----------
    criterion
        The criterion, without data.
    s0
        (b,): S0 of each outcome.
    squares
        (q, b): w^2 of each outcome.
    n_grid
        Number of ratios at which the sign of the derivative is looked at.
    """
    best = np.zeros(len(s0))
    if not len(criterion.eigenvalues):
        return best
    grid = criterion.grid(n_grid)
    falls = criterion.is_falling(grid, s0, squares)
    rises_next = np.vstack([~falls[1:], np.ones((1, len(s0)), np.bool_)])
    cell, outcome = np.nonzero(falls & rises_next)
    if not len(outcome):
        return best
    own_s0, own_squares = s0[outcome], squares[:, outcome]
    high = np.append(grid, np.inf)[cell + 1]
    is_open = np.isinf(high)
    high[is_open] = np.maximum(
        2.0 * grid[-1], criterion.bound(own_s0[is_open], own_squares[:, is_open])
    )
    roots = _roots(criterion, own_s0, own_squares, grid[cell], high)
    return _lowest(criterion, roots, outcome, s0, squares, falls[0])


def _lowest(
    criterion: Criterion,
    roots: Floats,
    outcome: NDArray[np.intp],
    s0: Floats,
    squares: Floats,
    falls_at_zero: NDArray[np.bool_],
) -> Floats:
    """Return the best of the minima of each outcome; 0 is one where the criterion rises there."""
    best = np.zeros(len(s0))
    lowest = np.where(falls_at_zero, np.inf, criterion.values(best, s0, squares))
    values = criterion.values(roots, s0[outcome], squares[:, outcome])
    # Of several minima of one outcome, the lowest is assigned last.
    order = np.argsort(-values, kind="stable")
    order = order[values[order] < lowest[outcome[order]]]
    best[outcome[order]] = roots[order]
    return best


def _middle(low: Floats, high: Floats) -> Floats:
    return np.where(low > 0.0, np.sqrt(low * high), high / 2.0)


def _roots(criterion: Criterion, s0: Floats, squares: Floats, low: Floats, high: Floats) -> Floats:
    """Return the root of each derivative between two ratios, by Newton steps kept inside."""
    smallest = _ROUNDING / criterion.eigenvalues.max()
    roots, active = np.empty(len(s0)), np.arange(len(s0))
    ratio = _middle(low, high)
    for _ in range(_MOST_STEPS):
        slope, curvature = criterion.derivatives(ratio, s0, squares)
        low, high = np.where(slope < 0.0, ratio, low), np.where(slope < 0.0, high, ratio)
        # A curvature of 0 or less has no step; the middle replaces it.
        step = slope / np.where(curvature > 0.0, curvature, np.nan)
        is_inside = (ratio - step >= low) & (ratio - step <= high)
        following = np.where(is_inside, ratio - step, _middle(low, high))
        is_done = abs(following - ratio) <= _LAST_STEP * ratio + smallest
        is_done &= is_inside | (high - low <= _ROUNDING * high + smallest)
        roots[active[is_done]] = following[is_done]
        left = ~is_done
        if not left.any():
            return roots
        active, s0, squares = active[left], s0[left], squares[:, left]
        ratio, low, high = following[left], low[left], high[left]
    roots[active] = ratio
    return roots
