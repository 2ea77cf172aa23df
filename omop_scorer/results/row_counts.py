"""Rows of a run in each results table: what was written must be found, at once and later.

A trigger, a rule, a row-level policy, a lost file or a restore changes rows without an error.
"""

import json
from collections.abc import Iterable, Mapping

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.data_model import person_level_tables
from omop_scorer.errors import ResultsError
from omop_scorer.results.history import Run
from omop_scorer.stores.base import ResultsReader, Store
from omop_scorer.terms import COMPLETE

RUN = "scoring_run"


def refuse_lost_rows(store: Store, run_id: int, written: Mapping[str, int]) -> None:
    """Fail unless each table holds exactly the rows of the run that were written to it.

    Parameters
    ----------
    store
        The results, in the transaction that writes the run.
    run_id
        The run.
    written
        Number of rows by table.

    Raises
    ------
    ResultsError
        Names every table that differs.
    """
    found = {str(name): int(str(n)) for name, n in store.fetch(_count(written), {"run_id": run_id})}
    if differences := _differences(written, found):
        raise ResultsError(
            *(
                f"{store.where}: {difference}: a trigger, a rule, a row-level policy or another "
                "program changed them; nothing of this run is published. Remove the cause and "
                "start again"
                for difference in differences
            )
        )


def refuse_unpublished(store: Store, run_id: int) -> None:
    """Fail unless the status COMPLETE of a run, which has just been written, is found once.

    Raises
    ------
    ResultsError
    """
    rows = store.fetch(_status_query(), {"run_id": run_id, "status": COMPLETE})
    if len(rows) != 1:
        raise ResultsError(
            f"{store.where}: table scoring_run_status: the status COMPLETE was written and is "
            f"found {len(rows)} times: a trigger, a rule, a row-level policy or another program "
            "changed it; nothing of this run is published"
        )


def refuse_changed_rows(reader: ResultsReader, run: Run, runs: Iterable[Run]) -> None:
    """Fail if a table no longer holds the rows that a COMPLETE run wrote; see `lost_rows`.

    Raises
    ------
    ResultsError
    """
    if lost := lost_rows(reader, run, runs):
        raise ResultsError(
            *(
                f"{reader.where}: run {run.run_id} has changed since it was published: {each}; "
                "restore the results, or start another run"
                for each in lost
            )
        )


def lost_rows(reader: ResultsReader, run: Run, runs: Iterable[Run]) -> list[str]:
    """Return a problem for each table that no longer holds the rows that a run wrote.

    Parameters
    ----------
    reader
        The results.
    run
        A COMPLETE run. Of a run of an earlier release only the number of patients is known.
    runs
        Every run. The rows of persons may be missing altogether if retention has removed them.
    """
    rows = reader.read(_status_query(), {"run_id": run.run_id, "status": COMPLETE}).to_pylist()
    text = next((row.get("rows_written") for row in rows), None)
    written = json.loads(text) if text else {"patient_subgroup": run.n_scored or 0}
    present = reader.tables()
    known = {table: n for table, n in written.items() if table in present}
    counted = reader.read(_count(known), {"run_id": run.run_id}).to_pylist() if known else []
    found = {str(row["table_name"]): int(row["n_rows"]) for row in counted}
    of_persons = [table for table in person_level_tables() if table in written]
    if not any(found.get(table) for table in of_persons) and _is_limited(run, runs):
        written = {table: n for table, n in written.items() if table not in of_persons}
    return _differences(written, found)


def _is_limited(run: Run, runs: Iterable[Run]) -> bool:
    """Return True if a later run may have removed the rows of persons from a run."""
    return any(
        later.run_id > run.run_id
        and later.has_published
        and json.loads(later.config_json).get("keep_person_level_runs") is not None
        for later in runs
    )


def _differences(written: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    return [
        f"table {table}: {n:,} rows were written and {found.get(table, 0):,} are found"
        for table, n in written.items()
        if found.get(table, 0) != n
    ]


def _count(tables: Iterable[str]) -> exp.Expr:
    """Return the query that counts the rows of the run `run_id` in each table."""
    return sql.parse(
        " UNION ALL ".join(
            f"SELECT '{table}' AS table_name, COUNT(*) AS n_rows "  # noqa: S608
            f"FROM results.{table} WHERE run_id = :run_id"
            for table in tables
        )
    )


def _status_query() -> exp.Expr:
    # Results of an earlier release lack the column rows_written.
    return sql.parse(
        "SELECT * FROM results.scoring_run_status WHERE run_id = :run_id AND status = :status"
    )
