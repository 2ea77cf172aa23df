"""Commands of the nightly job: run and check."""

from typing import Annotated

import typer
from rich.console import Console
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
from omop_scorer.config.run_file import RunConfig

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "green"}
#: About as many steps as `check` has, for the progress bar.
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
            help="Write nothing: print each query, its plan and its number of rows.",
        ),
    ] = False,
) -> None:
    """Score every patient of the CDM and publish the results."""
    with errors_in_log_format(log_format):
        score_warehouse(read_config(config, settings, as_of), log_format, is_dry_run=dry_run)


def score_warehouse(config: RunConfig, log_format: LogFormat, *, is_dry_run: bool = False) -> None:
    """Do one night and print its summary."""
    from omop_scorer.cli.run_summary import print_summary  # noqa: PLC0415
    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly.run import dry_run, n_steps, run_night  # noqa: PLC0415

    definitions = load_definitions(config)
    journal = open_journal(log_format, n_steps(definitions))
    try:
        if is_dry_run:
            summary = dry_run(definitions, journal, typer.echo)
        else:
            summary = run_night(definitions, journal)
    finally:
        journal.close()
    names = [covariate.name for covariate in definitions.model.card.covariates]
    print_summary(Console(stderr=is_dry_run), summary, journal.steps, names)


def check(
    config: ConfigOption,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
) -> None:
    """Check everything that could make a run fail, without writing anything."""
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly import preflight  # noqa: PLC0415

    with errors_in_log_format(log_format):
        journal = open_journal(log_format, _CHECK_STEPS)
        try:
            findings = preflight.check(read_config(config, settings, as_of), journal)
        finally:
            journal.close()
    console = Console()
    for finding in findings.worst_first():
        console.print(
            Text(f"{finding.severity:<8}", style=_COLOURS[finding.severity])
            + Text(finding.message),
            soft_wrap=not console.is_terminal,
        )
    if findings.exit_code:
        raise typer.Exit(findings.exit_code)
