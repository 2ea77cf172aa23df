"""A value that a site keeps loosely is read alike by the casts of both engines, or by none."""

import math
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from omop_scorer.config.connections import Cdm
from omop_scorer.engines.duckdb import casts as duckdb_casts
from omop_scorer.engines.site_columns import NUMBER_AS_TEXT
from tests.support import spark, text_meanings
from tests.support.text_meanings import MEANINGS, answers

SITE = Cdm(
    url="cdm.duckdb",
    null_text=("", "n/a"),
    date_formats=("%m/%d/%Y", "%d.%m.%y", "%d-%b-%Y", "%B %d, %Y"),
)
NUMBERS = (
    *("7", " 7 ", "+7", "-7", "007", "7.", "7.0", "7.50", ".5", "-.5", ".", "", " ", "n/a", "1e3"),
    *("1E-3", "1e+03", "1e0003", "1e", "e1", "1e400", "-1e400", "1e-400", "4.9e-324", "0x10"),
    *("1_0", "1,5", "NaN", "inf", "Infinity", "true", "٧", "7\n", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775808", "-9223372036854775809", "7.000000"),
    *("1.7976931348623157e308", "0." + "0" * 40 + "7", "7" * 40, "--7", "7-", "7 7", "½"),
)
DAYS = (
    *("2024-02-29", "2023-02-29", "2024-02-30", "2024-04-31", "2024-13-01", "2024-00-10"),
    *(
        "2024-01-00",
        "0001-01-01",
        "9999-12-31",
        "2024-1-1",
        "20240101",
        " 2024-01-10 ",
    ),
    *("2024-01-10 08:00", "2024-01-10T08:00:00", "2024-01-10 08:00:00.123", "2024-01-10T08:00:00Z"),
    *(
        "2024-01-10 23:30:00-05:00",
        "2024-01-10 08:00:00+02",
        "2024-01-10 25:00",
        "2024-01-10 99:99",
    ),
    *("2024-01-10 08", "2024-01-10 08:60", "2024-01-10x", "1/10/2024", "01/10/2024", "13/01/2024"),
    *("2/29/2023", "2/29/2024", "1/10/24", "1/10/1799", "10.01.24", "10.01.99", "31.04.24"),
    *(
        "10-Jan-2024",
        "10-JAN-2024",
        "10-Jux-2024",
        "January 10, 2024",
        "1/10/2024 08:30",
        "n/a",
        "",
    ),
    *("1/10/2024 08:30:15", "infinity", "-infinity", "today", "1900-02-29", "2000-02-29"),
)
FLOATS = (
    "7",
    "7.5",
    "-0.5",
    "1e300",
    "9007199254740992",
    "9007199254740994",
    "NaN",
    "Infinity",
    "-Infinity",
)
SHORT_FLOATS = (
    *("7", "7.5", "-0.5", "16777215", "-16777215", "16777216", "16777218", "3e9", "1e30"),
    *("NaN", "Infinity"),
)
DECIMALS = ("7", "7.50", "-7.00", "99999999999999999999", "9223372036854775807", "0.00")


def in_duckdb(native: str, kind: Any, values: tuple[str, ...], site: Cdm = SITE) -> list[Any]:
    value, is_lost = duckdb_casts.safe_cast(exp.column("v"), native, kind, site)
    native = "VARCHAR" if native == NUMBER_AS_TEXT else native
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE given (n INTEGER, t VARCHAR)")
        connection.executemany("INSERT INTO given VALUES (?, ?)", list(enumerate(values)))
        query = (
            exp.select(value, exp.false() if is_lost is None else is_lost)
            .from_(f"(SELECT n, CAST(t AS {native}) AS v FROM given) AS g", dialect="duckdb")
            .order_by("n")
        )
        return connection.execute(query.sql("duckdb")).fetchall()


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-15, abs_tol=1e-300) or (
            math.isnan(left) and math.isnan(right)
        )
    return left == right


