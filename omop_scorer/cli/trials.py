"""Commands on trial data: from participants of trials to a model card, and what it is worth."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from omop_scorer.texts.characters import one_line

if TYPE_CHECKING:
    from omop_scorer.trials.load import TrialData

app = typer.Typer(
    help="Fit models to trial data and see what they are worth.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DataArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Trial data, CSV or Parquet: one row per participant.",
        show_default=False,
    ),
]

LayoutOption = Annotated[
    str,
    typer.Option(metavar="LAYOUT", help="Path of a layout, or plain or crohnsrx_sample."),
]

TemplateOption = Annotated[
    str,
    typer.Option(
        metavar="CARD",
        help="Model card whose covariates, classes, outcome, fixed year, threshold and ranges are "
        "used; its fitted numbers are not.",
    ),
]

JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all numbers.", show_default=False),
]

ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="HTML page to write.", show_default=False),
]

MinimumOption = Annotated[
    int,
    typer.Option(
        "--minimum-cell-count",
        min=1,
        metavar="N",
        help="Smallest number of participants of a trial that the page shows.",
    ),
]

RowsOption = Annotated[
    bool,
    typer.Option("--rows", help="Add to --json the label of each row of DATA.", show_default=False),
]

SeedOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Random seed; the same seed gives the same bytes.")
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="N",
        help="Number of threads; no digit depends on it.",
        show_default="all cores",
    ),
]

SEED = 20250531

#: As in a run file.
MINIMUM = 5

_REFITS = 100_000


@app.command()
def fit(
    data: DataArgument,
    layout: LayoutOption = "plain",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="CARD",
            help="Model card to write, a file .yaml. Its variants are written beside it.",
            show_default=False,
        ),
    ] = None,
    json_file: JsonOption = None,
    report: ReportOption = None,
    rows: RowsOption = False,
    template: TemplateOption = "crohns_srs_2025",
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COVARIATE",
            help="Covariate to leave out in variants of the models; may be repeated. Default: "
            "cdai, crp and ileal, if the template has them.",
            show_default=False,
        ),
    ] = None,
    refits: Annotated[
        int, typer.Option(min=100, max=100_000_000, metavar="N", help="Refits of the bootstrap.")
    ] = _REFITS,
    bootstrap_trials: Annotated[
        Literal["held", "redrawn"],
        typer.Option(
            help="held: trial effects stay at their estimates, as published; redrawn: each refit "
            "draws them anew."
        ),
    ] = "held",
    minimum_cell_count: MinimumOption = MINIMUM,
    seed: SeedOption = SEED,
    threads: ThreadsOption = None,
) -> None:
    """Fit models to trial data, and write them as a model card.

    The card works in score as it is, and in run for the covariates that the program has rules for.
    """
    from omop_scorer.cli.trials_tables import render_fit  # noqa: PLC0415
    from omop_scorer.trials.card_files import (  # noqa: PLC0415
        card_files,
        card_id_of,
        refuse_places,
        variants_path,
        write_whole,
    )
    from omop_scorer.trials.class_moments import Refitting  # noqa: PLC0415
    from omop_scorer.trials.fitting import covariates_left_out, fit_card  # noqa: PLC0415
    from omop_scorer.trials.load import load_trials  # noqa: PLC0415

    refuse_rows_alone(rows, json_file)
    card_id = "" if output is None else card_id_of(output)
    beside = [] if output is None else [output, variants_path(output)]
    refuse_places(data, [*beside, *(each for each in (json_file, report) if each is not None)])
    refuse_no_page(report)
    trial_data = load_trials(data, layout, template)
    left_out = covariates_left_out(trial_data.template, without)
    warn(trial_data)
    n_models = len(trial_data.template.classes) * 2 ** len(left_out)
    with progress_of("refits", refits * n_models) as advance:
        refitting = Refitting(refits, seed, threads or all_cores(), bootstrap_trials, advance)
        fitted = fit_card(trial_data, refitting, left_out)
    files = {}
    if output is not None:
        files = card_files(output, fitted.card(card_id), fitted.variants_document())
    if json_file is not None:
        files[json_file] = json_text(fitted.as_json(rows))
    if report is not None:
        from omop_scorer.report.trial_data.fit_page import render_fit as page  # noqa: PLC0415

        files[report] = page(fitted, minimum_cell_count)
    write_whole(files)
    Console().print(render_fit(fitted))
    for path in files:
        typer.echo(f"written: {path}")
    if output is None:
        typer.echo("no card was written; --output names one", err=True)


def all_cores() -> int:
    """Return the number of cores of this machine."""
    return os.cpu_count() or 1


def refuse_rows_alone(rows: bool, json_file: Path | None) -> None:
    """Refuse --rows without --json, to which it adds."""
    if rows and json_file is None:
        raise typer.BadParameter("--rows adds to --json; give both")


def refuse_no_page(report: Path | None) -> None:
    """Refuse to replace a file that is no HTML page, before work begins."""
    if report is not None:
        from omop_scorer.report.html_file import refuse_unfit  # noqa: PLC0415

        refuse_unfit(report)


def warn(data: "TrialData") -> None:
    """Print the warnings about trial data on standard error."""
    for warning in data.warnings:
        say_warning(warning)


def say_warning(text: str) -> None:
    """Print a warning on standard error, on one line."""
    line = Text("warning: ", style="yellow") + Text(one_line(text))
    Console(stderr=True).print(line, soft_wrap=True, highlight=False)


@contextmanager
def progress_of(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error if it is a terminal; yield what advances it."""
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda n: progress.update(task, advance=n)


def json_text(numbers: dict[str, Any]) -> str:
    """Return numbers as the text of a JSON file, at full precision."""
    return json.dumps(numbers, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n"
