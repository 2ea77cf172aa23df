"""The section on trials left out: predicted against observed mean."""

from collections.abc import Mapping, Sequence

from omop_scorer.report.blocks import Block, Heading, Image, Prose, Section, Table
from omop_scorer.report.charts.estimates import Estimate, estimates
from omop_scorer.report.trial_data.names import TrialNames, breakable, trial_name
from omop_scorer.report.trial_data.shown_counts import ByTrial
from omop_scorer.report.words import HIDDEN, NOBODY, decimal
from omop_scorer.trials.calibration import FEWEST
from omop_scorer.trials.leave_one_trial_out import FEWEST_TRIALS, LeftOutTrial

_Z = 1.96


def section(
    trials: Mapping[str, Sequence[LeftOutTrial]], counts: ByTrial, names: TrialNames
) -> Section:
    """Return the section on trials left out, by arm."""
    lead = (
        "Each trial was left out of the placebo model and of the model of its class, and its mean "
        "outcome was predicted."
    )
    blocks: list[Block] = []
    for arm, each in trials.items():
        blocks.append(Heading(f"Trials of {names.arm(arm)}"))
        if each:
            blocks.append(_block(arm, each, counts[arm], names))
        else:
            n = len(counts[arm])
            text = f"Fewer than {FEWEST_TRIALS} trials ({n}), so none is left out."
            blocks.append(Prose(text, "note"))
    return Section("left-out", "Each trial left out", lead, blocks)


def is_shown(each: LeftOutTrial, n: int | None) -> bool:
    """Return True if the figures of a trial exist and may be shown."""
    return n is not None and each.observed is not None and each.predicted is not None


def _block(
    arm: str, trials: Sequence[LeftOutTrial], counts: Mapping[str, int | None], names: TrialNames
) -> Block:
    table = Table(
        f"{names.arm(arm)}: predicted and observed mean of each trial left out",
        ("Trial", "Participants", "Predicted", "Observed", "Difference", "Standard error"),
        [_row(each, counts[each.trial]) for each in trials],
    )
    rows = [_estimate(each) for each in trials if is_shown(each, counts[each.trial])]
    if not rows:
        return table
    return Image(
        estimates(rows, colour=names.colour(arm)),
        f"Observed less predicted mean of each trial of {names.arm(arm)}: "
        + "; ".join(f"{row.label} {row.text}" for row in rows)
        + ".",
        f"Observed less predicted mean: {names.arm(arm)}",
        f"In {names.unit} of the outcome, with 95% intervals that contain the variance of a new "
        "trial. Where the trial variance is 0 they contain none. An interval that covers 0 does "
        f"not show that the prediction is right. Trials of fewer than {FEWEST} participants are "
        "not drawn.",
        table,
    )


def _estimate(each: LeftOutTrial) -> Estimate:
    difference = (each.observed or 0.0) - (each.predicted or 0.0)
    reach = _Z * (each.standard_error or 0.0)
    text = decimal(difference, 1)
    low, high = difference - reach, difference + reach
    return Estimate(trial_name(each.trial), difference, low, high, text=text)


def _row(each: LeftOutTrial, n: int | None) -> tuple[str, ...]:
    name = breakable(trial_name(each.trial))
    if n is None:
        return (name, *[HIDDEN] * 5)
    if each.predicted is None or each.observed is None:
        # The message of a failure counts the participants of the other trials.
        return (name, f"{n:,}", "failed" if each.failure else NOBODY, *[NOBODY] * 3)
    difference = each.observed - each.predicted
    figures = (each.predicted, each.observed, difference, each.standard_error)
    return (name, f"{n:,}", *(decimal(figure, 1) for figure in figures))
