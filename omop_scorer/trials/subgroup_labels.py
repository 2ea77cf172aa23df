"""Subgroups of participants from fitted models, by the kernel that scores patients."""

from collections.abc import Mapping

import numpy as np

from omop_scorer.model import kernel
from omop_scorer.model.arrays import ClassArrays, Floats, ModelArrays
from omop_scorer.model.card import Template
from omop_scorer.terms import UNCERTAINTIES, Uncertainty
from omop_scorer.trials.bootstrap import Moments
from omop_scorer.trials.participants import Integers, Participants
from omop_scorer.trials.srs import YEAR, Models

Labels = dict[Uncertainty, Integers]
"""Place of each participant's label in the label set of the classes, by uncertainty."""


def arrays_of(
    models: Models, moments: Mapping[str, Moments], template: Template, centres: Mapping[str, float]
) -> ModelArrays:
    """Return fitted models in the form that the kernel needs.

    Parameters
    ----------
    models
        The fitted models; their covariates may be some of those of the template only.
    moments
        Moments of the bootstrap of each class.
    template
        Labels of the classes, fixed terms and significance level.
    centres
        Centre of each covariate.
    """
    placebo = models.placebo.coefficients
    covariates = tuple(name for name in models.placebo.terms[1:] if name != YEAR)
    if (fixed := template.placebo.fixed_terms.get(YEAR)) and YEAR in placebo:
        placebo["intercept"] += placebo[YEAR] * (fixed.value - fixed.centre)
    labels = {each.key: each.label for each in template.classes}
    is_activity_kept = template.activity_covariate in covariates
    return ModelArrays(
        covariates=covariates,
        centre=np.array([centres.get(name, 0.0) for name in covariates]),
        placebo_coefficients=np.array([placebo[name] for name in ("intercept", *covariates)]),
        classes=tuple(
            ClassArrays(
                key=key,
                label=labels[key],
                coefficients=fit.beta,
                covariance=fit.covariance,
                bootstrap_mean=moments[key].mean,
                bootstrap_covariance=moments[key].covariance,
                prediction_variance=fit.trial_variance + fit.residual_variance,
                degrees_of_freedom=float(fit.degrees_of_freedom),
            )
            for key, fit in models.classes.items()
        ),
        response_threshold=template.response_threshold,
        alpha=template.alpha,
        trial_low=np.full(len(covariates), -np.inf),
        trial_high=np.full(len(covariates), np.inf),
        activity_covariate=template.activity_covariate if is_activity_kept else None,
    )


def label_participants(
    participants: Participants, arrays: ModelArrays, rows: Integers | None = None
) -> Labels:
    """Return the subgroup of each participant, or of those at some places, by each uncertainty.

    A model without some of the covariates uses those that it has.
    """
    scores = scores_of(participants, arrays, rows)
    return {uncertainty: each.label.astype(np.int64) for uncertainty, each in scores.items()}


def scores_of(
    participants: Participants, arrays: ModelArrays, rows: Integers | None = None
) -> dict[Uncertainty, kernel.Scores]:
    """Return effects, errors and labels of participants, without response probabilities."""
    columns = [participants.covariates.index(name) for name in arrays.covariates]
    values: Floats = participants.values[:, columns]
    if rows is not None:
        values = values[rows]
    return {
        uncertainty: kernel.score(values, arrays, uncertainty, with_response=False)
        for uncertainty in UNCERTAINTIES
    }
