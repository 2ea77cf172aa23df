"""Protected results of one run, with the published figures that a report compares them with.

Small counts, and the figures that would reveal them, are already missing here.
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

#: Means and quartiles are of at least so many times the minimum of recorded values.
QUARTERS = 4


@dataclass(frozen=True, eq=False)
class ReportData:
    """One COMPLETE run, ready for a report.

    Counts are nullable Int64, shares and intervals Float64. pd.NA is a suppressed count or share,
    or a share of zero persons.
    """

    run: Mapping[str, Any]
    """The row of scoring_run and of its status: `n_cohort` and `n_scored` (int; None if
    suppressed), `completed_at`, `message` (the warnings, joined by `; `; may be None), and `config`
    (the parsed config_json)."""
    classes: Sequence[Mapping[str, Any]]
    """The drug classes in the model card's order: `key`, `label` (TNF), `title` (anti-TNF), `drugs`
    (list of text). Without a card: the key for the first three, and no drugs."""
    minimum_cell_count: int
    """Counts from 1 to this number minus 1 are suppressed, with the figures that reveal them."""
    tables: Mapping[str, Frame] = field(default_factory=dict)
    """The results tables of the run by name, without run_id and without the tables of persons."""
    change: Mapping[str, Any] | None = None
    """Changes since the previous COMPLETE run (None if there is none): `previous_run_id`,
    `previous_as_of_date`, `n_in`, `n_out`, `n_changed` (int; None if suppressed), `causes` (frame
    of cause, n_persons), `flows` (frame of from, to, n_persons)."""
    bounds: Mapping[str, Frame] = field(default_factory=dict)
    """What a reader may know of suppressed figures, by table, in the order of its rows:
    `<count>_low` and `<count>_high` (Int64), `share_low` and `share_high` (Float64). pd.NA where
    the figure is shown, or where nothing is to be said but that it is not shown."""
    merged: frozenset[str] = frozenset()
    """The tables in which small rows are merged: ages in tens, preference groups instead of
    labels, everybody and women of 50 and over only, and one group for several preferred classes."""
    trend: Frame | None = None
    """Rounded shares over the runs of a year: as_of_date, measure (preference_group,
    women_50_and_over or imputed), item and share. None or empty without earlier runs."""
    rounding: int = 1
    """Counts are printed to the nearest multiple of this number; 1: as they are."""

    @property
    def minimum_of_means(self) -> int:
        """Means and quartiles of fewer recorded values are suppressed."""
        return QUARTERS * self.minimum_cell_count

    @cached_property
    def published(self) -> Published | None:
        """The published figures of the model; None if there are none."""
        return load_published(self.run["model_id"])

    @cached_property
    def card(self) -> ModelCard | None:
        """The shipped model card of the run's model; None if there is none."""
        model_id = self.run["model_id"]
        return load_model(model_id).card if model_id in shipped_models() else None

    def table(self, name: str) -> Frame | None:
        """Return a table of the run; None if the run does not have it or it has no rows."""
        frame = self.tables.get(name)
        return None if frame is None or frame.empty else frame
