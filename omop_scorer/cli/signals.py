"""Signals that ask a command to stop, until the run is COMPLETE."""

import signal
import sys
from types import FrameType
from typing import NoReturn

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Signals received. A driver interrupted mid-query may raise anything, so `main` looks here first.
_received: list[int] = []
#: Has an element once the run of this process is COMPLETE.
_published: list[bool] = []


def listen() -> None:
    """Let SIGTERM, SIGINT and SIGHUP end the command in order. `nohup` keeps its effect."""
    for number in _STOPPING:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    _received.append(number)
    sys.exit(128 + number)


def ignore_from_now() -> None:
    """Ignore further signals: the run is COMPLETE, and only the summary is still to be printed."""
    _published.append(True)
    # Python ends with the default handlers in place of ours, but leaves ignored signals ignored.
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)


def has_arrived() -> bool:
    """Return True if a signal has been received."""
    return bool(_received)


def exit_code(code: int) -> int:
    """Return the exit code of the process, given that of the command.

    After a signal it is 128 and the number of the signal, but 0 if the run is COMPLETE.
    """
    if not code or not _received:
        return code
    return 0 if _published else 128 + _received[0]
