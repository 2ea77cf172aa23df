"""A night on a cluster: a master and two workers, which share with the driver what is mounted.

A night costs the machine of the tests more than a minute of its cores, so there is one, in thorough
nights alone, and a worker dies in the midst of it: both workers stage the covariates, the other one
ends the night. Executors that die are part of `test_spark_faults.py`.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import outcome_of
from tests.support import spark
from tests.support.command_line import Finished, assert_refused
from tests.support.every_case import differences
from tests.support.spark_cluster import Cluster, cluster, kill, why_not_apart
from tests.support.spark_site import (
    SCHEMA,
    Answer,
    SparkSite,
    ended,
    processes,
    wait_for,
    wait_for_step,
)
from tests.support.thoroughness import only_thorough

needs_machines = pytest.mark.skipif(
    why_not_apart() is not None,
    reason=f"the workers are plain processes on the disk of the tests: {why_not_apart()}",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def half_shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the second worker lacks."""
    return tmp_path_factory.mktemp("half_shared")


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory, shared: Path, half_shared: Path) -> Iterator[Cluster]:
    spark.home()
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        made.add_worker(shared, half_shared)
        made.add_worker(shared)
        yield made


@pytest.fixture(scope="module")
def site(two_workers: Cluster, shared: Path, made_up) -> Iterator[SparkSite]:
    """A site whose run file is one of the cluster, and whose CDM all machines see."""
    settings = {
        "spark.master": two_workers.url,
        "spark.driver.host": two_workers.address,
        "spark.executor.memory": "512m",
        "spark.executor.extraJavaOptions": spark.YOUNG,
        # It does not wait for a dead machine for two minutes.
        "spark.network.timeout": "20s",
        "spark.network.timeoutInterval": "5s",
        "spark.executor.heartbeatInterval": "5s",
        # The driver waits for both workers.
        "spark.cores.max": 2,
        "spark.scheduler.minRegisteredResourcesRatio": 1,
    }
    (shared / "cdm").mkdir()
    for file in made_up(suffix="").glob("*.parquet"):
        (shared / "cdm" / file.name).write_bytes(file.read_bytes())
    variables = {"SPARK_LOCAL_IP": two_workers.address}
    site = SparkSite(shared, shared / "cdm", settings, variables, at=two_workers.at_the_master)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def expected(site: SparkSite, tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """The answer of DuckDB to the same run file."""
    file = tmp_path_factory.mktemp("expected") / "results.duckdb"
    document = {"engine": "duckdb", "results": {"url": str(file), "schema": SCHEMA}}
    document = {**site.document, **document}
    outcome_of(document)
    return site.answer_of(document)


@needs_machines
def test_rows_that_one_worker_keeps_to_itself_are_not_lost_in_silence(
    site: SparkSite, two_workers: Cluster, shared: Path, half_shared: Path
) -> None:
    first, second = two_workers.workers
    assert seen_by(first, shared.parent) == {shared.name, half_shared.name}
    assert seen_by(second, shared.parent) == {shared.name}
    finished = site.do("--set", f"spark.scratch={half_shared}")
    said = rf"spark\.scratch {half_shared}: .* finds only [\d,]+ of the [\d,]+ rows"
    assert_refused(finished, 15, said, "Mount it at the same path on all machines")
    assert list(half_shared.iterdir()) == []
    assert site.runs_with_rows() == set()


def seen_by(worker: subprocess.Popen[bytes], folder: Path) -> set[str]:
    """The names in a folder, as they are on the machine of a worker."""
    return {path.name for path in Path(f"/proc/{worker.pid}/root{folder}").iterdir()}


@only_thorough
def test_a_worker_that_dies_changes_nothing(
    site: SparkSite, two_workers: Cluster, expected: Answer
) -> None:
    run = site.start("--log-format", "json")
    said = wait_for_step(run, "quality")
    scoring = wait_for(run, lambda: [w for w in two_workers.workers if has_python(w.pid)])
    kill(scoring[0])
    done = ended(run)
    finished = Finished(done.args, done.returncode, done.stdout, said + done.stderr)
    assert finished.returncode == 0, finished.stderr
    assert [*site.runs().values()] == [("COMPLETE", True)]
    assert differences(expected, site.answer()) == []
    assert list(site.scratch.iterdir()) == []
    assert not (site.results / SCHEMA / "_run.lock").exists()


def has_python(pid: int) -> bool:
    """Return True if the executor of a worker has received rows to score."""
    return bool(processes(psutil.Process(pid), "pyspark.daemon"))
