"""The program in processes of its own, forked from one that has imported it already.

An import takes longer than a small run. What a forked process does is what the command does: it
has its own arguments, environment, standard error and exit code, and can be signalled.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.preloaded"])


def _main(
    arguments: list[str],
    environment: Mapping[str, str],
    folder: Path | None,
    out: Connection,
    err: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    for stream, number in ((out, 1), (err, 2)):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.argv = ["omop-scorer", *arguments]
    from omop_scorer.cli.main import main

    main()


class Forked:
    """A command at work, in a folder if one is given; `stderr` may be read meanwhile."""

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self.arguments = arguments
        self._stdout, out = _pipe()
        self.stderr, err = _pipe()
        self._process: Any = _CONTEXT.Process(
            target=_main, args=(arguments, dict(environment), folder, out, err)
        )
        self._process.start()
        out.close()
        err.close()
        self.pid: int = self._process.pid

    @property
    def is_at_work(self) -> bool:
        """Whether it has not ended."""
        return self._process.exitcode is None

    def wait(self, timeout: float = 300) -> int:
        """Wait for the end; return the exit code, negative for a signal."""
        return self.finish(timeout).returncode

    def finish(self, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Wait for the end; return what was said, as far as nobody has read it, and the code."""
        said = {"out": "", "err": ""}

        def read(name: str, stream: TextIO) -> None:
            with stream:
                said[name] = stream.read()

        streams = (("out", self._stdout), ("err", self.stderr))
        readers = [Thread(target=read, args=each) for each in streams if not each[1].closed]
        for reader in readers:
            reader.start()
        self._process.join(timeout)
        is_late = self._process.exitcode is None
        if is_late:
            self._process.kill()
            self._process.join()
        for reader in readers:
            reader.join()
        if is_late:
            raise subprocess.TimeoutExpired(self.arguments, timeout, said["out"], said["err"])
        code = self._process.exitcode
        return subprocess.CompletedProcess(self.arguments, code, said["out"], said["err"])


def _pipe() -> tuple[TextIO, Connection]:
    """Return an end to read from, and the other to hand to a process."""
    reading, writing = _CONTEXT.Pipe(duplex=False)
    stream = os.fdopen(os.dup(reading.fileno()), encoding="utf-8")
    reading.close()
    return stream, writing
