"""Checks of every request before a page sees it, and the headers of every reply."""

import asyncio
import ipaddress
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any, TypeAlias

from omop_scorer.errors import unexpected
from omop_scorer.web.identity import Identity, Refusal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Longest body of a request, in bytes.
LONGEST_BODY = 16_384

_BODY_SECONDS = 10

#: Pages that need no user: they hold nothing of a patient.
OPEN_PATHS = frozenset(("/health",))

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'"

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Guard:
    """Checks the Host header, the body and the user of a request; sets the headers of a reply.

    The user is in `scope["omop_scorer.user"]`, the address in `scope["omop_scorer.address"]`. An
    unexpected error becomes a reply without its text; its kind and line go to standard error.
    """

    def __init__(self, app: App, identity: Identity, hosts: Iterable[str]) -> None:
        self._app = app
        self._identity = identity
        self._hosts = frozenset(each.lower() for each in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        has_started = False

        async def send_safely(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                message["headers"] = _with_safety(message.get("headers", ()))
            await send(message)

        try:
            await self._serve(scope, receive, send_safely)
        except Exception as error:
            report(error)
            if not has_started:
                await reply(send_safely, 500, "The page cannot be shown.")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or host_name(hosts[0].decode("latin-1")) not in self._hosts:
            await reply(send, 400, "Bad request.")
            return
        try:
            body = await asyncio.wait_for(_bounded_body(headers, receive), _BODY_SECONDS)
        except TimeoutError:
            await reply(send, 408, "The request took too long.")
            return
        if body is None:
            await reply(send, 413, "The request is too large.")
            return
        address = str((scope.get("client") or ("unknown",))[0])
        user = self._identity.user_of(headers, address)
        if isinstance(user, Refusal) and scope["path"] not in OPEN_PATHS:
            await self._refuse(user, send)
            return
        scope["omop_scorer.user"], scope["omop_scorer.address"] = user, address

        async def receive_body() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_body, send)

    async def _refuse(self, refusal: Refusal, send: Send) -> None:
        """Refuse in the same words whatever was asked for: a reply tells nothing of a page."""
        if refusal.seconds is not None:
            wait = [(b"retry-after", str(refusal.seconds).encode())]
            await reply(send, 429, "Too many failed attempts. Wait and try again.", wait)
        elif self._identity.asks_for_token:
            ask = [(b"www-authenticate", b'Basic realm="omop-scorer", charset="UTF-8"')]
            await reply(send, 401, "Not found, or not for you.", ask)
        else:
            await reply(send, 403, "Not found, or not for you.")


async def reply(
    send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Send a short reply as plain text."""
    body = f"{text}\n".encode()
    own = [(b"content-type", b"text/plain; charset=utf-8"), *headers]
    own.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})


def report(error: Exception) -> None:
    """Say on standard error what failed and where, without the text of the error."""
    sys.stderr.write(f"error: {unexpected(error)}\n")


def host_name(header: str) -> str | None:
    """Return the host of a Host header without its port, in lower case; None if it is not one."""
    text = header.strip().lower()
    if text.startswith("["):
        address, bracket, port = text[1:].partition("]")
        try:
            address = str(ipaddress.IPv6Address(address))
        except ValueError:
            return None
        is_valid = bool(bracket) and (not port or (port[0] == ":" and port[1:].isdigit()))
        return address if is_valid else None
    host, colon, port = text.partition(":")
    return host if host and (not colon or port.isdigit()) else None


async def _bounded_body(headers: Sequence[tuple[bytes, bytes]], receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is longer than LONGEST_BODY."""
    lengths = [value for name, value in headers if name == b"content-length"]
    if any(not value.isdigit() or int(value[:20]) > LONGEST_BODY for value in lengths):
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > LONGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _with_safety(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = {name.lower(): value for name, value in headers}
    policy = given.pop(b"content-security-policy", _NOTHING.encode())
    return [
        *given.items(),
        *_HEADERS,
        (b"content-security-policy", policy + b"; frame-ancestors 'none'"),
    ]
