"""Who holds the lock of a run, in a text that stands where the lock is."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class LockHolder:
    """A process on a machine since a moment, as `host pid birth taken_at`.

    Two containers may share the name of their host and the numbers of their processes: birth says
    in which boot of which kernel, and in which of its spaces of numbers, a process was born.
    """

    text: str

    @classmethod
    def this_process(cls) -> Self:
        """Return the holder that this process is."""
        pid = os.getpid()
        now = datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat()
        return cls(f"{socket.gethostname()} {pid} {_birth(pid)} {now}")

    def is_gone(self) -> bool:
        """Tell whether it was a process of this machine that has ended; of others nobody knows."""
        host, pid, birth, _ = self._parts()
        space = birth.rpartition("/")[0]
        if host != socket.gethostname() or space != _space() or not pid.isdecimal():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        # A number is given again; two processes of one number are born at different times.
        return _birth(int(pid)) != birth

    def __str__(self) -> str:
        host, pid, _, taken_at = self._parts()
        return f"process {pid} on {host}, since {taken_at} UTC"

    def _parts(self) -> tuple[str, str, str, str]:
        words = [*self.text.split(), "?", "?", "?", "?"]
        return words[0], words[1], words[2], words[3]


def _birth(pid: int) -> str:
    """Return where and when a process was born; "-" for what the kernel does not say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return f"{_space()}/-"
    return f"{_space()}/{stat.rpartition(')')[2].split()[19]}"


def _space() -> str:
    """Return the boot of the kernel, and the space of process numbers that this process is in."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "-"
