"""Exact moments and histograms, whose results do not depend on the order of the patients."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from omop_scorer.model.arrays import Floats

_BINS = 20

# Bits per limb. A 53-bit mantissa is three limbs, and a 64-bit integer holds the sum of their
# products for up to 2^26 values.
_LIMB = 18


class Moments:
    """Count, sum and sum of squares of numbers, all exact."""

    def __init__(self) -> None:
        self.n = 0
        # Sums of integer mantissas by exponent; a number is its mantissa times 2^(exponent - 53).
        self._sums: Counter[int] = Counter()
        self._squares: Counter[int] = Counter()

    def add(self, values: Floats) -> None:
        """Add finite numbers of any shape."""
        fraction, exponents = np.frexp(values)
        mantissas = np.ldexp(fraction, 53).astype(np.int64)
        low, high = mantissas & ((1 << _LIMB) - 1), mantissas >> 2 * _LIMB
        middle = (mantissas >> _LIMB) & ((1 << _LIMB) - 1)
        self.n += values.size
        for exponent in np.unique(exponents):
            same = exponents == exponent
            a, b, c = high[same], middle[same], low[same]
            # Digits in base 2^18, most significant first.
            self._sums[int(exponent)] += _from_digits([a.sum(), b.sum(), c.sum()])
            self._squares[int(exponent)] += _from_digits(
                [a @ a, 2 * (a @ b), 2 * (a @ c) + b @ b, 2 * (b @ c), c @ c]
            )

    def update(self, other: "Moments") -> None:
        """Add the numbers of another instance."""
        self.n += other.n
        self._sums.update(other._sums)
        self._squares.update(other._squares)

    def mean(self) -> float | None:
        """Return the mean, correctly rounded; None if there are no numbers."""
        return float(self._sum() / self.n) if self.n else None

    def standard_deviation(self) -> float | None:
        """Return the standard deviation with n - 1; None if there are fewer than two numbers."""
        if self.n < 2:
            return None
        squares = sum((_scaled(m, 2 * (e - 53)) for e, m in self._squares.items()), Fraction())
        return math.sqrt((squares - self._sum() ** 2 / self.n) / (self.n - 1))

    def _sum(self) -> Fraction:
        return sum((_scaled(m, e - 53) for e, m in self._sums.items()), Fraction())


def _from_digits(digits: Sequence[np.int64]) -> int:
    total = 0
    for digit in digits:
        total = (total << _LIMB) + int(digit)
    return total


def _scaled(mantissa: int, exponent: int) -> Fraction:
    return mantissa * Fraction(2) ** exponent


class Histogram:
    """Counts in bins of equal width, whose edges are multiples of the width, correctly rounded.

    A bin counts low <= value < high, where low and high are exactly the edges that `bins` returns.
    """

    def __init__(self, width: Fraction) -> None:
        self._width = width
        self._counts: Counter[int] = Counter()

    def add(self, values: Floats) -> None:
        """Count finite numbers."""
        numbers = np.floor(values / float(self._width))
        # The rounded quotient can be one bin too high or too low, so compare with the edges.
        numbers -= values < self._edges(numbers)
        numbers += values >= self._edges(numbers + 1)
        for number, n in zip(*np.unique(numbers, return_counts=True), strict=True):
            self._counts[int(number)] += int(n)

    def update(self, other: "Histogram") -> None:
        """Add the counts of another histogram of the same width."""
        self._counts.update(other._counts)

    def bins(self) -> Iterator[tuple[float, float, int]]:
        """Yield lower edge, upper edge and count of each bin that is not empty, in order."""
        for number, n in sorted(self._counts.items()):
            low, high = number * self._width, (number + 1) * self._width
            yield float(low), float(high), n

    def _edges(self, numbers: Floats) -> Floats:
        # Only the division rounds, so the edge is the fraction correctly rounded.
        return numbers * self._width.numerator / self._width.denominator


def round_width(span: float) -> Fraction:
    """Return 1, 2 or 5 times a power of ten, the nearest by ratio to a twentieth of the span."""
    target = Fraction(span) / _BINS
    power = math.floor(math.log10(target))
    candidates = [m * Fraction(10) ** p for p in (power - 1, power, power + 1) for m in (1, 2, 5)]
    return min(candidates, key=lambda width: max(width / target, target / width))
