"""Names, values and errors of databases that SQLAlchemy reaches."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from sqlalchemy.dialects.mssql.base import MSDialect
from sqlalchemy.dialects.oracle.base import OracleDialect
from sqlglot import exp

from omop_scorer.config.connections import Cdm
from omop_scorer.sources import sqlalchemy as module
from omop_scorer.sources.driver_errors import is_transient, kind
from omop_scorer.sources.sqlalchemy import SqlAlchemySource
from omop_scorer.sources.values import arrow_column


def qualified(dialect: Any, name: str, schema: str | None) -> exp.Table:
    source = object.__new__(SqlAlchemySource)
    source._connection = SimpleNamespace(dialect=dialect)  # type: ignore[assignment]
    return source._qualified(name, schema)


@pytest.mark.parametrize(
    ("dialect", "written", "name", "schema", "expected"),
    [
        # SQLAlchemy shows PERSON of Oracle as person, and a name in mixed case as it is.
        (OracleDialect(), "oracle", "person", "cdm", '"CDM"."PERSON"'),
        (OracleDialect(), "oracle", "Person", None, '"Person"'),
        (MSDialect(), "tsql", "person", "dbo", "[dbo].[person]"),
        (MSDialect(), "tsql", "person", "omop.dbo", "[omop].[dbo].[person]"),
        (MSDialect(), "tsql", 'pe"r]son', "dbo", '[dbo].[pe"r]]son]'),
    ],
)
def test_names_are_quoted_as_they_are_stored(
    dialect: Any, written: str, name: str, schema: str | None, expected: str
) -> None:
    assert qualified(dialect, name, schema).sql(written) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, None, 2**62), pa.array([1, None, 2**62], pa.int64())),
        ((1, 2**70), pa.array(["1", "1180591620717411303424"])),
        ((0.1, None), pa.array([0.1, None])),
        ((Decimal("7.60"), Decimal("1E+3")), pa.array(["7.60", "1000"])),
        ((date(2024, 3, 1), None), pa.array(["2024-03-01", None])),
        ((datetime(2024, 3, 1, 23, 59, 59, 5),), pa.array(["2024-03-01T23:59:59.000005"])),
        ((True, 1), pa.array(["True", "1"])),
        (("", None, " x"), pa.array(["", None, " x"])),
        ((1, 0.5), pa.array(["1", "0.5"])),
        ((b"mg/L",), pa.array(["mg/L"])),
        ((None, None), pa.array([None, None], pa.string())),
    ],
)
def test_a_column_is_integers_floats_or_exact_text(values: Any, expected: pa.Array) -> None:
    assert arrow_column(values, UTC).equals(expected)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("patient 1001 has 7.6"), "ValueError"),
        (OSError(1045, "Access denied for user 'ann'"), "PermissionError 1045"),
        (RuntimeError("28000", "Login failed for 'ann'"), "RuntimeError 28000"),
        (RuntimeError(SimpleNamespace(full_code="ORA-01017")), "RuntimeError ORA-01017"),
        (RuntimeError("SMITH"), "RuntimeError"),
        (None, "NoneType"),
    ],
)
def test_an_error_is_named_by_its_kind_and_code_alone(error: Any, expected: str) -> None:
    assert kind(error) == expected.replace("PermissionError", type(error).__name__)


def failure(*args: object, **attributes: object) -> Exception:
    error = RuntimeError(*args)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


@pytest.mark.parametrize(
    ("dialect", "error", "expected"),
    [
        ("mysql", failure(2003, "Can't connect", sqlstate="HY000"), True),
        ("mariadb", failure(2006, "gone away"), True),
        ("mysql", failure(1213, "Deadlock", sqlstate="40001"), True),
        ("mariadb", failure(1412, "Table definition has changed", sqlstate="HY000"), True),
        ("mysql", failure(1045, "Access denied for user 'ann'", sqlstate="28000"), False),
        ("mysql", failure(1146, "no such table", sqlstate="42S02"), False),
        ("sqlite", failure("database is locked", sqlite_errorname="SQLITE_BUSY"), True),
        ("sqlite", failure("malformed", sqlite_errorname="SQLITE_CORRUPT"), False),
        ("oracle", failure(SimpleNamespace(full_code="ORA-12541")), True),
        ("oracle", failure(SimpleNamespace(full_code="ORA-01017")), False),
        ("mssql", failure("08S01", "[08S01] Communication link failure"), True),
        ("mssql", failure("40001", "[40001] deadlock victim"), True),
        ("mssql", failure("28000", "[28000] Login failed for user 'ann'"), False),
        # A number means what it means in its own database alone.
        ("snowflake", failure(2003, "Object does not exist"), False),
        ("redshift", failure("server closed", pgcode="57P01"), True),
    ],
)
def test_a_fault_that_passes_is_known_by_its_code(
    dialect: str, error: Exception, expected: bool
) -> None:
    assert is_transient(error, dialect) == expected


def test_a_moment_with_a_time_zone_is_read_in_that_of_the_run_file() -> None:
    moments = [datetime(2024, 3, 1, 23, 30, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    expected = ["2024-03-02T00:30:00", "9999-12-31T23:59:59.999999"]
    assert arrow_column(moments, ZoneInfo("Europe/Berlin")).equals(pa.array(expected))


@pytest.mark.parametrize(
    ("levels", "snapshot"),
    [
        ({"sqlite": "SERIALIZABLE"}, "sqlite: one snapshot"),
        ({}, "sqlite: no snapshot, tables read one after another"),
    ],
)
def test_a_database_without_snapshots_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, levels: dict[str, str], snapshot: str
) -> None:
    path = tmp_path / "cdm.sqlite"
    path.touch()
    monkeypatch.setattr(module, "_SNAPSHOTS", levels)
    source = SqlAlchemySource(Cdm(url=f"sqlite:///{path}"))
    source.close()
    assert source.snapshot == snapshot
