"""A private MariaDB server, from Debian's package, on a socket of its own.

Without the package the tests are skipped, and say why; where CI is true they fail.
"""

import atexit
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

_PATIENCE = 60
_numbers = itertools.count(1)


class MariaDb:
    """A server in a temporary folder, for the user that runs the tests."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="omop-scorer-mariadb-"))
        self.socket = self.folder / "socket"
        # The server refuses to run as root unless it is told to.
        self._user = ["--user=root"]
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder / 'data'}",
             "--auth-root-authentication-method=normal", "--skip-test-db", *self._user],
            check=True, capture_output=True,
        )  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--datadir={self.folder / 'data'}",
                 f"--socket={self.socket}", "--skip-networking",
                 "--innodb-flush-log-at-trx-commit=0",
                 f"--pid-file={self.folder / 'pid'}", *self._user],
                stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE
        while True:
            probe = ["mariadb-admin", "--no-defaults", f"--socket={self.socket}", "-uroot", "ping"]
            if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.05)

    def connect(self, database: str | None = None) -> Any:
        """Open a connection of the driver."""
        import pymysql

        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, autocommit=True
        )

    def url(self, database: str) -> str:
        """Return the URL of a database for SQLAlchemy."""
        return f"mysql+pymysql://root@localhost/{database}?unix_socket={self.socket}"

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        """Stop it, and leave nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def server() -> MariaDb:
    """Return the server of this process, started when it is first asked for."""
    if shutil.which("mariadbd") is None:
        reason = "no MariaDB: apt-get install mariadb-server"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    started = MariaDb()
    atexit.register(started.remove)
    return started


def new_database() -> str:
    """Create a database, and return its name."""
    name = f"cdm_{next(_numbers)}"
    with server().connect() as connection:
        connection.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    return name


def write_table(
    database: str, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
) -> None:
    """Create a table; rows hold values whose text the server reads as the types."""
    declared = ", ".join(f"`{column}` {kind}" for column, kind in columns.items())
    with server().connect(database) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE `{name}` ({declared})")
        lines = [list(row) for row in rows]
        if lines:
            if any(cell == "nan" for line in lines for cell in line):
                pytest.skip("MariaDB keeps no NaN")
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO `{name}` VALUES ({marks})", lines)
