"""Options and error handling shared by several commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from omop_scorer.errors import OmopScorerError

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig

LogFormat = Literal["auto", "text", "json"]

ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", metavar="FILE", help="Run file.", show_default=False)
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
    path: Path, settings: list[str] | None, as_of: datetime | None = None
) -> "RunConfig":
    """Read a run file and apply the overrides of the command line."""
    from omop_scorer.config.run_file import load  # noqa: PLC0415

    overrides = list(settings or [])
    if as_of is not None:
        overrides.append(f"as_of_date={as_of:%Y-%m-%d}")
    return load(path, overrides)


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
