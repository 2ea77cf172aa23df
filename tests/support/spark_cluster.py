"""A standalone cluster of Spark: a master and workers, each a machine of its own if possible.

Where root may make namespaces, each worker has its own network, processes and temporary folder, and
sees only the folders that it is given. The driver and the master are on another machine, which has
the files of the tests. Elsewhere all are plain processes, each with a folder of its own.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import omop_scorer
from tests.support import spark

_PATIENCE = 60
#: Ends a process when the tests end, however they end.
_WITH_US = ["setpriv", "--pdeathsig", "KILL"]
_MACHINE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
#: Moves what a machine may see into its own temporary folders, and waits for its network.
_SETTLE = """
set -e
mount -t tmpfs tmpfs /mnt
hidden=$1; address=$2; shift 2
i=0
for path in "$@"; do i=$((i + 1)); mkdir /mnt/$i; mount --bind "$path" /mnt/$i; done
mount -t tmpfs tmpfs "$hidden"
i=0
for path in "$@"; do i=$((i + 1)); mkdir -p "$path"; mount --move /mnt/$i "$path"; done
umount /mnt
ip link set lo up
until ip link show eth0 > /dev/null 2>&1; do sleep 0.05; done
ip addr add "$address/24" dev eth0
ip link set eth0 up
"""


@cache
def why_not_apart() -> str | None:
    """Return why no worker can be a machine of its own here, or None if it can."""
    if os.geteuid() != 0:
        return "only root may mount folders and make networks"
    if missing := [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]:
        return f"not installed: {', '.join(missing)}"
    trial = (
        "mount -t tmpfs tmpfs /mnt && ip link add br0 type bridge && "
        "ip link add v0 type veth peer name v1"
    )
    done = subprocess.run([*_MACHINE, "sh", "-c", trial], capture_output=True, check=False)
    return None if done.returncode == 0 else "no namespaces, mounts or networks can be made"


@dataclass
class Cluster:
    """A master and its workers.

    Parameters
    ----------
    folder
        Folder for logs, which the workers do not see.
    """

    folder: Path
    url: str = ""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _master: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Address of the machine of the driver and the master."""
        return "127.0.0.1" if why_not_apart() else "10.77.0.1"

    @property
    def at_the_master(self) -> list[str]:
        """Words before a command that runs on the machine of the master."""
        assert self._master is not None
        return [] if why_not_apart() else ["nsenter", f"--target={self._master.pid}", "--net"]

    def start(self) -> None:
        """Start the master, and wait for its URL."""
        words = [*_daemon("master.Master"), "--host", self.address]
        if why_not_apart() is None:
            bridge = (
                "ip link set lo up; ip link add br0 type bridge; ip link set br0 up; "
                f"ip addr add {self.address}/24 dev br0; exec {shlex.join(words)}"
            )
            words = ["unshare", "--net", "sh", "-c", bridge]
        self._master = self._begin("master", self.address, words)
        self.url = self._said("master", r"Starting Spark master at (\S+)")

    def add_worker(self, *seen: Path) -> None:
        """Start a worker with one core, and wait until the master knows it.

        Parameters
        ----------
        seen
            Folders of the tests that it sees.
        """
        number = len(self.workers) + 2
        name, address = f"worker{number}", f"10.77.0.{number}"
        temporary = Path(tempfile.gettempdir())
        if why_not_apart():
            address, temporary = self.address, self.folder / name
            temporary.mkdir()
        words = [*_daemon("worker.Worker"), "--host", address, "--cores", "1", "--memory", "1g"]
        words += ["--work-dir", str(temporary / "work"), self.url]
        if why_not_apart() is None:
            kept = [str(path) for path in (*seen, *_programs(temporary))]
            settle = f"{_SETTLE}\nexec {shlex.join(words)}"
            words = [*_MACHINE, "sh", "-c", settle, "sh", str(temporary), address, *kept]
        worker = self._begin(name, address, words, TMPDIR=str(temporary))
        self.workers.append(worker)
        if why_not_apart() is None:
            self._plug(number, worker.pid)
        self._said(name, "(Successfully registered) with master")

    def _plug(self, number: int, pid: int) -> None:
        """Give a machine a cable to the bridge."""
        cable = f"w{number}"
        _wait_until(lambda: _network(pid) != _network(os.getpid()), f"{cable} has no network")
        for words in (
            f"link add {cable} type veth peer name eth0 netns {pid}",
            f"link set {cable} master br0 up",
        ):
            subprocess.run([*self.at_the_master, "ip", *words.split()], check=True)

    def _begin(
        self, name: str, address: str, words: Sequence[str], **variables: str
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*(_WITH_US if shutil.which(_WITH_US[0]) else ()), *words],
                env={
                    **os.environ,
                    "SPARK_HOME": str(spark.home()),
                    "SPARK_LOCAL_IP": address,
                    "SPARK_DAEMON_MEMORY": "256m",
                    "SPARK_DAEMON_JAVA_OPTS": spark.YOUNG,
                    **variables,
                },
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _said(self, name: str, pattern: str) -> str:
        log = self.folder / f"{name}.log"

        def found() -> re.Match[str] | None:
            return re.search(pattern, log.read_text(encoding="utf-8", errors="replace"))

        return _wait_until(found, f"the {name} never said {pattern}: see {log}")[1]

    def stop(self) -> None:
        """End every process."""
        for process in (*self.workers, *([self._master] if self._master else [])):
            kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group at once; of a machine, every process on it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _daemon(name: str) -> list[str]:
    program = spark.home() / "bin" / "spark-class"
    return [str(program), f"org.apache.spark.deploy.{name}", "--port", "0", "--webui-port", "0"]


def _programs(hidden: Path) -> list[Path]:
    """Return the programs of a machine that lie in a folder which is hidden from it."""
    installed = [Path(sys.prefix), Path(omop_scorer.__file__).parents[1], spark.home()]
    return [path for path in installed if path.is_relative_to(hidden)]


def _network(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _wait_until(condition: Callable[[], Any], failure: str) -> Any:
    deadline = time.monotonic() + _PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(failure)
        time.sleep(0.05)
    return found


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Yield a cluster without workers; end all its processes afterwards."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
