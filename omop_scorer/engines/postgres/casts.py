"""Safe casts in PostgreSQL from the type of a site's column to the type that the queries expect.

They accept exactly the values that the casts in DuckDB accept. A regular expression checks each
value before a server function that could fail on it, because PostgreSQL before 16 has no cast
that returns NULL in place of an error.
"""

import re
from collections.abc import Mapping

from sqlglot import exp

from omop_scorer.cdm.tables import Kind
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.date_formats import as_pattern, month_names
from omop_scorer.engines.site_columns import fill, missing_as_null

_NATIVE = {
    "integer": "BIGINT",
    "double": "DOUBLE PRECISION",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "text": "TEXT",
}

_FAMILIES = (
    ("smallint|integer|bigint", "integer"),
    ("real|double precision", "float"),
    (r"numeric.*", "decimal"),
    (r"text|character varying.*", "text"),
    (r"character.*", "padded text"),
    ("date", "date"),
    (r"timestamp.*", "timestamp"),
)

_DATE = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"

_CLOCK = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9:]+)?)?"

_HOUR = "([01][0-9]|2[0-3]):[0-5][0-9]"

_EXACT_CLOCK = rf"([T ]{_HOUR}(:[0-5][0-9](\.[0-9]+)?)?(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?)?"

#: PostgreSQL refuses what DuckDB reads as zero or as infinite.
_NUMERIC_TO_DOUBLE = (
    "CASE WHEN x = 'NaN' THEN CAST('NaN' AS DOUBLE PRECISION) "
    "WHEN ABS(x) < 1e-300 THEN CAST(0 AS DOUBLE PRECISION) "
    "WHEN x > 1.7976931348623157e308 THEN CAST('Infinity' AS DOUBLE PRECISION) "
    "WHEN x < -1.7976931348623157e308 THEN CAST('-Infinity' AS DOUBLE PRECISION) "
    "ELSE CAST(x AS DOUBLE PRECISION) END"
)

_FITS = "x BETWEEN -9223372036854775808 AND 9223372036854775807"

#: By declared kind and family of the site's type; `x` stands for the column.
_LOSSLESS: Mapping[tuple[str, str], str] = {
    ("integer", "integer"): "x",
    ("double", "integer"): "CAST(x AS DOUBLE PRECISION)",
    ("double", "float"): "CAST(x AS DOUBLE PRECISION)",
    ("double", "decimal"): _NUMERIC_TO_DOUBLE,
    ("date", "date"): "x",
    ("date", "timestamp"): "CAST(x AS DATE)",
    ("timestamp", "timestamp"): "CAST(x AS TIMESTAMP)",
    ("timestamp", "date"): "CAST(x AS TIMESTAMP)",
    ("text", "text"): 'CAST(x AS TEXT) COLLATE "C"',
    ("text", "padded text"): 'CAST(x AS TEXT) COLLATE "C"',
}

_LOSSY: Mapping[tuple[str, str], str] = {
    ("integer", "float"): "CASE WHEN ABS(x) <= 9007199254740992 THEN "
    "CASE WHEN x = FLOOR(x) THEN CAST(x AS BIGINT) END END",
    ("integer", "decimal"): f"CASE WHEN {_FITS} THEN "
    "CASE WHEN x = FLOOR(x) THEN CAST(x AS BIGINT) END END",
    ("integer", "text"): r"CASE WHEN LENGTH(x) <= 300 AND TRIM(x) ~ '^[+-]?[0-9]+(\.0*)?$' THEN "
    f"CASE WHEN CAST(TRIM(x) AS DECIMAL) {_FITS.removeprefix('x ')} "
    "THEN CAST(SPLIT_PART(TRIM(x), '.', 1) AS BIGINT) END END",
    ("date", "text"): f"CASE WHEN TRIM(x) ~ '^{_DATE}{_CLOCK}$' THEN "
    "CASE WHEN LEFT(TRIM(x), 4) <> '0000' THEN CASE WHEN CAST(SUBSTRING(TRIM(x), 9, 2) AS INT) "
    "<= EXTRACT(DAY FROM MAKE_DATE(CAST(LEFT(TRIM(x), 4) AS INT), "
    "CAST(SUBSTRING(TRIM(x), 6, 2) AS INT), 1) + INTERVAL '1 MONTH' - INTERVAL '1 DAY') "
    "THEN CAST(LEFT(TRIM(x), 10) AS DATE) END END END",
}

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?0*[0-9]{1,3})?$"

#: The clock as it stands there: an offset is not applied.
_MOMENT = (
    f"CASE WHEN TRIM(x) ~ '^{_DATE}{_EXACT_CLOCK}$' AND d IS NOT NULL "
    "THEN CAST(TRIM(x) AS TIMESTAMP) END"
)


