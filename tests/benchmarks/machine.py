"""The machine, as far as the figures depend on it; no name of a host and no path."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

_PACKAGES = ("omop-scorer", "duckdb", "numpy", "scipy", "pyarrow", "pandas", "psycopg", "pyspark")


def describe() -> dict[str, str]:
    """Return what is to be said, in order."""
    memory = psutil.virtual_memory().total / 2**30
    facts = {
        "cores": f"{os.cpu_count()} ({_processor()})",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{n} {v}" for n in _PACKAGES if (v := _version(n))),
        "load before": f"{os.getloadavg()[0]:.1f}",
    }
    for what, command in (("java", ["java", "-version"]), ("R", ["Rscript", "--version"])):
        if line := _first_line(command):
            facts[what] = line
    return facts


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_line(command: list[str]) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    lines = (done.stdout + done.stderr).splitlines()
    return lines[0] if done.returncode == 0 and lines else None
