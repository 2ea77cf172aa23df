"""The tables of a run and the views of that run, read in the same way from every store.

The views are not those of the store: their queries are sent with the runs that were known when this
one was the latest, so that an older run can be exported too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.connections.duckdb import connected, errors_as
from omop_scorer.data_model import arrow_schema, data_model
from omop_scorer.errors import ResultsError
from omop_scorer.results.history import Run, list_runs, run_of
from omop_scorer.results.row_counts import refuse_changed_rows
from omop_scorer.results.schema import refuse_older
from omop_scorer.stores.base import ResultsReader

#: Runs and statuses as they were when a run was the latest.
_KNOWN = {
    "scoring_run": "SELECT * FROM results.scoring_run WHERE as_of_date < :as_of_date "
    "OR (as_of_date = :as_of_date AND run_id <= :run_id)",
    "scoring_run_status": "SELECT * FROM results.scoring_run_status "
    "WHERE run_id IN (SELECT run_id FROM scoring_run)",
}


@dataclass(frozen=True, eq=False)
class ExportedTable:
    """A table of an export."""

    name: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    """Its rows, once; none if `same_as` is given."""
    same_as: str | None = None
    """An earlier table of the export that has the same rows."""


@dataclass(frozen=True, eq=False)
class ExportedRun:
    """A run and its tables, which are read while they are iterated."""

    run: Run
    tables: Iterator[ExportedTable]

    @property
    def names(self) -> list[str]:
        """Names of the tables and views of an export."""
        return [*data_model(), *_views()]


def exported_run(reader: ResultsReader, which: str | int) -> ExportedRun:
    """Return the tables of a run with the rows of persons.

    Raises
    ------
    ConfigurationError
        There is no such run.
    ResultsError
        The run is not COMPLETE, its rows have changed, those of persons have been removed, or an
        earlier release wrote the results.
    """
    runs = list_runs(reader)
    run = run_of(runs, which)
    refuse_older(reader)
    refuse_changed_rows(reader, run, runs)
    n_persons = sql.parse("SELECT COUNT(*) AS n FROM results.patient_subgroup WHERE run_id = :id")
    if run.n_scored and not reader.read(n_persons, {"id": run.run_id})["n"][0].as_py():
        raise ResultsError(
            f"run {run.run_id} has no rows of persons any more, because keep_person_level_runs "
            "limits them; choose a later run, or the format csv or summarised_result"
        )
    return ExportedRun(run, _tables(reader, run))


def _tables(reader: ResultsReader, run: Run) -> Iterator[ExportedTable]:
    bound = {"run_id": run.run_id, "as_of_date": run.as_of_date}

    def rows(query: exp.Expr, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        used = {each.name for each in query.find_all(exp.Placeholder)}
        parameters = {name: value for name, value in bound.items() if name in used}
        for batch in reader.stream(query, parameters):
            # A store may give another width of a number, or a decimal.
            table = pa.Table.from_batches([batch]).select(schema.names).cast(schema)
            yield from table.to_batches()

    for name in data_model():
        query = sql.parse(f"SELECT * FROM results.{name} WHERE run_id = :run_id")  # noqa: S608
        schema = arrow_schema(name)
        yield ExportedTable(name, schema, rows(query, schema))
    views = _views()
    schemas = _view_schemas()
    for name in views:
        same = _plain_view_of(views[name])
        batches = iter(()) if same else rows(_query(name, views), schemas[name])
        yield ExportedTable(name, schemas[name], batches, same)


def _views() -> Mapping[str, exp.Expr]:
    """Return the query of each view; a view comes after those that it reads."""
    return {
        tree.this.name: tree.expression
        for tree in sql.find("results/views").statements()
        if isinstance(tree, exp.Create)
    }


def _plain_view_of(view: exp.Expr) -> str | None:
    """Return the table whose rows of the run are all that a view gives; None for any other view."""
    for name in sorted({table for _, table in sql.tables_of(view)} & data_model().keys()):
        plain = (
            f"SELECT t.* FROM results.{name} AS t "  # noqa: S608
            "INNER JOIN results.latest_run AS r ON r.run_id = t.run_id"
        )
        if view == sql.parse(plain):
            return name
    return None


def _query(view: str, views: Mapping[str, exp.Expr]) -> exp.Expr:
    """Return the query of a view, with what it reads of other views and of runs in front of it."""
    known = {name: sql.parse(text) for name, text in _KNOWN.items()}
    named = {**known, **{name: tree.copy() for name, tree in views.items()}}
    needed = {view, "scoring_run"}
    for name in reversed(named):
        if name in needed:
            needed |= {table for _, table in sql.tables_of(named[name])} & named.keys()
    for name in needed - known.keys():
        for table in named[name].find_all(exp.Table):
            if table.db == "results" and table.name in named:
                table.set("db", None)
    query = sql.parse(f"SELECT * FROM {view}")  # noqa: S608
    assert isinstance(query, exp.Query)
    for name, tree in named.items():
        if name in needed:
            query = query.with_(name, as_=tree, copy=False)
    return query


def _view_schemas() -> dict[str, pa.Schema]:
    """Return the Arrow schema of each view, as DuckDB gives it for empty tables."""
    with connected() as connection, errors_as(ResultsError, "sql/results/views.sql"):
        connection.execute("CREATE SCHEMA results")
        for name in data_model():
            empty = connection.from_arrow(arrow_schema(name).empty_table())
            empty.create(f"results.{name}")
        found = {}
        for view in sql.find("results/views").statements():
            connection.execute(view.sql(dialect="duckdb"))
            rows = connection.sql(f"FROM results.{view.this.name} LIMIT 0")
            found[view.this.name] = rows.to_arrow_table().schema
    return found
