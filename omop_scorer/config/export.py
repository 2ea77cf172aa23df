"""Exports: where the answer of a run goes besides the results, and in which format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from omop_scorer.config.nesting import is_nested, is_same
from omop_scorer.documents import Frozen, Place

ExportFormat = Literal["duckdb", "parquet", "csv", "summarised_result"]

#: Formats that are written to a folder; the others are one file.
FOLDER_FORMATS: tuple[ExportFormat, ...] = ("parquet", "csv")


class Export(Frozen):
    """One copy of the answer: a file or a folder, and its format."""

    to: Annotated[Place, Field(min_length=1)]
    format: ExportFormat

    @property
    def path(self) -> Path:
        """The file or folder."""
        return Path(self.to)

    @property
    def is_folder(self) -> bool:
        """True for a format of several files."""
        return self.format in FOLDER_FORMATS


def refuse_misplaced(exports: Sequence[Export], cdm: Sequence[Path], results: Path | None) -> None:
    """Refuse exports that would be written onto the CDM, the results or each other.

    Parameters
    ----------
    exports
        The exports.
    cdm
        Files and folders of the CDM.
    results
        File or folder of the results; None if they are on a server or in a catalog.

    Raises
    ------
    ValueError
        Names every export that is misplaced.
    """
    problems = []
    for number, export in enumerate(exports):
        if any(_overlap(export, path) for path in cdm):
            problems.append(f"{export.to} lies in the CDM or holds it, which is never written to")
        elif results is not None and _overlap(export, results):
            problems.append(f"{export.to} lies in the results or holds them")
        elif any(_overlap(export, each.path) for each in exports[:number]):
            problems.append(f"{export.to} lies in another export, or is that of another format")
    if problems:
        raise ValueError(f"export.to: {'; '.join(problems)}; name another place")


def _overlap(export: Export, path: Path) -> bool:
    inside = "" if export.is_folder else None
    # A folder that a run has yet to create is compared by its name.
    place = export.path.resolve()
    is_below = path.resolve() in place.parents
    # DuckDB keeps changes of a file in another one beside it.
    is_beside = place == Path(f"{path.resolve()}.wal")
    is_one = is_same(path, export.path) or is_nested(path, export.path, inside)
    return is_below or is_beside or is_one
