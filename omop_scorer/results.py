"""The results tables: create, migrate, append a run, publish it, clear what a crash left.

Tables are append-only by run_id and specified in `sql/results/results_data_model.csv`. Readers
see COMPLETE runs only, through the `latest_` views.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import pyarrow as pa
import sqlglot
from sqlglot import exp

from omop_scorer import __version__, sql
from omop_scorer.engines.base import Engine
from omop_scorer.errors import ResultsError
from omop_scorer.resources import shipped

_ARROW = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "varchar": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True)
class ResultsColumn:
    """One line of the specification of the results tables."""

    table_name: str
    column_name: str
    data_type: str
    is_required: bool
    is_key: bool
    is_count: bool
    """Whether it counts something that must not leave the warehouse while it is small."""


@cache
def data_model() -> dict[str, list[ResultsColumn]]:
    """Return the specification: columns, in order, by table."""
    path = shipped("sql") / "results" / "results_data_model.csv"
    tables: dict[str, list[ResultsColumn]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            column = ResultsColumn(
                row["table_name"],
                row["column_name"],
                row["data_type"],
                *(row[flag] == "Yes" for flag in ("is_required", "primary_key", "min_cell_count")),
            )
            tables.setdefault(column.table_name, []).append(column)
    return tables


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of a results table."""
    return pa.schema([(c.column_name, _ARROW[c.data_type]) for c in data_model()[table]])


def run_tables() -> list[str]:
    """Return the tables that a run appends to besides its own two."""
    return [name for name in data_model() if not name.startswith("scoring_run")]


def person_level_tables() -> list[str]:
    """Return those of them whose rows are of persons."""
    persons = {"person_id", "subject_id"}
    return [
        name
        for name in run_tables()
        if persons & {column.column_name for column in data_model()[name]}
    ]


def migrate(engine: Engine) -> None:
    """Bring the results schema to this version, creating it when there is none.

    Raises
    ------
    ResultsError
        The schema was made by a newer version, or holds other tables of these names.
    """
    names = migrations()
    with engine.transaction():
        if not engine.has_results():
            engine.create_results_schema()
        engine.execute(
            _parse(
                "CREATE TABLE IF NOT EXISTS results.schema_version "
                "(version INTEGER NOT NULL, tool_version VARCHAR NOT NULL, "
                "applied_at TIMESTAMP NOT NULL)"
            ),
            {},
        )
        rows = engine.fetch(
            _parse("SELECT COALESCE(MAX(version), 0) AS version FROM results.schema_version"), {}
        )
        version = int(str(rows[0][0]))
        refuse_newer(version)
        for number, name in enumerate(names[version:], start=version + 1):
            for statement in sql.find(name).statements():
                engine.execute(statement, {})
            engine.execute(
                _parse("INSERT INTO results.schema_version VALUES (:version, :tool, :at)"),
                {"version": number, "tool": __version__, "at": _now()},
            )
        if version < len(names):
            for statement in sql.find("results/views").statements():
                engine.execute(statement, {})


def refuse_newer(version: int) -> None:
    """Fail when the results schema is of a version that this release does not know.

    Raises
    ------
    ResultsError
    """
    known = len(migrations())
    if version > known:
        raise ResultsError(
            f"the results schema is of version {version}, this omop-scorer knows {known}: "
            "it was written by a newer release; install that one"
        )


def migrations() -> list[str]:
    """Return the names of the migrations, first to last."""
    return [name for name in sql.names() if name.startswith("results/migrations/")]


def clear_unfinished(engine: Engine) -> list[int]:
    """Remove the rows of runs that ended without an answer; return the run ids found RUNNING.

    Only the holder of the run lock calls this, so a RUNNING run other than its own has died.
    """
    rows = engine.fetch(
        _parse(
            "SELECT run_id, MAX(CASE WHEN status = 'FAILED' THEN 1 ELSE 0 END) AS has_failed "
            "FROM results.scoring_run_status GROUP BY run_id "
            "HAVING MAX(CASE WHEN status = 'COMPLETE' THEN 1 ELSE 0 END) = 0"
        ),
        {},
    )
    dead = [int(str(run_id)) for run_id, has_failed in rows if not has_failed]
    if rows:
        is_unfinished = exp.column("run_id").isin(*(int(str(run_id)) for run_id, _ in rows))
        for table in run_tables():
            engine.execute(exp.delete(exp.table_(table, db="results"), is_unfinished), {})
    for run_id in dead:
        record_status(engine, run_id, "FAILED", message="the run was interrupted before its end")
    return dead


