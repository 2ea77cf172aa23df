"""Table formats with a log beside their Parquet files, recognised by the folder of the log.

The files alone are not the table, because some of them hold rows that were deleted or replaced.
"""

from pathlib import Path

from omop_scorer.errors import CdmError


def is_delta(folder: Path) -> bool:
    """Return True if a folder holds a Delta table."""
    return (folder / "_delta_log").is_dir()


def refuse_other_formats(folder: Path, label: str) -> None:
    """Check that a folder is not an Iceberg or Hudi table.

    Raises
    ------
    CdmError
        It is one; the message calls it `label`.
    """
    if any(folder.glob("metadata/*.metadata.json")):
        name = "an Iceberg table"
    elif (folder / ".hoodie").is_dir():
        name = "a Hudi table"
    else:
        return
    raise CdmError(
        f"{label}: {name}, whose Parquet files must not be read without its log; export it as "
        "Parquet files or as a Delta table, or read it from a catalog (engine: spark, cdm.url: "
        "spark)"
    )
