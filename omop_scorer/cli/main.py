"""Command-line program: commands, signals and exit codes."""

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from omop_scorer import __version__
from omop_scorer.cli import signals
from omop_scorer.cli.calculator import calculator
from omop_scorer.cli.definitions import covariates, import_concept_set, render
from omop_scorer.cli.explain import explain
from omop_scorer.cli.export import export
from omop_scorer.cli.init import init
from omop_scorer.cli.load_cdm import load_cdm
from omop_scorer.cli.nightly import check, run
from omop_scorer.cli.patient_page import patient
from omop_scorer.cli.results import diff, report, runs, status
from omop_scorer.cli.score import score, with_yes_no_words
from omop_scorer.cli.serve import serve
from omop_scorer.cli.streams import lost_output, tolerate_lost_output
from omop_scorer.cli.synthetic import demo, synth
from omop_scorer.cli.trials import app as trials
from omop_scorer.cli.trials_forest import forest
from omop_scorer.cli.trials_power import power
from omop_scorer.cli.trials_validate import validate
from omop_scorer.cli.withdraw import withdraw
from omop_scorer.errors import ConfigurationError, OmopScorerError, unexpected
from omop_scorer.texts.characters import one_line
from omop_scorer.texts.secret_values import hide, keep_environment

app = typer.Typer(
    name="omop-scorer",
    help="Score the Crohn's disease patients of an OMOP CDM with published models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command()(init)
app.command()(run)
app.command()(check)
app.command()(demo)
app.command()(report)
app.command()(export)
app.command()(runs)
app.command()(diff)
app.command()(status)
app.command()(withdraw)
app.command()(score)
app.command()(calculator)
app.command()(patient)
app.command()(serve)
app.add_typer(trials, name="trials")
trials.command()(validate)
trials.command()(forest)
trials.command()(power)
app.command()(load_cdm)
app.command()(render)
app.command()(covariates)
app.command()(explain)
app.command()(synth)
app.command()(import_concept_set)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; print a failure as a message that says what to do, without a trace."""
    # The matrices are of 10 by 10 numbers, so the threads that BLAS starts when numpy and scipy are
    # imported would only wait, which takes CPU time on every core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Parsed SQL is many small objects that refer to each other, and searching them for garbage as
    # often as by default takes a tenth of a run. Tables and arrays are freed without a search.
    gc.set_threshold(100_000, 20, 100)
    tolerate_lost_output()
    keep_environment(os.environ)
    signals.listen()
    code = _exit_code_of(_run)
    if cause := lost_output():
        typer.echo(f"warning: part of the standard output is lost ({cause})", err=True)
    sys.exit(signals.exit_code(code))


def _run() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise ConfigurationError(
            f"the working directory cannot be read ({error.strerror}); change to another folder"
        ) from None
    app(with_yes_no_words(sys.argv[1:]))


def _exit_code_of(command: Callable[..., Any]) -> int:
    try:
        command()
    except OmopScorerError as error:
        for problem in error.problems:
            Console(stderr=True).print(
                Text("error: ", style="bold red") + Text(one_line(hide(problem))), soft_wrap=True
            )
        return error.exit_code
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except Exception as error:
        if signals.has_arrived():
            return 1
        typer.echo(f"error: {unexpected(error)}", err=True)
        return 1
    return 0
