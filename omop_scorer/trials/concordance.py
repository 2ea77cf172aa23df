"""Agreement of two vectors of subgroup labels of the same persons.

Two labels contradict each other if some pair of classes is A > B in one and B > A in the other.
Concordance counts contradictions only, so two methods that find nothing agree fully. For this
reason it is never given without the shares that show lost power.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.subgroups import pair_orders

#: Orders of a pair of classes A and B, in the order of rows and columns of its table.
ORDERS = ("A > B", "A = B", "A < B")


@dataclass(frozen=True)
class Concordance:
    """Agreement of the labels of n persons by two methods."""

    n: int
    n_contradictory: int
    n_same_label: int
    n_no_preference: tuple[int, int]
    """Persons for whom all classes are equal, by each method."""
    pairs: Mapping[tuple[str, str], tuple[tuple[int, ...], ...]]
    """Persons by order of a pair of classes, 3 x 3 as in ORDERS: rows by the first method."""

    @property
    def concordance(self) -> float:
        """Share of persons whose two labels do not contradict each other; NaN without persons."""
        return 1.0 - self.n_contradictory / self.n if self.n else np.nan

    @property
    def same_label_share(self) -> float:
        """Share of persons with the same label by both methods; NaN without persons."""
        return self.n_same_label / self.n if self.n else np.nan

    @property
    def no_preference_share(self) -> tuple[float, float]:
        """Share of persons for whom all classes are equal, by each method; NaN without persons."""
        first, second = self.n_no_preference
        return (first / self.n, second / self.n) if self.n else (np.nan, np.nan)

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a JSON file; a share without persons is None."""
        has_any = self.n > 0
        return {
            "n": self.n,
            "contradictory": self.n_contradictory,
            "concordance": self.concordance if has_any else None,
            "same_label_share": self.same_label_share if has_any else None,
            "no_preference_share": list(self.no_preference_share) if has_any else None,
            "pairs": {
                f"{a}, {b}": [list(row) for row in table] for (a, b), table in self.pairs.items()
            },
        }


def compare_labels(
    first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]], classes: Sequence[str]
) -> Concordance:
    """Compare the labels of the same n persons by two methods.

    Parameters
    ----------
    first, second
        (n,): places in the label set of the classes.
    classes
        Labels of the classes, in the order of the card.

    Raises
    ------
    ValueError
        The vectors differ in length, or a number is no place in the label set.
    """
    orders = pair_orders(len(classes))
    n_labels = len(orders)
    for labels in (first, second):
        if len(labels) != len(first) or ((labels < 0) | (labels >= n_labels)).any():
            raise ValueError(f"labels must be {len(first)} places in a set of {n_labels} labels")
    ours, theirs = orders[first], orders[second]
    tables = {
        pair: _table(ours[:, i], theirs[:, i]) for i, pair in enumerate(combinations(classes, 2))
    }
    return Concordance(
        n=len(first),
        n_contradictory=int(contradicts(first, second, len(classes)).sum()),
        n_same_label=int(np.count_nonzero(first == second)),
        n_no_preference=(
            int(np.count_nonzero(first == n_labels - 1)),
            int(np.count_nonzero(second == n_labels - 1)),
        ),
        pairs=tables,
    )


def contradicts(
    first: NDArray[np.integer[Any]], second: NDArray[np.integer[Any]], n_classes: int
) -> NDArray[np.bool_]:
    """Return (n,): True where some pair of classes has opposite orders in the two labels."""
    orders = pair_orders(n_classes)
    turned: NDArray[np.bool_] = np.any(orders[first] * orders[second] < 0, axis=1)
    return turned


def _table(ours: NDArray[np.int8], theirs: NDArray[np.int8]) -> tuple[tuple[int, ...], ...]:
    counts = np.bincount((1 - ours.astype(np.int64)) * 3 + (1 - theirs), minlength=9)
    return tuple(tuple(map(int, row)) for row in counts.reshape(3, 3))
