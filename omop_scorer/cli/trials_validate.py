"""Command that validates models of trial data on participants and trials that they never saw."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from omop_scorer.cli.trials import (
    MINIMUM,
    SEED,
    DataArgument,
    JsonOption,
    LayoutOption,
    MinimumOption,
    ReportOption,
    RowsOption,
    SeedOption,
    TemplateOption,
    ThreadsOption,
    all_cores,
    json_text,
    progress_of,
    refuse_no_page,
    refuse_rows_alone,
    warn,
)
from omop_scorer.errors import ConfigurationError

_REFITS = 100_000


def validate(
    data: DataArgument,
    layout: LayoutOption = "plain",
    template: TemplateOption = "crohns_srs_2025",
    json_file: JsonOption = None,
    report: ReportOption = None,
    rows: RowsOption = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder for CSV files of the folds, the calibration and the trials left out; or "
            "NAME.csv for the folds, with the other two beside it.",
            show_default=False,
        ),
    ] = None,
    refits: Annotated[
        int,
        typer.Option(
            min=100, max=100_000_000, metavar="N", help="Refits of the bootstrap of each model."
        ),
    ] = _REFITS,
    minimum_cell_count: MinimumOption = MINIMUM,
    seed: SeedOption = SEED,
    threads: ThreadsOption = None,
) -> None:
    """Validate models on participants and trials left out.

    Ten folds in two ways, and each trial left out in turn: subgroups, calibration, errors.
    """
    from omop_scorer.cli.validation_tables import render_validation  # noqa: PLC0415
    from omop_scorer.trials.card_files import refuse_places, write_whole  # noqa: PLC0415
    from omop_scorer.trials.class_moments import Refitting  # noqa: PLC0415
    from omop_scorer.trials.load import load_trials  # noqa: PLC0415
    from omop_scorer.trials.validation import n_bootstraps, validate_models  # noqa: PLC0415
    from omop_scorer.trials.validation_tables import csv_paths, csv_texts  # noqa: PLC0415

    refuse_rows_alone(rows, json_file)
    tables = () if csv is None else csv_paths(csv)
    if csv is not None and csv.suffix.lower() != ".csv":
        _make_folder(csv)
    places = [*tables, *(each for each in (json_file, report) if each is not None)]
    refuse_places(data, places)
    refuse_no_page(report)
    trial_data = load_trials(data, layout, template)
    warn(trial_data)
    total = refits * n_bootstraps(len(trial_data.template.classes))
    with progress_of("refits", total) as advance:
        refitting = Refitting(refits, seed, threads or all_cores(), advance=advance)
        found = validate_models(trial_data, refitting)
    files = {} if csv is None else csv_texts(found, csv)
    if json_file is not None:
        files[json_file] = json_text(found.as_json(rows))
    if report is not None:
        from omop_scorer.report.trial_data.validation_page import (  # noqa: PLC0415
            render_validation as page,
        )

        files[report] = page(found, minimum_cell_count)
    write_whole(files)
    Console().print(render_validation(found))
    for path in files:
        typer.echo(f"written: {path}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{folder}: cannot be created: {error.strerror}") from None
