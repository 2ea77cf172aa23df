"""Safe casts in DuckDB from the type of a site's column to the type that the queries expect.

A plain cast rounds, wraps or guesses some values ('1.7' becomes 2, '1/2/03' a date in year 1).
Here such a value becomes NULL, and the lost values can be counted.
"""

import re
from collections.abc import Mapping

from sqlglot import exp

from omop_scorer.cdm.tables import Kind
from omop_scorer.config.connections import Cdm
from omop_scorer.engines import texts
from omop_scorer.engines.site_columns import NUMBER_AS_TEXT, fill, missing_as_null

_NATIVE = {
    "integer": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "text": "VARCHAR",
}

_FAMILIES = (
    ("TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER", "integer"),
    ("HUGEINT|UBIGINT|UHUGEINT", "wide integer"),
    ("FLOAT", "short float"),
    ("DOUBLE", "float"),
    (r"DECIMAL.*", "decimal"),
    ("VARCHAR.*", "text"),
    ("DATE", "date"),
    (r"TIMESTAMP.*", "timestamp"),
)


def _is(pattern: str) -> str:
    return f"REGEXP_FULL_MATCH(x, '{pattern}')"


def _moment(native: str, kept: str) -> str:
    """Return the cast of a text of a day, with or without a time of day."""
    return (
        f"CASE WHEN {_is(texts.MOMENT)} THEN TRY_CAST({kept} AS {native}) "
        f"WHEN {_is(texts.BEFORE_CALENDAR)} THEN CAST('{texts.FIRST_DAY}' AS {native}) "
        f"WHEN {_is(texts.AFTER_CALENDAR)} THEN CAST('{texts.LAST_DAY}' AS {native}) END"
    )


_FINITE = (
    "CASE WHEN ABS(TRY_CAST(x AS DOUBLE)) < CAST('inf' AS DOUBLE) THEN TRY_CAST(x AS DOUBLE) END"
)

_INTEGER = f"CASE WHEN {_is(texts.WHOLE_NUMBER)} THEN TRY_CAST(SPLIT_PART(x, '.', 1) AS BIGINT) END"

#: Casts by declared kind and by family of the site's type; `x` is the column.
_LOSSLESS: Mapping[tuple[str, str], str] = {
    ("integer", "integer"): "CAST(x AS BIGINT)",
    ("double", "integer"): "CAST(x AS DOUBLE)",
    ("double", "wide integer"): "CAST(x AS DOUBLE)",
    ("double", "float"): "CAST(x AS DOUBLE)",
    ("double", "short float"): "CAST(x AS DOUBLE)",
    ("double", "decimal"): "CAST(x AS DOUBLE)",
    ("date", "date"): "x",
    ("date", "timestamp"): "CAST(x AS DATE)",
    ("timestamp", "timestamp"): "CAST(x AS TIMESTAMP)",
}

_LOSSY: Mapping[tuple[str, str], str] = {
    ("integer", "wide integer"): "TRY_CAST(x AS BIGINT)",
    # From 2^53 on, and in 32 bits from 2^24 on, a float may be the rounded value of another id.
    ("integer", "float"): "CASE WHEN x = FLOOR(x) AND ABS(x) < 9007199254740992 "
    "THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "short float"): "CASE WHEN x = FLOOR(x) AND ABS(x) < 16777216 "
    "THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "decimal"): "CASE WHEN x = FLOOR(x) THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "text"): _INTEGER,
    ("integer", NUMBER_AS_TEXT): _INTEGER,
    ("double", "text"): f"CASE WHEN {_is(texts.NUMBER)} THEN {_FINITE} END",
    ("double", NUMBER_AS_TEXT): f"CASE WHEN {_is(texts.NUMBER)} THEN {_FINITE} "
    f"WHEN {_is(texts.NOT_A_NUMBER)} THEN CAST('nan' AS DOUBLE) "
    f"WHEN {_is(texts.ENDLESS)} THEN TRY_CAST(x AS DOUBLE) END",
    ("date", "text"): _moment("DATE", "LEFT(x, 10)"),
    ("timestamp", "text"): _moment("TIMESTAMP", f"REGEXP_EXTRACT(x, '{texts.KEPT_OF_MOMENT}', 0)"),
    # A day beyond the moments that DuckDB knows is none.
    ("timestamp", "date"): "TRY_CAST(x AS TIMESTAMP)",
}


def safe_cast(
    column: exp.Expr, native: str, kind: Kind, cdm: Cdm
) -> tuple[exp.Expr, exp.Expr | None]:
    """Return a column cast to a kind, and the condition under which the cast loses its value.

    Parameters
    ----------
    column, native
        Column of the site and its type there.
    kind
        Kind that the queries expect.
    cdm
        Settings that list the texts for missing and the date formats.

    Returns
    -------
    tuple
        Cast column, and the condition; None if the cast cannot lose a value.
    """
    family = _family(native)
    is_text = family in ("text", NUMBER_AS_TEXT)
    given = missing_as_null(column, kind, cdm, "duckdb") if is_text else column
    if kind == "text":
        return (given if is_text else _cast(given, kind)), None
    if template := _LOSSLESS.get((kind, family)):
        return _fill(template, given), None
    # SQLite takes a type that it does not know for a number type, and keeps texts of days in it.
    is_day = kind in ("date", "timestamp")
    template = _LOSSY.get((kind, "text" if is_text and is_day else family))
    value = _fill(template, given) if template else null(kind)
    if is_text and is_day:
        value = _with_date_formats(value, given, kind, cdm)
    return value, exp.and_(given.is_(exp.null()).not_(), value.is_(exp.null()))


def null(kind: Kind) -> exp.Expr:
    """Return NULL as a value of a kind."""
    return _cast(exp.null(), kind)


def _with_date_formats(iso: exp.Expr, given: exp.Expr, kind: Kind, cdm: Cdm) -> exp.Expr:
    """Add the date formats of the run file to an ISO cast, for years 1800 to 2299."""
    tries = []
    for text in cdm.date_formats:
        for time in ("", " %H:%M", " %H:%M:%S"):
            parsed = _fill(f"TRY_STRPTIME(x, {exp.Literal.string(text + time)})", given)
            plausible = _fill("YEAR(x) BETWEEN 1800 AND 2299", parsed)
            tries.append(exp.case().when(plausible, _cast(parsed, kind)))
    return exp.func("COALESCE", iso, *tries) if tries else iso


def _fill(template: str, column: exp.Expr) -> exp.Expr:
    return fill(template, "duckdb", column)


def _cast(value: exp.Expr, kind: Kind) -> exp.Expr:
    return exp.cast(value.copy(), _NATIVE[kind], dialect="duckdb")


def _family(native: str) -> str:
    if native == NUMBER_AS_TEXT:
        return native
    upper = native.upper()
    return next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, upper)), "other")
