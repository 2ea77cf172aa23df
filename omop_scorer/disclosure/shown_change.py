"""Changes since the previous run as they may be shown."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from omop_scorer.disclosure.cells import Cell, Hidden
from omop_scorer.disclosure.identities import Tables
from omop_scorer.disclosure.identities_change import (
    CAUSE,
    CHANGED,
    IN,
    OUT,
    contradicts_previous_report,
    flow_cell,
)
from omop_scorer.disclosure.linked import rounded_count
from omop_scorer.disclosure.listed import with_texts
from omop_scorer.disclosure.site_texts import SiteTexts
from omop_scorer.disclosure.true_run import Change


def shown_change(
    change: Change,
    tables: Tables,
    reports: Sequence[tuple[Hidden, int]],
    rounding: int,
    texts: SiteTexts,
) -> dict[str, Any]:
    """Return the changes since the previous run, with None or NA for every hidden count.

    `reports` has what a report hides and its minimum: this one last, before it that by the run's
    own settings. None of them must show a change that one of them does not.
    """
    previous = {
        "previous_run_id": change.earlier.run_id,
        "previous_as_of_date": change.earlier.as_of_date,
    }
    patients = change.patients
    if patients is None:
        counts: dict[str, int | None] = dict.fromkeys(("n_in", "n_out", "n_changed"))
        return {
            **previous,
            **counts,
            "causes": _listed([], "cause"),
            "flows": _listed([], "from", "to"),
        }
    hides_all = any(contradicts_previous_report(tables, *report) for report in reports)
    hidden, _ = reports[-1]

    def shown(n: int, cell: Cell) -> int | None:
        return None if n and (hides_all or cell in hidden) else rounded_count(n, rounding)

    return {
        **previous,
        "n_in": shown(patients.n_in, IN),
        "n_out": shown(patients.n_out, OUT),
        "n_changed": shown(patients.n_changed, CHANGED),
        "causes": with_texts(
            _listed(
                [(e.cause, shown(e.n_persons, (*CAUSE, e.cause))) for e in patients.causes],
                "cause",
            ),
            texts,
        ),
        "flows": with_texts(
            _listed(
                [(e.earlier, e.later, shown(e.n_persons, flow_cell(e))) for e in patients.changes],
                *("from", "to"),
            ),
            texts,
        ),
    }


def _listed(rows: list[tuple[Any, ...]], *keys: str) -> pd.DataFrame:
    """Return counts by key, the largest first and hidden ones last, sorted by key."""
    rows = sorted(rows, key=lambda row: (row[-1] is None, -(row[-1] or 0), row[:-1]))
    return pd.DataFrame(rows, columns=[*keys, "n_persons"]).astype({"n_persons": "Int64"})
