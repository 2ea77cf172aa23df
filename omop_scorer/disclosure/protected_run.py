"""What a report is made of: the results of one run, suppressed, with what they are compared to.

Nothing in here counts a small cell any more: what must not leave the warehouse is missing already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from omop_scorer.model.card import ModelCard
from omop_scorer.model.load import load_model, shipped_models
from omop_scorer.model.published import Published, load_published

Frame = pd.DataFrame


@dataclass(frozen=True, eq=False)
class ReportData:
    """One COMPLETE run, ready to be shown.

    Counts are nullable Int64, shares and intervals Float64; pd.NA is a count or a share that is
    suppressed (or a share of nobody).
    """

    run: Mapping[str, Any]
    """The row of scoring_run, and of its status: `n_cohort` and `n_scored` (int; None when
    suppressed), `completed_at`, `message` (the warnings, joined by `; `; may be None), and `config`
    (the parsed config_json)."""
    classes: Sequence[Mapping[str, Any]]
    """The drug classes in the model card's order: `key`, `label` (TNF), `title` (anti-TNF), `drugs`
    (list of text); where the card is not known: the key three times, and no drugs."""
    minimum_cell_count: int
    """Counts from 1 to this number minus 1 were suppressed, and what would give them away."""
    tables: Mapping[str, Frame] = field(default_factory=dict)
    """The results tables by name, with their columns but run_id; without the tables of persons. A
    table that this run does not have is not in it."""
    change: Mapping[str, Any] | None = None
    """What changed since the COMPLETE run before it (None: there is none): `previous_run_id`,
    `previous_as_of_date`, `n_in`, `n_out`, `n_changed` (int; None when suppressed), `causes` (frame
    of cause, n_persons), `flows` (frame of from, to, n_persons)."""

    @cached_property
    def published(self) -> Published | None:
        """The published figures of the model; None where there are none."""
        return load_published(self.run["model_id"])

    @cached_property
    def card(self) -> ModelCard | None:
        """The shipped model card of that id; None where there is none."""
        model_id = self.run["model_id"]
        return load_model(model_id).card if model_id in shipped_models() else None

    def table(self, name: str) -> Frame | None:
        """Return a table that the run has and that has rows; otherwise None."""
        frame = self.tables.get(name)
        return None if frame is None or frame.empty else frame
