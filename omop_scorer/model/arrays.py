"""The numbers of a model card as arrays, in the form that the kernel needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.card import ClassFit, DrugClass, Fit, FixedTerm, ModelCard, Variant
from omop_scorer.model.contradictions import INTERCEPT, ends

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassArrays:
    """One drug class. Its k + 1 coefficients have the intercept first."""

    key: str
    label: str
    coefficients: Floats
    """(k + 1,): estimates of the fit."""
    covariance: Floats
    """(k + 1, k + 1): covariance of the estimates."""
    bootstrap_mean: Floats
    """(k + 1,): mean over the bootstrap refits."""
    bootstrap_covariance: Floats
    """(k + 1, k + 1): covariance over the bootstrap refits."""
    prediction_variance: float
    """Trial variance + residual variance."""
    degrees_of_freedom: float


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """A model card as arrays. The k covariates are in the order of the design vector."""

    covariates: tuple[str, ...]
    centre: Floats
    placebo_coefficients: Floats
    classes: tuple[ClassArrays, ...]
    response_threshold: float
    alpha: float
    trial_low: Floats
    trial_high: Floats
    activity_covariate: str | None


def model_arrays(card: ModelCard, variant: Variant | None = None) -> ModelArrays:
    """Return the numbers of a model card, or of one of its variants, as arrays."""
    left_out = () if variant is None else variant.left_out
    covariates = [each for each in card.covariates if each.name not in left_out]
    names = tuple(each.name for each in covariates)
    low, high = zip(*(ends(each.within_trial_range) for each in covariates), strict=True)
    placebo = card.placebo if variant is None else variant.placebo
    is_activity_left_out = card.activity_covariate in left_out
    return ModelArrays(
        covariates=names,
        centre=np.array([each.centre for each in covariates], dtype=np.float64),
        placebo_coefficients=_basis(placebo, card.placebo.fixed_terms, names).T
        @ np.array(placebo.beta),
        classes=tuple(
            _class_arrays(each, each if variant is None else variant.classes[each.key], names)
            for each in card.classes
        ),
        response_threshold=card.response_threshold,
        alpha=card.alpha,
        trial_low=np.array(low),
        trial_high=np.array(high),
        activity_covariate=None if is_activity_left_out else card.activity_covariate,
    )


def _class_arrays(drug_class: DrugClass, fit: ClassFit, names: tuple[str, ...]) -> ClassArrays:
    basis = _basis(fit, drug_class.fixed_terms, names)
    covariance, bootstrap_covariance = (
        basis.T @ (matrix + matrix.T) @ basis / 2
        for matrix in map(np.array, (fit.covariance, fit.bootstrap_covariance))
    )
    return ClassArrays(
        key=drug_class.key,
        label=drug_class.label,
        coefficients=basis.T @ np.array(fit.beta),
        covariance=covariance,
        bootstrap_mean=basis.T @ np.array(fit.bootstrap_mean),
        bootstrap_covariance=bootstrap_covariance,
        prediction_variance=fit.trial_variance + fit.residual_variance,
        degrees_of_freedom=fit.degrees_of_freedom,
    )


def _basis(fit: Fit, fixed_terms: Mapping[str, FixedTerm], names: tuple[str, ...]) -> Floats:
    """Return the matrix B for which the terms of the fit equal B times (1, centred covariates).

    B puts the terms in the card's order and adds fixed terms to the intercept.
    """
    basis = np.zeros((len(fit.terms), len(names) + 1))
    for row, term in enumerate(fit.terms):
        if term in fixed_terms:
            basis[row, 0] = fixed_terms[term].value - fixed_terms[term].centre
        else:
            basis[row, (INTERCEPT, *names).index(term)] = 1.0
    return basis
