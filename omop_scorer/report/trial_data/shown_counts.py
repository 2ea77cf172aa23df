"""Participants per trial and arm that a page may show."""

from collections.abc import Mapping

from omop_scorer.disclosure.cells import Cell, Figures
from omop_scorer.trials.participants import Participants

ByTrial = Mapping[str, Mapping[str, int | None]]
"""Participants by arm and trial; None where the number must not be shown."""


def shown_counts(participants: Participants, minimum: int) -> ByTrial:
    """Return the participants by arm and trial, without small numbers and what reveals them.

    The number of an arm is printed, so an arm in which it would have to be hidden shows no trial.
    """
    counts = _counts(participants)
    figures, totals = Figures(), {}
    for arm, by_trial in counts.items():
        totals[arm] = figures.add(("arm", arm), sum(by_trial.values()))
        cells: list[Cell] = [figures.add(("trial", arm, trial), n) for trial, n in by_trial.items()]
        figures.declare_sum(totals[arm], cells)
    hidden = figures.hide(minimum, list(totals.values()))
    return {
        arm: {
            trial: None if totals[arm] in hidden or ("trial", arm, trial) in hidden else n
            for trial, n in by_trial.items()
        }
        for arm, by_trial in counts.items()
    }


def _counts(participants: Participants) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {arm: {} for arm in participants.arms}
    for arm, trial in zip(participants.arm.tolist(), participants.trial.tolist(), strict=True):
        by_trial, name = found[participants.arms[arm]], participants.trials[trial]
        by_trial[name] = by_trial.get(name, 0) + 1
    return {arm: dict(sorted(by_trial.items())) for arm, by_trial in found.items()}
