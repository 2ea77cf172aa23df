"""The answer of one run as files for other programs: R, pandas, BI tools and study networks.

`duckdb` and `parquet` hold persons and stay in the warehouse; `csv` and `summarised_result` hold
protected figures and may leave it.
"""

from pathlib import Path

from omop_scorer.config.export import Export
from omop_scorer.export.places import refuse_unfit
from omop_scorer.stores.base import ResultsReader

__all__ = ["refuse_unfit", "write_export"]


def write_export(
    reader: ResultsReader, run: str | int, export: Export, minimum_cell_count: int
) -> Path:
    """Write one export of a run, which replaces an earlier one as a whole; return its path.

    Parameters
    ----------
    reader
        The results.
    run
        A run id, `latest` or `previous`.
    export
        File or folder, and format.
    minimum_cell_count
        The smallest count above zero in protected formats, as for a report.

    Raises
    ------
    ConfigurationError
        There is no such run.
    ResultsError
        The run is not COMPLETE, its rows have changed or are gone, the place holds something else
        than an earlier export, or cannot be written.
    """
    refuse_unfit(export)
    # Each format needs other modules, some of them slow to import.
    if export.format == "csv":
        from omop_scorer.report import write_report  # noqa: PLC0415

        write_report(reader, run, None, export.path, minimum_cell_count)
    elif export.format == "summarised_result":
        from omop_scorer.export.summarised_result import write_summarised_result  # noqa: PLC0415
        from omop_scorer.report import protected_run  # noqa: PLC0415

        write_summarised_result(export.path, protected_run(reader, run, minimum_cell_count))
    else:
        from omop_scorer.export.tables import exported_run  # noqa: PLC0415

        tables = exported_run(reader, run)
        if export.format == "duckdb":
            from omop_scorer.export.duckdb_file import write_duckdb  # noqa: PLC0415

            write_duckdb(export.path, tables)
        else:
            from omop_scorer.export.parquet_folder import write_parquet  # noqa: PLC0415

            write_parquet(export.path, tables)
    return export.path
