"""Options and error handling shared by several commands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from omop_scorer.errors import OmopScorerError
from omop_scorer.texts.characters import is_utf_8, one_line

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig

LogFormat = Literal["auto", "text", "json"]

#: Name of the run file that a command takes from the current folder.
RUN_FILE = "nightly.yaml"


def in_utf_8(path: Path) -> Path:
    """Return a path that every library can write.

    Raises
    ------
    typer.BadParameter
        A byte of it is not UTF-8.
    """
    if not is_utf_8(str(path)):
        raise typer.BadParameter(one_line(f"the name {path} is not UTF-8; choose another one"))
    return path


def in_64_bits(person_id: int) -> int:
    """Return an id that a CDM can hold.

    Raises
    ------
    typer.BadParameter
        It is wider than 64 bits.
    """
    if not -(2**63) <= person_id < 2**63:
        raise typer.BadParameter("wider than the 64 bits of a person_id")
    return person_id


PersonIdArgument = Annotated[
    int, typer.Argument(metavar="PERSON_ID", callback=in_64_bits, help="person_id in the CDM.")
]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help=f"Run file. Default: ./{RUN_FILE}, or else the shipped one.",
        show_default=False,
    ),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the run file, for example results.schema=scores; may be repeated.",
    ),
]

AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="YYYY-MM-DD",
        help="Ignore records after this date; overrides as_of_date of the run file.",
    ),
]

LogOption = Annotated[
    LogFormat,
    typer.Option("--log-format", help="auto: a progress bar on a terminal, else text."),
]

QuietOption = Annotated[
    bool | None,
    typer.Option(
        "--quiet/--no-quiet",
        help="Print warnings and errors only. A log of text is quiet by default where there is no "
        "terminal.",
        show_default=False,
    ),
]

AllowFutureOption = Annotated[
    bool,
    typer.Option("--allow-future", help="Allow an as-of date after today.", show_default=False),
]


def read_config(
    path: Path | None,
    settings: list[str] | None,
    as_of: datetime | None = None,
    log_format: LogFormat = "text",
) -> "RunConfig":
    """Read a run file and apply the overrides of the environment and of the command line."""
    from omop_scorer.config.run_file import load  # noqa: PLC0415

    overrides = list(settings or [])
    if as_of is not None:
        overrides.append(f"as_of_date={as_of:%Y-%m-%d}")
    return load(find_run_file(path, log_format), overrides, os.environ)


def find_run_file(path: Path | None, log_format: LogFormat = "text") -> Path:
    """Return the run file to read; say on standard error which one, if no option names it."""
    from omop_scorer.config.run_file import shipped_run_file  # noqa: PLC0415
    from omop_scorer.journal import JsonJournal  # noqa: PLC0415

    if path is not None:
        return path
    own = Path(RUN_FILE)
    said = f"run file: ./{RUN_FILE}"
    if not own.exists():
        own = shipped_run_file()
        said = f"run file: the shipped one; there is no ./{RUN_FILE} (omop-scorer init writes it)"
    if log_format == "json":
        JsonJournal(sys.stderr).say("info", said)
    else:
        typer.echo(said, err=True)
    return own


def settings_in_force(path: Path | None, settings: list[str] | None) -> str:
    """Return, for `check`, which run file is used and which keys are overridden; no values."""
    from omop_scorer.config.overrides import from_environment  # noqa: PLC0415

    is_own = path is not None or Path(RUN_FILE).exists()
    parts = [f"run file: {path or RUN_FILE}" if is_own else "run file: the shipped one"]
    if variables := [each.given_by for each in from_environment(os.environ)]:
        parts.append(f"set by the environment: {', '.join(variables)}")
    if options := [text.partition("=")[0].strip() for text in settings or ()]:
        parts.append(f"set by --set: {', '.join(options)}")
    return "; ".join(parts)


@contextmanager
def errors_in_log_format(log_format: LogFormat) -> Iterator[None]:
    """Report errors as JSON lines if the log is JSON, so that a scheduler can parse both."""
    from omop_scorer.journal import open_journal  # noqa: PLC0415

    try:
        yield
    except OmopScorerError as error:
        if log_format != "json":
            raise
        journal = open_journal(log_format, 0)
        for problem in error.problems:
            journal.say("error", problem)
        raise typer.Exit(error.exit_code) from None
