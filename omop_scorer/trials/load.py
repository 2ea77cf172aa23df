"""Trial data, read and cleaned: from a file, a layout and a template to participants."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omop_scorer.errors import ScoringError
from omop_scorer.model.card import Template
from omop_scorer.model.load import load_template
from omop_scorer.trials.attrition import Attrition, Medians
from omop_scorer.trials.cleaning import clean
from omop_scorer.trials.consistency import refuse_contradictions
from omop_scorer.trials.doubts import doubts
from omop_scorer.trials.layout import PLAIN, load_layout
from omop_scorer.trials.participants import PLACEBO, Participants
from omop_scorer.trials.recorded import ARM, Recorded, read_rows, unknown_arms_hint
from omop_scorer.trials.subject import Subject
from omop_scorer.trials.table import read_table

CROHNS = "crohns_srs_2025"

_FEWEST_CLASSES = 2


@dataclass(frozen=True, eq=False)
class TrialData:
    """Participants of trials, and all that a card or a report says of how they were read."""

    participants: Participants
    template: Template
    """Drug classes without a participant are left out."""
    has_numbers: bool
    """True if the template is a card with models of its own, which are not those of this data."""
    attrition: Attrition
    medians: Mapping[str, Medians]
    """By the column of the covariate."""
    warnings: tuple[str, ...]
    sha256: str
    """SHA-256 of the file, as hexadecimal text."""

    @property
    def centres(self) -> dict[str, float]:
        """The centre of each covariate, and of the year if the models have it."""
        return Subject(self.template).centres


def load_trials(data: Path, layout: str | Path = PLAIN, template: str | Path = CROHNS) -> TrialData:
    """Read and clean trial data.

    Parameters
    ----------
    data
        CSV or Parquet file with one row per participant.
    layout
        Path of a layout, or name of a shipped one.
    template
        Path of a model card or of a template, or name of a shipped card.

    Raises
    ------
    ConfigurationError
        The layout or the template is not valid, or they do not fit each other.
    ScoringError
        The file cannot be used: columns, cells, no placebo arm, fewer than two drug classes. No
        message holds a participant's value or id.
    """
    card, has_numbers = load_template(template)
    subject = Subject(card)
    rules, path = load_layout(layout)
    refuse_contradictions(rules, path, subject)
    table = read_table(data)
    try:
        recorded = read_rows(table, rules, subject)
        cleaned = clean(recorded, rules, subject)
        _refuse_lacking_arms(cleaned.participants, recorded)
    except ScoringError as error:
        where = f"{data}: "
        raise ScoringError(*(where + p.removeprefix(where) for p in error.problems)) from None
    warnings = tuple(doubts(recorded, cleaned.participants, rules, subject))
    present = [each for each in card.classes if each.key in cleaned.participants.arms]
    return TrialData(
        participants=cleaned.participants,
        template=card.model_copy(update={"classes": tuple(present)}),
        has_numbers=has_numbers,
        attrition=cleaned.attrition,
        medians=cleaned.medians,
        warnings=warnings,
        sha256=table.sha256,
    )


def _refuse_lacking_arms(participants: Participants, recorded: Recorded) -> None:
    advice = unknown_arms_hint(recorded) or "name the file's words under `arms` of the layout"
    if PLACEBO not in participants.arms:
        raise ScoringError(
            f"column {ARM}: no participant of the arm {PLACEBO} is included, and every model needs "
            f"them; {advice}"
        )
    if (n := len(participants.arms) - 1) < _FEWEST_CLASSES:
        raise ScoringError(
            f"column {ARM}: {n} drug class(es) of the template have an included participant, and a "
            f"card needs at least {_FEWEST_CLASSES}; {advice}"
        )
