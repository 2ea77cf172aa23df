"""Doubts about trial data that is used all the same. They count participants and name no one."""

from collections.abc import Iterator

import numpy as np

from omop_scorer.model.contradictions import ends
from omop_scorer.trials.layout import Layout
from omop_scorer.trials.participants import PLACEBO, Participants
from omop_scorer.trials.subject import Subject


def doubts(participants: Participants, layout: Layout, subject: Subject) -> Iterator[str]:
    """Yield a warning for each doubt, in the order of arms and covariates."""
    yield from _arms(participants, subject)
    yield from _constant(participants)
    yield from _implausible(participants, subject)
    if subject.has_year:
        yield from _years(participants)
    for name, rule in layout.never_collected.items():
        for trial in sorted({each.strip() for each in rule.trials} - set(participants.trials)):
            yield f"never_collected.{name}: no participant of a trial {trial} is included"


def _arms(participants: Participants, subject: Subject) -> Iterator[str]:
    for key in subject.arms:
        if key not in participants.arms:
            yield f"{key}: no participant is included, so the class is left out"
            continue
        is_of_arm = participants.arm == participants.arms.index(key)
        if len(np.unique(participants.trial[is_of_arm])) == 1:
            name = "the placebo model" if key == PLACEBO else f"the class {key}"
            yield (
                f"{name} has one trial, so the variance between trials cannot be estimated: least "
                "squares"
            )


def _constant(participants: Participants) -> Iterator[str]:
    for place, key in enumerate(participants.arms):
        values = participants.values[participants.arm == place]
        for column, name in enumerate(participants.covariates):
            if len(values) and np.ptp(values[:, column]) == 0:
                yield f"{name} has one value in all participants of {key}"


def _implausible(participants: Participants, subject: Subject) -> Iterator[str]:
    for place, covariate in enumerate(subject.template.covariates):
        low, high = ends(covariate.plausible_range)
        values = participants.values[:, place]
        if n := int(((values < low) | (values > high)).sum()):
            yield (
                f"{covariate.name}: {n} participant(s) outside the plausible range, {low:g} to "
                f"{high:g} {covariate.unit}; they are used as they are"
            )


def _years(participants: Participants) -> Iterator[str]:
    varying = [
        trial
        for place, trial in enumerate(participants.trials)
        if len(np.unique(participants.year[participants.trial == place])) > 1
    ]
    if varying:
        yield (
            f"year differs within {len(varying)} of {len(participants.trials)} trial(s): "
            f"{', '.join(varying)}; each participant's own year is used"
        )
