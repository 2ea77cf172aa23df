"""Holder of a run lock or a temporary folder, as text: a later run can find that it is dead."""

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class LockHolder:
    """A process that took a lock or a folder, written as `host pid birth taken_at`.

    Two containers may have the same host name and the same process ids. Therefore `birth` holds
    the boot id of the kernel, the namespace of process ids and the start time of the process.
    """

    text: str

    @classmethod
    def this_process(cls) -> Self:
        """Return this process as a holder."""
        pid = os.getpid()
        now = datetime.now(UTC).replace(microsecond=0, tzinfo=None).isoformat()
        return cls(f"{socket.gethostname()} {pid} {_birth(pid)} {now}")

    def is_gone(self) -> bool:
        """Return True if the holder ran on this machine and has exited.

        Returns False if it may still run, or if it runs elsewhere.
        """
        host, pid, birth, _ = self._parts()
        namespace = birth.rpartition("/")[0]
        if host != socket.gethostname() or namespace != _namespace() or not pid.isdecimal():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        # The kernel reuses process ids, but no two processes of one id start at the same time.
        return _birth(int(pid)) != birth

    def __str__(self) -> str:
        host, pid, _, taken_at = self._parts()
        return f"process {pid} on {host}, since {taken_at} UTC"

    def _parts(self) -> tuple[str, str, str, str]:
        words = [*self.text.split(), "?", "?", "?", "?"]
        return words[0], words[1], words[2], words[3]


def _birth(pid: int) -> str:
    """Return the namespace and start time of a process; "-" for what the kernel does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return f"{_namespace()}/-"
    return f"{_namespace()}/{stat.rpartition(')')[2].split()[19]}"


def _namespace() -> str:
    """Return the boot id of the kernel and the process id namespace of this process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "-"