def safe_cast(
    column: exp.Expr, native: str, kind: Kind, cdm: Cdm
) -> tuple[exp.Expr, exp.Expr | None]:
    """Return a column's value as a kind, and the condition under which a value is lost.

    The condition is None where nothing can be lost. `native` is the site's type; `cdm` says which
    texts mean missing and how dates are written.
    """
    family = _family(native)
    given = column
    if family in ("text", "padded text"):
        if kind != "text" and family == "padded text":
            given, family = exp.cast(column, "TEXT"), "text"
        given = missing_as_null(given, kind, cdm)
    if template := _LOSSLESS.get((kind, family)):
        return _fill(template, given), None
    if kind == "text":
        return _fill('CAST(x AS TEXT) COLLATE "C"', given), None
    if family == "text":
        value = _read_text(given, kind, cdm)
    else:
        template = _LOSSY.get((kind, family))
        value = _fill(template, given) if template else null(kind)
    return value, exp.and_(given.is_(exp.null()).not_(), value.is_(exp.null()))


def null(kind: Kind) -> exp.Expr:
    """Return a missing value of a kind."""
    return _fill(
        'CAST(x AS TEXT) COLLATE "C"' if kind == "text" else f"CAST(x AS {_NATIVE[kind]})",
        exp.null(),
    )


def _read_text(given: exp.Expr, kind: Kind, cdm: Cdm) -> exp.Expr:
    if kind == "integer":
        return _fill(_LOSSY["integer", "text"], given)
    if kind == "double":
        number = _fill("CAST(TRIM(x) AS DECIMAL)", given)
        is_number = _fill(f"LENGTH(x) <= 300 AND TRIM(x) ~ '{_NUMBER}'", given)
        return exp.case().when(is_number, _fill(_NUMERIC_TO_DOUBLE, number))
    day = _fill(_LOSSY["date", "text"], given)
    if kind == "timestamp":
        moment = _fill(_MOMENT, given).transform(
            lambda node: day.copy() if isinstance(node, exp.Column) and node.name == "d" else node
        )
        return _first(moment, _formatted(given, cdm, kind))
    return _first(day, _formatted(given, cdm, kind))


def _first(value: exp.Expr, others: list[exp.Expr]) -> exp.Expr:
    return exp.func("COALESCE", value, *others) if others else value


def _formatted(given: exp.Expr, cdm: Cdm, kind: Kind) -> list[exp.Expr]:
    """Return the days or moments that the formats of the configuration read, years 1800 to 2299."""
    return [
        _by_format(given, text + time, kind)
        for text in cdm.date_formats
        for time in ("", " %H:%M", " %H:%M:%S")
    ]


def _by_format(given: exp.Expr, text: str, kind: Kind) -> exp.Expr:
    pattern, parts = as_pattern(text, "postgresql", re.escape)

    def of(part: str) -> str:
        literal = exp.Literal.string(f"^{pattern}$").sql(dialect="postgres")
        return f"(REGEXP_MATCH(TRIM(x), {literal}))[{parts.index(part) + 1}]"

    if "short year" in parts:
        # As POSIX has it: 69 to 99 are of the last century.
        year = f"((CAST({of('short year')} AS INT) + 31) % 100 + 1969)"
    else:
        year = f"CAST({of('year')} AS INT)"
    if "month" in parts:
        month = f"CAST({of('month')} AS INT)"
    else:
        part = "short name" if "short name" in parts else "long name"
        listed, name = ", ".join(f"'{each}'" for each in month_names(part)), of(part)
        month = f"ARRAY_POSITION(ARRAY[{listed}], LOWER({name}))"
    day = f"CAST({of('day')} AS INT)"
    value = f"MAKE_DATE({year}, {month}, {day})"
    if kind == "timestamp":
        clock = (
            f"CAST({of(p)} AS INT)" if p in parts else "0" for p in ("hour", "minute", "second")
        )
        value = f"{value} + MAKE_TIME({', '.join(clock)})"
    return _fill(
        f"CASE WHEN {month} BETWEEN 1 AND 12 AND {year} BETWEEN 1800 AND 2299 THEN "
        f"CASE WHEN {day} BETWEEN 1 AND EXTRACT(DAY FROM MAKE_DATE({year}, {month}, 1) "
        f"+ INTERVAL '1 MONTH' - INTERVAL '1 DAY') THEN {value} END END",
        given,
    )


def _fill(template: str, column: exp.Expr) -> exp.Expr:
    return fill(template, "postgres", column)


def _family(native: str) -> str:
    return next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, native)), "other")
