"""A connection that is closed if the head of a request does not come in time.

uvicorn limits the time between two requests alone. Clients that send nothing, or a byte now and
then, would hold every connection that the server allows, and need no token for it.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds for the head of a request, counted from the connection or the last reply.
HEAD_SECONDS = 10


class Connection(H11Protocol):
    """A connection of uvicorn with a limit of time for the head of each request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the time of the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Start the time of the next head."""
        super().on_response_complete()
        self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._close_without_request)

    def _close_without_request(self) -> None:
        # A request whose head has come has a limit of time for its body, in the guard.
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
