"""Predicted against observed mean of each trial, by models that never saw the trial."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.trials.calibration import FEWEST
from omop_scorer.trials.mixed_model import MixedFit
from omop_scorer.trials.participants import PLACEBO, Participants
from omop_scorer.trials.spectrum import FitError
from omop_scorer.trials.srs import (
    ArmSums,
    Design,
    Models,
    arm_sums,
    design_of,
    fit_class,
    fit_placebo,
)

#: Fewest trials of a class whose trials are left out in turn.
FEWEST_TRIALS = 3


@dataclass(frozen=True)
class LeftOutTrial:
    """One arm of a trial that was left out."""

    trial: str
    n: int
    observed: float | None
    """Mean reduction; None with fewer than five participants."""
    predicted: float | None
    """Mean prediction, own years; None if the models could not be fitted without the trial."""
    standard_error: float | None
    """Of observed less predicted, with the variance of a new trial."""
    failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return vars(self)


def leave_one_trial_out(
    participants: Participants, centres: dict[str, float]
) -> dict[str, list[LeftOutTrial]]:
    """Leave out each trial in turn, by arm.

    A trial is left out of the placebo model and of the class's. An arm with fewer than three trials
    has an empty list.
    """
    design = design_of(participants, centres)
    sums = arm_sums(participants, design)
    return {
        arm: [
            _left_out(arm, trial, participants, design, sums)
            for trial in (each.trials if len(each.trials) >= FEWEST_TRIALS else ())
        ]
        for arm, each in sums.items()
    }


def _left_out(
    arm: str, trial: str, participants: Participants, design: Design, sums: ArmSums
) -> LeftOutTrial:
    rows = participants.arm == participants.arms.index(arm)
    rows &= participants.trial == participants.trials.index(trial)
    n = int(rows.sum())
    observed = float(participants.outcome[rows].mean()) if n >= FEWEST else None
    try:
        models = _fit_without(arm, trial, sums)
    except FitError as error:
        return LeftOutTrial(trial, n, observed, None, None, str(error))
    if n < FEWEST:
        # The terms of so few participants are close to those of one.
        return LeftOutTrial(trial, n, None, None, None)
    means = dict(zip(design.terms, design.values[rows].mean(axis=0).tolist(), strict=True))
    fits = list(models.named().values())
    at_means = [np.array([means[term] for term in fit.terms]) for fit in fits]
    predicted = sum(float(x @ fit.beta) for x, fit in zip(at_means, fits, strict=True))
    return LeftOutTrial(trial, n, observed, predicted, _standard_error(at_means, fits, n))


def _fit_without(arm: str, trial: str, sums: ArmSums) -> Models:
    kept = {}
    for name in (PLACEBO, arm):
        each = sums[name].of_trials(set(sums[name].trials) - {trial})
        if each.n:
            kept[name] = each
    placebo = fit_placebo(kept)
    return Models(placebo, {} if arm == PLACEBO else {arm: fit_class(arm, kept, placebo)})


def _standard_error(at_means: list[Floats], fits: list[MixedFit], n: int) -> float:
    """Return the standard error of a mean: of the models, a new trial and its n participants."""
    of_models = sum(float(x @ fit.covariance @ x) for x, fit in zip(at_means, fits, strict=True))
    own = fits[-1]
    return float(np.sqrt(of_models + own.trial_variance + own.residual_variance / n))