CASTS = [
    *(("varchar", "string", kind, NUMBERS) for kind in ("integer", "double", "text")),
    *(("varchar", "string", kind, DAYS) for kind in ("date", "timestamp")),
    *(("double", "double", kind, FLOATS) for kind in ("integer", "double")),
    *(("float", "float", kind, SHORT_FLOATS) for kind in ("integer", "double")),
    *(("decimal(25, 2)", "decimal(25, 2)", kind, DECIMALS) for kind in ("integer", "double")),
    (
        "timestamp",
        "timestamp_ntz",
        "date",
        ("2024-01-10 23:59:59",),
    ),
    (
        "timestamptz",
        "timestamp",
        "date",
        ("2024-01-10 23:30:00-05",),
    ),
    ("boolean", "boolean", "integer", ("true", "false")),
]


def differences(values: tuple[str, ...], left: list[Any], right: list[Any]) -> list[Any]:
    return [
        (value, *pair)
        for value, *pair in zip(values, left, right, strict=True)
        if not all(map(same, *pair))
    ]


def in_spark(native: str, kind: Any, values: tuple[str, ...], site: Cdm = SITE) -> list[Any]:
    from omop_scorer.engines.spark import casts as spark_casts

    value, is_lost = spark_casts.safe_cast(exp.column("v"), native, kind, site)
    # Of a text that is no number or day, the plain cast is not reached.
    given = pa.table({"n": range(len(values)), "t": list(values)})
    spark.session().createDataFrame(given).createOrReplaceTempView("casts_given")
    query = (
        exp.select(value, exp.false() if is_lost is None else is_lost)
        .from_(f"(SELECT n, CAST(t AS {native}) AS v FROM casts_given) AS g", dialect="spark")
        .order_by("n")
    )
    return [tuple(row) for row in spark.session().sql(query.sql("spark")).collect()]


PLAIN = Cdm(url="cdm.duckdb")


def told(found: list[Any], meanings: dict[str, Any]) -> list[Any]:
    """The texts whose cast is not what they mean."""
    return [
        (text, *pair)
        for text, *pair in zip(meanings, found, answers(meanings), strict=True)
        if not all(map(same, *pair))
    ]


@pytest.mark.parametrize("kind", MEANINGS)
def test_duckdb_reads_every_text_as_it_is_meant(kind: Any) -> None:
    meanings = MEANINGS[kind]
    assert told(in_duckdb("varchar", kind, tuple(meanings), PLAIN), meanings) == []


def test_a_column_of_numbers_may_hold_what_is_no_number() -> None:
    meanings = text_meanings.NUMBERS | text_meanings.SPECIAL_NUMBERS | {"-infinity": -math.inf}
    found = in_duckdb(NUMBER_AS_TEXT, "double", tuple(meanings), PLAIN)
    assert told(found, meanings) == []


@pytest.mark.parametrize("kind", MEANINGS)
def test_spark_reads_every_text_as_it_is_meant(kind: Any) -> None:
    meanings = MEANINGS[kind]
    assert told(in_spark("string", kind, tuple(meanings), PLAIN), meanings) == []


@pytest.mark.parametrize("is_ansi", ["true", "false"])
def test_casts_of_spark_agree(is_ansi: str) -> None:
    session = spark.session()
    settings = {"spark.sql.ansi.enabled": is_ansi, "spark.sql.session.timeZone": "UTC"}
    before = {name: session.conf.get(name) for name in settings}
    for name, setting in settings.items():
        session.conf.set(name, setting)
    try:
        found = {
            (spark_type, kind): differences(
                values, in_duckdb(native, kind, values), in_spark(spark_type, kind, values)
            )
            for native, spark_type, kind, values in CASTS
        }
    finally:
        for name, setting in before.items():
            session.conf.set(name, setting)
    assert [each for lost in found.values() for each in lost] == []
