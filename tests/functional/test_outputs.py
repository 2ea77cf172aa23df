"""Outputs that are full or closed: no command ends differently for it."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import PROGRAM, Site, environment
from tests.support.thoroughness import IS_THOROUGH

LOST = {
    "full": "{command} > /dev/full 2> /dev/full",
    "full output": "{command} > /dev/full 2> {errors}",
    "closed": "{command} >&- 2>&-",
    "closed errors": "{command} 2>&- > /dev/null",
    "closed pipe": "set -o pipefail; {command} 2>&1 | true",
}
COMMANDS = {
    "run": ("run", "--no-quiet"),
    "dry run": ("run", "--dry-run", "--log-format", "json"),
    "check": ("check",),
    "report": ("report", "--output", "report.html"),
    "export": ("export", "--to", "answer.duckdb", "--format", "duckdb"),
    "runs": ("runs",),
    "status": ("status",),
}
SCORE = ("score", "--age", "55", "--sex", "female")
#: All commands lose their output in the same way, so each is tried with these two alone.
USUAL = {"full", "closed"}


def run_in_shell(text: str, folder: Path, *arguments: str) -> int:
    """Run a command whose outputs lead nowhere; return its exit code."""
    command = text.format(command=shlex.join([str(PROGRAM), *arguments]), errors=folder / "errors")
    shell = ["bash", "-c", command]
    return subprocess.run(shell, cwd=folder, env=environment(), check=False).returncode


@pytest.mark.parametrize("lost", LOST)
def test_no_command_ends_differently(site: Site, lost: str) -> None:
    path, is_every = site.run_file(), IS_THOROUGH or lost in USUAL
    for name in COMMANDS if is_every else ("run", "status"):
        first, *others = COMMANDS[name]
        words = (first, "--config", str(path), *others)
        assert run_in_shell(LOST[lost], site.folder, *words) == 0, name
    assert list(site.states().values()) == ["COMPLETE"] * 2
    if is_every:
        assert run_in_shell(LOST[lost], site.folder, *SCORE) == 0
        assert (site.folder / "report.html").stat().st_size > 10_000
    if lost == "full output":
        assert "No space left on device" in (site.folder / "errors").read_text(encoding="utf-8")


@pytest.mark.parametrize("lost", LOST)
def test_a_failure_keeps_its_exit_code(site: Site, lost: str) -> None:
    path = site.run_file(cohort={"minimum_persons": 10_000})
    assert run_in_shell(LOST[lost], site.folder, "run", "--config", str(path)) == 12
    assert run_in_shell(LOST[lost], site.folder, "status", "--config", str(path)) == 17
