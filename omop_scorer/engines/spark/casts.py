"""Safe casts in Spark from the type of a site's column to the type that the queries expect.

They accept exactly the values that the casts in DuckDB accept, with ANSI mode on or off: a regular
expression checks a text first, and TRY_CAST never fails. Patterns contain no backslash, because a
setting of the session decides whether a backslash is an escape.
"""

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from omop_scorer.cdm.tables import Kind
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.site_columns import fill, missing_as_null
from omop_scorer.engines.spark.date_formats import as_pattern, month_names
from omop_scorer.errors import ConfigurationError

_NATIVE = {
    "integer": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP_NTZ",
    "text": "STRING",
}

_FAMILIES = (
    ("tinyint|smallint|int|bigint", "integer"),
    ("float", "short float"),
    ("double", "float"),
    (r"decimal.*", "decimal"),
    (r"(string|varchar|char).*", "text"),
    ("date", "date"),
    ("timestamp|timestamp_ntz|timestamp_ltz", "timestamp"),
)

_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"

_ZONE = "(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)?"

#: Casts by declared kind and by family of the site's type; `x` is the column.
_LOSSLESS: Mapping[tuple[str, str], str] = {
    ("integer", "integer"): "CAST(x AS BIGINT)",
    ("double", "integer"): "CAST(x AS DOUBLE)",
    ("double", "short float"): "CAST(x AS DOUBLE)",
    ("double", "float"): "CAST(x AS DOUBLE)",
    ("double", "decimal"): "CAST(x AS DOUBLE)",
    ("date", "date"): "x",
    ("date", "timestamp"): "CAST(x AS DATE)",
    ("timestamp", "timestamp"): "CAST(x AS TIMESTAMP_NTZ)",
    ("timestamp", "date"): "CAST(x AS TIMESTAMP_NTZ)",
    ("text", "text"): "CAST(x AS STRING)",
}


def _whole(pattern: str) -> str:
    """Return a pattern that matches only the whole text; `$` would allow a final line break."""
    return f"(?s)^({pattern})(?!.)"


_LOSSY: Mapping[tuple[str, str], str] = {
    # Beyond 2^24, and beyond 2^53, a float stands for several ids.
    ("integer", "short float"): "CASE WHEN ABS(x) <= 16777216 THEN "
    "CASE WHEN CAST(TRY_CAST(x AS BIGINT) AS FLOAT) = x THEN TRY_CAST(x AS BIGINT) END END",
    ("integer", "float"): "CASE WHEN ABS(x) <= 9007199254740992 THEN "
    "CASE WHEN CAST(TRY_CAST(x AS BIGINT) AS DOUBLE) = x THEN TRY_CAST(x AS BIGINT) END END",
    ("integer", "decimal"): "CASE WHEN x = FLOOR(x) THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "text"): f"CASE WHEN TRIM(x) RLIKE '{_whole('[+-]?[0-9]+([.]0*)?')}' "
    "THEN TRY_CAST(SUBSTRING_INDEX(TRIM(x), '.', 1) AS BIGINT) END",
    ("double", "text"): "CASE WHEN TRIM(x) RLIKE "
    f"'{_whole('[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?')}' "
    "THEN TRY_CAST(TRIM(x) AS DOUBLE) END",
    ("date", "text"): "CASE WHEN TRIM(x) RLIKE "
    f"'{_whole(f'{_DATE}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.][0-9]+)?)?(Z|[+-][0-9:]+)?)?')}' "
    "THEN TRY_CAST(LEFT(TRIM(x), 10) AS DATE) END",
    # The time of day is read as written; an offset from UTC is ignored.
    ("timestamp", "text"): f"CASE WHEN TRIM(x) RLIKE '{_whole(f'{_DATE}([T ]{_CLOCK}{_ZONE})?')}' "
    f"THEN TRY_CAST(REGEXP_EXTRACT(TRIM(x), '^{_DATE}([T ]{_CLOCK})?', 0) AS TIMESTAMP_NTZ) END",
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
    if template := _LOSSLESS.get((kind, family)):
        return _fill(template, given), None
    if kind == "text":
        return _fill("CAST(x AS STRING)", given), None
    template = _LOSSY.get((kind, family))
    value = _fill(template, given) if template else null(kind)
    if family == "text" and kind in ("date", "timestamp"):
        formatted = [
            _by_format(given, text + time, kind)
            for text in cdm.date_formats
            for time in ("", " %H:%M", " %H:%M:%S")
        ]
        value = exp.func("COALESCE", value, *formatted) if formatted else value
    return value, exp.and_(given.is_(exp.null()).not_(), value.is_(exp.null()))


def null(kind: Kind) -> exp.Expr:
    """Return NULL as a value of a kind."""
    return sqlglot.parse_one(f"CAST(NULL AS {_NATIVE[kind]})", read="spark")


def _literal(character: str) -> str:
    if character in "^]\\[":
        raise ConfigurationError(
            f"cdm.date_formats: engine spark does not support {character!r} in a format; "
            "allowed: any other character"
        )
    return f"[{character}]"


def _by_format(given: exp.Expr, text: str, kind: Kind) -> exp.Expr:
    """Return the date or timestamp that a format gives, for years 1800 to 2299."""
    pattern, parts = as_pattern(text, "spark", _literal)
    whole = exp.Literal.string(_whole(pattern)).sql(dialect="spark")

    def of(part: str) -> str:
        # Group 1 of the pattern is the whole text.
        return f"REGEXP_EXTRACT(TRIM(x), {whole}, {parts.index(part) + 2})"

    if "short year" in parts:
        # POSIX: 69 to 99 mean 1969 to 1999, and 00 to 68 mean 2000 to 2068.
        year = f"((TRY_CAST({of('short year')} AS INT) + 31) % 100 + 1969)"
    else:
        year = f"TRY_CAST({of('year')} AS INT)"
    if "month" in parts:
        month = f"TRY_CAST({of('month')} AS INT)"
    else:
        part = "short name" if "short name" in parts else "long name"
        listed, name = ", ".join(f"'{each}'" for each in month_names(part)), of(part)
        month = f"ARRAY_POSITION(ARRAY({listed}), LOWER({name}))"
    written = f"CONCAT({year}, '-', {month}, '-', TRY_CAST({of('day')} AS INT))"
    if kind == "timestamp":
        clock = [f"LPAD({of(p)}, 2, '0')" if p in parts else "'00'" for p in ("hour", "minute")]
        second = f"LPAD({of('second')}, 2, '0')" if "second" in parts else "'00'"
        written = f"CONCAT({written}, ' ', {clock[0]}, ':', {clock[1]}, ':', {second})"
    return _fill(
        f"CASE WHEN TRIM(x) RLIKE {whole} THEN CASE WHEN {year} BETWEEN 1800 AND 2299 "
        f"THEN TRY_CAST({written} AS {_NATIVE[kind]}) END END",
        given,
    )


def _fill(template: str, column: exp.Expr) -> exp.Expr:
    return fill(template, "spark", column)


def _family(native: str) -> str:
    return next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, native)), "other")
