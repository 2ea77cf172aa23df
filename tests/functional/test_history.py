"""Runs that were and what differs between them, by the commands that only read results."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from omop_scorer import sql
from omop_scorer.config.run_file import load, shipped_run_file
from omop_scorer.results import history
from omop_scorer.results import schema as results_schema
from omop_scorer.results.difference import (
    Cause,
    CovariateChange,
    Difference,
    Flow,
    PatientDifference,
    compare,
)
from omop_scorer.stores import open_results, open_store
from omop_scorer.stores.base import ResultsReader
from tests.support.command_line import (
    PROGRAM,
    Finished,
    Site,
    assert_refused,
    environment,
    in_files_and_on_a_server,
    omop_scorer,
)

A, B, C = "TNF > (IL = INT)", "IL > (TNF = INT)", "TNF = IL = INT"
#: Person ids that nothing else is made of.
PERSON = 98765400
FIRST, SECOND, THIRD = 2025061503000001, 2025061603000001, 2025061703000001


@dataclass(frozen=True)
class MadeUpRun:
    """A run written by hand into the results tables."""

    run_id: int
    as_of: str = "2025-06-15"
    status: str = "COMPLETE"
    n_cohort: int | None = 0
    n_scored: int | None = 0
    message: str | None = None
    columns: dict[str, Any] = field(default_factory=dict)


def insert(connection: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
    )


def write_runs(site: Site, *runs: MadeUpRun) -> None:
    """Write runs of 90.5 seconds each, and when RUNNING without an end."""
    with duckdb.connect(str(site.results)) as connection:
        connection.execute("USE omop_scorer")
        for run in runs:
            row = {
                "run_id": run.run_id,
                "as_of_date": run.as_of,
                "started_at": datetime(2025, 6, 15, 3, 0, 0),
                "tool_version": "0.1.0",
                "engine": "duckdb",
                "model_id": "crohns_srs_2025",
                "model_sha256": "a" * 64,
                "config_sha256": "b" * 64,
                "concept_sets_sha256": "c" * 64,
                "uncertainty": "bootstrap",
                "config_json": "{}",
            }
            insert(connection, "scoring_run", **row | run.columns)
            status = {"run_id": run.run_id, "status": "RUNNING", "recorded_at": row["started_at"]}
            insert(connection, "scoring_run_status", **status)
            if run.status != "RUNNING":
                status |= {
                    "status": run.status,
                    "recorded_at": datetime(2025, 6, 15, 3, 1, 30, 500_000),
                    "n_cohort": run.n_cohort,
                    "n_scored": run.n_scored,
                    "message": run.message,
                }
                insert(connection, "scoring_run_status", **status)


def write_patients(
    site: Site, run_id: int, patients: dict[int, tuple[str, dict[str, float | None]]]
) -> None:
    """Write label and covariates of each patient, numbered from 1."""
    with duckdb.connect(str(site.results)) as connection:
        connection.execute("USE omop_scorer")
        for number, (subgroup, covariates) in patients.items():
            person = {"run_id": run_id, "person_id": PERSON + number}
            insert(
                connection,
                "patient_subgroup",
                **person,
                subgroup=subgroup,
                first_class="anti_tnf",
                second_class="anti_il12_23",
                p_first_second=0.5,
                worst_class_ruled_out=False,
                placebo_effect=1.5,
                age=40,
                is_male=False,
                n_imputed=0,
            )
            for covariate, value in covariates.items():
                status = "left_out" if value is None else "observed"
                row = {"covariate": covariate, "covariate_value": value, "status": status}
                insert(connection, "patient_covariate", **person, **row)


@pytest.fixture
def empty(tmp_path: Path, made_up) -> Site:
    """A site whose results have their tables, and no run."""
    site = Site(tmp_path, made_up(), tmp_path / "results.duckdb")
    with closing(open_store(load(site.run_file()).connections)) as store:
        results_schema.migrate(store)
    return site


EARLIER = {
    1: (A, {"age": 40, "crp": 5}),
    2: (A, {"age": 40, "crp": 5}),
    3: (A, {"age": 40, "crp": 5}),
    4: (B, {"age": 40, "crp": 5}),
    5: (A, {"age": 40, "crp": 5}),
    7: (B, {"age": 40, "crp": None}),
    8: (B, {"age": 40, "crp": None}),
    9: (C, {"age": 30, "crp": 5}),
    10: (A, {"age": 40, "crp": 5}),
}
LATER = {
    1: (A, {"age": 40, "crp": 6}),  # another value, the same label
    2: (B, {"age": 40, "crp": 50}),  # CRP alone
    3: (B, {"age": 41, "crp": 50}),  # two covariates
    4: (A, {"age": 40, "crp": 5}),  # no covariate
    6: (B, {"age": 40, "crp": 5}),  # in; 5 is out
    7: (C, {"age": 40, "crp": 7}),  # left out of the model before
    8: (C, {"age": 40, "crp": None, "ileal": 1}),  # left out twice; a covariate of one run only
    9: (A, {"age": 31, "crp": 5}),  # age alone
    10: (B, {"age": 40, "crp": 5.000000000000001}),  # CRP alone, by the last bit but one
}


@pytest.fixture
def two_runs(empty: Site) -> Site:
    """Two COMPLETE runs whose differences are counted by hand."""
    configurations = [
        {"missing": "impute", "covariates": {"crp": {"lookback_days": 180}}, "threads": None},
        {"missing": "impute", "covariates": {"crp": {"lookback_days": 365}}, "audit": {"n": [1]}},
    ]
    write_runs(
        empty,
        MadeUpRun(
            *(FIRST, "2025-06-15", "COMPLETE", 12, 9),
            columns={"config_json": json.dumps(configurations[0]), "cdm_version": "v5.3"},
        ),
        MadeUpRun(
            *(SECOND, "2025-06-16", "COMPLETE", 11, 9),
            columns={
                "config_json": json.dumps(configurations[1]),
                "tool_version": "0.2.0",
                "concept_sets_sha256": "d" * 64,
                "cdm_version": "v5.3",
                "cdm_release_date": date(2025, 6, 1),
            },
        ),
    )
    write_patients(empty, FIRST, EARLIER)
    write_patients(empty, SECOND, LATER)
    return empty


def reader_of(site: Site) -> ResultsReader:
    return open_results(load(site.run_file()).connections)


def words(finished: Finished, said: str = "") -> str:
    """Return what a command printed, blanks put together."""
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == said
    assert max(map(len, finished.stdout.splitlines())) <= 80
    assert "…" not in finished.stdout
    return " ".join(finished.stdout.split())


class TestCompare:
    def test_patients(self, two_runs: Site) -> None:
        with reader_of(two_runs) as reader:
            difference = compare(reader, FIRST, SECOND)
        patients = difference.patients
        assert patients is not None
        assert difference.without_persons == ()
        assert (patients.n_both, patients.n_in, patients.n_out) == (8, 1, 1)
        assert patients.n_changed == 7
        assert patients.flows == (
            Flow(A, B, 3),
            Flow(B, C, 2),
            Flow(None, B, 1),
            Flow(B, A, 1),
            Flow(C, A, 1),
            Flow(A, None, 1),
            Flow(A, A, 1),
        )
        assert patients.causes == (
            Cause("crp", 3),
            Cause("age", 1),
            Cause("ileal", 1),
            Cause("model or settings", 1),
            Cause("several covariates", 1),
        )
        assert patients.covariate_changes == (
            CovariateChange("crp", 4),
            CovariateChange("age", 2),
            CovariateChange("ileal", 1),
        )

    def test_backwards_the_same_patients_flow_back(self, two_runs: Site) -> None:
        with reader_of(two_runs) as reader:
            forth = compare(reader, FIRST, SECOND).patients
            back = compare(reader, SECOND, FIRST).patients
        assert forth is not None
        assert back is not None
        assert {(f.later, f.earlier, f.n_persons) for f in back.flows} == {
            (f.earlier, f.later, f.n_persons) for f in forth.flows
        }
        assert back.causes == forth.causes
        assert (back.n_in, back.n_out, back.n_both) == (1, 1, 8)

    def test_a_run_and_itself(self, two_runs: Site) -> None:
        with reader_of(two_runs) as reader:
            difference = compare(reader, FIRST, FIRST)
        assert difference.provenance == difference.configuration == ()
        assert difference.patients == PatientDifference(
            (
                Flow(A, A, 5),
                Flow(B, B, 3),
                Flow(C, C, 1),
            ),
            (),
            (),
        )

    def test_what_the_runs_rest_on(self, two_runs: Site) -> None:
        with reader_of(two_runs) as reader:
            difference = compare(reader, FIRST, SECOND)
        assert difference.provenance == (
            Difference("as_of_date", "2025-06-15", "2025-06-16"),
            Difference("tool_version", "0.1.0", "0.2.0"),
            Difference("concept_sets_sha256", "c" * 64, "d" * 64),
            Difference("cdm_release_date", None, "2025-06-01"),
        )
        assert difference.configuration == (
            Difference("audit.n", None, "[1]"),
            Difference("covariates.crp.lookback_days", "180", "365"),
            Difference("threads", "null", None),
        )

    @pytest.mark.parametrize("table", ["patient_subgroup", "patient_covariate"])
    def test_rows_of_persons_that_are_gone_are_not_taken_for_leaving(
        self, two_runs: Site, table: str
    ) -> None:
        with duckdb.connect(str(two_runs.results)) as connection:
            connection.execute(f"DELETE FROM omop_scorer.{table} WHERE run_id = {FIRST}")
        with reader_of(two_runs) as reader:
            difference = compare(reader, FIRST, SECOND)
        assert difference.patients is None
        assert difference.without_persons == (FIRST,)
        said = words(two_runs.run(FIRST, SECOND, command="diff"))
        assert f"person-level rows have been removed from run {FIRST} " in said
        assert "Patients scored" not in said
        assert "tool_version 0.1.0 0.2.0" in said

    def test_runs_of_nobody(self, empty: Site) -> None:
        write_runs(empty, MadeUpRun(FIRST), MadeUpRun(SECOND))
        with reader_of(empty) as reader:
            difference = compare(reader, FIRST, SECOND)
        assert difference.patients == PatientDifference((), (), ())

    def test_on_the_terminal(self, two_runs: Site) -> None:
        finished = two_runs.run("previous", "latest", command="diff")
        said = words(finished)
        for part in (
            f"From run {FIRST} (as of 2025-06-15) to run {SECOND} (as of 2025-06-16)",
            "cohort 12 11 -1 scored 9 9 same",
            "tool_version 0.1.0 0.2.0",
            "covariates.crp.lookback_days 180 365",
            "threads null -",
            "8 in both runs, 7 of them with another subgroup; 1 newly scored, 1 no longer scored",
            f"{A} {B} 3",
            f"not scored {B} 1",
            f"{A} not scored 1",
            "crp 3 age 1 ileal 1 model or settings 1 several covariates 1",
            "crp 4 age 2 ileal 1",
        ):
            assert part in said, part
        assert f"{A} {A}" not in said
        assert str(PERSON)[:6] not in said

    @pytest.mark.parametrize("by", ["9999", "yesterday", "0", str(PERSON)])
    def test_a_run_that_is_not_there(self, two_runs: Site, by: str) -> None:
        finished = two_runs.run(by, "latest", command="diff")
        assert_refused(finished, 10, f"no run '{by}'.*latest, previous.*{SECOND}, {FIRST}")

    @pytest.mark.parametrize("status", ["FAILED", "RUNNING"])
    def test_a_run_without_an_answer(self, two_runs: Site, status: str) -> None:
        write_runs(two_runs, MadeUpRun(THIRD, "2025-06-17", status, None, None))
        finished = two_runs.run(FIRST, THIRD, command="diff")
        assert_refused(finished, 15, f"run {THIRD} is {status}.*{SECOND}, {FIRST}")
        assert f"to run {SECOND}" in words(two_runs.run("previous", "latest", command="diff"))

    def test_no_two_runs(self, empty: Site) -> None:
        assert_refused(empty.run("latest", "latest", command="diff"), 15, "start a run first")
        write_runs(empty, MadeUpRun(FIRST))
        finished = empty.run("previous", "latest", command="diff")
        assert_refused(finished, 15, f"run {FIRST} is the only COMPLETE run")

    def test_of_many_runs_the_newest_are_named(self, empty: Site) -> None:
        write_runs(empty, *(MadeUpRun(FIRST + i) for i in range(13)))
        finished = empty.run("latest", "none", command="diff")
        assert_refused(
            finished, 10, rf": {FIRST + 12}, .*{FIRST + 3} and 3 more, see: omop-scorer runs"
        )
        assert str(FIRST + 2) not in finished.stderr


@pytest.fixture
def five_runs(empty: Site) -> Site:
    """Two nights, a backfill of an older one, a failure and one that never ended."""
    write_runs(
        empty,
        MadeUpRun(FIRST, "2025-06-15", "COMPLETE", 1_234_000, 1_000_000),
        MadeUpRun(SECOND, "2025-06-16", "COMPLETE", 1_234_567, 999_999),
        MadeUpRun(THIRD, "2025-01-01", "COMPLETE", 1_200_000, 900_000),
        MadeUpRun(THIRD + 1, "2025-06-17", "FAILED", None, None, "step CDM: [measurement] missing"),
        MadeUpRun(THIRD + 2, "2025-06-18", "RUNNING"),
    )
    return empty


class TestRuns:
    def test_the_list(self, five_runs: Site) -> None:
        with reader_of(five_runs) as reader:
            runs = history.list_runs(reader)
            latest = history.find_run(reader, "latest")
            previous = history.find_run(reader, "previous")
            assert history.find_run(reader, str(THIRD)).run_id == THIRD
        assert previous is not None
        assert previous.run_id == FIRST
        assert five_runs.rows("SELECT run_id FROM latest_run") == [(latest.run_id,)]
        assert [run.run_id for run in runs] == [THIRD + 2, THIRD + 1, THIRD, SECOND, FIRST]
        assert [run.status for run in runs] == ["RUNNING", "FAILED", *["COMPLETE"] * 3]
        assert [run.is_latest for run in runs] == [False, False, False, True, False]
        assert [run.seconds for run in runs] == [None, *[90.5] * 4]
        assert [run.n_cohort for run in runs] == [None, None, 1_200_000, 1_234_567, 1_234_000]
        # The backfill is before the two nights, though it ran after them.
        assert [run.n_cohort_change for run in runs] == [None, None, None, 567, 34_000]
        assert [run.n_scored_change for run in runs] == [None, None, None, -1, 100_000]
        assert [run.previous_run_id for run in runs] == [None, None, None, FIRST, THIRD]

    def test_for_people(self, five_runs: Site) -> None:
        finished = five_runs.run(command="runs")
        said = words(finished)
        for part in (
            f"{SECOND} 2025-06-16 COMPLETE duckdb 1,234,567 999,999 "
            "2025-06-15 03:00 latest 90.5 bootstrap +567 -1",
            f"{FIRST} 2025-06-15 COMPLETE duckdb 1,234,000 1,000,000 "
            "2025-06-15 03:00 90.5 bootstrap +34,000 +100,000",
            f"{THIRD + 1} FAILED: step CDM: [measurement] missing",
            f"{THIRD + 2} 2025-06-18 RUNNING duckdb - - 2025-06-15 03:00 - bootstrap",
        ):
            assert part in said, part
        assert finished.stdout.count("latest") == 1

    def test_unchanged_counts_say_so(self, two_runs: Site) -> None:
        assert "duckdb 11 9 2025-06-15 03:00 latest 90.5 bootstrap -1 same" in words(
            two_runs.run(command="runs")
        )

    def test_for_programs(self, five_runs: Site) -> None:
        finished = five_runs.run("--format", "json", command="runs")
        rows = json.loads(finished.stdout)
        assert rows[3] == {
            "run_id": SECOND,
            "as_of_date": "2025-06-16",
            "started_at": "2025-06-15T03:00:00",
            "seconds": 90.5,
            "status": "COMPLETE",
            "is_latest": True,
            "tool_version": "0.1.0",
            "engine": "duckdb",
            "model_id": "crohns_srs_2025",
            "uncertainty": "bootstrap",
            "n_cohort": 1_234_567,
            "n_scored": 999_999,
            "previous_run_id": FIRST,
            "n_cohort_change": 567,
            "n_scored_change": -1,
            "message": None,
        }
        text = five_runs.run("--format", "csv", command="runs").stdout
        (read,) = [row for row in csv.DictReader(io.StringIO(text)) if row["is_latest"] == "true"]
        assert read == {
            name: "true" if value is True else "" if value is None else str(value)
            for name, value in rows[3].items()
        }

    def test_the_newest(self, five_runs: Site) -> None:
        arguments = ("--limit", 3, "--format", "json")
        rows = json.loads(five_runs.run(*arguments, command="runs").stdout)
        assert [row["run_id"] for row in rows] == [THIRD + 2, THIRD + 1, THIRD]
        said = words(five_runs.run("--limit", 1, command="runs"))
        assert "1 of 5 runs" in said
        assert "FAILED" not in said
        assert omop_scorer("runs", "--limit", 0).returncode == 2

    def test_no_run_yet(self, empty: Site) -> None:
        assert "No run yet; start one with: omop-scorer run" in words(empty.run(command="runs"))
        assert json.loads(empty.run("--format", "json", command="runs").stdout) == []
        text = empty.run("--format", "csv", command="runs").stdout
        assert text.startswith("run_id,as_of_date,")
        assert text.count("\n") == 1

    def test_on_a_terminal_of_80_columns(self, empty: Site) -> None:
        longest = {"engine": "postgresql"}
        write_runs(
            empty,
            MadeUpRun(FIRST, "2025-06-15", "COMPLETE", 111_111_111, 1, columns=longest),
            MadeUpRun(SECOND, "2025-06-16", "COMPLETE", 999_999_999, 888_888_888, columns=longest),
        )
        lines = on_a_terminal("runs", "--config", empty.run_file())
        assert max(map(len, lines)) <= 80
        of_second = [i for i, line in enumerate(lines) if line.startswith(str(SECOND))]
        assert len(of_second) == 1
        over, under = (" ".join(line.split()) for line in lines[of_second[0] :][:2])
        assert over == f"{SECOND} 2025-06-16 COMPLETE postgresql 999,999,999 888,888,888"
        assert under == "2025-06-15 03:00 latest 90.5 bootstrap +888,888,888 +888,888,887"

    def test_what_was_published_stays_published(self, empty: Site) -> None:
        """As in latest_run: whatever is recorded of a COMPLETE run afterwards."""
        write_runs(empty, MadeUpRun(FIRST, n_cohort=5, n_scored=4))
        with duckdb.connect(str(empty.results)) as connection:
            connection.execute("USE omop_scorer")
            late = {"run_id": FIRST, "status": "FAILED", "recorded_at": datetime(2025, 6, 16)}
            insert(connection, "scoring_run_status", **late)
        with reader_of(empty) as reader:
            (run,) = history.list_runs(reader)
        assert (run.status, run.n_cohort, run.is_latest) == ("COMPLETE", 5, True)
        assert empty.rows("SELECT run_id FROM latest_run") == [(FIRST,)]


def on_a_terminal(*arguments: object) -> list[str]:
    """Run a command on a terminal of 80 columns; return its lines without their colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    with subprocess.Popen(
        [str(PROGRAM), *map(str, arguments)],
        env=environment() | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        said = b"".join(_chunks(ours))
    os.close(ours)
    assert process.returncode == 0, said
    assert b"\x1b[" in said
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode()).splitlines()


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end is closed
            return
        if not chunk:
            return
        yield chunk