def retain(engine: Engine, n_runs: int, run_id: int) -> None:
    """Remove the rows of persons of all runs but `run_id` and the latest ones; counts stay.

    The latest are the COMPLETE runs in the order of the view `latest_run`. `run_id` is kept as long
    as it is the newest, wherever it stands in that order: a night that is made up for is looked at.
    """
    rows = engine.fetch(
        _parse(
            "SELECT r.run_id FROM results.scoring_run AS r "
            "INNER JOIN results.scoring_run_status AS s ON s.run_id = r.run_id "
            "WHERE s.status = 'COMPLETE' ORDER BY r.as_of_date DESC, r.run_id DESC"
        ),
        {},
    )
    ordered = [int(str(row[0])) for row in rows]
    kept = {*ordered[:n_runs], run_id}
    for table in person_level_tables():
        held = engine.fetch(_parse(f"SELECT DISTINCT run_id FROM results.{table}"), {})  # noqa: S608
        for old in sorted({int(str(row[0])) for row in held} - kept):
            engine.execute(
                _parse(f"DELETE FROM results.{table} WHERE run_id = :run_id"),  # noqa: S608
                {"run_id": old},
            )


def is_complete(engine: Engine, run_id: int) -> bool:
    """Tell whether a run has been published."""
    rows = engine.fetch(
        _parse(
            "SELECT 1 AS one FROM results.scoring_run_status "
            "WHERE run_id = :run_id AND status = 'COMPLETE'"
        ),
        {"run_id": run_id},
    )
    return bool(rows)


def new_run_id(engine: Engine, started_at: datetime) -> int:
    """Return the run id for a start time (UTC): yyyymmddHHMMSS and two digits of hundredths."""
    proposed = int(f"{started_at:%Y%m%d%H%M%S}{started_at.microsecond // 10_000:02d}")
    rows = engine.fetch(
        _parse("SELECT COALESCE(MAX(run_id), 0) AS run_id FROM results.scoring_run"), {}
    )
    return max(proposed, int(str(rows[0][0])) + 1)


def record_run(engine: Engine, row: dict[str, object]) -> None:
    """Append the row of `scoring_run`."""
    engine.append("scoring_run", pa.Table.from_pylist([row], schema=arrow_schema("scoring_run")))


def record_status(
    engine: Engine,
    run_id: int,
    status: str,
    *,
    n_cohort: int | None = None,
    n_scored: int | None = None,
    message: str | None = None,
) -> None:
    """Append a row of `scoring_run_status`."""
    row = {
        "run_id": run_id,
        "status": status,
        "recorded_at": _now(),
        "n_cohort": n_cohort,
        "n_scored": n_scored,
        "message": message,
    }
    schema = arrow_schema("scoring_run_status")
    engine.append("scoring_run_status", pa.Table.from_pylist([row], schema=schema))


def append_staged(engine: Engine, table: str, run_id: int) -> None:
    """Append `work.<table>` to `results.<table>` under a run id."""
    columns = [name for name in arrow_schema(table).names if name != "run_id"]
    query = exp.select(
        exp.alias_(exp.cast(exp.Placeholder(this="run_id"), "BIGINT"), "run_id"), *columns
    ).from_(exp.table_(table, db="work"))
    statement = exp.insert(query, exp.table_(table, db="results"), columns=["run_id", *columns])
    engine.execute(statement, {"run_id": run_id})


def cdm_release(engine: Engine) -> tuple[dict[str, object], list[str]]:
    """Return name, version and release of the CDM, and warnings when it does not say so clearly."""
    rows = engine.fetch(
        _parse(
            "SELECT DISTINCT cdm_source_name, cdm_version, cdm_release_date, vocabulary_version "
            "FROM cdm.cdm_source"
        ),
        {},
    )
    warnings = []
    if len(rows) != 1:
        warnings.append(
            f"cdm_source holds {len(rows)} different rows instead of 1: "
            + ("the run cannot say which CDM it read" if not rows else "the run names them all")
        )

    def joined(place: int) -> str | None:
        return "; ".join(sorted({str(row[place]) for row in rows if row[place]})) or None

    vocabulary = joined(3)
    if vocabulary is None:
        versions = engine.fetch(
            _parse("SELECT vocabulary_version FROM vocab.vocabulary WHERE vocabulary_id = 'None'"),
            {},
        )
        vocabulary = str(versions[0][0]) if versions and versions[0][0] else None
    dates = [row[2] for row in rows if isinstance(row[2], date)]
    return {
        "cdm_source_name": joined(0),
        "cdm_version": joined(1),
        "cdm_release_date": max(dates, default=None),
        "vocabulary_version": vocabulary,
    }, warnings


def _parse(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="duckdb")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
