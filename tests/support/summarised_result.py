"""The rules of a summarised_result, from the documentation of omopgenerics, and its tables.

Nothing of the package, and nothing of R: the file, and what its columns mean.
https://darwin-eu.github.io/omopgenerics/articles/summarised_result.html (columns, settings)
https://darwin-eu.github.io/omopgenerics/articles/suppression.html (small counts)
"""

import csv
import io
import math
import re
from collections import Counter, defaultdict
from datetime import date
from itertools import combinations

COLUMNS = [
    *("result_id", "cdm_name", "group_name", "group_level", "strata_name", "strata_level"),
    *("variable_name", "variable_level", "estimate_name", "estimate_type", "estimate_value"),
    *("additional_name", "additional_level"),
]
PAIRS = ("group", "strata", "additional")
COMPULSORY = ("result_type", "package_name", "package_version", "min_cell_count")
#: Each grouping has these once, because suppression hides everything else of it with them.
OF_A_GROUP = ("number subjects", "number records")
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
OVERALL, HIDDEN = "overall", "-"

Row = dict[str, str]


def read(text: str) -> list[Row]:
    """Return the rows of a file; every one has the cells of the header."""
    header, *rows = csv.reader(io.StringIO(text))
    assert header == COLUMNS
    return [dict(zip(header, row, strict=True)) for row in rows]


def faults(rows: list[Row]) -> list[str]:
    """Return every breach of the rules of the format."""
    settings = [row for row in rows if row["variable_name"] == "settings"]
    figures = [row for row in rows if row["variable_name"] != "settings"]
    return [
        *_of_cells(rows),
        *_of_settings(settings, figures),
        *(fault for row in rows for pair in PAIRS for fault in _of_pair(row, pair)),
        *(fault for row in rows if (fault := _of_value(row))),
        *_of_repeats(figures),
        *_of_suppression(figures, _minima(settings)),
    ]


def _of_cells(rows: list[Row]) -> list[str]:
    empty = [
        f"{name} is empty"
        for row in rows
        for name, value in row.items()
        if value == "" or (value == "NA" and name != "variable_level")
    ]
    ids = [row["result_id"] for row in rows if not row["result_id"].isdecimal()]
    return [*empty, *(f"result_id {each!r}" for each in ids)]


def _of_settings(settings: list[Row], figures: list[Row]) -> list[str]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    faults = []
    for row in settings:
        if row["estimate_name"] in found[row["result_id"]]:
            faults.append(f"setting {row['estimate_name']} twice")
        found[row["result_id"]][row["estimate_name"]] = row["estimate_value"]
        if any(row[f"{pair}_{end}"] != OVERALL for pair in PAIRS for end in ("name", "level")):
            faults.append("a setting of a group")
        if row["variable_level"] != "NA":
            faults.append("a setting with a level")
    for number in {row["result_id"] for row in figures} - found.keys():
        faults.append(f"result {number} has no settings")
    sets = Counter(tuple(sorted(each.items())) for each in found.values())
    faults += ["two results with the same settings"] * (max(sets.values(), default=1) > 1)
    for number, named in found.items():
        faults += [f"no setting {name}" for name in COMPULSORY if name not in named]
        own = [row for row in figures if row["result_id"] == number]
        used = {pair: _names(own, pair) for pair in PAIRS}
        for pair in PAIRS:
            if set(named.get(pair, "").split(" &&& ")) - {""} != used[pair]:
                faults.append(f"setting {pair} of result {number}")
        taken = {"settings": set(named) - set(PAIRS), "columns": set(COLUMNS), **used}
        faults += [
            f"{both} in {one} and {other}"
            for one, other in combinations(taken, 2)
            if (both := taken[one] & taken[other])
        ]
    return faults


def _names(rows: list[Row], pair: str) -> set[str]:
    return {each for row in rows for each in row[f"{pair}_name"].split(" &&& ")} - {OVERALL}


def _of_pair(row: Row, pair: str) -> list[str]:
    names, levels = (row[f"{pair}_{end}"].split(" &&& ") for end in ("name", "level"))
    faults = [f"{pair}: {names} and {levels}"] if len(names) != len(levels) else []
    faults += [f"{pair} {name!r} is no snake_case" for name in names if not SNAKE.fullmatch(name)]
    if len(set(names)) < len(names) or (OVERALL in names) != (names == [OVERALL]):
        faults.append(f"{pair} names {names}")
    if (names == [OVERALL]) != (levels == [OVERALL]) or not all(levels):
        faults.append(f"{pair} levels {levels}")
    return faults


def _of_value(row: Row) -> str | None:
    kind, value = row["estimate_type"], row["estimate_value"]
    if value == HIDDEN:
        return None
    try:
        match kind:
            case "integer":
                is_right = str(int(value)) == value
            case "numeric":
                is_right = math.isfinite(float(value))
            case "proportion":
                is_right = 0 <= float(value) <= 1
            case "percentage":
                is_right = 0 <= float(value) <= 100
            case "date":
                is_right = bool(date.fromisoformat(value))
            case "logical":
                is_right = value in ("TRUE", "FALSE")
            case _:
                is_right = kind == "character"
    except ValueError:
        is_right = False
    return None if is_right else f"{kind} {value!r}"


