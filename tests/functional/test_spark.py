"""What a night on Spark rests on: tasks that are repeated, what dead runs leave, the lock."""

import os
import pickle
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from sqlglot import exp

from omop_scorer import data_model
from omop_scorer.config import run_file as config
from omop_scorer.connections.lock_holder import LockHolder
from omop_scorer.connections.spark import Session, errors_as
from omop_scorer.engines import open_engine
from omop_scorer.engines.base import Work
from omop_scorer.engines.spark.executors import COUNTS, on_batches
from omop_scorer.engines.spark.folder import FolderSource
from omop_scorer.errors import (
    CdmError,
    ConfigurationError,
    LockHeldError,
    OmopScorerError,
    ScoringError,
    SqlError,
)
from omop_scorer.results import runs as results
from omop_scorer.results import schema as results_schema
from omop_scorer.stores import open_results, open_store
from omop_scorer.stores.spark.store import LOCK, CatalogStore
from tests.conftest import outcome_of
from tests.support import spark
from tests.support.command_line import AS_OF
from tests.support.every_case import tables_of

PERSONS = 400


@pytest.fixture(scope="module")
def night(made_up, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run file of a night on Spark whose results hold the answer of a night before."""
    spark.session()
    folder = tmp_path_factory.mktemp("night")
    document = {
        "engine": "spark",
        "cdm": {"url": str(made_up(PERSONS, AS_OF, ""))},
        "results": {"url": str(folder / "results")},
        "as_of_date": AS_OF,
        "batch_size": 100,
    }
    outcome_of({**document, "engine": "duckdb", "results": {"url": f"{folder / 'results'}/"}})
    return document


def stumbling_work(stumble: Path) -> Work:
    """Work whose process dies the first time that it comes to the end of a batch.

    Pickled by value, for the executors do not know this module.
    """

    def work(batch: pa.RecordBatch) -> tuple[dict[str, pa.Table], int]:
        rows = pa.table({"person_id": batch.column("person_id")})
        if len(batch) and not stumble.exists():
            stumble.touch()
            os._exit(1)
        return {"work.seen": rows}, len(batch)

    return work


def refusing_work() -> Work:
    def work(batch: pa.RecordBatch) -> tuple[dict[str, pa.Table], int]:
        if len(batch):
            raise ScoringError(f"{len(batch)} refused")
        return {"work.refused": pa.table({"person_id": batch.column("person_id")})}, 0

    return work


def test_a_run_that_dies_and_a_task_that_is_repeated_leave_one_answer(night, tmp_path):
    settings = config.RunConfig.model_validate(night)
    yesterday = tables_of(night)
    connections = settings.connections
    with closing(open_engine(connections)) as engine, closing(open_store(connections)) as store:
        with pytest.raises(LockHeldError, match=f"process {os.getpid()} on"):
            open_store(connections)
        with open_results(settings.connections) as reader:
            assert reader.is_run_under_way()
        persons = pa.table({"person_id": pa.array(range(250), pa.int64())})
        engine.load("somebody", persons)
        query = exp.select("person_id").from_(exp.table_("somebody", "work"))
        work = stumbling_work(tmp_path / "stumbled")
        assert sum(engine.map_batches(query.copy(), work)) == 250
        assert (tmp_path / "stumbled").exists()
        seen = exp.select("COUNT(*)", "COUNT(DISTINCT person_id)").from_("work.seen")
        assert engine.fetch(seen, {}) == [(250, 250)]
        text, plan = engine.explain(query.copy(), {})
        assert "person_id" in text
        assert "Scan" in plan
        with pytest.raises(ScoringError, match="100 refused"):
            list(engine.map_batches(query.copy(), refusing_work()))
        # A run that dies before it is COMPLETE leaves rows, which nobody sees.
        run_id = results.new_run_id(store, datetime.now(UTC).replace(tzinfo=None))
        results.record_status(store, run_id, "RUNNING")
        engine.load("attrition", pa.table({"step": [1], "reason": ["x"], "n_persons": [1]}))
        row = {"run_id": run_id, "step": 1, "reason": "x", "n_persons": 1, "n_excluded": 0}
        schema = data_model.arrow_schema("attrition")
        store.append("attrition", [pa.RecordBatch.from_pylist([row], schema=schema)])
    left = dict(tables_of(night))
    assert len(left.pop("attrition")) == len(yesterday["attrition"]) + 1
    assert left == {name: rows for name, rows in yesterday.items() if name != "attrition"}
    with closing(open_store(connections)) as store:
        results_schema.migrate(store)
        assert results.clear_unfinished(store) == [run_id]
        assert results.clear_unfinished(store) == []
    assert tables_of(night) == yesterday
    with open_results(settings.connections) as reader:
        assert not reader.is_run_under_way()
        states = exp.select("status").from_("results.scoring_run_status")
        said = reader.read(states.where(f"run_id = {run_id}"), {})["status"].to_pylist()
    assert sorted(said) == ["FAILED", "RUNNING"]


def test_no_value_is_said_of_a_view_that_fails(night, made_up, capfd):
    """A site's own cast fails amid the run, and Spark's error holds the value."""
    session, folder = spark.session(), made_up(PERSONS, AS_OF, "")
    session.sql("CREATE SCHEMA told")
    # Spark names the cause, and PySpark would log it, only where a query adapts as it runs.
    session.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        for file in folder.glob("*.parquet"):
            name = f"told.{file.stem}"
            session.sql(f"CREATE TABLE {name} USING parquet LOCATION '{file}'")
        session.sql("DROP TABLE told.death")
        session.sql(
            "CREATE VIEW told.death AS SELECT person_id, "
            "CAST(CONCAT('the secret of ', person_id) AS DATE) AS death_date FROM told.person"
        )
        place = {"cdm": {"url": "spark", "schema": "told"}}
        with pytest.raises(OmopScorerError) as raised:
            outcome_of({**night, **place})
    finally:
        session.conf.set("spark.sql.adaptive.enabled", "false")
        session.sql("DROP SCHEMA told CASCADE")
    said = capfd.readouterr()
    assert "secret" not in str(raised.value) + said.out + said.err
    assert "CAST_INVALID_INPUT" in str(raised.value)


def test_all_parts_of_a_table_are_read(night, tmp_path):
    """One part has a column that the first one lacks; one lies deeper than Spark itself looks."""
    death = tmp_path / "cdm" / "death"
    (death / "2023").mkdir(parents=True)
    for name, columns in (
        ("a", "1 AS person_id"),
        ("b", "2 AS person_id, DATE '2020-01-01' AS d"),
        ("2023/c", "3 AS person_id"),
    ):
        duckdb.sql(f"COPY (SELECT {columns}) TO '{death / name}.parquet'")
    own = Session(config.RunConfig.model_validate(night))
    try:
        found = FolderSource(own, "cdm.url", str(tmp_path / "cdm"), "parts_").find("death", None)
        rows = []
        for part in found.pieces:
            is_missing = "d IS NULL" if "d" in part.columns else "TRUE"
            query = f"SELECT person_id, {is_missing} FROM {part.relation}"
            rows += own.spark.sql(query).collect()
        assert sorted(map(tuple, rows)) == [(1, True), (2, False), (3, True)]
    finally:
        own.close()


def test_files_that_cannot_be_read(night, tmp_path):
    """One is not Parquet; one is removed after Spark has found it, or an executor lacks it."""
    (tmp_path / "death.parquet").write_bytes(b"the secret")
    there = tmp_path / "there.parquet"
    duckdb.sql(f"COPY (SELECT 1 AS person_id) TO '{there}'")
    own = Session(config.RunConfig.model_validate(night))
    try:
        with pytest.raises(CdmError, match=r"death\.parquet: cannot be read as Parquet") as raised:
            FolderSource(own, "cdm.url", str(tmp_path), "unreadable_").find("death", None)
        assert "secret" not in str(raised.value)
        frame = own.spark.read.parquet(there.as_uri())
        there.unlink()
        with (
            pytest.raises(SqlError, match=r"FILE_NOT_EXIST\): .* mount every folder"),
            errors_as(SqlError, "work.death"),
        ):
            frame.collect()
    finally:
        own.close()


def test_executors_with_another_release_are_refused():
    done = on_batches(refusing_work(), ["work.refused"], "0.0")
    (_, last) = done(iter([pa.record_batch({"person_id": [1]})]))
    (said,) = last.column(COUNTS).to_pylist()
    assert isinstance(pickle.loads(said), ConfigurationError)


def test_results_in_a_catalog(night):
    """Runs are appended and removed, columns added, the lock is one's own or taken over."""
    session, schema = spark.session(), "some_results"
    document = {**night, "results": {"url": "spark", "schema": schema}}
    settings = config.RunConfig.model_validate(document)
    with ExitStack() as stack:

        def opened() -> CatalogStore:
            store = CatalogStore(settings.connections)
            stack.callback(store.close)
            return store

        place = opened()
        place.create_schema()
        stack.callback(session.sql, f"DROP SCHEMA {schema} CASCADE")
        with pytest.raises(LockHeldError, match=f"process {os.getpid()} on"):
            opened()
        with open_results(settings.connections) as reader:
            assert reader.is_run_under_way()
        place.create_table("counts", {"n": "BIGINT", "run_id": "BIGINT"})
        for run_id in (1, 2):
            rows = {"run_id": [run_id, run_id], "n": [3, None]}
            batch = pa.record_batch(rows, pa.schema([("run_id", "i8"), ("n", "i8")]))
            place.append("counts", [batch])
        place.add_column("counts", "note", "VARCHAR")
        place.remove("counts", [1, 7])
        kept = session.sql(f"SELECT run_id, n, note FROM {schema}.counts").collect()
        assert sorted(map(tuple, kept), key=str) == [(2, 3, None), (2, None, None)]
        # The lock of a process that is gone is taken over; who has lost it says nothing more.
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        holder = LockHolder.this_process().text.replace(f" {os.getpid()} ", f" {gone.pid} ")
        session.sql(f"ALTER TABLE {schema}.{LOCK} SET TBLPROPERTIES ('holder' = '{holder}')")
        with open_results(settings.connections) as reader:
            assert not reader.is_run_under_way()
        with pytest.raises(LockHeldError, match="no longer holds the run lock"):
            place.refuse_lost_lock()
        other = opened()
        other.refuse_lost_lock()
        place.close()
        other.refuse_lost_lock()
        other.close()
        tables = session.sql(f"SHOW TABLES IN {schema}").collect()
        assert [t.tableName for t in tables if not t.isTemporary] == ["counts"]


def test_rows_that_a_killed_run_has_left_are_removed_by_the_next(night, tmp_path):
    """Those of a run that goes on, on this machine or another, stay."""
    here = LockHolder.this_process().text
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holders = {
        "omop-scorer-killed": here.replace(f" {os.getpid()} ", f" {gone.pid} "),
        "omop-scorer-alive": here,
        "omop-scorer-far": f"elsewhere {here.partition(' ')[2]}",
    }
    for name, holder in holders.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "_holder").write_text(holder, encoding="utf-8")
    settings = config.RunConfig.model_validate({**night, "spark": {"scratch": str(tmp_path)}})
    open_engine(settings.connections).close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["omop-scorer-alive", "omop-scorer-far"]


def views(session) -> list[str]:
    found = [row.tableName for row in session.sql("SHOW TABLES").collect() if row.isTemporary]
    return [name for name in found if "omop_scorer" in name]


def test_nothing_is_left_in_the_session(night, tmp_path):
    session = spark.session()
    document = {**night, "results": {"url": str(tmp_path / "results")}}
    engine = open_engine(config.RunConfig.model_validate(document).connections)
    engine.load("something", pa.table({"n": [1]}))
    assert [name for name in views(session) if "something" in name]
    engine.close()
    assert views(session) == []
    assert session.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == "10000"
