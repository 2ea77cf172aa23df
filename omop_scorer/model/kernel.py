"""Counterfactual effects, contrasts, subgroups and response probabilities of arrays of patients.

This is plain arithmetic on arrays, independent of database, disease and number of classes. Every
value of a patient is computed by elementwise operations in a fixed order of terms, so it is bit for
bit the same alone, in any batch, and at any position in it. That is why there is no matrix product
over patients.

Source of the formulas: Rudrapatna et al., npj Digital Medicine 2025;8:327
(doi 10.1038/s41746-025-01627-w).
"""

import math
from collections.abc import Callable, Set
from dataclasses import dataclass, replace
from itertools import combinations
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import ClassArrays, Floats, ModelArrays
from omop_scorer.model.p_values import two_sided_p_value
from omop_scorer.model.subgroups import label_numbers, label_set
from omop_scorer.terms import UNCERTAINTIES, Uncertainty

WITHIN, OUTSIDE, UNKNOWN = 1, 0, -1

"""The three values of `within_trial_range`."""

# Patients per block: few enough for its rows to stay in the cache of a core, and enough that the
# overhead of numpy's calls does not matter.
_BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of n patients under c classes; arrays are (n,) or (n, c), in the card's order.

    Effects and standard errors have the outcome's unit. An excluded class keeps its effects, but
    its preference_rank is 0, it is absent from `ranking`, and its contrasts are NaN. A p-value is
    NaN if fewer classes are ranked than it needs.
    """

    placebo_effect: Floats
    attributable_effect: Floats
    standard_error: Floats
    expected_reduction: Floats
    response_probability: Floats
    preference_rank: NDArray[np.int8]
    """1 = best; 0 = excluded."""
    ranking: NDArray[np.int8]
    """Index of the class at each rank, best first; -1 = no class."""
    contrast_p_value: Floats
    """(n, c (c - 1) / 2): two-sided, for every pair of classes, (0, 1), (0, 2), ..., (1, 2), ..."""
    p_first_second: Floats
    p_second_third: Floats
    p_first_third: Floats
    worst_class_ruled_out: NDArray[np.bool_]
    label: NDArray[np.int16]
    """Index into `labels`; -1 = no class left."""
    on_top: NDArray[np.bool_]
    """(n, c): True for the first class of the ranking and those that its label joins by `=`."""
    on_top_response_probability: Floats
    """Mean response probability of the classes on top; NaN = no class left."""
    labels: tuple[str, ...]
    """`label_set` of the classes that were not excluded."""

    def subgroups(self) -> NDArray[np.object_]:
        """Return the label of each patient's subgroup, None if no class is left."""
        return np.array([*self.labels, None], dtype=object)[self.label]


def within_trial_range(
    values: Floats, recorded: NDArray[np.bool_], model: ModelArrays
) -> NDArray[np.int8]:
    """Return WITHIN, OUTSIDE or UNKNOWN for each patient, compared with the trial participants.

    OUTSIDE if any recorded value is outside the 1st to 99th percentiles of the training population;
    otherwise WITHIN if the covariate of disease activity was recorded, or the card names none;
    otherwise UNKNOWN.

    Parameters
    ----------
    values
        (n, k) in the card's order and natural units; NaN where left out.
    recorded
        (n, k): True where the value was observed or computed.
    model
        Provides the ranges.
    """
    outside = recorded & ((values < model.trial_low) | (values > model.trial_high))
    answer = np.full(len(values), WITHIN, np.int8)
    if model.activity_covariate is not None:
        answer[~recorded[:, model.covariates.index(model.activity_covariate)]] = UNKNOWN
    answer[outside.any(axis=1)] = OUTSIDE
    return answer


def score(
    covariates: Floats,
    model: ModelArrays,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
    with_response: bool = True,
) -> Scores:
    """Score n patients.

    Parameters
    ----------
    covariates
        (n, k) in the card's order and natural units, without missing values.
    model
        The numbers of the model card.
    uncertainty
        `bootstrap` gives the paper's subgroups, `analytic` those of the published web calculator.
    excluded
        Keys of the drug classes to exclude from the ranking.
    with_response
        False if only the ranking is needed; response probabilities are then NaN.

    Raises
    ------
    ScoringError
        A value or a result is not finite, the shape does not match the model, or a class or the
        uncertainty is unknown. The message holds counts, never a patient's value.
    """
    values = np.asarray(covariates, dtype=np.float64)
    _refuse_bad_arguments(values, model, uncertainty, excluded)
    n = len(values)
    ranked = [i for i, drug_class in enumerate(model.classes) if drug_class.key not in excluded]
    # Filled by class and returned transposed, so that the columns of a result are contiguous.
    by_class = _empty_scores(n, model, ranked)
    ranking = fitted = [_form(c.coefficients, c.covariance) for c in model.classes]
    if uncertainty == "bootstrap":
        ranking = [_form(c.bootstrap_mean, c.bootstrap_covariance) for c in model.classes]
    responses = fitted if with_response else [None] * len(model.classes)
    forms = list(zip(model.classes, ranking, responses, strict=True))
    n_not_finite = 0
    # Overflows are counted below, together with inputs that are not finite.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start in range(0, n, _BLOCK):
            patients = slice(start, start + _BLOCK)
            part = _map(by_class, itemgetter((..., patients)))
            n_not_finite += _counterfactuals(values[patients], model, forms, part)
            if ranked and not n_not_finite:
                _rank(part, model, ranked)
    if n_not_finite:
        n_bad_inputs = int((~np.isfinite(values)).any(axis=1).sum())
        raise ScoringError(
            f"{n_bad_inputs} of {n} patients have a covariate that is not a finite number, and for "
            f"{n_not_finite - n_bad_inputs} the score is not finite; nothing was scored"
        )
    return _map(by_class, np.transpose)