READERS = (
    ("runs",),
    ("diff", "previous", "latest"),
    ("report", "--output", "report.html"),
    ("export", "--to", "answer.duckdb", "--format", "duckdb"),
)


def refuse(site: Site, readers: Sequence[tuple[str, ...]], exit_code: int, *parts: object) -> None:
    """Hold every command that reads to a refusal, and to making nothing."""
    path = site.run_file()
    before = sorted(site.folder.rglob("*"))
    for command, *arguments in readers:
        finished = omop_scorer(command, *arguments, "--config", path, cwd=site.folder)
        assert_refused(finished, exit_code, *parts)
    assert sorted(site.folder.rglob("*")) == before


class TestReading:
    def test_no_file(self, empty: Site) -> None:
        empty.results.unlink()
        refuse(empty, READERS, 11, r"results\.url", empty.results, "no such file", "start a run")

    def test_a_folder(self, empty: Site) -> None:
        empty.results.unlink()
        empty.results.mkdir()
        refuse(empty, READERS, 11, r"results\.url", empty.results, "not a DuckDB file")

    @pytest.mark.parametrize("content", [b"", b"these are notes\n" * 1000])
    def test_no_duckdb_file(self, empty: Site, content: bytes) -> None:
        empty.results.write_bytes(content)
        refuse(empty, READERS, 11, r"results\.url", empty.results, "not a (valid )?DuckDB")
        assert empty.results.read_bytes() == content

    def test_no_such_schema(self, empty: Site) -> None:
        empty.keys = {"results": {"schema": "scores"}}
        refuse(empty, READERS, 15, "no results.schema 'scores'", "schemas: 'omop_scorer'")

    def test_tables_of_somebody_else(self, empty: Site) -> None:
        empty.results.unlink()
        with duckdb.connect(str(empty.results)) as connection:
            connection.execute("CREATE SCHEMA omop_scorer")
            connection.execute("CREATE TABLE omop_scorer.scoring_run (run_id BIGINT)")
        refuse(empty, READERS, 15, "no table schema_version, scoring_run_status", "start a run")

    def test_a_newer_release(self, empty: Site) -> None:
        with duckdb.connect(str(empty.results)) as connection:
            connection.execute(
                "INSERT INTO omop_scorer.schema_version VALUES (99, '9.9', '2030-01-01')"
            )
        refuse(empty, READERS, 15, "version 99", "newer release")

    def test_a_run_that_is_writing(self, two_runs: Site) -> None:
        hold = (
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
            "print(flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", hold, str(two_runs.results)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()
            parts = (two_runs.results, "open for writing", f"process {process.pid}", "wait")
            refuse(two_runs, READERS, 16, *parts)
            process.stdin.close()
        assert f"{SECOND}" in words(two_runs.run(command="runs"))

    def test_readers_do_not_mind_each_other(self, two_runs: Site) -> None:
        with duckdb.connect(str(two_runs.results), read_only=True):
            assert f"{SECOND}" in words(two_runs.run(command="runs"))

    def test_nothing_is_written_and_no_cdm_is_needed(self, two_runs: Site) -> None:
        two_runs.keys = {"cdm": {"url": "/nowhere/cdm.duckdb", "schema": "none"}}
        path = two_runs.run_file()
        two_runs.results.chmod(0o444)
        before = two_runs.results.read_bytes(), sorted(two_runs.folder.iterdir())
        for arguments in (("runs",), ("diff", "previous", "latest")):
            words(omop_scorer(*arguments, "--config", path, cwd=two_runs.folder))
        assert (two_runs.results.read_bytes(), sorted(two_runs.folder.iterdir())) == before

    def test_the_results_alone_name_themselves(self, two_runs: Site) -> None:
        path = two_runs.folder / "results.yaml"
        path.write_text(f"results: {{url: {two_runs.results}}}\n", encoding="utf-8")
        expected = words(two_runs.run(command="runs"))
        assert words(omop_scorer("runs", "-c", path)) == expected
        setting = ("--set", f"results.url={two_runs.results}")
        found = omop_scorer("runs", *setting, cwd=two_runs.folder)
        assert words(found, "run file: ./nightly.yaml\n") == expected
        finished = omop_scorer("runs", "-c", path, "--set", "results.shema=x")
        assert_refused(finished, 10, r"results\.shema: no such key")

    def test_without_a_run_file_the_shipped_one_holds(self, tmp_path: Path) -> None:
        url = load(shipped_run_file()).results.url
        assert_refused(omop_scorer("runs", cwd=tmp_path), 11, f"results.url {url}", "no such file")

    def test_a_log_that_a_crash_left_is_read(self, two_runs: Site) -> None:
        """The file of a run that was killed still has its write-ahead log."""
        crash = (
            "import duckdb, os, sys\n"
            "c = duckdb.connect(sys.argv[1])\n"
            f"c.execute('DELETE FROM omop_scorer.scoring_run WHERE run_id = {SECOND}')\n"
            "os._exit(9)"
        )
        done = subprocess.run([sys.executable, "-c", crash, two_runs.results], check=False)
        assert done.returncode == 9
        log = two_runs.results.with_name("results.duckdb.wal")
        before = log.read_bytes()
        said = words(two_runs.run(command="runs"))
        assert f"{FIRST}" in said
        assert f"{SECOND}" not in said
        assert log.read_bytes() == before


def test_names_of_schemas_that_need_quotes(site: Site) -> None:
    site.keys = {"results": {"schema": "a \"quoted'; schema"}}
    for _ in range(2):
        assert site.run().returncode == 0
    runs = json.loads(site.run("--format", "json", command="runs").stdout)
    assert [run["n_cohort_change"] for run in runs] == [0, None]
    said = words(site.run("previous", "latest", command="diff"))
    assert f"{runs[0]['n_scored']} in both runs, 0 of them" in said


def test_a_schema_in_other_letters(two_runs: Site) -> None:
    two_runs.keys = {"results": {"schema": "Omop_Scorer"}}
    assert f"{SECOND}" in words(two_runs.run(command="runs"))


def by_hand(site: Site, earlier: int, later: int) -> dict[tuple[str | None, str | None], int]:
    """Count the flows from label to label one person at a time."""
    labels = [
        dict(site.rows(f"SELECT person_id, subgroup FROM patient_subgroup WHERE run_id = {run_id}"))
        for run_id in (earlier, later)
    ]
    flows: dict[tuple[str | None, str | None], int] = {}
    for person in labels[0].keys() | labels[1].keys():
        flow = labels[0].get(person), labels[1].get(person)
        flows[flow] = flows.get(flow, 0) + 1
    return flows


def one_that_crp_moves(site: Site) -> tuple[int, int]:
    """Return a patient whose label is another one with a CRP of 200 mg/L, and the record."""
    trial = Site(site.folder / "trial", site.folder / "trial.duckdb", site.folder / "tried.duckdb")
    trial.folder.mkdir()
    shutil.copy(site.cdm, trial.cdm)
    shutil.copy(site.results, trial.results)
    records = site.rows(
        "SELECT source_id FROM latest_patient_covariate WHERE covariate = 'crp' "
        "AND source_table = 'measurement' AND source_unit ILIKE 'mg/l' AND status = 'observed'"
    )
    listed = ", ".join(str(record) for (record,) in records)
    trial.change(f"UPDATE measurement SET value_as_number = 200 WHERE measurement_id IN ({listed})")
    assert trial.run().returncode == 0
    ((person, record), *_) = trial.rows(
        "SELECT person_id, c.source_id FROM latest_score AS s "
        "JOIN latest_patient_covariate AS c USING (person_id) "
        "JOIN patient_subgroup AS e USING (person_id) "
        "WHERE e.run_id <> s.run_id AND e.subgroup <> s.subgroup AND c.covariate = 'crp' "
        "ORDER BY person_id"
    )
    return person, record


def test_one_out_one_in_one_with_another_crp(site: Site) -> None:
    """The next night: one patient has left the CDM, one has come, and of one CRP changed."""
    mover, record = one_that_crp_moves(site)
    ((leaver,), (model,)) = site.rows(
        f"SELECT person_id FROM latest_score WHERE person_id <> {mover} ORDER BY 1 LIMIT 2"
    )
    comer = PERSON + 1
    site.change(
        f"DELETE FROM person WHERE person_id = {leaver}",
        f"INSERT INTO person SELECT * REPLACE ({comer} AS person_id) FROM person "
        f"WHERE person_id = {model}",
        f"INSERT INTO condition_occurrence SELECT * REPLACE ({comer} AS person_id, "
        "77777777 AS condition_occurrence_id) FROM condition_occurrence "
        "WHERE condition_concept_id = 201606 LIMIT 1",
        f"UPDATE measurement SET value_as_number = 200 WHERE measurement_id = {record}",
    )
    ((earlier,),) = site.rows("SELECT run_id FROM latest_run")
    assert site.run().returncode == 0
    ((later,),) = site.rows("SELECT run_id FROM latest_run")
    with reader_of(site) as reader:
        patients = compare(reader, earlier, later).patients
    assert patients is not None
    flows = {(flow.earlier, flow.later): flow.n_persons for flow in patients.flows}
    assert flows == by_hand(site, earlier, later)
    assert (patients.n_in, patients.n_out, patients.n_changed) == (1, 1, 1)
    assert patients.causes == (Cause("crp", 1),)
    assert patients.covariate_changes == (CovariateChange("crp", 1),)
    finished = site.run(earlier, later, command="diff")
    assert "1 of them with another subgroup; 1 newly scored, 1 no longer" in words(finished)
    assert f"{comer}" not in finished.stdout


def test_other_settings_move_patients_without_a_covariate(site: Site) -> None:
    assert site.run("--set", "uncertainty=analytic").returncode == 0
    said = words(site.run("previous", "latest", command="diff"))
    assert 'uncertainty "bootstrap" "analytic"' in said
    later, earlier = (
        row["run_id"] for row in json.loads(site.run("--format", "json", command="runs").stdout)
    )
    moved = sum(n for (one, other), n in by_hand(site, earlier, later).items() if one != other)
    assert moved > 0
    assert f"{moved:,} of them with another subgroup; 0 newly scored, 0 no longer" in said
    assert f"model or settings {moved:,}" in said
    assert "Covariates that differ" not in said


def test_every_label_by_the_other_uncertainty_is_that_of_a_run_with_it(site: Site) -> None:
    assert site.run("--set", "uncertainty=analytic").returncode == 0
    query = "SELECT {} FROM patient_subgroup AS s JOIN scoring_run AS r USING (run_id) "
    query += "WHERE uncertainty = '{}' ORDER BY person_id"
    analytic = site.rows(query.format("person_id, subgroup", "analytic"))
    assert site.rows(query.format("person_id, subgroup_analytic", "analytic")) == analytic
    assert site.rows(query.format("person_id, subgroup_analytic", "bootstrap")) == analytic
    before = site.rows(query.format("person_id, subgroup", "bootstrap"))
    assert before != analytic
    # The wide rows say who has another label than in the run before, and which it was.
    wide = site.rows(
        "SELECT person_id, previous_subgroup, subgroup, is_changed FROM latest_patient"
    )
    both = zip(before, analytic, strict=True)
    assert sorted(wide) == [(person, a, b, a != b) for (person, a), (_, b) in both]


@in_files_and_on_a_server
def test_a_wide_row_has_each_covariate_and_effect_under_its_own_name(site: Site) -> None:
    wide = {row["person_id"]: row for row in records(site, "latest_patient")}
    covariates = records(site, "latest_patient_covariate")
    for row in covariates:
        patient, name = wide[row["person_id"]], row["covariate"]
        assert patient[name] == row["covariate_value"]
        assert patient[f"{name}_status"] == row["status"]
    effects = records(site, "latest_counterfactual")
    for row in effects:
        found = wide[row["person_id"]][f"{row['drug_class']}_effect"]
        assert found == row["attributable_effect"]
    assert (len(covariates), len(effects)) == (9 * len(wide), 3 * len(wide))
    for row in records(site, "latest_score"):
        patient = wide.pop(row["person_id"])
        same = ("run_id", "age", "subgroup", "subgroup_analytic", "preference_group", "n_imputed")
        same += ("ruled_out_class", "within_trial_range")
        assert {name: patient[name] for name in same} == {name: row[name] for name in same}
        assert patient["sex"] == ("male" if row["is_male"] else "female")
        assert patient["is_changed"] is patient["previous_subgroup"] is None
    assert not wide


def records(site: Site, view: str) -> list[dict[str, Any]]:
    """Return the rows of a view, by column."""
    with reader_of(site) as reader:
        rows: list[dict[str, Any]] = reader.read(
            sql.parse(f"SELECT * FROM results.{view}"), {}
        ).to_pylist()
    return rows


#: Person, labels, and the covariates that differ with their values, worked out by hand.
CHANGES = [
    (2, A, B, "crp", 5, 50),
    (3, A, B, "age", 40, 41),
    (3, A, B, "crp", 5, 50),
    (4, B, A, None, None, None),
    (7, B, C, "crp", None, 7),
    (8, B, C, "ileal", None, 1),
    (9, C, A, "age", 30, 31),
    (10, A, B, "crp", 5, 5.000000000000001),
]


def changes(site: Site) -> list[tuple[Any, ...]]:
    rows = site.rows(
        "SELECT person_id, earlier_subgroup, later_subgroup, covariate, earlier_value, later_value "
        "FROM subgroup_change ORDER BY person_id, covariate"
    )
    return [(person - PERSON, *rest) for person, *rest in rows]


def test_the_persons_with_another_label_and_the_covariates_that_differ(two_runs: Site) -> None:
    assert changes(two_runs) == CHANGES
    runs = "SELECT DISTINCT earlier_run_id, later_run_id FROM subgroup_change"
    assert two_runs.rows(runs) == [(FIRST, SECOND)]
    statuses = "SELECT earlier_status, later_status FROM subgroup_change WHERE person_id = {}"
    assert two_runs.rows(statuses.format(PERSON + 7)) == [("left_out", "observed")]
    assert two_runs.rows(statuses.format(PERSON + 8)) == [(None, "observed")]
    # Neither a run of an older night nor one that failed is one of the last two.
    write_runs(
        two_runs,
        MadeUpRun(SECOND + 1, "2025-06-14", "COMPLETE", 12, 1),
        MadeUpRun(SECOND + 2, "2025-06-17", "FAILED"),
    )
    write_patients(two_runs, SECOND + 1, {2: (C, {"age": 40, "crp": 5})})
    write_patients(two_runs, SECOND + 2, {2: (C, {"age": 40, "crp": 5})})
    assert changes(two_runs) == CHANGES
    # Once the latest run is withdrawn, the two before it are the last two.
    two_runs.write(
        "INSERT INTO scoring_run_status (run_id, status, recorded_at) "
        f"VALUES ({SECOND}, 'WITHDRAWN', TIMESTAMP '2025-06-18 00:00:00')"
    )
    assert changes(two_runs) == [(2, C, A, None, None, None)]


#: Run, as-of date, last status, uncertainty, and the label of persons 1 to 5 in it.
LABELLED = [
    (FIRST, "2025-06-10", "COMPLETE", "bootstrap", {1: A, 2: B, 3: A}),
    (FIRST + 1, "2025-06-11", "COMPLETE", "bootstrap", {1: A, 2: A}),
    (FIRST + 2, "2025-06-12", "WITHDRAWN", "bootstrap", {1: C, 2: C, 4: A}),
    (FIRST + 3, "2025-06-13", "FAILED", "bootstrap", {1: C, 5: A}),
    (FIRST + 4, "2025-06-14", "COMPLETE", "analytic", {1: A, 2: A, 3: B, 4: A}),
    # An earlier night that was run later, and the same night twice.
    (FIRST + 5, "2025-06-09", "COMPLETE", "bootstrap", {1: A, 2: A}),
    (FIRST + 6, "2025-06-14", "COMPLETE", "analytic", {4: B}),
]

#: Person, number, label, first run, first and last day, runs, run before, its label, other model.
HISTORY = [
    (1, 1, A, FIRST + 5, 9, 14, 4, None, None, False),
    (2, 1, A, FIRST + 5, 9, 9, 1, None, None, False),
    (2, 2, B, FIRST, 10, 10, 1, FIRST + 5, A, False),
    (2, 3, A, FIRST + 1, 11, 14, 2, FIRST, B, False),
    (3, 1, A, FIRST, 10, 10, 1, None, None, False),
    (3, 2, B, FIRST + 4, 14, 14, 1, FIRST, A, True),
    (4, 1, A, FIRST + 4, 14, 14, 1, None, None, False),
    (4, 2, B, FIRST + 6, 14, 14, 1, FIRST + 4, A, False),
]


def test_the_labels_over_all_runs_and_what_changed_them(empty: Site) -> None:
    values = {FIRST: {"crp": 5.0}, FIRST + 1: {"crp": None, "ileal": 1.0}}
    for run_id, as_of, status, uncertainty, labels in LABELLED:
        columns = {"uncertainty": uncertainty}
        write_runs(empty, MadeUpRun(run_id, as_of, status, 9, len(labels), columns=columns))
        known = {
            person: (label, values.get(run_id, {"crp": 50.0})) for person, label in labels.items()
        }
        write_patients(empty, run_id, known)
    rows = empty.rows(
        f"SELECT person_id - {PERSON}, label_number, subgroup, first_run_id, "
        "DAY(first_as_of_date), DAY(last_as_of_date), n_runs, earlier_run_id, earlier_subgroup, "
        "has_other_model FROM label_history ORDER BY ALL"
    )
    assert rows == HISTORY
    changes = empty.rows(
        f"SELECT person_id - {PERSON}, label_number, covariate, earlier_value, later_value, "
        "earlier_status, later_status FROM label_change ORDER BY ALL"
    )
    assert changes == [
        (2, 2, "crp", 50, 5, "observed", "observed"),
        (2, 3, "crp", 5, None, "observed", "left_out"),
        (2, 3, "ileal", None, 1, None, "observed"),
        (3, 2, "crp", 5, 50, "observed", "observed"),
    ]


class TestReport:
    def test_neither_a_file_nor_a_folder(self, empty: Site) -> None:
        finished = empty.run(command="report")
        assert finished.returncode == 2
        assert "--output" in finished.stderr

    def test_a_page_and_a_folder(self, site: Site) -> None:
        shutil.rmtree(site.folder / "figures", ignore_errors=True)
        page, folder = site.folder / "report.html", site.folder / "figures"
        finished = site.run("-o", page, "--csv", folder, command="report")
        assert finished.returncode == 0, finished.stderr
        written = finished.stdout.splitlines()
        assert written[0] == str(page)
        assert sorted(written[1:]) == sorted(map(str, folder.iterdir()))
        assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")

    def test_a_run_that_is_not_there(self, site: Site) -> None:
        page = site.folder / "report.html"
        finished = site.run("--run", "123", "-o", page, command="report")
        assert_refused(finished, 10, "no run '123'")
        assert not page.exists()
