"""A run as one DuckDB file: plain tables in its main schema, readable by DuckDB 1.0 and later."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from omop_scorer.connections.duckdb import attach, connected, errors_as
from omop_scorer.errors import ResultsError
from omop_scorer.export.places import MARK, refuse_changes_of_readers, replaced_file
from omop_scorer.export.tables import ExportedRun
from omop_scorer.results.descriptions import descriptions
from omop_scorer.stores.base import Description
from omop_scorer.stores.comments import comment_statements


def write_duckdb(path: Path, exported: ExportedRun) -> None:
    """Write the tables of a run to a file that only this user can read.

    Raises
    ------
    ResultsError
    """
    run = exported.run
    mark = f"{MARK}: {run.run_id}, as of {run.as_of_date}"
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
        connection.execute("USE exported")
        connection.execute(comment_statements("main", _comments(exported.names, mark)))
        connection.execute("USE memory")
        connection.execute("DETACH exported")
        refuse_changes_of_readers(path)


def _comments(names: Sequence[str], mark: str) -> list[Description]:
    """Return the descriptions of the tables, each with the mark, and of their columns."""
    tables = dict.fromkeys(names, "")
    columns = []
    for each in descriptions():
        if each.name in tables and each.column:
            columns.append(replace(each, is_view=False))
        elif each.name in tables:
            tables[each.name] = f"{each.text}. "
    marked = [
        Description(name, is_view=False, column="", text=text + mark)
        for name, text in tables.items()
    ]
    return marked + columns
