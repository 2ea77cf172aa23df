"""The protected figures of a run as a summarised_result, the format of DARWIN EU's omopgenerics.

A CSV file of 13 columns of text: one figure a row, and rows `settings` that describe each result.
Every table of shares is one result: those of prevalence in the names of IncidencePrevalence, others
under the name of their table. What is not shown is `-`, as omopgenerics writes linked figures.
Source: https://darwin-eu.github.io/omopgenerics/articles/summarised_result.html
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from omop_scorer.data_model import data_model
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.export.places import PACKAGE, RESULT_COLUMNS, replaced_file
from omop_scorer.texts.characters import cell

_OVERALL = "overall"
_BETWEEN = " &&& "
_HIDDEN, _NONE = "-", "NA"

_COHORTS = ("denominator_cohort_name", "outcome_cohort_name")
_PERIOD = ("prevalence_start_date", "prevalence_end_date", "analysis_interval")
_SHARE = "share"

Pairs = Sequence[tuple[str, str]]
"""Names and levels of a pair of columns; empty for `overall`."""


@dataclass(frozen=True)
class _Figures:
    """The figures of one row of a table."""

    group: Pairs
    strata: Pairs
    additional: Pairs
    estimates: Sequence[tuple[str, str | None, str, str, Any]]
    """variable_name, variable_level, estimate_name, estimate_type, and the value; None: hidden."""


def write_summarised_result(path: Path, data: ReportData) -> None:
    """Write the file, which replaces an earlier one as a whole.

    Raises
    ------
    ResultsError
        The file cannot be written.
    """
    text = summarised_result(data)
    with replaced_file(path, is_private=False) as new:
        new.write_text(text, encoding="utf-8", newline="")


def summarised_result(data: ReportData) -> str:
    """Return the text of the file: the settings of every result first, then the figures."""
    results = list(_results(data))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(RESULT_COLUMNS)
    cdm_name = cell(data.run["cdm_source_name"] or "unnamed")
    for number, (settings, figures) in enumerate(results, start=1):
        for name, value in _settings(data, settings, figures).items():
            if not value:  # no group, for example
                continue
            texts = ("settings", _NONE, name, "character", value)
            writer.writerow((number, cdm_name, *_pair(()), *_pair(()), *texts, *_pair(())))
    for number, (_, figures) in enumerate(results, start=1):
        for each in figures:
            for variable, level, estimate, kind, value in each.estimates:
                texts = (variable, level or _NONE, estimate, kind, _text(value))
                pairs = (*_pair(each.group), *_pair(each.strata))
                writer.writerow((number, cdm_name, *pairs, *texts, *_pair(each.additional)))
    return file.getvalue()


def _results(data: ReportData) -> Iterator[tuple[dict[str, str], list[_Figures]]]:
    """Yield the result_type, with settings of its own, and the figures of each result."""
    if (rows := data.tables.get("prevalence")) is not None:
        day = str(data.run["as_of_date"])
        settings = {"result_type": "prevalence", "analysis_type": "point prevalence"}
        when = (day, day, _OVERALL)
        yield (
            settings,
            [_prevalence(row, (row["population"], row["measure"]), when) for row in _rows(rows)],
        )
    if (rows := data.tables.get("prevalence_by_year")) is not None:
        settings = {"result_type": "prevalence", "analysis_type": "period prevalence"}
        yield (
            settings,
            [
                _prevalence(
                    row,
                    (row["event"], row["measure"]),
                    (f"{row['calendar_year']}-01-01", f"{row['calendar_year']}-12-31", "years"),
                )
                for row in _rows(rows)
            ],
        )
    if (rows := data.tables.get("attrition")) is not None:
        yield {"result_type": "prevalence_attrition"}, list(map(_attrition, _rows(rows)))
    for name, rows in data.tables.items():
        is_specified = name in data_model() and not name.startswith("prevalence")
        # A curve is no share of counted persons: persistence is in the files of the report only.
        if is_specified and {"n_persons", _SHARE} <= set(rows):
            yield {"result_type": name}, [_of_table(name, row) for row in _rows(rows)]


def _settings(
    data: ReportData, own: Mapping[str, str], figures: Sequence[_Figures]
) -> dict[str, str]:
    """Return the settings of a result by name, as text."""
    run = data.run

    def names(pairs: str) -> str:
        found = (name for each in figures for name, _ in getattr(each, pairs))
        return _BETWEEN.join(dict.fromkeys(found))

    return {
        "result_type": own["result_type"],
        "package_name": PACKAGE,
        "package_version": str(run["tool_version"]),
        "group": names("group"),
        "strata": names("strata"),
        "additional": names("additional"),
        "min_cell_count": str(data.minimum_cell_count),
        **{name: value for name, value in own.items() if name != "result_type"},
        "as_of_date": str(run["as_of_date"]),
        "model_id": cell(str(run["model_id"])),
        "rounding": str(data.rounding),
        "run_id": str(run["run_id"]),
        "uncertainty": str(run["uncertainty"]),
    }


def _prevalence(row: Mapping[str, Any], cohorts: Sequence[str], when: Sequence[str]) -> _Figures:
    count, of, share = row["n_persons"], row["n_population"], row[_SHARE]
    estimates = [
        ("Denominator", None, "denominator_count", "integer", of),
        ("Outcome", None, "outcome_count", "integer", count),
    ]
    if of != 0:
        estimates += [
            ("Outcome", None, "prevalence", "numeric", share),
            ("Outcome", None, "prevalence_95CI_lower", "numeric", row["ci_low"]),
            ("Outcome", None, "prevalence_95CI_upper", "numeric", row["ci_high"]),
        ]
    group = list(zip(_COHORTS, map(_level, cohorts), strict=True))
    return _Figures(group, (), list(zip(_PERIOD, when, strict=True)), estimates)


def _attrition(row: Mapping[str, Any]) -> _Figures:
    estimates = [
        ("number_subjects", None, "count", "integer", row["n_persons"]),
        ("excluded_subjects", None, "count", "integer", row["n_excluded"]),
    ]
    strata, additional = [("reason", _level(row["reason"]))], [("reason_id", str(row["step"]))]
    return _Figures([(_COHORTS[0], "cohort")], strata, additional, estimates)


def _of_table(table: str, row: Mapping[str, Any]) -> _Figures:
    """Return the figures of a row: its last key is the variable, the others are group and strata.

    A population is the group. A stratum is named by its value of the column `stratum`.
    """
    *keys, variable = [
        each.column_name for each in data_model()[table] if each.is_key and each.column_name in row
    ]
    group = [("cohort_name", _level(row["population"]))] if "population" in keys else []
    if "stratum" in keys:
        pairs = [] if row["stratum"] == "all" else [(row["stratum"], _level(row["stratum_value"]))]
    else:
        pairs = [(name, _level(row[name])) for name in keys if name != "population"]
    counts = {each.column_name for each in data_model()[table] if each.is_count}
    others = [name for name in row if name not in {*keys, variable}]
    total = next((row[name] for name in others if name in ("n_stratum", "n_population")), None)
    level = _level(row[variable])
    return _Figures(
        group,
        pairs,
        (),
        [
            (variable, level, *_estimate(name, is_count=name in counts), row[name])
            for name in others
            if name in counts or total != 0
        ],
    )


def _estimate(column: str, *, is_count: bool) -> tuple[str, str]:
    """Return the name and type of the estimate that a column holds."""
    names = {
        "n_persons": "count",
        "n_stratum": "denominator_count",
        "n_population": "denominator_count",
        _SHARE: "proportion",
        "ci_low": "proportion_95CI_lower",
        "ci_high": "proportion_95CI_upper",
    }
    if is_count:
        return names.get(column, f"{column.removeprefix('n_')}_count"), "integer"
    return names.get(column, column), "proportion" if column in names else "numeric"


def _rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    known = rows.astype(object).where(rows.notna(), None)
    return [dict(zip(map(str, rows.columns), row, strict=True)) for row in known.to_numpy()]


def _level(value: Any) -> str:
    """Return a value as a level, which holds no separator of levels."""
    return _NONE if value is None else cell(str(value)).replace("&&&", "and")


def _pair(pairs: Pairs) -> tuple[str, str]:
    if not pairs:
        return _OVERALL, _OVERALL
    return _BETWEEN.join(name for name, _ in pairs), _BETWEEN.join(level for _, level in pairs)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return _HIDDEN
    return repr(float(value)) if isinstance(value, float) else str(value)
