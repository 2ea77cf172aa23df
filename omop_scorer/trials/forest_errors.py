"""Effects of classes by forests, and their standard errors: by resampling, or as published."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.forest_models import ForestData, class_effects, grow_all
from omop_scorer.trials.random_forest import (
    Forest,
    Growth,
    in_order,
    predict_by_tree,
    seed_of,
)

_DRAW, _RESAMPLED, _PUBLISHED = 3, 4, 5

#: Participants whose predictions by every tree are held at once.
_AT_ONCE = 2_000

#: Smallest standard error, so that two classes can always be compared.
_SMALLEST_ERROR = 1e-6


@dataclass(frozen=True, eq=False)
class Estimates:
    """Effects of c classes for n participants, with their errors, both (n, c)."""

    effects: Floats
    errors: Floats
    n_without_error: int = 0
    """Errors whose estimate was not above 0."""


def resample(
    data: ForestData,
    growths: Mapping[str, Growth],
    n_resamples: int,
    seed: int,
    threads: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> Estimates:
    """Draw participants within each arm, grow all forests from them, and repeat.

    The effect is the mean over the resamples, and the error their standard deviation. For the own
    class of a participant only resamples count that left the participant out, or all of them if
    fewer than two did.

    Parameters
    ----------
    data
        All participants.
    growths
        How the forest of each arm is grown.
    n_resamples
        Number of resamples, two or more.
    seed
        Seed; each resample has its own, so the number of threads changes nothing.
    threads
        Resamples that are worked on at once.
    advance
        Called with 1 when a resample is done.
    """

    def one(number: int) -> tuple[Floats, NDArray[np.bool_]]:
        random = np.random.default_rng(seed_of(seed, _DRAW, number))
        drawn = {
            arm: rows[random.integers(len(rows), size=len(rows))] for arm, rows in data.rows.items()
        }
        is_left_out = np.ones(len(data.outcome), np.bool_)
        for rows in drawn.values():
            is_left_out[rows] = False
        forests = grow_all(data, drawn, growths, seed, _RESAMPLED, number)
        return class_effects(data, forests), is_left_out

    done = in_order(one, range(n_resamples), threads, advance)
    effects = np.array([each for each, _ in done])
    is_left_out = np.array([each for _, each in done])
    mean, error = effects.mean(axis=0), effects.std(axis=0, ddof=1)
    for place, arm in enumerate(data.arms[1:]):
        for row in data.rows[arm].tolist():
            own = effects[is_left_out[:, row], row, place]
            if len(own) >= 2:
                mean[row, place], error[row, place] = own.mean(), own.std(ddof=1)
    return _floored(mean, error**2)


def as_published(
    data: ForestData,
    growths: Mapping[str, Growth],
    seed: int,
    threads: int = 1,
    advance: Callable[[int], None] = lambda _: None,
) -> Estimates:
    """Grow each forest once, from all participants, with errors by the infinitesimal jackknife.

    Participants are predicted by trees that saw them, as in the published code.
    """
    forests = grow_all(data, data.rows, growths, seed, _PUBLISHED)

    def one(arm: str) -> tuple[Floats, Floats]:
        return _jackknife(forests[arm], data.of_classes)

    done = in_order(one, data.arms[1:], threads, advance)
    effects, variances = (np.column_stack(each) for each in zip(*done, strict=True))
    return _floored(effects, variances)


def _jackknife(forest: Forest, values: Floats) -> tuple[Floats, Floats]:
    """Return effect and variance for each of n persons."""
    parts = []
    for start in range(0, len(values), _AT_ONCE):
        predicted = predict_by_tree(forest, values[start : start + _AT_ONCE])
        parts.append((predicted.mean(axis=0), jackknife_variance(predicted, forest.drawn)))
    effects, variances = zip(*parts, strict=True)
    return np.concatenate(effects), np.concatenate(variances)


def jackknife_variance(predicted: Floats, drawn: Floats) -> Floats:
    """Return the infinitesimal jackknife variance of bagged predictions, corrected for bias.

    It may be below 0. Source: Wager, Hastie and Efron, J Mach Learn Res 2014;15:1625.

    Parameters
    ----------
    predicted
        (B, n): prediction of each tree for each person.
    drawn
        (B, N): how often each tree drew each of the N participants that it was grown from.
    """
    n_trees, n_drawn = drawn.shape
    deviation = predicted - predicted.mean(axis=0)
    covariance = (drawn - 1.0).T @ deviation / n_trees
    bias = n_drawn / n_trees * np.mean(deviation**2, axis=0)
    variance: Floats = np.sum(covariance**2, axis=0) - bias
    return variance


def _floored(effects: Floats, variances: Floats) -> Estimates:
    is_without = variances <= 0
    errors = np.sqrt(np.where(is_without, 0.0, variances))
    return Estimates(effects, np.maximum(errors, _SMALLEST_ERROR), int(is_without.sum()))