def rank_estimates(effects: Floats, errors: Floats, model: ModelArrays) -> Scores:
    """Rank the classes for n patients whose effects another method estimated.

    Parameters
    ----------
    effects, errors
        (n, c): attributable effects and their standard errors, above 0, in the order of the
        classes.
    model
        Provides the classes, their degrees of freedom and alpha.

    Returns
    -------
    Scores
        Ranking, contrasts and labels; effects of placebo and response probabilities are NaN.
    """
    ranked = list(range(len(model.classes)))
    by_class = _empty_scores(len(effects), model, ranked)
    by_class.placebo_effect[:] = by_class.expected_reduction[:] = np.nan
    by_class.attributable_effect[:] = effects.T
    by_class.standard_error[:] = errors.T
    with np.errstate(over="ignore", invalid="ignore"):
        _rank(by_class, model, ranked)
    return _map(by_class, np.transpose)


def _empty_scores(n: int, model: ModelArrays, ranked: list[int]) -> Scores:
    """Return scores to be filled, with a row per class."""
    c = len(model.classes)
    return Scores(
        placebo_effect=np.empty(n),
        attributable_effect=np.empty((c, n)),
        standard_error=np.empty((c, n)),
        expected_reduction=np.empty((c, n)),
        response_probability=np.full((c, n), np.nan),
        preference_rank=np.zeros((c, n), np.int8),
        ranking=np.full((c, n), -1, np.int8),
        contrast_p_value=np.full((math.comb(c, 2), n), np.nan),
        p_first_second=np.full(n, np.nan),
        p_second_third=np.full(n, np.nan),
        p_first_third=np.full(n, np.nan),
        worst_class_ruled_out=np.zeros(n, np.bool_),
        label=np.full(n, -1, np.int16),
        on_top=np.zeros((c, n), np.bool_),
        on_top_response_probability=np.full(n, np.nan),
        labels=label_set([model.classes[i].label for i in ranked]),
    )


def _refuse_bad_arguments(
    values: Floats, model: ModelArrays, uncertainty: str, excluded: Set[str]
) -> None:
    problems = []
    k, names = len(model.covariates), ", ".join(model.covariates)
    if values.ndim != 2 or values.shape[1] != k:
        problems.append(f"covariates have shape {values.shape}; allowed: (n, {k}), {names}")
    if uncertainty not in UNCERTAINTIES:
        problems.append(f"uncertainty {uncertainty!r}; allowed: {', '.join(UNCERTAINTIES)}")
    keys = [drug_class.key for drug_class in model.classes]
    if unknown := sorted(set(excluded).difference(keys)):
        problems.append(f"excluded class {', '.join(unknown)}; allowed: {', '.join(keys)}")
    if problems:
        raise ScoringError(*problems)


_Form: TypeAlias = tuple[Floats, Floats]

"""Mean of the coefficients, and the lower triangular factor L of their covariance LL'."""

_Forms: TypeAlias = list[tuple[ClassArrays, _Form, _Form | None]]

"""Each class, the form that ranks it, and the fitted form for the response, or None."""


def _form(mean: Floats, covariance: Floats) -> _Form:
    # x'Cx = |L'x|^2 is a sum of squares, so a variance cannot be negative.
    return mean, np.linalg.cholesky(covariance).astype(np.float64)


