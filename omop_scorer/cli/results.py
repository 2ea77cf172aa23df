"""The commands that only read results: they need no CDM, and write nothing to a database."""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from omop_scorer.config.run_file import RunConfig, load_for_readers, shipped_run_file
from omop_scorer.errors import UnhealthyError

Format = Literal["table", "json", "csv"]

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The run file: results.url and results.schema count; none: the shipped one.",
        show_default=False,
    ),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set a key of the run file, as in results.url=results.duckdb."),
]


def report(
    config: ConfigOption = None,
    settings: SetOption = None,
    run: Annotated[str, typer.Option(help="A run id, latest or previous.")] = "latest",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The HTML file to write.", show_default=False),
    ] = None,
    csv_folder: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="DIR", help="Write the figures as CSV too.", show_default=False
        ),
    ] = None,
    minimum_cell_count: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The threshold; that of the run holds where it is greater.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the report of a run, as HTML, as CSV or both.

    Counts below minimum_cell_count, of persons or of records, are suppressed, and with them
    whatever would give them away.
    """
    if output is None and csv_folder is None:
        raise typer.BadParameter("give a file by --output, or a folder by --csv, or both")
    for path in write_report(
        results_config(config, settings), run, output, csv_folder, minimum_cell_count
    ):
        typer.echo(path)


def write_report(
    config: RunConfig,
    run: str,
    output: Path | None,
    csv_folder: Path | None = None,
    minimum_cell_count: int | None = None,
) -> list[Path]:
    """Write the report of a run from its results; return the files written."""
    from omop_scorer.engines import open_results  # noqa: PLC0415
    from omop_scorer.report import write_report as write  # noqa: PLC0415

    threshold = config.minimum_cell_count if minimum_cell_count is None else minimum_cell_count
    with open_results(config.connections) as reader:
        return write(reader, run, output, csv_folder, threshold)


def runs(
    config: ConfigOption = None,
    settings: SetOption = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs, the newest first.")] = 20,
    form: Annotated[
        Format, typer.Option("--format", help="For people, or for programs.")
    ] = "table",
) -> None:
    """List the runs, how they ended and what they counted.

    Counts are not suppressed: they are for those who may read the warehouse.
    """
    from omop_scorer.cli.run_tables import render_runs, runs_as_rows  # noqa: PLC0415
    from omop_scorer.engines import open_results  # noqa: PLC0415
    from omop_scorer.results.history import list_runs  # noqa: PLC0415

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
            str(value).lower() if isinstance(value, bool) else value for value in row.values()
        )


def status(
    config: ConfigOption = None,
    settings: SetOption = None,
    max_age_hours: Annotated[
        float, typer.Option(min=0, help="How long ago the last run may have been completed.")
    ] = 26,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="For people, or for programs.")
    ] = "text",
) -> None:
    """Tell whether the nights go well.

    Exit code 0: yes; 17: no, for the last run failed or was killed, or none was completed lately.
    """
    from omop_scorer.cli.run_tables import health_as_row, render_health  # noqa: PLC0415
    from omop_scorer.engines import open_results  # noqa: PLC0415
    from omop_scorer.results.health import look  # noqa: PLC0415

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
    earlier: Annotated[str, typer.Argument(metavar="RUN", help="A run id, latest or previous.")],
    later: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare it with.")],
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Say what differs between two runs.

    Counts of patients are not suppressed: they are for those who may read the warehouse.
    """
    from omop_scorer.cli.run_tables import render_difference  # noqa: PLC0415
    from omop_scorer.engines import open_results  # noqa: PLC0415
    from omop_scorer.results.difference import compare  # noqa: PLC0415
    from omop_scorer.results.history import find_run  # noqa: PLC0415

    with open_results(results_config(config, settings).connections) as reader:
        ids = [find_run(reader, which).run_id for which in (earlier, later)]
        difference = compare(reader, *ids)
    Console().print(render_difference(difference))


def results_config(path: Path | None, overrides: list[str] | None) -> RunConfig:
    """Read the run file for its results; what it says of the CDM does not matter here."""
    return load_for_readers(shipped_run_file() if path is None else path, overrides or [])
