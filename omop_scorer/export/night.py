"""The exports that a run file names: written after the run, refused before it."""

from collections.abc import Sequence

from omop_scorer.config.export import Export
from omop_scorer.config.run_file import RunConfig
from omop_scorer.errors import OmopScorerError, ResultsError
from omop_scorer.export import refuse_unfit, write_export
from omop_scorer.journal import Journal
from omop_scorer.stores import open_results


def write_exports_of_night(config: RunConfig, journal: Journal) -> list[str]:
    """Write the exports of the run file after a run; return a problem for each that failed.

    The run is COMPLETE, and a failed export does not change that.
    """
    problems = []
    for each in config.export:
        try:
            with (
                journal.step(f"export {each.format}"),
                open_results(config.connections) as reader,
            ):
                write_export(reader, "latest", each, config.minimum_cell_count)
        except OmopScorerError as error:
            problems += [
                f"the run is COMPLETE, but its export failed: {problem}; then write the exports "
                "again, with the run file of this run: omop-scorer export --config FILE"
                for problem in error.problems
            ]
    return problems


def refuse_unfit_exports(exports: Sequence[Export]) -> None:
    """Refuse exports whose places cannot take them, as a run would after it is COMPLETE.

    Raises
    ------
    ResultsError
    """
    problems: list[str] = []
    for each in exports:
        try:
            refuse_unfit(each)
        except ResultsError as error:
            problems += error.problems
    if problems:
        raise ResultsError(*problems)
