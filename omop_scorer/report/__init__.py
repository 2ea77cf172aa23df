"""The population report: one HTML file and CSV files from the results, with small counts hidden."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from omop_scorer.report.html_file import refuse_unfit, write_html
from omop_scorer.report.whole_folder import whole_folder
from omop_scorer.results.history import list_runs, run_of
from omop_scorer.results.row_counts import refuse_changed_rows
from omop_scorer.stores.base import ResultsReader

if TYPE_CHECKING:
    from omop_scorer.disclosure.protected_run import ReportData

__all__ = ["protected_run", "write_report"]


def write_report(
    reader: ResultsReader,
    run: str | int,
    output: Path | None,
    csv_folder: Path | None,
    minimum_cell_count: int,
) -> list[Path]:
    """Write the report of a run and return the paths of the written files.

    Parameters
    ----------
    reader
        The results.
    run
        A run id, `latest` or `previous`.
    output
        The HTML file; None writes no page.
    csv_folder
        The folder of the CSV files, created if it does not exist; None writes no CSV files. The
        files of an older report go, and other files stay; it holds all files of one run or none.
    minimum_cell_count
        The smallest count above zero that is printed. If the minimum configured for the run is
        greater, that one applies.

    Raises
    ------
    ConfigurationError
        There is no such run.
    ResultsError
        The run is not COMPLETE, its rows have changed, or a file cannot be written.
    """
    if output is not None:
        refuse_unfit(output)
    # The modules of the page are slow to import, and the CSV files do not need them.
    from omop_scorer.report.csv_files import FILE_NAMES, csv_files  # noqa: PLC0415

    data = protected_run(reader, run, minimum_cell_count)
    files = {} if csv_folder is None else csv_files(data)
    with ExitStack() as stack:
        if csv_folder is not None:
            stack.enter_context(whole_folder(csv_folder, files, FILE_NAMES))
        if output is not None:
            from omop_scorer.report.page import render  # noqa: PLC0415

            write_html(output, render(data))
    page = [] if output is None else [output]
    return page if csv_folder is None else [*page, *(csv_folder / name for name in files)]


def protected_run(reader: ResultsReader, run: str | int, minimum_cell_count: int) -> "ReportData":
    """Return the figures of a run that may leave the warehouse, as for a report.

    Raises
    ------
    ConfigurationError, ResultsError
        As for `write_report`.
    """
    from omop_scorer.disclosure.protect import protect_run  # noqa: PLC0415
    from omop_scorer.disclosure.true_run import read_run  # noqa: PLC0415

    runs = list_runs(reader)
    found = run_of(runs, run)
    refuse_changed_rows(reader, found, runs)
    return protect_run(read_run(reader, found, runs), minimum_cell_count)
