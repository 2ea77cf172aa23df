"""Users of requests: of this machine, by a header of the reverse proxy, or by a token of a file."""

import base64
import binascii
import hashlib
import hmac
import re
import stat
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from omop_scorer.errors import ConfigurationError
from omop_scorer.texts import secret_values

_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")
Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_SHORTEST_TOKEN = 32
_LONGEST_FILE = 1_000_000
_OTHERS_READ, _OTHERS_WRITE = 0o044, 0o022

#: Failed tokens of one address within the span after which it has to wait.
FAILURES, SPAN_SECONDS = 10, 60.0

_MOST_ADDRESSES = 10_000


@dataclass(frozen=True)
class Refusal:
    """Why a request has no user: `seconds` to wait, or None if it may try again at once."""

    seconds: int | None = None


class Identity(ABC):
    """A way to tell the user of a request."""

    asks_for_token = False
    others_may_read = False
    """True if the rights of the token file let others read it, as those of a container's secret."""

    @abstractmethod
    def user_of(self, headers: Headers, client: str) -> str | Refusal:
        """Return the name of the user, or a refusal. Names of headers are in lower case."""


class Local(Identity):
    """Everybody who reaches the port, which is open on this machine alone."""

    def user_of(self, headers: Headers, client: str) -> str | Refusal:
        """Return the same name for every request."""
        del headers, client
        return "local"


class TrustedHeader(Identity):
    """The header in which the reverse proxy of the hospital writes the name of the user."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name):
            raise ConfigurationError("--trusted-header: letters, digits and - are allowed")
        self._name = name.lower().encode()

    def user_of(self, headers: Headers, client: str) -> str | Refusal:
        """Return the only value of the header.

        Several values are refused: a proxy that adds the header instead of replacing it would let a
        browser choose the user.
        """
        del client
        found = [value for name, value in headers if name.lower() == self._name]
        if len(found) != 1:
            return Refusal()
        name = found[0].decode("utf-8", errors="replace").strip()
        return name if _NAME.fullmatch(name) else Refusal()


class Tokens(Identity):
    """Tokens of a file with a line `NAME TOKEN` per user."""

    asks_for_token = True

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises
        ------
        ConfigurationError
            The file cannot be read, others may write to it, or a line is not valid.
        """
        self._failures = Failures()
        self._names: Mapping[bytes, str] = _read_tokens(path)
        self.others_may_read = bool(path.stat().st_mode & _OTHERS_READ)

    def user_of(self, headers: Headers, client: str) -> str | Refusal:
        """Return the user of a bearer token or, as browsers ask for it, of a password of Basic."""
        if wait := self._failures.wait(client):
            return Refusal(wait)
        given = [value for name, value in headers if name.lower() == b"authorization"]
        if not given:
            return Refusal()
        token = _token_of(given[0]) if len(given) == 1 else None
        digest = hashlib.sha256(token or b"").digest()
        # Every token is compared, in constant time, so that the time tells nothing.
        found = [name for own, name in self._names.items() if hmac.compare_digest(own, digest)]
        if token and found:
            return found[0]
        self._failures.add(client)
        return Refusal()


class Failures:
    """Failed tokens by address, over the last minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, list[float]] = {}

    def wait(self, client: str) -> int:
        """Return the seconds that an address has to wait; 0 if it may try."""
        now = time.monotonic()
        with self._lock:
            recent = [each for each in self._times.get(client, ()) if now - each < SPAN_SECONDS]
            if len(recent) < FAILURES:
                return 0
            return max(1, round(SPAN_SECONDS - (now - recent[-FAILURES])))

    def add(self, client: str) -> None:
        """Count a failed token."""
        now = time.monotonic()
        with self._lock:
            if len(self._times) >= _MOST_ADDRESSES:
                self._times = {
                    each: times
                    for each, times in self._times.items()
                    if now - times[-1] < SPAN_SECONDS
                }
            if len(self._times) >= _MOST_ADDRESSES:
                self._times.pop(next(iter(self._times)))
            self._times[client] = [*self._times.get(client, ())[-FAILURES:], now]


def _token_of(header: bytes) -> bytes | None:
    scheme, _, rest = header.strip().partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return None
    return None


def _read_tokens(path: Path) -> dict[bytes, str]:
    where = f"--token-file {path}"
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            content = file.read(_LONGEST_FILE + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{where}: cannot be read ({type(error).__name__})") from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & _OTHERS_WRITE:
        raise ConfigurationError(
            f"{where}: must be a plain file that only this user can write (mode 600)"
        )
    if len(content) > _LONGEST_FILE:
        raise ConfigurationError(f"{where}: too long")
    found: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, token = line.strip().partition(" ")
        token = token.strip()
        if not _NAME.fullmatch(name) or len(token) < _SHORTEST_TOKEN or " " in token:
            raise ConfigurationError(
                f"{where}: line {number}: allowed: a name, a space, and a token of "
                f"{_SHORTEST_TOKEN} characters or more, such as that of: openssl rand -hex 32"
            )
        digest = hashlib.sha256(token.encode()).digest()
        if digest in found:
            raise ConfigurationError(f"{where}: line {number}: the token of another line")
        secret_values.keep(token)
        found[digest] = name
    if not found:
        raise ConfigurationError(f"{where}: no token in it")
    return found
