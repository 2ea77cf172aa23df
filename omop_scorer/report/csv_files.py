"""The figures of a report as CSV files, with the same suppression as the page."""

import csv
import io
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from omop_scorer.disclosure.leaving import COLUMNS
from omop_scorer.disclosure.listed import RUN
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.figures import pick, rows_of
from omop_scorer.report.not_given import DENOMINATORS, not_given
from omop_scorer.terms import ALL, COHORT, WOMEN_50_AND_OVER, alone_on_top
from omop_scorer.texts.characters import cell, one_line

#: Columns of run.csv; the last one holds the rules of the configuration.
_RUN = (*COLUMNS[RUN], "minimum_cell_count", "config_json")

_CHANGE = ("previous_run_id", "previous_as_of_date", "n_in", "n_out", "n_changed")

_README, _RUN_FILE, _COMPARED = "README.txt", "run.csv", "comparison.csv"
_HEADLINE, _NEXT = "next_treatment_headline.csv", "next_treatment"
_CHANGE_FILES = ("change.csv", "change_cause.csv", "change_subgroup.csv")

#: The name of every file that a report may have.
FILE_NAMES = frozenset(
    (_README, *(f"{table}.csv" for table in COLUMNS), _HEADLINE, _COMPARED, *_CHANGE_FILES)
)

_COMPARISON = (
    *("figure", "population", "n_persons", "n_population", "share", "ci_low", "ci_high"),
    *("compared_with", "published_share", "published_n_population", "source"),
)


def csv_files(data: ReportData) -> dict[str, str]:
    """Return the text of each file by its name.

    A suppressed value is empty, and so is a value that does not exist, such as a share of zero
    persons.
    """
    files = {_RUN_FILE: _text(_RUN, [_run(data)])}
    files |= {f"{name}.csv": _frame(rows) for name, rows in data.tables.items() if name in COLUMNS}
    if data.published is not None and "prevalence" in data.tables:
        files[_COMPARED] = _text(_COMPARISON, _comparison(data))
    if data.published is not None and _NEXT in data.tables:
        key = data.published.health_system.next_treatment.not_given
        files[_HEADLINE] = _text(_headline_columns(key), _headline(data, key))
    if data.change is not None:
        change, cause, subgroup = _CHANGE_FILES
        files[change] = _text(_CHANGE, [data.change])
        files[cause] = _frame(data.change["causes"])
        files[subgroup] = _frame(data.change["flows"])
    files[_README] = _readme(data, files)
    return files


def _run(data: ReportData) -> dict[str, Any]:
    return {
        **data.run,
        "minimum_cell_count": data.minimum_cell_count,
        "config_json": json.dumps(data.run["config"] or {}, sort_keys=True),
    }


def _frame(rows: pd.DataFrame) -> str:
    names = [str(name) for name in rows.columns]
    return _text(
        names,
        (
            dict(zip(names, values, strict=True))
            for values in rows.itertuples(index=False, name=None)
        ),
    )


def _text(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    names = list(columns)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_value(row.get(name)) for name in names] for row in rows)
    return file.getvalue()


