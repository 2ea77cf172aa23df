"""Run a command as a process of its own and say what it took: seconds, CPU seconds, peak memory.

Nothing heavy is imported here: Linux counts the memory of the process that starts another into
the peak of the other.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

_MIB = 2**20
#: Seconds between two looks at the memory of a server or of a tree of processes.
_PAUSE = 0.1


@dataclass(frozen=True)
class Case:
    """What is measured, several times; the key of a row of the table."""

    part: str
    """kernel, run, alternative or floor."""
    what: str
    engine: str = ""
    persons: int | None = None
    """Persons of the warehouse."""
    rows: int | None = None
    """Rows of its clinical tables."""
    patients: int | None = None
    """Patients scored: of the cohort, or drawn."""
    baseline: str = ""
    """`what` of the case on the same data that the ratio divides by; none: no ratio."""


@dataclass(frozen=True)
class Sample:
    """One repetition."""

    seconds: float
    cpu_seconds: float | None = None
    """User and system, of the process and of all that it started; the server's are apart."""
    peak_mib: float | None = None
    server_cpu_seconds: float | None = None
    server_peak_mib: float | None = None
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds of each step of a run, from its own log."""
    note: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    """What the process printed, when that was a JSON object."""


class FailedError(Exception):
    """A measured process did not end well."""


class _Watch(threading.Thread):
    """Looks at a tree of processes until it is told to stop.

    Memory is the sum of the proportional shares, so that what processes share counts once.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._stop_now = threading.Event()
        self.peak_mib = 0.0
        self.most_cpu_seconds = 0.0
        """As far as could be seen: who has ended takes along what it used unless it was awaited."""

    def run(self) -> None:
        while not self._stop_now.wait(_PAUSE):
            self.peak_mib = max(self.peak_mib, self._memory())
            self.most_cpu_seconds = max(self.most_cpu_seconds, self.cpu_seconds())

    def _memory(self) -> float:
        total = 0
        for process in self._tree():
            try:
                total += process.memory_full_info().pss
            except psutil.Error:  # it has ended meanwhile
                continue
        return total / _MIB

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def cpu_seconds(self) -> float:
        """Return what the tree has used so far, those that have ended included."""
        total = 0.0
        for process in self._tree():
            try:
                used = process.cpu_times()
            except psutil.Error:
                continue
            total += used.user + used.system + used.children_user + used.children_system
        return total

    def stop(self) -> None:
        self._stop_now.set()
        self.join()


def measure(
    command: Sequence[str],
    *,
    server_pid: int | None = None,
    steps: Callable[[str], dict[str, float]] | None = None,
    is_tree: bool = False,
    timeout: float = 7200,
) -> Sample:
    """Run a command to its end.

    Parameters
    ----------
    command
        The program and its arguments. What it prints as a JSON object with `seconds` and
        `cpu_seconds` counts instead of the whole process: a child that prepares before it begins.
    server_pid
        A server that works for it, whose CPU seconds and peak memory are then told too.
    steps
        Reads seconds per step from its standard error.
    is_tree
        Whether it starts others that count and that it does not wait for, as Spark's Java does.

    Raises
    ------
    FailedError
        Its exit code is not 0, or it takes too long.
    """
    server = None if server_pid is None else _Watch(server_pid)
    before = 0.0 if server is None else server.cpu_seconds()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        tree = _Watch(child.pid) if is_tree else None
        watches = [watch for watch in (server, tree) if watch is not None]
        for watch in watches:
            watch.start()
        too_long = threading.Timer(timeout, os.killpg, (child.pid, signal.SIGKILL))
        too_long.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            too_long.cancel()
            seconds = time.perf_counter() - start
            for watch in watches:
                watch.stop()
        child.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, err):
            stream.seek(0)
        printed, complained = out.read(), err.read()
    if child.returncode != 0:
        tail = "\n".join(complained.splitlines()[-15:])
        raise FailedError(f"{Path(command[0]).name} ended with {child.returncode}\n{tail}")
    said = _json(printed)
    # In KiB on Linux, in bytes elsewhere.
    peak = usage.ru_maxrss / (1024 if sys.platform == "linux" else _MIB)
    cpu_seconds = usage.ru_utime + usage.ru_stime
    if tree is not None:
        peak = max(peak, tree.peak_mib)
        cpu_seconds = max(cpu_seconds, tree.most_cpu_seconds)
    return Sample(
        seconds=said.get("seconds", seconds),
        cpu_seconds=said.get("cpu_seconds", cpu_seconds),
        peak_mib=peak,
        server_cpu_seconds=None if server is None else server.cpu_seconds() - before,
        server_peak_mib=None if server is None else server.peak_mib,
        steps=steps(complained) if steps else {},
        note=str(said.get("note", "")),
        said=said,
    )


def _json(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def child(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of this package."""
    return [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]


def clock() -> tuple[float, float]:
    """Return seconds and CPU seconds, of this process, to subtract from each other."""
    return time.perf_counter(), time.process_time()


def tell(start: tuple[float, float], **more: object) -> None:
    """Print what `measure` reads: the time since `start`, and more."""
    seconds, cpu_seconds = (now - then for now, then in zip(clock(), start, strict=True))
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, **more}))
