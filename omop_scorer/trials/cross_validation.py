"""Subgroups of participants by models that never saw them: ten folds, in two ways.

`all_patients` fits the placebo model and the class models without each fold, as the paper's text
says. `placebo_once` fits the placebo model once, on all placebo participants, and only participants
on a drug are held out, as the published code does.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Template
from omop_scorer.terms import UNCERTAINTIES
from omop_scorer.trials.class_moments import OF_ALL_PATIENTS, OF_PLACEBO_ONCE, Refitting
from omop_scorer.trials.folds import N_FOLDS, Folds
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
from omop_scorer.trials.subgroup_labels import Labels, arrays_of, label_participants

Way: TypeAlias = Literal["all_patients", "placebo_once"]
WAYS: tuple[Way, ...] = get_args(Way)

UNASSIGNED = -1

_STREAMS = {"all_patients": OF_ALL_PATIENTS, "placebo_once": OF_PLACEBO_ONCE}


@dataclass(frozen=True, eq=False)
class FoldModels:
    """The models fitted without one fold, or why they could not be fitted."""

    fold: int
    held_out: NDArray[np.bool_]
    """(n,): True for the participants that these models never saw, and that get a subgroup."""
    models: Models | None
    failure: str | None = None


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Subgroups and predictions of held-out participants."""

    way: Way
    folds: tuple[FoldModels, ...]
    labels: Labels
    """(n,) by uncertainty; UNASSIGNED where no model was fitted, or none had to be."""
    predicted: Floats
    """(n,): total reduction in the participant's own arm and year; NaN where unassigned."""


def cross_validate(
    way: Way,
    participants: Participants,
    template: Template,
    centres: dict[str, float],
    folds: Folds,
    refitting: Refitting,
) -> CrossValidation:
    """Assign each held-out participant to a subgroup, by both uncertainties.

    A fold whose models cannot be fitted is reported as failed; the others go on.
    """
    design = design_of(participants, centres)
    sums = [arm_sums(participants, design, folds.fold == fold) for fold in range(N_FOLDS)]
    n = len(participants)
    labels: Labels = {how: np.full(n, UNASSIGNED, np.int64) for how in UNCERTAINTIES}
    predicted, found = np.full(n, np.nan), []
    for fold in range(N_FOLDS):
        held_out = folds.fold == fold
        if way == "placebo_once":
            held_out = held_out & (participants.arm > 0)
        fitted = _fit_without(fold, way, sums, held_out, participants.arms[1:])
        found.append(fitted)
        if fitted.models is None:
            refitting.advance(refitting.refits * (len(participants.arms) - 1))
            continue
        moments = refitting.moments(fitted.models, (_STREAMS[way], fold))
        rows = np.flatnonzero(held_out)
        if not len(rows):
            continue
        arrays = arrays_of(fitted.models, moments, template, centres)
        for how, label in label_participants(participants, arrays, rows).items():
            labels[how][rows] = label
        predicted[rows] = total_prediction(participants, design, fitted.models)[rows]
    return CrossValidation(way, tuple(found), labels, predicted)


def total_prediction(participants: Participants, design: Design, models: Models) -> Floats:
    """Return the predicted reduction of each participant in the own arm and year, (n,)."""
    total = design.predict(models.placebo)
    for place, fit in enumerate(models.classes.values(), start=1):
        total = total + np.where(participants.arm == place, design.predict(fit), 0.0)
    return total


def _fit_without(
    fold: int,
    way: Way,
    sums: list[ArmSums],
    held_out: NDArray[np.bool_],
    classes: tuple[str, ...],
) -> FoldModels:
    training = _add(sums[:fold] + sums[fold + 1 :])
    of_placebo = training if way == "all_patients" else _add(sums)
    try:
        placebo = fit_placebo({arm: of_placebo[arm] for arm in of_placebo if arm == PLACEBO})
        fits = {key: fit_class(key, training, placebo) for key in classes}
    except FitError as error:
        return FoldModels(fold, held_out, None, str(error))
    return FoldModels(fold, held_out, Models(placebo, fits))


def _add(parts: list[ArmSums]) -> ArmSums:
    arms = {arm for part in parts for arm in part}
    return {
        arm: reduce(lambda a, b: a + b, [part[arm] for part in parts if arm in part])
        for arm in arms
    }