def _of_repeats(figures: list[Row]) -> list[str]:
    keys = Counter(
        tuple(value for name, value in row.items() if name != "estimate_value") for row in figures
    )
    faults = [f"a figure twice: {key}" for key, n in keys.items() if n > 1]
    groups = Counter(
        (_grouping(row), row["variable_name"])
        for row in figures
        if row["variable_name"].replace("_", " ").lower() in OF_A_GROUP
        and "count" in row["estimate_name"]
    )
    return [*faults, *(f"{key} {n} times in its group" for key, n in groups.items() if n > 1)]


def _grouping(row: Row) -> tuple[str, ...]:
    pairs = [row[f"{pair}_{end}"] for pair in PAIRS for end in ("name", "level")]
    return (row["result_id"], row["cdm_name"], *pairs)


def _minima(settings: list[Row]) -> dict[str, int]:
    return {
        row["result_id"]: int(row["estimate_value"])
        for row in settings
        if row["estimate_name"] == "min_cell_count"
    }


def _of_suppression(figures: list[Row], minima: dict[str, int]) -> list[str]:
    """Return small counts, and figures that stand beside a count that is hidden."""
    faults, hidden = [], set()
    for row in figures:
        if "count" in row["estimate_name"]:
            if row["estimate_value"] == HIDDEN:
                hidden.add((_grouping(row), row["variable_level"]))
            elif 0 < float(row["estimate_value"]) < minima.get(row["result_id"], 0):
                faults.append(f"a small count: {row}")
    for row in figures:
        is_linked = (_grouping(row), row["variable_level"]) in hidden
        if is_linked and "count" not in row["estimate_name"] and row["estimate_value"] != HIDDEN:
            faults.append(f"a figure of a hidden count: {row}")
    return faults


# ---- The tables of the results, read back ----

_ESTIMATES = {
    "count": "n_persons",
    "proportion": "share",
    "prevalence": "share",
    "outcome_count": "n_persons",
    "proportion_95CI_lower": "ci_low",
    "prevalence_95CI_lower": "ci_low",
    "proportion_95CI_upper": "ci_high",
    "prevalence_95CI_upper": "ci_high",
}


def tables(rows: list[Row]) -> dict[str, list[Row]]:
    """Return what a file says, as the rows of the tables that it was made from."""
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    found: dict[str, dict[tuple[object, ...], Row]] = defaultdict(dict)
    for row in rows:
        if row["variable_name"] == "settings":
            kinds[row["result_id"]][row["estimate_name"]] = row["estimate_value"]
            continue
        settings = kinds[row["result_id"]]
        table, keys = _keys(row, settings)
        value = "" if row["estimate_value"] == HIDDEN else row["estimate_value"]
        name = _column(row, table)
        found[table].setdefault(tuple(keys.items()), dict(keys))[name] = value
    return {name: list(each.values()) for name, each in found.items()}


def _column(row: Row, table: str) -> str:
    if row["variable_name"] == "excluded_subjects":
        return "n_excluded"
    if row["estimate_name"] == "denominator_count":
        of_strata = table in ("subgroup_summary", "preference_summary")
        return "n_stratum" if of_strata else "n_population"
    name = row["estimate_name"]
    other = f"n_{name.removesuffix('_count')}" if name.endswith("_count") else name
    return _ESTIMATES.get(name, other)


def _keys(row: Row, settings: Row) -> tuple[str, Row]:
    pairs = {
        name: level
        for pair in PAIRS
        for name, level in zip(
            row[f"{pair}_name"].split(" &&& "), row[f"{pair}_level"].split(" &&& "), strict=True
        )
        if name != OVERALL
    }
    kind = settings["result_type"]
    if kind == "prevalence_attrition":
        return "attrition", {"step": pairs["reason_id"], "reason": pairs["reason"]}
    if kind == "prevalence":
        inner, outer = pairs["denominator_cohort_name"], pairs["outcome_cohort_name"]
        if settings["analysis_type"] == "point prevalence":
            return kind, {"population": inner, "measure": outer}
        year = pairs["prevalence_start_date"][:4]
        return "prevalence_by_year", {"event": inner, "calendar_year": year, "measure": outer}
    keys = {row["variable_name"]: row["variable_level"]}
    if "cohort_name" in pairs:
        keys["population"] = pairs.pop("cohort_name")
    if kind in ("subgroup_summary", "preference_summary"):
        ((stratum, value),) = pairs.items() or [("all", "all")]
        return kind, {"stratum": stratum, "stratum_value": value, **keys}
    return kind, {**pairs, **keys}
