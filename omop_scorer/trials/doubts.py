"""Doubts about trial data that is used all the same. They count participants and name no one."""

from collections.abc import Iterator

import numpy as np

from omop_scorer.model.contradictions import ends
from omop_scorer.trials.layout import Layout
from omop_scorer.trials.participants import Participants
from omop_scorer.trials.recorded import Recorded, unknown_arms_hint
from omop_scorer.trials.subject import YEAR, Subject


def doubts(
    recorded: Recorded, participants: Participants, layout: Layout, subject: Subject
) -> Iterator[str]:
    """Yield a warning for each doubt, in the order of arms and covariates."""
    yield from _arms(recorded, participants, subject)
    yield from _visits(recorded, participants, layout)
    yield from _lost_trials(recorded, participants)
    yield from _constant(participants)
    yield from _implausible(participants, subject)
    if subject.has_year:
        yield from _years(participants)
        yield from _fixed_year(participants, subject)
    for name, rule in layout.never_collected.items():
        for trial in sorted({each.strip() for each in rule.trials} - set(participants.trials)):
            yield f"never_collected.{name}: no participant of a trial {trial} is included"


def _arms(recorded: Recorded, participants: Participants, subject: Subject) -> Iterator[str]:
    if unknown := unknown_arms_hint(recorded):
        yield f"{unknown}, or leave the rows out"
    of_one_trial = []
    for key in subject.arms:
        if key not in participants.arms:
            yield f"{key}: no participant is included, so the class is left out"
            continue
        is_of_arm = participants.arm == participants.arms.index(key)
        if len(np.unique(participants.trial[is_of_arm])) == 1:
            of_one_trial.append(key)
    if of_one_trial:
        each = " each" * (len(of_one_trial) > 1)
        yield (
            f"one trial{each}: {', '.join(of_one_trial)}; the variance between trials cannot be "
            "estimated, so the fit is least squares"
        )


def _visits(recorded: Recorded, participants: Participants, layout: Layout) -> Iterator[str]:
    if not recorded.visits:
        return
    week, last = layout.outcome_week, max(recorded.visits)
    at_last = recorded.visits[last][participants.row]
    if last < week:
        yield (
            f"no column of a visit at week {week}, so the outcome is that of week {last} or "
            "before; set outcome_week of the layout to the week of the outcome"
        )
    elif np.isnan(at_last).all():
        yield (
            f"nobody has a value at week {week}, so every outcome is that of an earlier visit; "
            "see outcome_week of the layout"
        )
    if recorded.later_visits:
        weeks = ", ".join(map(str, recorded.later_visits))
        yield (
            f"visits after week {week} are never read (week {weeks}); set outcome_week of the "
            "layout if one of them is the outcome"
        )


def _lost_trials(recorded: Recorded, participants: Participants) -> Iterator[str]:
    if n := len({each for each in recorded.trial if each is not None} - {*participants.trials}):
        yield (
            f"{n} trial(s) lose every participant; if a trial never collected a covariate, say "
            "under `never_collected` of the layout what to assume"
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


def _fixed_year(participants: Participants, subject: Subject) -> Iterator[str]:
    term = subject.template.placebo.fixed_terms.get(YEAR)
    low, high = participants.year.min(), participants.year.max()
    if term is not None and not low <= term.value <= high:
        years = f"year of the data is {low:g}"
        if low < high:
            years = f"years of the data are {low:g} to {high:g}"
        yield (
            f"{YEAR} is held at {term.value:g} when somebody is scored, and the {years}; change "
            f"placebo.fixed_terms.{YEAR}.value of the template"
        )
