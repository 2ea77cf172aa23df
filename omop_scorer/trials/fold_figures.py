"""Counts of the subgroups of held-out participants, by fold and over the folds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.subgroups import first_group
from omop_scorer.trials.cross_validation import UNASSIGNED, CrossValidation, FoldModels
from omop_scorer.trials.participants import Integers

#: The class whose first place the paper looks at, in women of 50 and over.
IL = "anti_il12_23"


@dataclass(frozen=True)
class FoldCounts:
    """Counts of one fold; None where they are unknown, also because its models failed."""

    fold: int
    n_held_out: int
    n_women_50_and_over: int | None
    best_alone: Mapping[str, int] | None
    """By class: participants with the class alone in the first place."""
    women_best_alone: Mapping[str, int] | None
    """The same of women of 50 and over."""
    subgroup_counts: Mapping[str, int]
    failure: str | None

    @property
    def n_il_best(self) -> int | None:
        """Participants with anti-IL-12/23 alone in the first place."""
        return None if self.best_alone is None else self.best_alone.get(IL)

    @property
    def n_il_best_women_50_and_over(self) -> int | None:
        """Women of 50 and over among them."""
        return None if self.women_best_alone is None else self.women_best_alone.get(IL)

    def as_json(self) -> dict[str, Any]:
        """Return the counts for a JSON file."""
        return {
            "fold": self.fold,
            "n_held_out": self.n_held_out,
            "n_women_50_and_over": self.n_women_50_and_over,
            "n_il_best": self.n_il_best,
            "n_il_best_women_50_and_over": self.n_il_best_women_50_and_over,
            "n_best_alone": self.best_alone,
            "subgroup_counts": self.subgroup_counts,
            "failed": self.failure,
        }


@dataclass(frozen=True)
class OverFolds:
    """Median and range of a share over the folds in which it exists."""

    n_folds: int
    median: float | None
    low: float | None
    high: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class LabelNames:
    """The labels that places stand for, and the classes with their short names."""

    labels: tuple[str, ...]
    classes: Mapping[str, str]
    """Short name of each class, by key."""

    def counts(self, label: Integers) -> dict[str, int]:
        """Return the number of participants of each label that occurs."""
        counts = np.bincount(label[label != UNASSIGNED], minlength=len(self.labels)).tolist()
        return {name: n for name, n in zip(self.labels, counts, strict=True) if n}

    def best_alone(self, label: Integers) -> dict[str, int]:
        """Return the number of participants with each class alone in the first place."""
        counts = self.counts(label)
        return {
            key: sum(n for name, n in counts.items() if first_group(name) == short)
            for key, short in self.classes.items()
        }


def fold_counts(
    found: CrossValidation,
    label: Integers,
    names: LabelNames,
    women: NDArray[np.bool_] | None,
) -> list[FoldCounts]:
    """Return the counts of each fold.

    Parameters
    ----------
    found
        The cross-validation.
    label
        (n,): its labels, by one uncertainty.
    names
        What the labels stand for.
    women
        (n,): True for women of 50 and over; None if that is unknown.
    """
    return [_counts(fold, label, names, women) for fold in found.folds]


def _counts(
    fold: FoldModels, label: Integers, names: LabelNames, women: NDArray[np.bool_] | None
) -> FoldCounts:
    is_held_out, is_fitted = fold.held_out, fold.models is not None
    own = label[is_held_out]
    of_women = None if women is None else label[is_held_out & women]
    return FoldCounts(
        fold=fold.fold,
        n_held_out=len(own),
        n_women_50_and_over=None if of_women is None else len(of_women),
        best_alone=names.best_alone(own) if is_fitted else None,
        women_best_alone=(
            names.best_alone(of_women) if is_fitted and of_women is not None else None
        ),
        subgroup_counts=names.counts(own),
        failure=fold.failure,
    )


def over_folds(folds: list[FoldCounts], no_preference: str) -> dict[str, OverFolds]:
    """Return median and range over the folds of the shares that the paper tells.

    A fold in which a share has nobody to be a share of is left out of it.
    """
    fitted = [each for each in folds if each.failure is None]
    il = [(each.n_il_best, each.n_il_best_women_50_and_over) for each in fitted]
    women = [each.n_women_50_and_over for each in fitted]
    found = {
        "no_preference": _over(
            (each.subgroup_counts.get(no_preference, 0), each.n_held_out) for each in fitted
        ),
        "il_best": _over((n, each.n_held_out) for (n, _), each in zip(il, fitted, strict=True)),
        "women_50_and_over_among_il_best": _over((own, n) for n, own in il),
        "il_best_among_women_50_and_over": _over(
            (own, n) for (_, own), n in zip(il, women, strict=True)
        ),
    }
    return {name: each for name, each in found.items() if each.n_folds}


def _over(parts: Iterator[tuple[int | None, int | None]]) -> OverFolds:
    shares = [part / whole for part, whole in parts if part is not None and whole]
    if not shares:
        return OverFolds(0, None, None, None)
    return OverFolds(len(shares), median(shares), min(shares), max(shares))
