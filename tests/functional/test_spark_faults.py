"""Spark fails in earnest: executors are killed, whole runs are killed, the disk is full.

A night costs half a minute, most of it Java's. So yesterday's answer is DuckDB's, put into a folder
as Spark keeps it, and no test needs the night of another.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from omop_scorer import data_model
from omop_scorer.config import run_file as config
from omop_scorer.engines import open_engine
from omop_scorer.errors import ResultsError
from omop_scorer.results import runs as results
from omop_scorer.stores import open_store
from tests.conftest import outcome_of
from tests.support import spark
from tests.support.command_line import AS_OF, Finished, assert_refused
from tests.support.every_case import differences
from tests.support.small_disk import fill, small_disk
from tests.support.spark_site import (
    SCHEMA,
    Answer,
    SparkSite,
    ended,
    processes,
    wait_for,
    wait_for_step,
)

PERSONS = 400
#: A run that never ends well.
DEAD = 1


def wait_for_rows(run: subprocess.Popen[str], site: SparkSite, before: set[int]) -> None:
    """Wait until the run writes its answer."""
    wait_for(run, lambda: site.runs_with_rows() - before)


@pytest.fixture(scope="module")
def yesterday(made_up, tmp_path_factory: pytest.TempPathFactory) -> SparkSite:
    """A site with the answer of DuckDB, as a folder of Parquet."""
    spark.home()
    site = SparkSite(tmp_path_factory.mktemp("yesterday"), made_up(PERSONS, AS_OF, ""))
    own = {"engine": "duckdb", "results": {"url": f"{site.results}/", "schema": SCHEMA}}
    outcome_of({**site.document, **own})
    assert len(site.answer()["latest_score"]) > 100
    return site


@pytest.fixture
def site(yesterday: SparkSite, tmp_path: Path) -> Iterator[SparkSite]:
    """A site of a test's own with that answer."""
    site = SparkSite(tmp_path, yesterday.cdm)
    shutil.copytree(yesterday.results, site.results)
    yield site
    site.stop()


def give_executors(site: SparkSite) -> None:
    """Let its executor be another process, with a home of Spark that it may write to."""
    home = site.folder / "spark"
    home.mkdir()
    for path in spark.home().iterdir():
        (home / path.name).symlink_to(path)
    site.environment = {"SPARK_HOME": str(home)}
    (site.folder / "events").mkdir()
    site.settings = {
        "spark.master": "local-cluster[1,2,1024]",
        "spark.executor.memory": "512m",
        "spark.executor.extraJavaOptions": spark.YOUNG,
        "spark.eventLog.enabled": True,
        "spark.eventLog.dir": f"file://{site.folder}/events",
        "spark.eventLog.compress": False,
    }


def executors(run: subprocess.Popen[str]) -> list[psutil.Process]:
    return processes(psutil.Process(run.pid), "CoarseGrainedExecutorBackend")


def reasons_of_tasks(site: SparkSite) -> Iterator[str]:
    """How the tasks of a run ended, as Spark recorded it."""
    for file in (site.folder / "events").rglob("events_*"):
        if file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                event = json.loads(line)
                if event["Event"] == "SparkListenerTaskEnd":
                    yield event["Task End Reason"]["Reason"]


def night_of_killed_executors(site: SparkSite, before: set[int]) -> Finished:
    """Run to the end, though every executor is killed, amid the scores and amid what is written."""
    give_executors(site)
    run = site.start("--log-format", "json")
    said = wait_for_step(run, "quality")
    # Python is started by the executor that has got the rows to score.
    scoring = wait_for(run, lambda: [e for e in executors(run) if processes(e, "pyspark.daemon")])
    for each in scoring:
        each.kill()
    said += wait_for_step(run, "index_score")
    wait_for_rows(run, site, before)
    for each in executors(run):
        each.kill()
    finished = ended(run)
    reasons = list(reasons_of_tasks(site))
    assert "ExecutorLostFailure" in reasons, {*reasons}
    return Finished(finished.args, finished.returncode, finished.stdout, said + finished.stderr)


def test_a_request_to_stop_ends_failed(site: SparkSite) -> None:
    expected, yesterday = site.answer(), site.runs_with_rows()
    run = site.start("--log-format", "json")
    wait_for_step(run, "concept sets")
    time.sleep(0.1)  # into the query of the next step
    run.terminate()
    assert ended(run).returncode == 128 + signal.SIGTERM
    assert differences(expected, site.answer()) == []
    (asked,) = site.runs().keys() - yesterday
    assert site.runs()[asked] == ("FAILED", False)
    assert list(site.scratch.iterdir()) == []
    assert not (site.results / SCHEMA / "_run.lock").exists()


