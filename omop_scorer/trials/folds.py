"""Folds of a cross-validation: those of the file, or dealt within strata."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.errors import ScoringError
from omop_scorer.trials.participants import Integers, Participants

N_FOLDS = 10

_AGE, _MALE, _OLD = "age", "male", 50.0


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold of each of n participants, and where the folds come from."""

    fold: Integers
    """(n,): 0 to 9."""
    source: str
    """`column` if the file gives them, else `dealt`."""


def women_of_50_and_over(participants: Participants) -> NDArray[np.bool_] | None:
    """Return (n,): True for a woman of 50 or more years; None if age or sex is no covariate."""
    names = participants.covariates
    if _AGE not in names or _MALE not in names:
        return None
    age, male = (participants.values[:, names.index(name)] for name in (_AGE, _MALE))
    women: NDArray[np.bool_] = (age >= _OLD) & (male == 0.0)
    return women


def folds_of(participants: Participants, seed: int) -> Folds:
    """Return the folds of the file, or deal them within strata of arm and woman of 50 and over.

    A stratum is one seeded permutation, dealt round; the next one goes on where it ended.

    Raises
    ------
    ScoringError
        The column of the file leaves a fold empty.
    """
    if participants.fold is not None:
        refuse_empty_folds(participants.fold)
        return Folds(participants.fold, "column")
    women = women_of_50_and_over(participants)
    stratum = 2 * participants.arm + (0 if women is None else women.astype(np.int64))
    random = np.random.default_rng(seed)
    order = np.concatenate(
        [random.permutation(np.flatnonzero(stratum == each)) for each in np.unique(stratum)]
    )
    fold = np.empty(len(participants), np.int64)
    fold[order] = np.arange(len(participants)) % N_FOLDS
    return Folds(fold, "dealt")


def refuse_empty_folds(fold: Integers) -> None:
    """Raise a ScoringError if a fold has no participant."""
    empty = sorted(set(range(N_FOLDS)) - set(fold.tolist()))
    if empty:
        listed = ", ".join(map(str, empty))
        raise ScoringError(
            f"column fold: no included participant has fold {listed}; use each of 0 to "
            f"{N_FOLDS - 1}, or leave the column out so that folds are dealt"
        )
