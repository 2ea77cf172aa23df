"""Safe casts in DuckDB from the type of a site's column to the type that the queries expect.

A plain cast rounds, wraps or guesses some values ('1.7' becomes 2, '1/2/03' a date in year 1).
Here such a value becomes NULL, and the lost values can be counted.
"""

import re
from collections.abc import Mapping

from sqlglot import exp

from omop_scorer.cdm.tables import Kind
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.site_columns import fill, missing_as_null

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

_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

_ISO_TIME = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9:]+)?)?"

_IS_ISO = f"REGEXP_FULL_MATCH(TRIM(x), '{_ISO_DATE}{_ISO_TIME}')"

#: Casts by declared kind and by family of the site's type; `x` is the column.
_LOSSLESS: Mapping[tuple[str, str], str] = {
    ("integer", "integer"): "CAST(x AS BIGINT)",
    ("double", "integer"): "CAST(x AS DOUBLE)",
    ("double", "wide integer"): "CAST(x AS DOUBLE)",
    ("double", "short float"): "CAST(x AS DOUBLE)",
    ("double", "float"): "CAST(x AS DOUBLE)",
    ("double", "decimal"): "CAST(x AS DOUBLE)",
    ("date", "date"): "x",
    ("date", "timestamp"): "CAST(x AS DATE)",
    ("timestamp", "timestamp"): "CAST(x AS TIMESTAMP)",
    ("timestamp", "date"): "CAST(x AS TIMESTAMP)",
}

_LOSSY: Mapping[tuple[str, str], str] = {
    ("integer", "wide integer"): "TRY_CAST(x AS BIGINT)",
    # Beyond 2^24, and beyond 2^53, a float stands for several ids.
    ("integer", "short float"): "CASE WHEN x = FLOOR(x) AND ABS(x) <= 16777216 "
    "THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "float"): "CASE WHEN x = FLOOR(x) AND ABS(x) <= 9007199254740992 "
    "THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "decimal"): "CASE WHEN x = FLOOR(x) THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "text"): r"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), '[+-]?[0-9]+(\.0*)?') "
    "THEN TRY_CAST(SPLIT_PART(TRIM(x), '.', 1) AS BIGINT) END",
    ("double", "text"): r"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), "
    r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?') THEN TRY_CAST(TRIM(x) AS DOUBLE) END",
    ("date", "text"): f"CASE WHEN {_IS_ISO} THEN TRY_CAST(LEFT(TRIM(x), 10) AS DATE) END",
    ("timestamp", "text"): f"CASE WHEN {_IS_ISO} THEN TRY_CAST(TRIM(x) AS TIMESTAMP) END",
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
    given = missing_as_null(column, kind, cdm) if family == "text" else column
    if kind == "text":
        return (given if family == "text" else _cast(given, kind)), None
    if template := _LOSSLESS.get((kind, family)):
        return _fill(template, given), None
    template = _LOSSY.get((kind, family))
    value = _fill(template, given) if template else null(kind)
    if family == "text" and kind in ("date", "timestamp"):
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
            parsed = _fill(f"TRY_STRPTIME(TRIM(x), {exp.Literal.string(text + time)})", given)
            plausible = _fill("YEAR(x) BETWEEN 1800 AND 2299", parsed)
            tries.append(exp.case().when(plausible, _cast(parsed, kind)))
    return exp.func("COALESCE", iso, *tries) if tries else iso


def _fill(template: str, column: exp.Expr) -> exp.Expr:
    return fill(template, "duckdb", column)


def _cast(value: exp.Expr, kind: Kind) -> exp.Expr:
    return exp.cast(value.copy(), _NATIVE[kind], dialect="duckdb")


def _family(native: str) -> str:
    upper = native.upper()
    return next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, upper)), "other")
