"""A server of `omop-scorer serve` in a process of its own, asked over a real connection."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command_line import Site
from tests.support.forked import Forked


@dataclass(frozen=True)
class Reply:
    """A reply of the server: status, headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """A server at work."""

    port: int
    process: Forked
    access_log: Path

    @property
    def url(self) -> str:
        """The address of the start page."""
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
    ) -> Reply:
        """Send one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            reply = connection.getresponse()
            text = reply.read().decode()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, text)
        finally:
            connection.close()

    def raw(self, content: bytes) -> bytes:
        """Send bytes as they are; return what comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(content)
            found = b""
            with suppress(TimeoutError, ConnectionResetError):
                while part := connection.recv(65536):
                    found += part
            return found

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the access log."""
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]

    def stop(self) -> tuple[int, str]:
        """Ask the server to stop; return its exit code and what it said on standard error."""
        os.kill(self.process.pid, signal.SIGTERM)
        done = self.process.finish(30)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def served(site: Site, *arguments: object, **keys: Any) -> Iterator[Served]:
    """Serve the results of a site until the block ends; the log is in the folder of the site."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = site.folder / "access.log"
    process = site.start(
        *("--port", port, "--access-log", log, *arguments), command="serve", **keys
    )
    server = Served(port, process, log)
    try:
        _wait_until_it_listens(server)
        yield server
    finally:
        if process.is_at_work:
            server.stop()


def _wait_until_it_listens(server: Served) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not server.process.is_at_work:
            done = server.process.finish()
            raise AssertionError(f"the server ended with {done.returncode}: {done.stderr}")
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not listen")
