"""Command that writes the page of one patient of a run."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from omop_scorer.cli.options import PersonIdArgument
from omop_scorer.cli.results import ConfigOption, RunOption, SetOption, results_config


def patient(
    person_id: PersonIdArgument,
    config: ConfigOption = None,
    settings: SetOption = None,
    run: RunOption = "latest",
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="HTML file to write. Only you can read a new one; an HTML page that exists "
            "is replaced and keeps its rights.",
        ),
    ] = Path("patient.html"),
) -> None:
    """Write the page of one patient of a run.

    It is written from the results alone. It holds a patient's data: keep it inside the hospital.
    """
    from omop_scorer.connections.private_files import private_files  # noqa: PLC0415
    from omop_scorer.errors import ResultsError  # noqa: PLC0415
    from omop_scorer.report.html_file import refuse_unfit, write_html  # noqa: PLC0415
    from omop_scorer.results.history import find_run  # noqa: PLC0415
    from omop_scorer.results.patient_record import read_record  # noqa: PLC0415
    from omop_scorer.results.schema import refuse_older  # noqa: PLC0415
    from omop_scorer.stores import open_results  # noqa: PLC0415
    from omop_scorer.web.model_of_run import model_of_run  # noqa: PLC0415
    from omop_scorer.web.patient_page import render_patient  # noqa: PLC0415

    refuse_unfit(output)
    read = results_config(config, settings)
    with open_results(read.connections) as reader:
        refuse_older(reader)
        found = find_run(reader, run)
        record = read_record(reader, found, person_id)
        if record is None:
            raise ResultsError(
                f"{reader.where}: run {found.run_id} has no scores of this person: not in the "
                "cohort, not scored, or the rows of persons have been removed; omop-scorer explain "
                "says why the next run would leave the person out"
            )
    model = model_of_run(found, read.model)
    page = render_patient(record, model, datetime.now(UTC).date())
    with private_files(output):
        write_html(output, page)
    typer.echo(output)
