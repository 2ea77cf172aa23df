"""Commands of the nightly job: run and check."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from omop_scorer.cli import signals
from omop_scorer.cli.options import (
    AllowFutureOption,
    AsOfOption,
    ConfigOption,
    LogFormat,
    LogOption,
    QuietOption,
    SetOption,
    errors_in_log_format,
    read_config,
    settings_in_force,
)
from omop_scorer.errors import ConfigurationError
from omop_scorer.texts.characters import lines
from omop_scorer.texts.secret_values import hide

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig
    from omop_scorer.nightly.findings import Findings

_COLOURS = {"error": "bold red", "warning": "yellow", "note": "green"}
#: Approximate number of steps of `check`, for the progress bar.
_CHECK_STEPS = 30


def run(
    config: ConfigOption = None,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
    quiet: QuietOption = None,
    allow_future: AllowFutureOption = False,
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
        score_warehouse(
            read_config(config, settings, as_of, log_format),
            log_format,
            is_dry_run=dry_run,
            is_quiet=quiet,
            allow_future=allow_future,
        )


def score_warehouse(
    config: "RunConfig",
    log_format: LogFormat,
    *,
    is_dry_run: bool = False,
    is_quiet: bool | None = None,
    allow_future: bool = False,
) -> None:
    """Run the nightly job once and print its summary, unless `is_quiet` is True."""
    from omop_scorer.cli.run_summary import print_summary  # noqa: PLC0415
    from omop_scorer.config.definitions import load_definitions  # noqa: PLC0415
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly.run import dry_run, n_steps, run_night  # noqa: PLC0415
    from omop_scorer.results.answer import other_answer  # noqa: PLC0415

    definitions = load_definitions(config)
    journal = open_journal(log_format, n_steps(definitions), is_quiet=is_quiet)
    try:
        if is_dry_run:
            summary = dry_run(definitions, journal, _echo, allow_future=allow_future)
        else:
            summary = run_night(
                definitions,
                journal,
                allow_future=allow_future,
                on_complete=signals.ignore_from_now,
            )
            if summary.answer is not None:
                journal.say("warning", other_answer(summary.answer))
    finally:
        journal.close()
    if is_quiet:
        return
    names = [covariate.name for covariate in definitions.model.card.covariates]
    print_summary(Console(stderr=is_dry_run), summary, journal.steps, names)


def _echo(text: str) -> None:
    """Print lines of SQL, in which names of the site stand."""
    typer.echo(lines(hide(text)))


def check(
    config: ConfigOption = None,
    as_of: AsOfOption = None,
    settings: SetOption = None,
    log_format: LogOption = "auto",
    quiet: QuietOption = None,
    allow_future: AllowFutureOption = False,
) -> None:
    """Check everything that could make a run fail.

    Nothing is written. The findings are printed with the most serious first, each with the key
    that it concerns and the next step. The last line is the verdict; the exit code is not 0 if a
    run would fail.
    """
    from omop_scorer.journal import open_journal  # noqa: PLC0415
    from omop_scorer.nightly import preflight  # noqa: PLC0415
    from omop_scorer.nightly.findings import Findings  # noqa: PLC0415

    with errors_in_log_format(log_format):
        findings = Findings()
        journal = open_journal(log_format, _CHECK_STEPS, is_quiet=quiet)
        try:
            run_file = read_config(config, settings, as_of, log_format)
            preflight.check(run_file, journal, findings, allow_future=allow_future)
        except ConfigurationError as error:
            if log_format == "json":
                raise
            findings.fail(error)
        finally:
            journal.close()
    findings.add("note", settings_in_force(config, settings))
    _print_findings(Console(), findings, is_quiet=bool(quiet))
    if findings.exit_code:
        raise typer.Exit(findings.exit_code)


def _print_findings(console: Console, findings: "Findings", *, is_quiet: bool) -> None:
    table = Table.grid(padding=(0, 1))
    for finding in findings.worst_first():
        if is_quiet and finding.severity == "note":
            continue
        severity = Text(f"{finding.severity:<7}", style=_COLOURS[finding.severity])
        advice = f"{finding.key}: {finding.next_step}" if finding.key else ""
        if console.is_terminal:
            shown = Text(finding.message)
            if advice:
                shown.append(f"\n{advice}", style="dim")
            table.add_row(severity, shown)
        else:  # one line per finding, so that a search in a log finds the whole message
            more = f" [{advice}]" if advice else ""
            console.print(severity + Text(f" {finding.message}{more}"), soft_wrap=True)
    if console.is_terminal:
        console.print(table)
    console.print(Text(findings.verdict, style="bold"), soft_wrap=not console.is_terminal)