def _counterfactuals(block: Floats, model: ModelArrays, forms: _Forms, out: Scores) -> int:
    """Fill effects, errors and probabilities; return the number of patients without finite ones."""
    n, k = block.shape
    design = np.empty((k + 1, n))
    design[0] = 1.0
    np.subtract(block.T, model.centre[:, None], out=design[1:])
    total, variance, term, column = np.empty((4, n))
    is_finite = np.ones(n, np.bool_)

    _linear(model.placebo_coefficients, design, out.placebo_effect, term)
    for i, (drug_class, ranking, fitted) in enumerate(forms):
        effect, error = out.attributable_effect[i], out.standard_error[i]
        _linear(ranking[0], design, effect, term)
        _quadratic(ranking[1], design, variance, column, term)
        np.sqrt(variance, out=error)
        np.add(out.placebo_effect, effect, out=out.expected_reduction[i])
        is_finite &= np.isfinite(out.expected_reduction[i]) & np.isfinite(error)
        if fitted is None:
            continue
        if fitted is ranking:
            total[:] = effect
        else:
            _linear(fitted[0], design, total, term)
            _quadratic(fitted[1], design, variance, column, term)

        # P(total reduction >= threshold) = Phi((placebo + x.beta - threshold) / s).
        total += out.placebo_effect
        total -= model.response_threshold
        variance += drug_class.prediction_variance
        np.sqrt(variance, out=variance)
        total /= variance
        special.ndtr(total, out=out.response_probability[i])
        is_finite &= np.isfinite(variance)
    return int(np.count_nonzero(~is_finite))


def _linear(weights: Floats, rows: Floats, out: Floats, term: Floats) -> None:
    """Fill `out` with the sum of weight times row, in the order of the rows."""
    np.multiply(rows[0], weights[0], out=out)
    for weight, row in zip(weights[1:], rows[1:], strict=True):
        out += np.multiply(row, weight, out=term)


def _quadratic(factor: Floats, design: Floats, out: Floats, column: Floats, term: Floats) -> None:
    """Fill `out` with x'LL'x for the lower triangular factor L."""
    out.fill(0.0)
    for j in range(len(factor)):
        _linear(factor[j:, j], design[j:], column, term)
        out += np.square(column, out=column)


def _rank(out: Scores, model: ModelArrays, ranked: list[int]) -> None:
    """Fill ranking, contrasts, labels and classes on top of the ranked classes."""
    r, n = len(ranked), out.placebo_effect.shape[0]
    patients = np.arange(n)
    all_pairs = list(combinations(range(len(model.classes)), 2))
    rank = np.zeros((r, n), np.intp)
    p_values = np.empty((r, r, n))
    for (i, a), (j, b) in combinations(enumerate(ranked), 2):
        # A tie goes to the class that the card names first.
        is_first_better = out.attributable_effect[a] >= out.attributable_effect[b]
        rank[i] += ~is_first_better
        rank[j] += is_first_better
        _contrast(out, model, a, b, p_values[i, j])
        p_values[j, i] = p_values[i, j]
        out.contrast_p_value[all_pairs.index((a, b))] = p_values[i, j]
    order = np.empty_like(rank)
    np.put_along_axis(order, rank, np.arange(r)[:, None], axis=0)

    # Neighbours that do not differ significantly share a group; group 0 is the best.
    p_neighbours = p_values[order[:-1], order[1:], patients]
    group_at_rank = np.zeros_like(rank)
    np.cumsum(p_neighbours < model.alpha, axis=0, out=group_at_rank[1:])
    if r >= 2:
        out.p_first_second[:] = p_neighbours[0]
    if r >= 3:
        out.p_second_third[:] = p_neighbours[1]
        out.p_first_third[:] = p_values[order[0], order[2], patients]
        differs_from_last = p_values[order[0], order[-1], patients] < model.alpha
        out.worst_class_ruled_out[:] = differs_from_last & (group_at_rank[-1] == 0)

    group = np.take_along_axis(group_at_rank, rank, axis=0)
    is_first = group == 0
    out.label[:] = label_numbers(group)
    out.ranking[:r] = np.array(ranked).take(order)
    out.preference_rank[ranked] = rank + 1
    out.on_top[ranked] = is_first
    chosen = np.where(is_first, out.response_probability[ranked], 0.0)
    np.divide(sum(chosen), is_first.sum(axis=0), out=out.on_top_response_probability)


def _contrast(out: Scores, model: ModelArrays, a: int, b: int, p_value: Floats) -> None:
    """Fill `p_value` with the two-sided t-test of two independent estimates."""
    degrees_of_freedom = model.classes[a].degrees_of_freedom + model.classes[b].degrees_of_freedom
    difference = out.attributable_effect[a] - out.attributable_effect[b]
    difference *= difference
    variance = out.standard_error[a] * out.standard_error[a]
    variance += out.standard_error[b] * out.standard_error[b]
    variance *= degrees_of_freedom
    difference /= variance
    two_sided_p_value(difference, degrees_of_freedom, out=p_value)


def _map(scores: Scores, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Scores:
    """Apply a function to every array of the scores."""
    arrays: dict[str, Any] = {
        name: function(each) for name, each in vars(scores).items() if isinstance(each, np.ndarray)
    }
    return replace(scores, **arrays)
