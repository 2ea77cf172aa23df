"""Standard output and standard error that cannot end a command.

A full disk or a closed pipe loses lines, never a run or its exit code.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_NUMBERS = {"stdin": 0, "stdout": 1, "stderr": 2}


class DroppingFile(io.FileIO):
    """A file descriptor that drops what it cannot write, and keeps the first cause."""

    cause: OSError | None = None

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)

    def write(self, data: "bytes | bytearray | memoryview", /) -> int:  # type: ignore[override]
        """Write bytes; return their number, also if they are dropped."""
        try:
            n_written = super().write(data)
        except OSError as error:
            self.cause = self.cause or error
            n_written = None
        # A pipe that does not block gives None when it is full.
        return memoryview(data).nbytes if n_written is None else n_written


def tolerate_lost_output() -> None:
    """Replace the standard streams of this process by streams that drop what is lost.

    A descriptor that was closed is opened on the null device; otherwise the next file that is
    opened, such as a database, would receive what libraries print.
    """
    for number in _NUMBERS.values():
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        setattr(sys, name, _tolerant(getattr(sys, name), _NUMBERS[name]))


def _tolerant(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:  # closed before Python started
        return Path(os.devnull).open("w", encoding="utf-8")
    with suppress(OSError, ValueError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(DroppingFile(number)),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=number == _NUMBERS["stderr"] or stream.isatty(),
    )


def lost_output() -> str | None:
    """Return why a part of standard output was lost; None if nothing was.

    A reader that has closed its pipe, such as `head`, wants no more and misses nothing.
    """
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    cause = raw.cause if isinstance(raw, DroppingFile) else None
    return None if cause is None or cause.errno == errno.EPIPE else cause.strerror
