"""Names, values and errors of databases that SQLAlchemy reaches."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy.dialects.mssql.base import MSDialect
from sqlalchemy.dialects.oracle.base import OracleDialect
from sqlglot import exp

from omop_scorer.config.connections import Cdm
from omop_scorer.sources import sqlalchemy as module
from omop_scorer.sources.sqlalchemy import SqlAlchemySource, _array, _kind


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
    assert _array(values).equals(expected)


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
    assert _kind(error) == expected.replace("PermissionError", type(error).__name__)


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
