"""A night over Spark Connect: a real server of its own process, the client the program."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import outcome_of
from tests.support import spark
from tests.support.command_line import AS_OF, assert_refused, omop_scorer
from tests.support.every_case import differences, tables_of

PERSONS = 300
_PATIENCE = 120


def _needed() -> None:
    missing = [n for n in ("pyspark", "grpc", "grpc_status") if not importlib.util.find_spec(n)]
    if missing:
        reason = f"no Spark Connect: not installed: {', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a server; return its URL."""
    _needed()
    import pyspark

    folder = tmp_path_factory.mktemp("server")
    own = {
        "spark.driver.memory": "1g",
        "spark.log.level": "INFO",  # it says the port
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    options = [f"--conf={name}={value}" for name, value in (spark.SETTINGS | own).items()]
    submit = str(Path(pyspark.__file__).with_name("bin") / "spark-submit")
    main = "org.apache.spark.sql.connect.service.SparkConnectServer"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [submit, "--class", main, *options, "spark-internal"],
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield f"sc://{_address(process, folder / 'log')}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE
    while True:
        text = log.read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"Spark Connect server started at: (\S+:\d+)", text):
            return found[1]
        if process.poll() is not None or time.monotonic() > deadline:
            reason = f"no Spark Connect server: {(text.splitlines() or ['it said nothing'])[-1]}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        time.sleep(0.1)


def test_the_answer_is_that_of_duckdb(server, made_up, tmp_path, monkeypatch):
    document = {
        "engine": "spark",
        "cdm": {"url": str(made_up(PERSONS, AS_OF, ""))},
        "results": {"url": str(tmp_path / "results")},
        "as_of_date": AS_OF,
        "batch_size": 100,
    }
    run_file, scratch = tmp_path / "nightly.yaml", tmp_path / "scratch"
    run_file.write_text(yaml.safe_dump(document), encoding="utf-8")
    run = ("run", "--config", run_file)
    monkeypatch.setenv("SPARK_REMOTE", server)
    # Nobody knows where the executors of a server are.
    assert_refused(omop_scorer(*run), 10, r"spark\.scratch: the executors may be on other machines")
    finished = omop_scorer(*run, "--set", f"spark.scratch={scratch}")
    assert finished.returncode == 0, finished.stderr
    assert "Warning" not in finished.stderr
    assert list(scratch.iterdir()) == []
    monkeypatch.setenv("SPARK_REMOTE", "sc://127.0.0.1:1")
    assert_refused(omop_scorer(*run), 11, "no Spark Connect server answers at 127.0.0.1:1")
    # Who reads the folder needs neither Spark nor a server.
    assert "COMPLETE" in omop_scorer("runs", "--config", run_file).stdout
    own = {"engine": "duckdb", "results": {"url": str(tmp_path / "results.duckdb")}}
    outcome_of({**document, **own})
    left, right = tables_of({**document, **own}), tables_of(document)
    assert len(left["latest_score"]) > 200
    assert differences(left, right) == []
