"""Command that takes a run back."""

from typing import Annotated

import typer

from omop_scorer.cli.results import ConfigOption, SetOption, results_config

_LONGEST_REASON = 500


def withdraw(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run id, latest or previous.")],
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Reason, which `runs` shows; no patient's data.")
    ],
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Take a run back, so that readers no longer see it.

    The run gets the status WITHDRAWN. Its rows stay until the retention of a later run removes
    those of persons.
    """
    from omop_scorer.results.answer import withdraw_run  # noqa: PLC0415
    from omop_scorer.results.history import find_run  # noqa: PLC0415
    from omop_scorer.results.schema import migrate  # noqa: PLC0415
    from omop_scorer.stores import open_results, open_store  # noqa: PLC0415

    reason = _one_line(reason)
    connections = results_config(config, settings).connections
    with open_results(connections) as reader:
        found = find_run(reader, run)
    store = open_store(connections, lambda message: typer.echo(message, err=True))
    try:
        migrate(store)
        answer = withdraw_run(store, found, reason)
    finally:
        store.close()
    typer.echo(f"Run {found.run_id}, as of {found.as_of_date}, is WITHDRAWN: {reason}")
    if answer is None:
        typer.echo("Readers see no run: the latest_ views are empty.")
    else:
        typer.echo(f"Readers see run {answer.run_id}, as of {answer.as_of}.")


def _one_line(reason: str) -> str:
    words = "".join(each if each.isprintable() else " " for each in reason).split()
    text = " ".join(words)
    if not text or len(text) > _LONGEST_REASON:
        raise typer.BadParameter(
            f"give a reason of 1 to {_LONGEST_REASON} characters", param_hint="--reason"
        )
    return text
