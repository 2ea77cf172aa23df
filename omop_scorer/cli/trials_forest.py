"""Command that assigns the participants of trials to subgroups by random forests."""

import csv
import io
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
    say_warning,
    warn,
)

_RESAMPLES, _TREES = 200, 100


def forest(
    data: DataArgument,
    layout: LayoutOption = "plain",
    template: TemplateOption = "crohns_srs_2025",
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Grow the forests as the published code does: 1000 trees, not tuned, errors by "
            "the infinitesimal jackknife, which are too small.",
        ),
    ] = False,
    resamples: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=100_000,
            metavar="N",
            help="Resamples of the participants.",
            show_default=str(_RESAMPLES),
        ),
    ] = None,
    trees: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, metavar="N", help="Trees of a forest.", show_default=str(_TREES)
        ),
    ] = None,
    refits: Annotated[
        int,
        typer.Option(
            min=100,
            max=100_000_000,
            metavar="N",
            help="Refits of the bootstrap of the mixed models, with which forests are compared.",
        ),
    ] = 100_000,
    json_file: JsonOption = None,
    report: ReportOption = None,
    rows: RowsOption = False,
    csv_file: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write counts by both labels.", show_default=False
        ),
    ] = None,
    minimum_cell_count: MinimumOption = MINIMUM,
    seed: SeedOption = SEED,
    threads: ThreadsOption = None,
) -> None:
    """Assign participants to subgroups by random forests.

    The subgroups are compared with those of the mixed models. Needs scikit-learn:
    pip install 'omop-scorer[trials]'.
    """
    from omop_scorer.cli.forest_tables import render_forest  # noqa: PLC0415
    from omop_scorer.trials.card_files import refuse_places, write_whole  # noqa: PLC0415
    from omop_scorer.trials.class_moments import Refitting  # noqa: PLC0415
    from omop_scorer.trials.fitting import fit_card  # noqa: PLC0415
    from omop_scorer.trials.forest import WARNING, Recipe, second_opinion  # noqa: PLC0415
    from omop_scorer.trials.load import load_trials  # noqa: PLC0415
    from omop_scorer.trials.random_forest import require_scikit_learn  # noqa: PLC0415

    if published and (trees is not None or resamples is not None):
        raise typer.BadParameter(
            "--published has trees and errors of its own; leave the others out"
        )
    refuse_rows_alone(rows, json_file)
    require_scikit_learn()
    places = (json_file, csv_file, report)
    refuse_places(data, [each for each in places if each is not None])
    refuse_no_page(report)
    trial_data = load_trials(data, layout, template)
    warn(trial_data)
    if published:
        say_warning(WARNING)
    recipe = Recipe(
        seed, threads or all_cores(), published, trees or _TREES, resamples or _RESAMPLES
    )
    n_steps = recipe.n_steps(trial_data.participants)
    fitted = fit_card(trial_data, Refitting(refits, seed, recipe.threads))
    with progress_of("forests", n_steps) as advance:
        answer = second_opinion(fitted, recipe, advance)
    files = {}
    if json_file is not None:
        files[json_file] = json_text(answer.as_json(rows))
    if csv_file is not None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("uncertainty", "subgroup", "forest_subgroup", "n_participants"))
        writer.writerows(answer.counts_by_both())
        files[csv_file] = text.getvalue()
    if report is not None:
        from omop_scorer.report.trial_data.forest_page import (  # noqa: PLC0415
            render_forest as page,
        )

        files[report] = page(answer, minimum_cell_count)
    write_whole(files)
    Console().print(render_forest(answer))
    for path in files:
        typer.echo(f"written: {path}")
