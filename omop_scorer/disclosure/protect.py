"""Removal of small counts, and of the figures that reveal them, from the tables of a run.

A report with a greater minimum than the run's own, or with rounding, is worked out from the cells
that a report by the run's own settings prints: it merges the same rows, its bins are unions of
those bins, and what is hidden there stays hidden. So both reports together tell no more than the
one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from omop_scorer.disclosure import coded
from omop_scorer.disclosure.bins import merge_bins
from omop_scorer.disclosure.cells import Cell, Figures, Hidden
from omop_scorer.disclosure.coarser import Coarser, coarser
from omop_scorer.disclosure.declared import link_declared
from omop_scorer.disclosure.hiding import (
    bounds_frame,
    rounded_rows,
    without_few,
    without_few_quartiles,
    without_hidden,
    without_revealing_moments,
)
from omop_scorer.disclosure.identities import N_COHORT, N_SCORED, Tables
from omop_scorer.disclosure.identities_change import known_before, link_change
from omop_scorer.disclosure.leaving import COLUMNS
from omop_scorer.disclosure.linked import rounded_count
from omop_scorer.disclosure.listed import listed_rows, listed_run, listed_strata
from omop_scorer.disclosure.messages import without_counts
from omop_scorer.disclosure.moments import profile_of_rounded, summary_of_rounded
from omop_scorer.disclosure.persistence import CURVES, MEANS, fewer_days, without_revealing
from omop_scorer.disclosure.profile import hide_profile
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.disclosure.rules import link_by_rules
from omop_scorer.disclosure.rules_labels import GROUPS
from omop_scorer.disclosure.rules_profile import PROFILE
from omop_scorer.disclosure.shown_change import shown_change
from omop_scorer.disclosure.site_texts import SiteTexts
from omop_scorer.disclosure.trend import followed, shown_trend
from omop_scorer.disclosure.true_run import RunTables
from omop_scorer.model.load import shipped_models
from omop_scorer.terms import ALL, alone_on_top

_CONCEPTS, _BINS, _SUMMARY = "concept_set_member", "histogram", "covariate_summary"

_TIMES, NOW = "next_treatment_time", "current_treatment"


def protect_run(run: RunTables, minimum: int, rounding: int | None = None) -> ReportData:
    """Return the figures of a run that may be shown.

    Parameters
    ----------
    run
        The run with its true counts.
    minimum
        The smallest count above zero that is printed. If the minimum configured for the run is
        greater, that one applies.
    rounding
        Counts are printed to the nearest multiple of this number; 1 or None prints them as they
        are. If the rounding configured for the run is coarser, that one applies.
    """
    own = _own(run, minimum)
    minimum, rounding = max(minimum, own[0]), max(rounding or 1, own[1])
    since = None if run.config is None else run.config.audit.since
    merged = coarser(_counted(run), own[0], since)
    tables = linked_tables(run, _with_bins(run, merged, own[0], minimum), merged.apart)
    hidden = tables.figures.hide(minimum, _needed(tables), rounding, followed(tables))
    reports = []
    if own != (minimum, rounding):
        reports.append((_hidden_by_own(run, merged, own, tables), own[0]))
        hidden |= reports[0][0]
    reports.append((hidden, minimum))
    shown = _shown(run, tables, reports, rounding)
    bounds = tables.figures.bounds(hidden, minimum, rounding)
    texts = SiteTexts(_set_names(run), run.run["config"])
    about = {
        **run.run,
        "n_cohort": _count(run.run["n_cohort"], N_COHORT, hidden, rounding),
        "n_scored": _count(run.run["n_scored"], N_SCORED, hidden, rounding),
        "message": without_counts(run.run["message"]),
    }
    change = run.change
    return ReportData(
        run=listed_run(about, texts),
        classes=_classes(run, texts),
        minimum_cell_count=minimum,
        tables={name: listed_rows(name, rows, texts) for name, rows in shown.items()},
        change=None if change is None else shown_change(change, tables, reports, rounding, texts),
        bounds={
            name: bounds_frame(name, rows, hidden, tables.figures, bounds)
            for name, rows in shown.items()
            if name in tables.frames
        },
        merged=merged.merged,
        trend=None if run.trend is None else shown_trend(run.trend, minimum),
        rounding=rounding,
    )


def _with_bins(run: RunTables, merged: Coarser, *minima: int) -> dict[str, pd.DataFrame]:
    """Return merged tables with bins and days joined by one minimum after the other."""
    frames = dict(merged.frames)
    for name in (CURVES, MEANS):
        frames.pop(name, None)
    frames |= fewer_days(_counted(run), minima)
    for minimum in dict.fromkeys(minima) if _BINS in frames else ():
        frames[_BINS] = _bins(frames[_BINS], minimum, run, has_decades=merged.has_decades)
    return frames


def _hidden_by_own(run: RunTables, merged: Coarser, own: tuple[int, int], tables: Tables) -> Hidden:
    """Return what a report by the run's own minimum and rounding hides."""
    own_tables = linked_tables(run, _with_bins(run, merged, own[0]), merged.apart)
    hidden = own_tables.figures.hide(own[0], _needed(own_tables), own[1], followed(own_tables))
    return hidden | _bins_that_hold(tables, own_tables, hidden)


