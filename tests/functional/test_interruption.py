"""A run that is killed, asked to stop, doubled or out of disk: yesterday's answer stays."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from test_logs import STEPS

from tests.support import postgresql
from tests.support.command_line import (
    PROGRAM,
    Site,
    assert_refused,
    assert_whole,
    environment,
    in_files_and_on_a_server,
    log_lines,
    start,
)
from tests.support.server_site import ServerSite
from tests.support.small_disk import fill, small_disk
from tests.support.thoroughness import IS_THOROUGH, cases

PERSONS = 1000
BOTH = ("duckdb", "postgresql")
#: Steps before and after everything that a run writes to the results, and two that only read.
AROUND_WRITING = {
    *("connect", "results schema", "concept sets", "quality", "score", "index_score"),
    *("write", "publish"),
}


@pytest.fixture(scope="module")
def midsized(tmp_path_factory: pytest.TempPathFactory, made_up) -> Site:
    """A mid-sized CDM and one answer."""
    folder = tmp_path_factory.mktemp("midsized")
    site = Site(folder, made_up(PERSONS), folder / "results.duckdb")
    assert site.run().returncode == 0
    return site


@pytest.fixture
def night(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A CDM with results of its own: mid-sized in a file, small on a server."""
    if request.param == "postgresql":
        answered = request.getfixturevalue("server_answered")
        of_server = ServerSite(tmp_path, answered.cdm, postgresql.new_schema("night"))
        return of_server.with_answer_of(answered)
    midsized = request.getfixturevalue("midsized")
    shutil.copy(midsized.results, tmp_path / "results.duckdb")
    return Site(tmp_path, midsized.cdm, tmp_path / "results.duckdb")


def stop_after(site: Site, step: str, number: int, *, delay: float = 0, **keys: object) -> int:
    """Signal a run as soon as it logs the end of a step; return the process's exit code."""
    run = start("run", "--config", site.run_file(**keys), "--log-format", "json")
    for line in run.stderr:
        if log_lines(line)[0].get("step") == step:
            time.sleep(delay)
            with suppress(ProcessLookupError):
                os.kill(run.pid, number)
            break
    else:
        pytest.fail(f"the run never logged the step {step}")
    finished = run.finish()
    assert "Traceback" not in finished.stderr
    site.settle()
    return finished.returncode


def steps_of(site: Site) -> list[str]:
    finished = site.run("--log-format", "json")
    lines = log_lines(finished.stderr)
    return [line["step"] for line in lines if line["event"] == "step"]


@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_a_kill_at_any_step_leaves_one_whole_answer(night: Site) -> None:
    steps = steps_of(night)
    assert [step for step in steps if not step.startswith("pull ")] == STEPS
    yesterday = night.answer()
    left: set[int] = set()
    killed = steps if IS_THOROUGH else [step for step in steps if step in AROUND_WRITING]
    for step in killed:
        stop_after(night, step, signal.SIGKILL)
        # The run just killed has cleared up after those before it, if it came so far.
        left = assert_whole(night, yesterday, left)
    assert len(left) > len(killed) // 2
    states = night.states()
    is_last_dead = any(states[run] == "RUNNING" for run in left)  # the kill may come too late
    finished = night.run("--log-format", "json")
    assert finished.returncode == 0, finished.stderr
    warnings = [line["message"] for line in log_lines(finished.stderr) if "message" in line]
    assert any("was interrupted before its end" in each for each in warnings) == is_last_dead
    assert assert_whole(night, yesterday, left) == left
    messages = night.rows("SELECT DISTINCT message FROM scoring_run_status WHERE status = 'FAILED'")
    assert messages == [("the run was interrupted before its end",)]
    assert night.rows("SELECT run_id FROM latest_run") == [(max(night.states()),)]


