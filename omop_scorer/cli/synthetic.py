"""Commands that create a synthetic CDM: synth and demo."""

import shlex
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.progress import Progress

from omop_scorer.cli.nightly import score_warehouse
from omop_scorer.cli.options import LogOption, in_utf_8
from omop_scorer.cli.results import write_report
from omop_scorer.errors import ConfigurationError

_FIRST_LINE = "# Run file of omop-scorer demo, for the folder in which that was started.\n"


def demo(
    folder: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", callback=in_utf_8, help="Folder for the files of the demonstration."
        ),
    ] = Path("demo"),
    persons: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of persons in the CDM.")
    ] = 10_000,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Random seed; the same seed gives the same CDM.")
    ] = 1,
    log_format: LogOption = "auto",
) -> None:
    """Create a synthetic CDM, score it and write its report."""
    from omop_scorer.config.run_file import load  # noqa: PLC0415
    from omop_scorer.connections.private_files import private_files  # noqa: PLC0415
    from omop_scorer.synthetic import write as synthetic  # noqa: PLC0415

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be created: {error.strerror}") from None
    cdm, results, run_file = (
        folder / name for name in ("cdm.duckdb", "results.duckdb", "nightly.yaml")
    )
    settings = {
        "cdm": {"url": str(cdm)},
        "results": {"url": str(results)},
        "as_of_date": synthetic.AS_OF,
        "covariates": {"cdai": {"concept_ids": list(synthetic.CDAI_CONCEPT_IDS)}},
    }
    text = _FIRST_LINE + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    try:
        if run_file.exists() and not run_file.read_bytes().startswith(_FIRST_LINE.encode()):
            raise ConfigurationError(f"{run_file}: is not of the demo; choose another folder")
        synthetic.write(cdm, persons, seed, overwrite=True)
        with private_files(cdm):
            run_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{run_file}: cannot be written: {error.strerror}") from None
    config = load(run_file)
    score_warehouse(config, log_format)
    (page,) = write_report(config, "latest", folder / "report.html")
    Console().print(
        f"\nCDM: {cdm}\nResults: {results}\nRun file: {run_file}\n"
        f"Report: {page} (open it in a browser)\n"
        "To query the results, for example:\n"
        f"  duckdb {results} 'FROM omop_scorer.latest_score LIMIT 5'\n"
        "To run another night:\n"
        f"  omop-scorer run --config {shlex.quote(str(run_file))} "
        f"--as-of {synthetic.AS_OF + timedelta(days=1)}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def synth(
    out: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            callback=in_utf_8,
            help="DuckDB file (.duckdb), or folder for Parquet files.",
        ),
    ],
    persons: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of persons in the CDM.")
    ] = 10_000,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Random seed; the same seed gives the same CDM.")
    ] = 1,
    crohns_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, metavar="SHARE", help="Share of persons with Crohn's disease, 0 to 1."
        ),
    ] = 0.3,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            "--as-of",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="As-of date of the expected results.",
        ),
    ] = None,
    events_per_person: Annotated[
        float,
        typer.Option(
            metavar="N",
            help="Records per person. 0: only those that the expected results need, about 13; 20 "
            "to 2000: further records, for the size of a real warehouse.",
        ),
    ] = 0,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of threads; the rows do not depend on it.",
            show_default="all cores",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace an existing CDM.", show_default=False)
    ] = False,
) -> None:
    """Create a synthetic CDM and its expected results."""
    from omop_scorer.synthetic import write as synthetic  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("persons", total=persons)
        summary = synthetic.write(
            out,
            persons,
            seed,
            as_of=synthetic.AS_OF if as_of is None else as_of.date(),
            crohns_share=crohns_share,
            events_per_person=events_per_person,
            threads=threads,
            overwrite=overwrite,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    typer.echo(str(summary))
