"""Copied rows that exceed the memory: nothing of a patient can be read on the disk, or is left."""

import os
import signal
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import log_lines
from tests.support.database_site import DatabaseSite, in_sqlite, rows_of

PERSONS = 1000
PLANTED = b"PLANTEDPATIENT"
#: More than 10 MB of records exceed it.
LITTLE = {"memory_limit": "25MB", "threads": 1}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, made_up: Callable[..., Path]) -> Path:
    """Return a CDM in SQLite in which each measurement has 8 KB of a patient's text."""
    path = in_sqlite(made_up(PERSONS), tmp_path_factory.mktemp("planted"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE measurement SET unit_source_value = "
            "'PLANTEDPATIENT' || HEX(RANDOMBLOB(4000)) WHERE unit_concept_id > 0"
        )
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of temporary files, which is empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def site_of(folder: Path, cdm: Path, name: str) -> DatabaseSite:
    (folder / name).mkdir()
    results = folder / name / "results.duckdb"
    return DatabaseSite(folder / name, cdm, results, url=f"sqlite:///{cdm}")


@contextmanager
def held_with_its_copy(site: DatabaseSite, **keys: Any) -> Iterator[None]:
    """Hold a run still when it has copied every row; kill it after."""
    run = site.start("--log-format", "json", **keys)
    for line in run.stderr:
        if log_lines(line)[0].get("step") == "pull records":
            os.kill(run.pid, signal.SIGSTOP)
            break
    else:
        pytest.fail("the run never copied its records")
    try:
        yield
    finally:
        os.kill(run.pid, signal.SIGKILL)
        run.finish()


def contents(temporary: Path) -> bytes:
    return b"".join(path.read_bytes() for path in temporary.rglob("*") if path.is_file())


def test_a_killed_run_leaves_nothing_that_can_be_read_and_the_next_one_removes_it(
    tmp_path: Path, planted: Path, temporary: Path
) -> None:
    with held_with_its_copy(site_of(tmp_path, planted, "killed"), **LITTLE):
        folders = set(temporary.iterdir())
        assert folders
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}
        spilled = contents(temporary)
        assert len(spilled) > 5_000_000
        assert PLANTED not in spilled
        # A run that is alive keeps its files, whatever others do.
        other = site_of(tmp_path, planted, "other")
        assert other.run().returncode == 0
        assert set(temporary.iterdir()) == folders
        assert contents(temporary) == spilled
    assert set(temporary.iterdir()) == folders
    assert PLANTED not in contents(temporary)
    assert other.run().returncode == 0
    assert list(temporary.iterdir()) == []


def test_a_run_that_exceeds_its_memory_gives_the_same_answer(
    tmp_path: Path, planted: Path, temporary: Path
) -> None:
    small, large = (site_of(tmp_path, planted, name) for name in ("small", "large"))
    assert large.run().returncode == 0
    finished = small.run(memory_limit="70MB", threads=1)
    assert finished.returncode == 0, finished.stderr
    assert rows_of(small) == rows_of(large)
    assert list(temporary.iterdir()) == []