@pytest.mark.parametrize("delay", cases([0.05], [0.3]))
@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_a_kill_amid_scoring_leaves_no_row(night: Site, delay: float) -> None:
    yesterday = night.answer()
    stop_after(night, "quality", signal.SIGKILL, delay=delay, batch_size=1)
    assert len(assert_whole(night, yesterday, set())) == 1
    assert night.answer() == yesterday


@pytest.mark.parametrize("milliseconds", cases([0, 10], [3, 30]))
@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_a_kill_amid_the_commit_leaves_all_or_nothing(night: Site, milliseconds: int) -> None:
    yesterday = night.answer()
    stop_after(night, "publish", signal.SIGKILL, delay=milliseconds / 1000)
    dead = assert_whole(night, yesterday, set())
    if milliseconds == 0:
        assert night.run().returncode == 0
        assert_whole(night, yesterday, dead)


@pytest.mark.parametrize("step", ["concept sets", "quality", "score"])
@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_a_request_to_stop_ends_failed(night: Site, step: str) -> None:
    yesterday = night.answer()
    exit_code = stop_after(night, step, signal.SIGTERM, batch_size=2 if step == "quality" else 1000)
    assert exit_code == 128 + signal.SIGTERM
    (dead,) = assert_whole(night, yesterday, set())
    assert night.states()[dead] == "FAILED"
    ((message,),) = night.rows("SELECT message FROM scoring_run_status WHERE status = 'FAILED'")
    assert message.startswith("step ")
    assert night.answer() == yesterday


def test_a_terminal_that_hangs_up_ends_failed(midsized: Site, tmp_path: Path) -> None:
    night = Site(tmp_path, midsized.cdm, tmp_path / "results.duckdb")
    assert stop_after(night, "concept sets", signal.SIGHUP) == 128 + signal.SIGHUP
    assert set(night.states().values()) == {"FAILED"}


@pytest.mark.parametrize("delay", [0.1, 0.3])
def test_a_signal_after_complete_changes_nothing(site: Site, delay: float) -> None:
    exit_code = stop_after(site, "publish", signal.SIGTERM, delay=delay)
    states = list(site.states().values())
    assert states == ["COMPLETE"] * len(states)
    assert exit_code == 0


@pytest.fixture(scope="module")
def in_a_folder(midsized: Site) -> Path:
    """The answer to the mid-sized CDM as a folder of Parquet."""
    folder = midsized.folder / "results"
    assert midsized.run(results={"url": f"{folder}/"}).returncode == 0
    return folder


@pytest.mark.parametrize("change", ["moved", "replaced", "removed"])
@pytest.mark.parametrize("name", ["results.duckdb", "results/"])
def test_results_that_are_moved_during_a_run(
    midsized: Site, in_a_folder: Path, tmp_path: Path, change: str, name: str
) -> None:
    results, copy = tmp_path / name, tmp_path / "copy"
    night = Site(tmp_path, midsized.cdm, results)
    where = {"results": {"url": f"{tmp_path}/{name}"}}
    is_file = not name.endswith("/")
    for target in (results, copy):
        if is_file:
            shutil.copy(midsized.results, target)
        else:
            shutil.copytree(in_a_folder, target)
    run = night.start("--log-format", "json", **where)
    for line in run.stderr:
        if log_lines(line)[0].get("step") == "concept sets":
            os.kill(run.pid, signal.SIGSTOP)
            break
    results.rename(tmp_path / "elsewhere")
    if change == "replaced":
        copy.rename(results)
    elif change == "removed":
        gone = tmp_path / "elsewhere"
        gone.unlink() if is_file else shutil.rmtree(gone)
    os.kill(run.pid, signal.SIGCONT)
    finished = run.finish()
    assert finished.returncode == 15, finished.stderr
    if change == "replaced":
        listed = json.loads(night.run("--format", "json", command="runs", **where).stdout)
        assert [each["status"] for each in listed] == ["COMPLETE"]


