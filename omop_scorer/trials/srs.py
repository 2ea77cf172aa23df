"""Sequential regression and simulation: a placebo model, and a model of the rest for each class.

Source: Rudrapatna et al., BMC Med Res Methodol 2023;23:218. No standard error of a class model
contains the error of the placebo model, as published.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats
from omop_scorer.model.contradictions import INTERCEPT
from omop_scorer.trials.mixed_model import MixedFit, fit_mixed_model
from omop_scorer.trials.participants import PLACEBO, Participants
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.trial_sums import TrialSums, sums_of

YEAR = "year"

ArmSums = dict[str, TrialSums]
"""The sums of the participants of each arm, with the terms of the placebo model."""


@dataclass(frozen=True, eq=False)
class Models:
    """The placebo model, and the model of each drug class in the order of the card."""

    placebo: MixedFit
    classes: dict[str, MixedFit]

    def named(self) -> dict[str, MixedFit]:
        """Return every model by its arm, placebo first."""
        return {PLACEBO: self.placebo, **self.classes}


@dataclass(frozen=True, eq=False)
class Design:
    """The terms of n participants, centred."""

    terms: tuple[str, ...]
    """Intercept, year if the placebo model has it, covariates in the order of the card."""
    values: Floats
    """(n, p)"""

    def predict(self, fit: MixedFit) -> Floats:
        """Return the prediction of a model for each participant, (n,), with trial effects at 0."""
        places = [self.terms.index(term) for term in fit.terms]
        # A matrix product may depend on the number of rows and on the threads of BLAS.
        prediction: Floats = np.einsum("np,p->n", self.values[:, places], fit.beta)
        return prediction


def design_of(participants: Participants, centres: Mapping[str, float]) -> Design:
    """Return the terms of all participants.

    Parameters
    ----------
    participants
        Participants; a year that is NaN for all is no term.
    centres
        Value that is taken away from each covariate, and from `year`; 0 for a name left out.
    """
    has_year = not np.isnan(participants.year).all()
    columns = {INTERCEPT: np.ones(len(participants))}
    if has_year:
        columns[YEAR] = participants.year - centres.get(YEAR, 0.0)
    for name, column in zip(participants.covariates, participants.values.T, strict=True):
        columns[name] = column - centres.get(name, 0.0)
    return Design(tuple(columns), np.column_stack(list(columns.values())))


def arm_sums(
    participants: Participants, design: Design, included: NDArray[np.bool_] | None = None
) -> ArmSums:
    """Return the sums of each arm that has participants, placebo first.

    Parameters
    ----------
    participants, design
        All participants and their terms.
    included
        (n,): True for the participants that count; all if left out.
    """
    counted = np.ones(len(participants), np.bool_) if included is None else included
    answer = {}
    for place, arm in enumerate(participants.arms):
        rows = counted & (participants.arm == place)
        if rows.any():
            answer[arm] = sums_of(
                design.values[rows],
                participants.outcome[rows],
                participants.trial[rows],
                participants.trials,
                design.terms,
            )
    return answer


def fit_placebo(sums: Mapping[str, TrialSums]) -> MixedFit:
    """Fit the placebo model from the sums of the arms; raise a FitError if it cannot be fitted."""
    if PLACEBO not in sums:
        raise FitError(f"{PLACEBO}: no participant of this arm is left; every model needs it")
    return fit_mixed_model(sums[PLACEBO], PLACEBO)


def fit_class(key: str, sums: Mapping[str, TrialSums], placebo: MixedFit) -> MixedFit:
    """Fit the model of a drug class to what the placebo model leaves, without year.

    Raises
    ------
    FitError
        The class has no participants, or its model cannot be fitted.
    """
    if key not in sums:
        raise FitError(f"{key}: no participant of this arm is left; leave the drug class out")
    kept = [term for term in placebo.terms if term != YEAR]
    return fit_mixed_model(sums[key].minus(placebo.coefficients).keep(kept), key)


def fit_from_sums(sums: Mapping[str, TrialSums], classes: tuple[str, ...]) -> Models:
    """Fit all models from the sums of the arms; raise a FitError if one cannot be fitted."""
    placebo = fit_placebo(sums)
    return Models(placebo, {key: fit_class(key, sums, placebo) for key in classes})


def fit_models(participants: Participants, centres: Mapping[str, float]) -> Models:
    """Fit the placebo model and the models of all classes.

    Parameters
    ----------
    participants
        Participants; the placebo model has a term for the year if they have one.
    centres
        Centre of each covariate and of `year`, in natural units.

    Raises
    ------
    FitError
        An arm has no or too few participants, or a term of its model is determined by others.
    """
    sums = arm_sums(participants, design_of(participants, centres))
    return fit_from_sums(sums, participants.arms[1:])