def _value(value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return repr(float(value))
    return cell(str(value)) if isinstance(value, str) else str(value)


def _comparison(data: ReportData) -> Iterator[dict[str, Any]]:
    """Yield each figure of the site for which the same figure is published, with both values."""
    published = data.published
    if published is None:
        return
    trials, system = published.trials, published.health_system
    rows = data.tables["prevalence"]
    names = [str(name) for name in rows.columns]
    by_key = {
        (row["population"], row["measure"]): row
        for row in (
            dict(zip(names, values, strict=True))
            for values in rows.itertuples(index=False, name=None)
        )
    }
    for population, pyramid in system.pyramids.items():
        own = by_key.get((population, WOMEN_50_AND_OVER))
        if own is not None and pyramid.n_persons:
            yield {
                **own,
                "figure": WOMEN_50_AND_OVER,
                "compared_with": system.title,
                "published_share": pyramid.n_women_50_and_over / pyramid.n_persons,
                "published_n_population": pyramid.n_persons,
                "source": system.source,
            }
    if (own := by_key.get((COHORT, WOMEN_50_AND_OVER))) is not None:
        yield {
            **own,
            "figure": WOMEN_50_AND_OVER,
            "compared_with": trials.title,
            "published_share": trials.share_of_women_50_and_over,
            "published_n_population": trials.n_persons,
            "source": trials.women_50_and_over.source,
        }
    for each in data.classes:
        measure = alone_on_top(str(each["key"]))
        if (own := by_key.get((COHORT, measure))) is not None:
            yield {
                **own,
                "figure": measure,
                "compared_with": trials.title,
                "published_share": trials.share_alone_on_top(str(each["label"])),
                "published_n_population": trials.n_persons,
                "source": trials.subgroups.source,
            }


def _headline_columns(key: str) -> tuple[str, ...]:
    of_row = ("population", "index_rule", "index_classes", "denominator")
    return (*of_row, f"n_not_{key}", "n_population", "share")


def _headline(data: ReportData, key: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of the view `latest_next_treatment_headline`, from shown counts."""
    rows, minimum = rows_of(data.tables[_NEXT]), data.minimum_cell_count
    pairs = dict.fromkeys((row["population"], row["index_rule"]) for row in rows)
    for population, rule in pairs:
        audited = pick(rows, population=population, index_rule=rule)
        for index_classes in (ALL, f"not_{key}"):
            is_all = index_classes == ALL
            for denominator in DENOMINATORS:
                found = not_given(audited, key, denominator, minimum, all_index_classes=is_all)
                values = (population, rule, index_classes, denominator, found.n, found.of)
                yield dict(zip(_headline_columns(key), (*values, found.share), strict=True))


def _readme(data: ReportData, files: Mapping[str, str]) -> str:
    minimum, run = data.minimum_cell_count, data.run
    name = one_line(run["cdm_source_name"] or "")
    source = f"CDM: {name}\n" if name else ""
    listed = "\n".join(f"  {name}" for name in files)
    rule = (
        f"Counts from 1 to {minimum - 1} are suppressed, and so is every other count, share, "
        "interval, mean\nor quartile from which such a count could be calculated."
        if minimum > 1
        else "No count is suppressed."
    )
    return f"""\
Figures of run {run["run_id"]}, as of {run["as_of_date"]}, omop-scorer {run["tool_version"]}
{source}Minimum cell count: {minimum}

{rule}{_coarser(data)}
A suppressed value is empty. A zero is suppressed in persistence.csv only. A value that does not
exist, such as a share of zero persons, is empty too. Means and quartiles of fewer than
{data.minimum_of_means} recorded values are suppressed, and so is a mean from which they could be
calculated. In histogram.csv, neighbouring bins are joined until each bin holds at least {minimum} \
person{"" if minimum == 1 else "s"}.
persistence.csv has the days between which nobody, or enough persons, stopped; counts of a day are
empty, zeros too, where few were censored since the day before. Its shares are rounded to steps of
1, 2, 5 or 10%, means in persistence_mean.csv to days.
The files give no bounds of suppressed values; the page of the report prints some.

The files are UTF-8 and comma-separated, with one header line. Their columns are those of the
results tables. In texts, [...] stands for words that could name a place of the site, and
site_set_1 for a concept set of the site. An apostrophe precedes a text that a spreadsheet would
calculate. comparison.csv gives each figure next to the same published figure.
next_treatment_headline.csv gives the share not given one class next, by denominator; its figures
are added up from next_treatment.csv. change*.csv give the differences from the previous run.

{listed}
"""


def _coarser(data: ReportData) -> str:
    """Return what is said of rows that are merged and of counts that are rounded."""
    said = []
    if data.merged:
        names = ", ".join(f"{name}.csv" for name in sorted(data.merged))
        said.append(
            f"Small rows are merged first, such as ages in tens and rare races as one, in {names}."
        )
    if data.rounding > 1:
        said.append(
            f"Every count is rounded to the nearest {data.rounding}, and shares are of rounded "
            "counts, so sums may differ a little."
        )
    return "".join(f"\n{textwrap.fill(each, 99)}" for each in said)