def test_a_run_waits_for_a_file_that_is_open(site: Site) -> None:
    with duckdb.connect(str(site.results), read_only=True):
        run = site.start("--log-format", "json", results={"lock_timeout_seconds": 60})
        message = log_lines(run.stderr.readline())[0]["message"]
        assert f"(process {os.getpid()})" in message
        assert "at most 60 seconds" in message
    assert run.wait() == 0


@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_an_interrupt_from_the_keyboard_ends_failed(night: Site) -> None:
    yesterday = night.answer()
    exit_code = stop_after(night, "quality", signal.SIGINT, batch_size=2)
    assert exit_code not in (0, 1, 2)
    (dead,) = assert_whole(night, yesterday, set())
    assert night.states()[dead] == "FAILED"


@pytest.mark.parametrize("night", BOTH, indirect=True)
def test_of_two_runs_at_once_one_writes(night: Site) -> None:
    yesterday = night.answer()
    first = start("run", "--config", night.run_file(batch_size=5), "--log-format", "json")
    assert log_lines(first.stderr.readline())[0]["step"] == "connect"
    os.kill(first.pid, signal.SIGSTOP)  # holds it where it is, however slow the machine
    second, looked = (
        start(command, "--config", night.folder / "nightly.yaml").finish()
        for command in ("run", "check")
    )
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait() == 0
    holder = f"process {first.pid}" if night.engine == "duckdb" else r"server process \d+"
    assert_refused(second, 16, r"results\.url", night.results, "another run", holder)
    assert looked.returncode == 16
    assert assert_whole(night, yesterday, set()) == set()
    assert len(night.states()) == 2


@pytest.mark.parametrize("n_bytes_left", [0, 50_000])
def test_a_full_disk(site: Site, tmp_path: Path, n_bytes_left: int) -> None:
    """On a disk of its own where root may mount one, else with a limit on the size of files."""
    seen = site.answer()
    folder = tmp_path / "disk"
    folder.mkdir()
    original, site.results = site.results, folder / "results.duckdb"
    with small_disk(folder) as mounted:
        shutil.copy(original, site.results)
        if mounted:
            fill(folder / "filler", n_bytes_left)
            finished = site.run()
        else:
            finished = run_with_file_limit(site, n_bytes_left or 1)
        assert site.answer() == seen
        with suppress(FileNotFoundError):
            (folder / "filler").unlink()
        assert_room_again(site, seen)
    assert_refused(finished, 15, site.results, "(?i)space|disk")


def assert_room_again(site: Site, seen: dict) -> None:
    """A run with room clears up after those without."""
    assert site.run().returncode == 0
    dead = assert_whole(site, seen, set())
    assert all(site.states()[run] == "FAILED" for run in dead)


def run_with_file_limit(site: Site, n_bytes: int) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return subprocess.run(
        [str(PROGRAM), "run", "--config", str(site.run_file())],
        env=environment(),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("n_bytes", [0, 20_000])
def test_no_file_may_grow(site: Site, n_bytes: int) -> None:
    seen = site.answer()
    finished = run_with_file_limit(site, n_bytes)
    assert site.answer() == seen
    assert finished.returncode == 15, finished.stderr
    assert "unexpected error" not in finished.stderr


@in_files_and_on_a_server
def test_a_first_run_that_dies_leaves_no_answer(site: Site) -> None:
    fresh = site.fresh()
    stop_after(fresh, "score", signal.SIGKILL)
    assert fresh.rows("FROM latest_run") == []
    assert fresh.rows("FROM latest_score") == []
    assert fresh.run().returncode == 0
    assert len(fresh.rows("FROM latest_run")) == 1


@in_files_and_on_a_server
def test_a_kill_while_the_tables_are_made_leaves_a_file_the_next_run_can_use(site: Site) -> None:
    fresh = site.fresh()
    stop_after(fresh, "connect", signal.SIGKILL)
    assert fresh.run().returncode == 0
    assert fresh.rows("SELECT COUNT(*) FROM latest_score") != [(0,)]
