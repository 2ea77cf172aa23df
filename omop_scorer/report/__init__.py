"""The population report: one HTML file, and CSV, from the results tables; small counts hidden."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from omop_scorer.engines.base import ResultsReader
from omop_scorer.errors import ResultsError
from omop_scorer.results.history import find_run

__all__ = ["write_report"]


def write_report(
    reader: ResultsReader,
    run: str | int,
    output: Path | None,
    csv_folder: Path | None,
    minimum_cell_count: int,
) -> list[Path]:
    """Write the report of a run and return the files written.

    Parameters
    ----------
    reader
        The results.
    run
        A run id, or `latest`, or `previous`.
    output
        The HTML file; None: none is written.
    csv_folder
        The folder of the CSV files, made when there is none; None: none are written.
    minimum_cell_count
        The smallest count, above zero, that is printed; the run's own configured minimum holds
        where it is greater.

    Raises
    ------
    ConfigurationError
        There is no such run.
    ResultsError
        It is not COMPLETE, or a file cannot be written.
    """
    # Drawing the page is slow to load, and CSV alone does not need it.
    from omop_scorer.disclosure.protect import protect_run  # noqa: PLC0415
    from omop_scorer.disclosure.true_run import read_run  # noqa: PLC0415
    from omop_scorer.report.csv_files import csv_files  # noqa: PLC0415

    data = protect_run(read_run(reader, find_run(reader, run)), minimum_cell_count)
    written = []
    if output is not None:
        from omop_scorer.report.page import render  # noqa: PLC0415

        written += _write(output.parent, {output.name: render(data)})
    if csv_folder is not None:
        try:
            csv_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(
                f"{csv_folder}: the folder cannot be made: {error.strerror}; name another"
            ) from None
        written += _write(csv_folder, csv_files(data))
    return written


def _write(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write texts as files of a folder, each as a whole or not at all."""
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no such folder; make it, or name another")
    written = []
    for name, text in files.items():
        path = folder / name
        temporary = None
        try:
            handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            # As open() would have made it: a file made for oneself alone cannot be handed on.
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except OSError as error:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
            raise ResultsError(
                f"{path}: cannot be written: {error.strerror}; name another file or folder"
            ) from None
        written.append(path)
    return written
