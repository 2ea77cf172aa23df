"""Rows of protected tables, and what can be added up from counts that are shown."""

from typing import Any

import pandas as pd

from omop_scorer.report.words import number

Row = dict[str, Any]
"""Column names with values; a value that is not shown or does not exist is None."""

Rows = list[Row]


def rows_of(frame: pd.DataFrame | None) -> Rows:
    """Return the rows of a frame, with None where a value is missing; no rows if there is none."""
    if frame is None or frame.empty:
        return []
    known = frame.astype(object).where(frame.notna(), None)
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in known.to_numpy().tolist()]


def pick(rows: Rows, **wanted: object) -> Rows:
    """Return the rows with these values."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def only_row(rows: Rows) -> Row | None:
    """Return the first row; None if there is none."""
    return rows[0] if rows else None


def distinct(rows: Rows, column: str) -> list[Any]:
    """Return the values of a column, each once, in the order of the rows."""
    return list(dict.fromkeys(row[column] for row in rows))


def added(values: list[int | None]) -> int | None:
    """Return the sum of counts; None if one of them is not shown."""
    return None if any(value is None for value in values) else sum(n for n in values if n)


def portion(n: Any, of: Any) -> float | None:
    """Return the share of two counts; None if one is not shown or the second is zero."""
    part, total = number(n), number(of)
    return None if part is None or not total else part / total
