"""A run file for Spark and the processes of its runs, for tests that stop or kill some of them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.support import spark
from tests.support.command_line import (
    AS_OF,
    CDAI,
    PROGRAM,
    Finished,
    environment,
    log_lines,
    omop_scorer,
)
from tests.support.every_case import tables_of

SCHEMA = "omop_scorer"
SETTINGS = {**spark.SETTINGS, "spark.driver.memory": "1g"}

Answer = Mapping[str, list[Any]]


@dataclass
class SparkSite:
    """A run file for Spark, in a folder of its own."""

    folder: Path
    cdm: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Words before each command, which say on which machine it runs.
    at: Sequence[str] = ()
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def local(self) -> Path:
        """Folder of the data that Java shuffles."""
        return self.folder / "local"

    @property
    def document(self) -> dict[str, Any]:
        return {
            "engine": "spark",
            "cdm": {"url": str(self.cdm)},
            "results": {"url": str(self.results), "schema": SCHEMA},
            "as_of_date": AS_OF,
            "covariates": CDAI,
            "batch_size": 100,
            "spark": {"scratch": str(self.scratch), "settings": {**SETTINGS, **self.settings}},
        }

    def run_file(self) -> Path:
        """Write the run file."""
        path = self.folder / "nightly.yaml"
        path.write_text(yaml.safe_dump(self.document), encoding="utf-8")
        return path

    def start(self, *arguments: str, command: str = "run") -> subprocess.Popen[str]:
        """Start a command at the head of a group of processes, which Java belongs to."""
        run = subprocess.Popen(
            [*self.at, str(PROGRAM), command, "--config", str(self.run_file()), *arguments],
            env={
                **environment(),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_LOCAL_DIRS": str(self.local),
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(run)
        return run

    def do(self, *arguments: str, command: str = "run") -> Finished:
        return ended(self.start(*arguments, command=command))

    def ask(self, command: str, *arguments: str) -> Finished:
        """Run a command that reads the results, which takes no Spark."""
        return omop_scorer(command, "--config", self.run_file(), *arguments)

    def stop(self) -> None:
        """Leave nothing at work, whatever has failed."""
        for run in self.started:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()

    def answer(self) -> Answer:
        """Return the rows of the views, which are what readers see."""
        return self.answer_of(self.document)

    @staticmethod
    def answer_of(document: Mapping[str, Any]) -> Answer:
        """Return the rows of the views for another run file, but not what tells of other runs."""
        tables = tables_of(document)
        for row in tables["latest_patient"]:
            del row["previous_subgroup"], row["is_changed"]
        return {n: rows for n, rows in tables.items() if n.startswith(("latest_", "cohort"))}

    def runs(self) -> dict[int, tuple[str, bool]]:
        """Return the status of each run, and True for the latest one, as `runs` prints them."""
        said = json.loads(self.ask("runs", "--format", "json").stdout)
        return {row["run_id"]: (row["status"], row["is_latest"]) for row in said}

    def runs_with_rows(self) -> set[int]:
        """The runs that have rows in any table but the two that say of each how it went."""
        folders = (self.results / SCHEMA).glob("[!s]*/run_id=*")
        return {int(path.name.removeprefix("run_id=")) for path in folders}


def ended(run: subprocess.Popen[str]) -> Finished:
    """Wait until neither the program nor Java holds its output open."""
    out, err = run.communicate(timeout=300)
    return Finished(run.args, run.returncode, out, err)


def wait_for(run: subprocess.Popen[str], condition: Callable[[], Any]) -> Any:
    """Return what is true in the end; the run must be at work until then."""
    while run.poll() is None:
        if found := condition():
            return found
        time.sleep(0.02)
    pytest.fail(f"the run ended too early: {ended(run).stderr}")


def wait_for_step(run: subprocess.Popen[str], step: str) -> str:
    """Read the log up to the end of a step; return what was read."""
    assert run.stderr is not None
    said = []
    for line in run.stderr:
        said.append(line)
        # Java has a word of its own at the start.
        if line.startswith("{") and log_lines(line)[0].get("step") == step:
            return "".join(said)
    pytest.fail(f"the run never logged the step {step}: {said}")


def processes(root: psutil.Process, word: str) -> list[psutil.Process]:
    """Processes that descend from one and have a word in their command."""
    found = []
    with suppress(psutil.Error):
        for each in root.children(recursive=True):
            with suppress(psutil.Error):  # it has ended meanwhile
                if word in " ".join(each.cmdline()):
                    found.append(each)
    return found
