"""A run as one DuckDB file: plain tables in its main schema, readable by DuckDB 1.0 and later."""

from pathlib import Path

from sqlglot import exp

from omop_scorer.connections.duckdb import attach, connected, errors_as
from omop_scorer.errors import ResultsError
from omop_scorer.export.places import MARK, replaced_file
from omop_scorer.export.tables import ExportedRun


def write_duckdb(path: Path, exported: ExportedRun) -> None:
    """Write the tables of a run to a file that only this user can read.

    Raises
    ------
    ResultsError
    """
    run = exported.run
    comment = exp.Literal.string(f"{MARK}: {run.run_id}, as of {run.as_of_date}")
    with (
        replaced_file(path, is_private=True) as new,
        connected() as connection,
        errors_as(ResultsError, str(path)),
    ):
        attach(connection, new, "exported", read_only=False)
        for table in exported.tables:
            target = f"exported.main.{table.name}"
            if table.same_as is not None:
                same = f"exported.main.{table.same_as}"
                connection.execute(f"CREATE TABLE {target} AS FROM {same}")
                continue
            connection.execute("BEGIN")
            connection.from_arrow(table.schema.empty_table()).create(target)
            for batch in table.batches:
                connection.from_arrow(batch).insert_into(target)
            connection.execute("COMMIT")
        for name in exported.names:
            connection.execute(
                f"COMMENT ON TABLE exported.main.{name} IS {comment.sql(dialect='duckdb')}"
            )
        connection.execute("DETACH exported")
