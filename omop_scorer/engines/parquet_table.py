"""A table in Parquet files, merged by column name over all of them.

Files that declare the needed columns alike are read together, others on their own, so that each
value is cast from the type that its own file gives it.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.engines.file_set import FileState
from omop_scorer.engines.parquet_parts import Part, read_part
from omop_scorer.engines.parquet_types import NULL, ParquetType, can_be_one
from omop_scorer.errors import CdmError

#: DuckDB's number of a file in the list. Files that have such a column of their own are read
#: together only if their folders give the same values, because then nobody asks for the number.
FILE_INDEX = "file_index"


@dataclass(frozen=True)
class Group:
    """Files that declare the needed columns alike, no file twice."""

    files: Sequence[Path]
    names: Mapping[str, str]
    """Name of each needed column as the files write it, by lower-case name."""
    types: Mapping[str, ParquetType]
    """Type of each needed column, by lower-case name."""
    keys: Mapping[str, Sequence[str | None]]
    """Values of the needed columns that only the names of folders give: one for each file, by
    lower-case name."""


@dataclass(frozen=True)
class ParquetTable:
    """The groups of files of a table, and its columns."""

    label: str
    groups: Sequence[Group]
    names: Mapping[str, str]
    """Name of each column as one of the files writes it, by lower-case name."""

    def at_site(self, parts: Sequence[SiteTable]) -> SiteTable:
        """Return the table of a site, given one for each group."""
        columns = {}
        for name in self.names:
            natives = [part.columns[name] for part in parts if name in part.columns]
            columns[name] = natives[0] if natives else NULL.name
        files = tuple(file for group in self.groups for file in group.files)
        if len(parts) == 1 and columns.keys() == parts[0].columns.keys():
            return replace(parts[0], files=files)
        return SiteTable("", self.label, columns, self.names, parts=tuple(parts), files=files)


def read_table(
    path: Path, label: str, states: Mapping[Path, FileState], needed: Collection[str] | None
) -> ParquetTable:
    """Read the columns of all files of a table, and group the files that declare them alike.

    Parameters
    ----------
    path
        The file, or the folder of the files.
    label
        Name of the table in messages.
    states
        The files that belong to the table, as they were when the run began.
    needed
        Lower-case names of the columns that will be read; None for all.

    Raises
    ------
    CdmError
        There is no file, one cannot be read, or two have types that cannot be read as one.
    """
    if not states:
        raise CdmError(f"{label}: the folder holds no Parquet file")
    home = path if path.is_dir() else path.parent
    parts = [
        read_part(
            state.target,
            f"{label}/{file.relative_to(path)}" if path.is_dir() else label,
            file.relative_to(home).parts[:-1],
            needed,
        )
        for file, state in sorted(states.items())
    ]
    # A file without rows says nothing of the types, but still names its columns.
    filled = [part for part in parts if part.n_rows] or parts[:1]
    names: dict[str, str] = {}
    for part in parts:
        names = {**{key: key for key in part.keys}, **part.names, **names}
    _refuse_other_types(filled)
    return ParquetTable(label, _grouped(filled), names)


def _grouped(parts: Sequence[Part]) -> list[Group]:
    groups: dict[object, list[Part]] = {}
    n_times: Counter[Path] = Counter()
    for part in parts:
        written = frozenset((part.names[name], each) for name, each in part.types.items())
        own = part.keys.items() if FILE_INDEX in part.names else part.keys
        # Several links may lead to one file.
        alike = written, frozenset(own), n_times[part.file]
        groups.setdefault(alike, []).append(part)
        n_times[part.file] += 1
    return [
        Group(
            [part.file for part in alike],
            {name: alike[0].names[name] for name in alike[0].types},
            alike[0].types,
            {key: [part.keys[key] for part in alike] for key in alike[0].keys},
        )
        for alike in groups.values()
    ]


def _refuse_other_types(parts: Sequence[Part]) -> None:
    """Check that the values of each column can be read as one type.

    Raises
    ------
    CdmError
        They cannot; the message names two files that differ.
    """
    holders: dict[str, dict[ParquetType, str]] = {}
    for part in parts:
        for name, found in part.types.items():
            holders.setdefault(name, {}).setdefault(found, part.label)
    for name, found_in in holders.items():
        for one, other in combinations(found_in, 2):
            if not can_be_one(one, other):
                raise CdmError(
                    f"{found_in[one]} and {found_in[other]}: column {name} is {one.name} in the "
                    f"first and {other.name} in the second, which cannot be read as one column; "
                    "write the parts again with the same type"
                )
