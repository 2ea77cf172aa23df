"""Cleaning of trial data: who is left out and why, the outcome, and missing values.

The order is that of the published analysis: assume what a trial never collected, leave out, take
the outcome or the last visit before it, and only then take medians among those that are still in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from omop_scorer.errors import ScoringError
from omop_scorer.model.arrays import Floats
from omop_scorer.trials.attrition import Attrition, Count, Medians, median_of
from omop_scorer.trials.attrition_words import reasons
from omop_scorer.trials.consistency import assumed_value
from omop_scorer.trials.layout import Layout
from omop_scorer.trials.participants import Integers, Participants
from omop_scorer.trials.recorded import FOLD, TRIAL, Recorded, unknown_arms_hint
from omop_scorer.trials.subject import Subject

Flags = NDArray[np.bool_]

#: Participants from which on a trial of their own is no small sample any more.
_MANY = 50

#: Columns whose assumed values are counted even where a layout assumes none.
_ALWAYS_COUNTED = ("prior_anti_tnf",)


@dataclass(frozen=True)
class Cleaned:
    """Included participants, and how they were chosen and completed."""

    participants: Participants
    attrition: Attrition
    medians: dict[str, Medians]
    """By the column of the covariate."""


def clean(recorded: Recorded, layout: Layout, subject: Subject) -> Cleaned:
    """Leave out, assume, carry forward and impute, in this order.

    Raises
    ------
    ScoringError
        Nobody is left, or a covariate of numbers has no value at all.
    """
    count = _counter(recorded, subject)
    values, assumed = _with_assumed(recorded, layout, subject)
    outcome, week = _outcome(recorded, values, layout, subject)
    is_in = np.ones(len(outcome), dtype=np.bool_)
    left_out = {}
    for reason, is_reason in _reasons(recorded, values, outcome, layout, subject):
        left_out[reason] = count(is_in & is_reason)
        is_in &= ~is_reason
    if "missing_year" in left_out and not left_out["missing_year"].n:
        del left_out["missing_year"]
    trials = np.array([each or "" for each in recorded.trial], dtype=object)[is_in]
    medians = {column: _medians(values[column][is_in], trials) for column in subject.imputed}
    attrition = Attrition(
        arms=subject.arms,
        rows=count(np.ones_like(is_in)),
        left_out=left_out,
        included=count(is_in),
        assumed={key: count(is_assumed & is_in) for key, is_assumed in assumed.items()},
        carried_forward={
            each: count((week == each) & is_in)
            for each in recorded.visits
            if each < layout.outcome_week
        },
        imputed={column: count(np.isnan(values[column]) & is_in) for column in subject.imputed},
    )
    _refuse_nobody(attrition, recorded)
    _refuse_trials_of_one(trials)
    kept = {column: each[is_in] for column, each in values.items()}
    _impute(kept, trials, medians, layout)
    participants = _participants(recorded, kept, outcome, is_in, subject)
    return Cleaned(participants, attrition, medians)


def _counter(recorded: Recorded, subject: Subject) -> Callable[[Flags], Count]:
    """Return what counts flagged rows, in all and by arm."""

    def count(flags: Flags) -> Count:
        arms = recorded.arm[flags]
        by_arm = np.bincount(arms[arms >= 0], minlength=len(subject.arms))
        return Count(len(arms), tuple(by_arm.tolist()))

    return count


def _with_assumed(
    recorded: Recorded, layout: Layout, subject: Subject
) -> tuple[dict[str, Floats], dict[str, Flags]]:
    """Return the covariates with what a layout assumes, and where it was assumed, by count."""
    values = {column: each.copy() for column, each in recorded.covariates.items()}
    nowhere = np.zeros(len(recorded.trial), dtype=np.bool_)
    rules = {subject.column_of[name]: rule for name, rule in layout.never_collected.items()}
    counts: dict[str, Flags] = {}
    for column, covariate in subject.covariates.items():
        rule = rules.get(column)
        if rule is None:
            if column in _ALWAYS_COUNTED:
                counts[f"assumed_no_{column}"] = nowhere
            continue
        value = assumed_value(covariate, rule.assume)
        assert value is not None  # a layout that does not fit the template has been refused
        trials = {each.strip() for each in rule.trials}
        of_trials = np.array([each in trials for each in recorded.trial], dtype=np.bool_)
        is_assumed = of_trials & np.isnan(values[column])
        values[column][is_assumed] = value
        word = "value" if covariate.kind == "continuous" else "yes" if value else "no"
        counts[f"assumed_{word}_{column}"] = is_assumed
    if layout.missing_yes_no == "no":
        for column in filter(subject.can_be_no, subject.required):
            is_missing = np.isnan(values[column])
            values[column][is_missing] = 0.0
            counts[f"set_to_no_{column}"] = is_missing
    return values, counts


def _outcome(
    recorded: Recorded, values: dict[str, Floats], layout: Layout, subject: Subject
) -> tuple[Floats, Integers]:
    """Return the outcome, NaN if there is none, and the week of the visit that gives it."""
    week = np.full(len(recorded.trial), layout.outcome_week)
    if recorded.outcome is not None:
        return recorded.outcome, week
    last = np.full(len(week), np.nan)
    for each, value in recorded.visits.items():
        is_recorded = ~np.isnan(value)
        last[is_recorded], week[is_recorded] = value[is_recorded], each
    assert subject.baseline is not None  # visits are read of a disease activity only
    return values[subject.baseline] - last, week


def _reasons(
    recorded: Recorded,
    values: dict[str, Floats],
    outcome: Floats,
    layout: Layout,
    subject: Subject,
) -> Iterator[tuple[str, Flags]]:
    """Yield the reasons to leave out a row, in the order in which they are checked."""
    yield "unknown_arm", recorded.arm < 0
    yield "no_trial", np.array([each is None for each in recorded.trial], dtype=np.bool_)
    without_outcome = "no_outcome"
    if (baseline := subject.baseline) is not None:
        yield f"no_baseline_{baseline}", np.isnan(values[baseline])
        without_outcome = f"no_{baseline}_after_baseline_by_week_{layout.outcome_week}"
    yield without_outcome, np.isnan(outcome)
    for column in subject.required:
        yield f"missing_{column}", np.isnan(values[column])
    if subject.has_year:
        yield "missing_year", np.isnan(recorded.year)


def _medians(values: Floats, trials: NDArray[np.object_]) -> Medians:
    by_trial = {trial: median_of(values[trials == trial]) for trial in sorted(set(trials))}
    return Medians(by_trial, median_of(values))


def _refuse_nobody(attrition: Attrition, recorded: Recorded) -> None:
    if not attrition.n_included:
        told = ", ".join(f"{line.words}: {line.n}" for line in reasons(attrition) if line.n)
        advice = unknown_arms_hint(recorded) or (
            f"compare the layout with the file: the column {TRIAL}, the visits, missing covariates"
        )
        raise ScoringError(f"every row is left out ({told}); {advice}")


def _refuse_trials_of_one(trials: NDArray[np.object_]) -> None:
    """Refuse a column of trials that must be another one, such as that of the participants."""
    _, sizes = np.unique(trials.astype(str), return_counts=True)
    if len(trials) >= _MANY and 2 * int((sizes == 1).sum()) > len(trials):
        raise ScoringError(
            f"column {TRIAL}: most participants have a trial of their own; name the column of the "
            "trials under `columns` of the layout"
        )


def _impute(
    values: dict[str, Floats],
    trials: NDArray[np.object_],
    medians: dict[str, Medians],
    layout: Layout,
) -> None:
    """Replace missing numbers by medians, in place."""
    for column, of_column in medians.items():
        missing = np.flatnonzero(np.isnan(values[column]))
        if len(missing) and not of_column.pooled.n:
            raise ScoringError(
                f"column {column} has no value at all; correct the column, or use a template "
                "without this covariate"
            )
        is_pooled = layout.missing_numbers == "pooled"
        for i in missing:
            values[column][i] = of_column.pooled.value if is_pooled else of_column.of(trials[i])


def _participants(
    recorded: Recorded,
    values: dict[str, Floats],
    outcome: Floats,
    is_in: Flags,
    subject: Subject,
) -> Participants:
    """Return the included rows; arms without any of them are left out."""
    row = np.flatnonzero(is_in).astype(np.int64)
    trials = sorted({str(recorded.trial[i]) for i in row})
    place = {trial: i for i, trial in enumerate(trials)}
    arms = [i for i in range(len(subject.arms)) if (recorded.arm[row] == i).any()]
    fold = None if recorded.fold is None else recorded.fold[row]
    if fold is not None and np.isnan(fold).any():
        n = int(np.isnan(fold).sum())
        raise ScoringError(
            f"column {FOLD} has no value for {n} included row(s); fill it in, or remove the column"
        )
    return Participants(
        row=row,
        trials=tuple(trials),
        trial=np.array([place[str(recorded.trial[i])] for i in row], dtype=np.int64),
        arms=tuple(subject.arms[i] for i in arms),
        arm=np.searchsorted(arms, recorded.arm[row]).astype(np.int64),
        year=recorded.year[row],
        covariates=tuple(each.name for each in subject.template.covariates),
        values=np.column_stack([values[column] for column in subject.covariates]),
        outcome=outcome[row],
        fold=None if fold is None else fold.astype(np.int64),
    )
