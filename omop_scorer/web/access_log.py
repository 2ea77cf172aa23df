"""The access log: who looked at which patient, and when. No other log holds the id of a person."""

import json
import os
import stat
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from omop_scorer.errors import ConfigurationError

_OTHERS = 0o077


class AccessLog:
    """A file of JSON lines to which lines are only added, and which only this user can read."""

    def __init__(self, path: Path) -> None:
        """Open the file, and create it if there is none.

        Raises
        ------
        ConfigurationError
            The file cannot be opened, is no plain file, or other users may read or change it.
        """
        self._lock = threading.Lock()
        self._path = path
        self._file = self._opened()

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"--access-log {self._path}: cannot be opened: {error.strerror}"
            ) from None
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & _OTHERS:
            os.close(file)
            raise ConfigurationError(
                f"--access-log {self._path}: must be a plain file that only this user can read "
                "and write (mode 600)"
            )
        return file

    def write(
        self,
        *,
        user: str,
        client: str,
        page: str,
        person_ids: Sequence[int],
        outcome: str,
        run_id: int | None = None,
    ) -> None:
        """Add a line; after a rotation of the file, to the new one.

        Raises
        ------
        OSError
            The line is not written whole. The caller then shows nothing.
        """
        line = json.dumps(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "user": user,
                "client": client,
                "page": page,
                "person_ids": list(person_ids),
                "run_id": run_id,
                "outcome": outcome,
            }
        )
        content = f"{line}\n".encode()
        with self._lock:
            self._follow_rotation()
            if os.write(self._file, content) != len(content):
                raise OSError("the access log is not written whole")

    def _follow_rotation(self) -> None:
        own = os.fstat(self._file)
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino):
            try:
                file = self._opened()
            except ConfigurationError as error:
                raise OSError(str(error)) from None
            os.close(self._file)
            self._file = file

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
