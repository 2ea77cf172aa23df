"""Commands of the nightly job: run and check."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer.cli.options import (
    AsOfOption,
    ConfigOption,
    LogFormat,
    LogOption,
    SetOption,
    errors_in_log_format,
    read_config,
)
from omop_scorer.texts.characters import lines
from omop_scorer.texts.secret_values import hide

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig
    from omop_scorer.nightly.preflight import Findings

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "green"}
#: Approximate number of steps of `check`, for the progress bar.
_CHECK_STEPS = 30


def run(
    config: ConfigOption,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing; print each query with its plan and number of rows.",
        ),
    ] = False,
) -> None:
    """Score every patient and publish the results."""
    with errors_in_log_format(log_format):
        score_warehouse(read_config(config, settings, as_of), log_format, is_dry_run=dry_run)


def score_warehouse(
    config: "RunConfig", log_format: LogFormat, *, is_dry_run: bool = False
) -> None:
    """Run the nightly job once and print its summary."""
    from omop_scorer.cli.run_summary import print_summary  # noqa: PLC0415
    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly.run import dry_run, n_steps, run_night  # noqa: PLC0415

    definitions = load_definitions(config)
    journal = open_journal(log_format, n_steps(definitions))
    try:
        if is_dry_run:
            summary = dry_run(definitions, journal, _echo)
        else:
            summary = run_night(definitions, journal)
    finally:
        journal.close()
    names = [covariate.name for covariate in definitions.model.card.covariates]
    print_summary(Console(stderr=is_dry_run), summary, journal.steps, names)


def _echo(text: str) -> None:
    """Print lines of SQL, in which names of the site stand."""
    typer.echo(lines(hide(text)))


def check(
    config: ConfigOption,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
) -> None:
    """Check everything that could make a run fail.

    Nothing is written. The findings are printed with the most serious first; the exit code is not
    0 if a run would fail.
    """
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly import preflight  # noqa: PLC0415

    with errors_in_log_format(log_format):
        journal = open_journal(log_format, _CHECK_STEPS)
        try:
            findings = preflight.check(read_config(config, settings, as_of), journal)
        finally:
            journal.close()
    _print_findings(Console(), findings)
    if findings.exit_code:
        raise typer.Exit(findings.exit_code)


def _print_findings(console: Console, findings: "Findings") -> None:
    table = Table.grid(padding=(0, 1))
    for finding in findings.worst_first():
        severity = Text(f"{finding.severity:<7}", style=_COLOURS[finding.severity])
        if console.is_terminal:
            table.add_row(severity, Text(finding.message))
        else:  # one line per finding, so that a search in a log finds the whole message
            console.print(severity + Text(f" {finding.message}"), soft_wrap=True)
    console.print(table)
