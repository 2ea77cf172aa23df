"""Choice of the settings of each forest by five-fold error, beside that of the mixed model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.forest_models import ForestData
from omop_scorer.trials.mixed_model import MixedFit, fit_mixed_model
from omop_scorer.trials.participants import PLACEBO, Integers, Participants
from omop_scorer.trials.random_forest import Growth, dealt, grow, in_order, predict, seed_of
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.srs import YEAR, design_of
from omop_scorer.trials.trial_sums import sums_of

N_FOLDS = 5

_LEAVES = (1, 5, 20, 50)
_FEATURES = (2, 5, None)
_FOLDS_SEED, _TUNING_SEED = 1, 2

Advance: TypeAlias = Callable[[int], None]


@dataclass(frozen=True)
class Tuned:
    """The settings of the forest of an arm, and the five-fold error of its predictions.

    The error of a class is that of the whole outcome, too, because the placebo model saw none of
    its participants.
    """

    growth: Growth
    rmse: float
    """In the unit of the outcome."""
    mixed_rmse: float | None
    """Of the mixed model in the same folds; None if it cannot be fitted in one of them."""


def candidates(n_trees: int, n_covariates: int) -> list[Growth]:
    """Return the settings to choose from, each once."""
    features = dict.fromkeys(min(each or n_covariates, n_covariates) for each in _FEATURES)
    return [Growth(n_trees, each, leaf) for leaf, each in product(_LEAVES, features)]


def n_tuning_steps(data: ForestData, n_candidates: int | None = None) -> int:
    """Return the number of steps that the tuning of all arms will report."""
    return sum(
        N_FOLDS * (n_candidates or len(candidates(1, data.values(arm).shape[1])))
        for arm in data.arms
    )


def tune(
    arm: str,
    data: ForestData,
    outcome: Floats,
    growths: list[Growth],
    seed: int,
    threads: int,
    advance: Advance,
) -> tuple[Growth, float]:
    """Return the settings with the smallest five-fold error, the first of several, and the error.

    Parameters
    ----------
    arm
        `placebo` or the key of a class.
    data
        All participants.
    outcome
        (n of the arm,): what the model predicts.
    growths
        The settings to choose from.
    seed
        Seed of folds and forests.
    threads
        Forests that are grown at once.
    advance
        Called with 1 when a forest has been grown.
    """
    values, fold = data.values(arm)[data.rows[arm]], folds_of_arm(arm, data, seed)
    place = data.arms.index(arm)

    def squared_error(task: tuple[int, int]) -> float:
        candidate, held_out = task
        kept = fold != held_out
        forest = grow(
            values[kept],
            outcome[kept],
            growths[candidate],
            seed_of(seed, _TUNING_SEED, place, candidate, held_out),
        )
        return float(np.sum((outcome[~kept] - predict(forest, values[~kept])) ** 2))

    tasks = list(product(range(len(growths)), range(N_FOLDS)))
    errors = np.array(in_order(squared_error, tasks, threads, advance)).reshape(-1, N_FOLDS)
    rmse = np.sqrt(errors.sum(axis=1) / len(outcome))
    best = int(np.argmin(rmse))
    return growths[best], float(rmse[best])


def folds_of_arm(arm: str, data: ForestData, seed: int) -> Integers:
    """Return the fold of each participant of an arm."""
    place = data.arms.index(arm)
    return dealt(len(data.rows[arm]), N_FOLDS, seed_of(seed, _FOLDS_SEED, place))


def mixed_errors(
    participants: Participants,
    centres: Mapping[str, float],
    placebo: MixedFit,
    data: ForestData,
    seed: int,
) -> dict[str, float | None]:
    """Return the five-fold error of the mixed model of each arm, in the folds of its forest.

    Parameters
    ----------
    participants
        All participants.
    centres
        Centre of each covariate and of the year.
    placebo
        The mixed model of all placebo participants, from which the classes start.
    data
        The participants as forests take them.
    seed
        Seed of the folds.
    """
    design = design_of(participants, centres)
    rest = participants.outcome - design.predict(placebo)
    of_classes = [place for place, term in enumerate(design.terms) if term != YEAR]
    errors: dict[str, float | None] = {}
    for arm in data.arms:
        columns = list(range(len(design.terms))) if arm == PLACEBO else of_classes
        outcome = participants.outcome if arm == PLACEBO else rest
        rows, fold = data.rows[arm], folds_of_arm(arm, data, seed)
        total = 0.0
        try:
            for held_out in range(N_FOLDS):
                kept, other = rows[fold != held_out], rows[fold == held_out]
                sums = sums_of(
                    design.values[np.ix_(kept, columns)],
                    outcome[kept],
                    participants.trial[kept],
                    participants.trials,
                    tuple(design.terms[place] for place in columns),
                )
                predicted = design.predict(fit_mixed_model(sums, arm))[other]
                total += float(np.sum((outcome[other] - predicted) ** 2))
            errors[arm] = float(np.sqrt(total / len(rows)))
        except FitError:
            errors[arm] = None
    return errors