def test_killed_runs_leave_yesterdays_answer_and_killed_executors_change_nothing(
    site: SparkSite,
) -> None:
    expected, yesterday = site.answer(), site.runs_with_rows()
    # The program alone: Java, which it has started, sees that and ends.
    run = site.start("--log-format", "json")
    wait_for_step(run, "cohort")
    (java,) = processes(psutil.Process(run.pid), "java")
    run.kill()
    java.wait(30)
    ended(run)
    assert_killed(site, expected, yesterday)
    assert list(site.scratch.glob("omop-scorer-*/*/*.parquet"))
    staging = {*site.runs()} - yesterday
    # All its processes, amid what it publishes.
    run = site.start("--log-format", "json")
    wait_for_step(run, "index_score")
    wait_for_rows(run, site, yesterday)
    os.killpg(run.pid, signal.SIGKILL)
    ended(run)
    assert_killed(site, expected, yesterday)
    writing = site.runs_with_rows() - yesterday
    assert len(writing) == 1
    assert len(list(site.scratch.iterdir())) == 1
    # The next night takes the lock, clears up, and stands the loss of its executors.
    finished = night_of_killed_executors(site, yesterday | writing)
    assert finished.returncode == 0, finished.stderr
    assert all(f"run {run_id} was interrupted" in finished.stderr for run_id in writing)
    runs = site.runs()
    (tonight,) = runs.keys() - yesterday - staging - writing
    assert runs[tonight] == ("COMPLETE", True)
    assert {runs[run_id] for run_id in staging | writing} == {("FAILED", False)}
    assert site.runs_with_rows() == yesterday | {tonight}
    assert differences(expected, site.answer()) == []
    assert list(site.scratch.iterdir()) == []
    assert not (site.results / SCHEMA / "_run.lock").exists()


def assert_killed(site: SparkSite, expected: Answer, yesterday: set[int]) -> None:
    """Hold what readers see to yesterday's answer, and the program to saying what went wrong."""
    assert (site.results / SCHEMA / "_run.lock").exists()
    assert differences(expected, site.answer()) == []
    runs = site.runs()
    assert {run_id for run_id, (_, is_latest) in runs.items() if is_latest} == yesterday
    said = site.ask("status")
    assert said.returncode == 17
    assert f"the last run, {max(runs)}, was killed" in said.stderr


@pytest.fixture
def full(yesterday: SparkSite, tmp_path: Path) -> Iterator[SparkSite]:
    """A site whose results are on a disk that has room for yesterday's answer only."""
    site = SparkSite(tmp_path, yesterday.cdm)
    site.results.mkdir()
    with small_disk(site.results, 8) as mounted:
        if not mounted:
            pytest.skip("no disk can be mounted here")
        shutil.copytree(yesterday.results, site.results, dirs_exist_ok=True)
        fill(site.results / "filler", 0)
        yield site


def test_a_full_disk(full: SparkSite, yesterday: SparkSite) -> None:
    assert_refused(full.do(), 15, full.results, "No space left")
    assert differences(yesterday.answer(), full.answer()) == []
    assert not (full.results / SCHEMA / "_run.lock").exists()


def test_a_disk_that_fills_while_executors_write(full: SparkSite, yesterday: SparkSite) -> None:
    spark.session()
    (full.results / "filler").write_bytes(b"")
    connections = config.RunConfig.model_validate(full.document).connections
    with closing(open_engine(connections)) as engine, closing(open_store(connections)) as store:
        engine.load("attrition", many_rows())
        fill(full.results / "filler", 100_000)
        with pytest.raises(ResultsError, match=f"{full.results}: no space is left on the disk"):
            engine.copy(results.staged_rows("attrition"), {"run_id": DEAD}, store, "attrition")
    assert full.runs_with_rows() - yesterday.runs_with_rows() <= {DEAD}
    assert differences(yesterday.answer(), full.answer()) == []


def many_rows() -> pa.Table:
    schema = data_model.arrow_schema("attrition").remove(0)
    numbers = range(50_000)
    columns = [numbers if pa.types.is_integer(f.type) else map(str, numbers) for f in schema]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