def _shown(
    run: RunTables, tables: Tables, reports: Sequence[tuple[Hidden, int]], rounding: int
) -> dict[str, pd.DataFrame]:
    """Return the tables without hidden counts and what reveals them, rounded.

    `reports` has what a report hides and its minimum: this one last and, if it is another, that by
    the run's own settings. Which means of groups a report hides depends on all groups, so a greater
    minimum could show others; those that one of them hides are not shown.
    """
    frames, (hidden, minimum) = tables.frames, reports[-1]
    shown = {name: without_hidden(name, rows, hidden) for name, rows in frames.items()}
    if _SUMMARY in shown:
        shown[_SUMMARY] = without_revealing_moments(
            shown[_SUMMARY], frames[_SUMMARY], hidden, minimum
        )
    for report in reports if PROFILE in shown else ():
        shown[PROFILE] = hide_profile(shown[PROFILE], frames[PROFILE], *report)
    if _TIMES in shown:
        shown[_TIMES] = without_few_quartiles(shown[_TIMES], minimum)
    if _CONCEPTS in run.frames:
        shown[_CONCEPTS] = without_few(run.frames[_CONCEPTS], "n_records", minimum)
    shown |= without_revealing(shown, run.frames, hidden, minimum, rounding)
    shown = {name: rounded_rows(name, rows, rounding) for name, rows in shown.items()}
    for name, of_rounded in ((_SUMMARY, summary_of_rounded), (PROFILE, profile_of_rounded)):
        if name in shown and rounding > 1:
            shown[name] = of_rounded(shown[name], tables, rounding)
    return shown


def _own(run: RunTables, minimum: int) -> tuple[int, int]:
    """Return the minimum and the rounding that are configured for a run."""
    config = run.run["config"] or {}
    own, disclosure = config.get("minimum_cell_count"), config.get("disclosure") or {}
    rounding = disclosure.get("rounding")
    return own if isinstance(own, int) else minimum, rounding or 1


def _counted(run: RunTables) -> dict[str, pd.DataFrame]:
    """Return the tables whose counts are linked with each other.

    Without a card the labels of a class are not known, so counts by class, group and label together
    cannot be linked and stay.
    """
    frames = {
        name: listed_strata(rows)
        for name, rows in run.frames.items()
        if name in COLUMNS and name != _CONCEPTS
    }
    if run.card is not None:
        return frames
    left = {name: rows for name, rows in frames.items() if name not in (GROUPS, PROFILE, NOW)}
    if "prevalence" in left:
        is_on_top = left["prevalence"]["measure"].str.endswith(alone_on_top(""))
        left["prevalence"] = left["prevalence"][~is_on_top].reset_index(drop=True)
    if "subgroup_summary" in left:
        by_group = [coded.PREFERENCE_GROUP, coded.RULED_OUT_CLASS]
        is_linked = ~left["subgroup_summary"]["stratum"].isin(by_group)
        left["subgroup_summary"] = left["subgroup_summary"][is_linked].reset_index(drop=True)
    return left


def _bins(rows: pd.DataFrame, minimum: int, run: RunTables, *, has_decades: bool) -> pd.DataFrame:
    types = {"n_persons": "Int64", **dict.fromkeys(("bin_low", "bin_high"), "Float64")}
    found = merge_bins(rows, minimum, run.card, has_decades=has_decades)
    return found.astype({**types, "expected_share": "Float64"})


def linked_tables(
    run: RunTables,
    frames: Mapping[str, pd.DataFrame],
    apart: Mapping[str, pd.DataFrame] | None = None,
) -> Tables:
    """Return tables of a run with every count, and with what a reader can calculate from them.

    `apart` has rows of them that are not printed.
    """
    tables = Tables(frames, Figures(), run.config, run.card, apart or {})
    tables.add_counts(run.run)
    link_declared(tables)
    link_by_rules(tables)
    if run.change is not None and run.change.patients is not None:
        link_change(tables, run.change.earlier, run.change.patients)
    return tables


def _needed(tables: Tables) -> list[Cell]:
    """Return the cells that are hidden last: what the previous report printed, then headlines."""
    return [*(known_before(label) for label in (ALL, *tables.labels)), *tables.needed()]


def _bins_that_hold(tables: Tables, own: Tables, own_hidden: Hidden) -> Hidden:
    """Return the bins that hold a hidden bin of a report by the run's own minimum."""
    rows, own_rows = tables.frames.get(_BINS), own.frames.get(_BINS)
    found: set[Cell] = set()
    if rows is None or own_rows is None:
        return Hidden()
    for measure, category, low in own_rows[["measure", "category", "bin_low"]].itertuples(
        index=False, name=None
    ):
        if (_BINS, "n_persons", measure, category, str(low)) in own_hidden:
            is_same = (rows["measure"] == measure) & (rows["category"] == category)
            holding = rows[is_same & (rows["bin_low"] <= low) & (low < rows["bin_high"])]
            found |= {(_BINS, "n_persons", measure, category, str(at)) for at in holding["bin_low"]}
    return Hidden((tables.figures, frozenset(map(tables.figures.name, found))))


def _set_names(run: RunTables) -> list[str]:
    rows = run.frames.get(_CONCEPTS)
    return [] if rows is None else [str(name) for name in rows["concept_set"].unique()]


def _count(n: int | None, cell: Cell, hidden: Hidden, rounding: int) -> int | None:
    return None if n is None or cell in hidden else rounded_count(n, rounding)


def _classes(run: RunTables, texts: SiteTexts) -> list[dict[str, Any]]:
    if run.card is not None:
        # A card of the site holds texts of the site.
        is_shipped = run.card.id in shipped_models()
        text: Callable[[str], str] = str if is_shipped else texts.name
        return [
            {
                "key": text(e.key),
                "label": text(e.label),
                "title": text(e.title),
                "drugs": [text(drug) for drug in e.drugs],
            }
            for e in run.card.classes
        ]
    rows = run.frames.get("next_treatment")
    found = [] if rows is None else dict.fromkeys(map(texts.name, rows["index_class"]))
    keys = [key for key in found if key != ALL]
    return [{"key": key, "label": key, "title": key, "drugs": []} for key in keys]
