"""Runs in the results schema: begin, publish, record a failure, and remove rows no longer needed.

The tables are append-only by run_id and specified in `sql/results/results_data_model.csv`. Readers
see only COMPLETE runs, through the `latest_` views.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from sqlglot import exp

from omop_scorer import __version__, sql
from omop_scorer.config.definitions import Definitions
from omop_scorer.data_model import arrow_schema, person_level_tables, rows_schema, run_tables
from omop_scorer.engines.base import Engine
from omop_scorer.errors import OmopScorerError, ResultsError
from omop_scorer.stores.base import Store, Writer
from omop_scorer.terms import COMPLETE, FAILED, RUNNING
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide

#: Clocks of two machines may differ by so much.
CLOCK_TOLERANCE = timedelta(minutes=1)

#: Runs that are COMPLETE and not withdrawn, as in the view `latest_run`.
_PUBLISHED = (
    "FROM results.scoring_run AS r "
    "INNER JOIN results.scoring_run_status AS s ON s.run_id = r.run_id AND s.status = 'COMPLETE' "
    "LEFT JOIN results.scoring_run_status AS w ON w.run_id = r.run_id AND w.status = 'WITHDRAWN' "
    "WHERE w.run_id IS NULL"
)


def clear_unfinished(store: Store) -> list[int]:
    """Remove the rows of runs that are not COMPLETE; return the ids of those that were RUNNING.

    The caller holds the run lock, so a run that is still RUNNING was interrupted. It is recorded as
    FAILED.
    """
    rows = store.fetch(
        sql.parse(
            "SELECT run_id, MAX(CASE WHEN status = 'FAILED' THEN 1 ELSE 0 END) AS has_failed "
            "FROM results.scoring_run_status GROUP BY run_id "
            "HAVING MAX(CASE WHEN status = 'COMPLETE' THEN 1 ELSE 0 END) = 0"
        ),
        {},
    )
    dead = [int(str(run_id)) for run_id, has_failed in rows if not has_failed]
    if unfinished := [int(str(run_id)) for run_id, _ in rows]:
        for table in run_tables():
            store.remove(table, unfinished)
    for run_id in dead:
        record_status(store, run_id, FAILED, message="the run was interrupted before its end")
    return dead


def retain(store: Store, n_runs: int, run_id: int) -> None:
    """Remove person-level rows of all runs except `run_id` and the latest `n_runs`; counts stay.

    The latest runs are those of the view `latest_run`, in its order: COMPLETE and not withdrawn.
    `run_id`, the run
    that has just ended, is kept even if it is a backfill of an old night and not among them.
    """
    rows = store.fetch(
        sql.parse(f"SELECT r.run_id {_PUBLISHED} ORDER BY r.as_of_date DESC, r.run_id DESC"),
        {},
    )
    ordered = [int(str(row[0])) for row in rows]
    kept = {*ordered[:n_runs], run_id}
    for table in person_level_tables():
        present = store.fetch(sql.parse(f"SELECT DISTINCT run_id FROM results.{table}"), {})  # noqa: S608
        if old := sorted({int(str(row[0])) for row in present} - kept):
            store.remove(table, old)


def is_complete(store: Store, run_id: int) -> bool:
    """Return True if the run has been published."""
    rows = store.fetch(
        sql.parse(
            "SELECT 1 AS one FROM results.scoring_run_status "
            "WHERE run_id = :run_id AND status = 'COMPLETE'"
        ),
        {"run_id": run_id},
    )
    return bool(rows)


def refuse_clock_gone_back(store: Store, now: datetime) -> None:
    """Fail if a COMPLETE run started after `now` (UTC): one of the two clocks is wrong.

    Raises
    ------
    ResultsError
    """
    rows = store.fetch(sql.parse(f"SELECT r.run_id, r.started_at {_PUBLISHED}"), {})
    later = [(started, run_id) for run_id, started in rows if isinstance(started, datetime)]
    if later and (latest := max(later))[0] > now + CLOCK_TOLERANCE:
        raise ResultsError(
            f"{store.where}: the clock of this machine shows {now:%Y-%m-%d %H:%M} UTC, but run "
            f"{latest[1]} was started at {latest[0]:%Y-%m-%d %H:%M} UTC; set the clock, or, if it "
            f"was wrong then, take that run back with: omop-scorer withdraw {latest[1]}"
        )


def new_run_id(store: Store, started_at: datetime) -> int:
    """Return the run id for a start time in UTC: yyyymmddHHMMSS and hundredths of a second.

    It is raised if necessary, so that it is always greater than every existing run id.
    """
    proposed = int(f"{started_at:%Y%m%d%H%M%S}{started_at.microsecond // 10_000:02d}")
    rows = store.fetch(
        sql.parse("SELECT COALESCE(MAX(run_id), 0) AS run_id FROM results.scoring_run"), {}
    )
    return max(proposed, int(str(rows[0][0])) + 1)


def begin(
    store: Store,
    definitions: Definitions,
    as_of: date,
    engine: Engine,
    release: Mapping[str, object],
) -> int:
    """Append a run with its provenance and the status RUNNING; return the run id.

    `engine` does the work. `release` maps the columns of `scoring_run` that describe the CDM to
    their values; it may be empty.
    """
    config, started_at = definitions.config, utc_now()
    run_id = new_run_id(store, started_at)
    row = {
        "run_id": run_id,
        "as_of_date": as_of,
        "started_at": started_at,
        "tool_version": __version__,
        "engine": engine.name,
        "model_id": definitions.model.card.id,
        "model_sha256": definitions.model.sha256,
        "config_sha256": config.sha256,
        "concept_sets_sha256": definitions.concept_sets_sha256,
        "uncertainty": config.uncertainty,
        **release,
        "cdm_snapshot": engine.snapshot,
        "config_json": config.to_json(),
    }
    with store.transaction():
        record_run(store, row)
        record_status(store, run_id, RUNNING)
    return run_id


def publish(
    writer: Writer,
    run_id: int,
    n_cohort: int,
    n_scored: int,
    warnings: str,
    rows_written: Mapping[str, int],
) -> None:
    """Append the status COMPLETE, which makes the run visible to readers."""
    record_status(
        writer,
        run_id,
        COMPLETE,
        n_cohort=n_cohort,
        n_scored=n_scored,
        message=warnings or None,
        rows_written=rows_written,
    )


def record_failure(store: Store, run_id: int, step: str, error: BaseException) -> bool:
    """Append the status FAILED, unless the run is COMPLETE; return True if it is.

    If this cannot be written either, the next run finds this one RUNNING and records the failure.
    """
    problems = error.problems if isinstance(error, OmopScorerError) else (type(error).__name__,)
    # A driver may refuse the first statement after one that a signal interrupted, so we try twice.
    for _ in range(2):
        with suppress(OmopScorerError):
            if is_complete(store, run_id):
                return True
            record_status(store, run_id, FAILED, message=f"step {step}: {'; '.join(problems)}")
            return False
    return False


def record_run(writer: Writer, row: dict[str, object]) -> None:
    """Append the row of `scoring_run`."""
    batch = pa.RecordBatch.from_pylist([row], schema=arrow_schema("scoring_run"))
    writer.append("scoring_run", [batch])


def record_status(
    writer: Writer,
    run_id: int,
    status: str,
    *,
    n_cohort: int | None = None,
    n_scored: int | None = None,
    message: str | None = None,
    rows_written: Mapping[str, int] | None = None,
) -> None:
    """Append a row of `scoring_run_status`. `rows_written` counts the rows of the run by table."""
    row = {
        "run_id": run_id,
        "status": status,
        "recorded_at": utc_now(),
        "n_cohort": n_cohort,
        "n_scored": n_scored,
        "message": message and one_line(hide(message)),
        "rows_written": None if rows_written is None else json.dumps(dict(rows_written)),
    }
    schema = arrow_schema("scoring_run_status")
    writer.append("scoring_run_status", [pa.RecordBatch.from_pylist([row], schema=schema)])


def staged_rows(table: str) -> exp.Expr:
    """Return the query that gives `work.<table>` the run id of the parameter `run_id`."""
    columns = rows_schema(table).names
    run_id = exp.alias_(exp.cast(exp.Placeholder(this="run_id"), "BIGINT"), "run_id")
    return exp.select(run_id, *columns).from_(exp.table_(table, db="work"))


def utc_now() -> datetime:
    """Return the current time in UTC without a time zone, as the results tables store it."""
    return datetime.now(UTC).replace(tzinfo=None)
