"""Commands that only read results: they need no CDM and write nothing to a database."""

import csv
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from omop_scorer.cli.options import find_run_file
from omop_scorer.errors import UnhealthyError
from omop_scorer.texts.characters import cell

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig

Format = Literal["table", "json", "csv"]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Run file; its settings of the CDM are not used. Default: ./nightly.yaml, or else the "
        "shipped one.",
        show_default=False,
    ),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the run file, for example results.url=results.duckdb; "
        "may be repeated.",
    ),
]

RunOption = Annotated[str, typer.Option(metavar="RUN", help="Run id, latest or previous.")]

MaximumAgeOption = Annotated[
    float,
    typer.Option(
        "--max-age-hours",
        min=0,
        max=876_000,
        metavar="HOURS",
        help="Maximum age of the last complete run that counts as healthy, in hours.",
    ),
]


def report(
    config: ConfigOption = None,
    settings: SetOption = None,
    run: RunOption = "latest",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="HTML file to write.", show_default=False
        ),
    ] = None,
    csv_folder: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FOLDER",
            help="Folder for the figures as CSV files.",
            show_default=False,
        ),
    ] = None,
    minimum_cell_count: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Suppress counts below N (default: minimum_cell_count of the run file). The "
            "threshold stored with the run applies if it is greater.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the report of a run as HTML, CSV or both.

    Counts of persons or records below minimum_cell_count are suppressed, together with the figures
    that would reveal them.
    """
    if output is None and csv_folder is None:
        raise typer.BadParameter("give --output FILE, --csv FOLDER or both")
    for path in write_report(
        results_config(config, settings), run, output, csv_folder, minimum_cell_count
    ):
        typer.echo(path)


def write_report(
    config: "RunConfig",
    run: str,
    output: Path | None,
    csv_folder: Path | None = None,
    minimum_cell_count: int | None = None,
) -> list[Path]:
    """Write the report of a run and return the files written."""
    from omop_scorer.report import write_report as write  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    threshold = config.minimum_cell_count if minimum_cell_count is None else minimum_cell_count
    with open_results(config.connections) as reader:
        return write(reader, run, output, csv_folder, threshold)


def runs(
    config: ConfigOption = None,
    settings: SetOption = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="List the N newest runs.")] = 20,
    form: Annotated[Format, typer.Option("--format", help="Output format.")] = "table",
) -> None:
    """List past runs with their status and counts.

    Counts are not suppressed, so show them only to people who may read the warehouse.
    """
    from omop_scorer.cli.run_tables import render_runs, runs_as_rows  # noqa: PLC0415
    from omop_scorer.results.history import list_runs  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    with open_results(results_config(config, settings).connections) as reader:
        found = list_runs(reader)
    if form == "table":
        Console().print(render_runs(found, limit))
    elif form == "json":
        typer.echo(json.dumps(runs_as_rows(found[:limit]), indent=2))
    else:
        _print_csv(runs_as_rows(found[:limit]))


def _print_csv(rows: list[dict[str, Any]]) -> None:
    from omop_scorer.cli.run_tables import RUN_COLUMNS  # noqa: PLC0415

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(RUN_COLUMNS)
    for row in rows:
        writer.writerow(
            str(value).lower()
            if isinstance(value, bool)
            else cell(value)
            if isinstance(value, str)
            else value
            for value in row.values()
        )


def status(
    config: ConfigOption = None,
    settings: SetOption = None,
    max_age_hours: MaximumAgeOption = 26,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="Output format.")
    ] = "text",
) -> None:
    """Report whether the nightly runs succeed.

    The exit code is 17 if the last run failed or was killed, if it is not the run that readers
    see, or if that run has an empty cohort, has lost rows or is too old. Otherwise it is 0.
    """
    from omop_scorer.cli.run_tables import health_as_row, render_health  # noqa: PLC0415
    from omop_scorer.results.health import look  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    with open_results(results_config(config, settings).connections) as reader:
        now = datetime.now(UTC).replace(tzinfo=None)
        health = look(reader, now, timedelta(hours=max_age_hours))
    if form == "json":
        typer.echo(json.dumps(health_as_row(health), indent=2))
    else:
        Console().print(render_health(health), soft_wrap=True)
    if not health.is_healthy:
        raise UnhealthyError(*health.problems)


def diff(
    earlier: Annotated[str, typer.Argument(metavar="EARLIER", help="Run id, latest or previous.")],
    later: Annotated[
        str, typer.Argument(metavar="LATER", help="Run to compare it with, in the same form.")
    ],
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Compare two runs.

    The output shows the differences in provenance, settings, counts and patients. Counts are
    not suppressed, so show them only to people who may read the warehouse.
    """
    from omop_scorer.cli.run_tables import render_difference  # noqa: PLC0415
    from omop_scorer.results.difference import compare  # noqa: PLC0415
    from omop_scorer.results.history import find_run  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415

    with open_results(results_config(config, settings).connections) as reader:
        ids = [find_run(reader, which).run_id for which in (earlier, later)]
        difference = compare(reader, *ids)
    Console().print(render_difference(difference))


def results_config(path: Path | None, overrides: list[str] | None) -> "RunConfig":
    """Read the run file for its results; its settings of the CDM are ignored.

    Its exports are ignored too, because one of them may be what is read.
    """
    from omop_scorer.config.run_file import load_for_readers  # noqa: PLC0415

    return load_for_readers(find_run_file(path), [*(overrides or []), "export=[]"], os.environ)
