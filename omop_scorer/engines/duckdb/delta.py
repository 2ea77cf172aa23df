"""Delta tables, each read at one version by the package `deltalake`.

The package alone interprets the log: files that were added and removed, deletion vectors, renamed
columns. DuckDB receives the rows as an Arrow stream, which begins again for each query.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import duckdb

from omop_scorer.cdm.tables import SiteTable, Table
from omop_scorer.config.connections import Cdm
from omop_scorer.connections.duckdb import errors_as
from omop_scorer.errors import CdmError, ConfigurationError, SqlError

if TYPE_CHECKING:
    from deltalake import DeltaTable

_MAPPING = "delta.columnMapping.mode"
#: Names of features in messages of the package. The rest of a message may quote a value of the log.
_FEATURES = re.compile(r"Feature '(\w+)' is not supported|features required: \[([\w, ]+)\]")


@dataclass(frozen=True)
class _Rows:
    """Columns of a table as an Arrow stream."""

    table: "DeltaTable"
    columns: list[str] | None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.scan(columns=self.columns).__arrow_c_stream__(requested_schema)


@dataclass(frozen=True)
class _Pinned:
    """A table at the version that the run reads."""

    site: SiteTable
    version: int
    files: Sequence[Path]
    rows: _Rows
    """DuckDB reads it by address, so it must live as long as the view."""


class DeltaTables:
    """The Delta tables of a CDM. The first search for a table decides on its version.

    Parameters
    ----------
    connection
        Connection in whose in-memory database the tables become views, for all of its cursors.
    cdm
        Settings that may name older versions.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, cdm: Cdm) -> None:
        self._connection = connection
        self._cdm = cdm
        self._pinned: dict[str, _Pinned] = {}

    @property
    def snapshot(self) -> str | None:
        """The version of each table, such as `delta: death=0, person=3`; None without a table."""
        versions = sorted((name, found.version) for name, found in self._pinned.items())
        listed = ", ".join(f"{name}={version}" for name, version in versions)
        return f"delta: {listed}" if listed else None

    def find(self, table: Table, folder: Path, label: str) -> SiteTable:
        """Return a table of the CDM that a folder holds; messages call it `label`.

        Raises
        ------
        CdmError
            The table, or the version that the run file names, cannot be read correctly.
        ConfigurationError
            The package is not installed.
        """
        if table.name not in self._pinned:
            self._pinned[table.name] = self._pin(table, folder, label)
        return self._pinned[table.name].site

    def refuse_unversioned(self, table: Table, site: SiteTable | None) -> None:
        """Check that the run file names no old state of a table that is missing or not Delta.

        Raises
        ------
        CdmError
        """
        where = site.label if site else f"cdm.url {self._cdm.url}: no table {table.name}"
        if table.name in self._cdm.delta_versions:
            raise CdmError(
                f"{where}: not a Delta table, so it has no versions; remove {table.name} from "
                "cdm.delta_versions"
            )
        if self._cdm.delta_as_of is not None and table.schema == "cdm" and site is not None:
            raise CdmError(
                f"{where}: not a Delta table, so its state at cdm.delta_as_of cannot be read; "
                "instead, name the versions of the Delta tables in cdm.delta_versions"
            )

    @contextmanager
    def lost_files_explained(self) -> Iterator[None]:
        """Raise an error that names the table if a query fails because a data file has gone."""
        try:
            yield
        except SqlError:
            for found in self._pinned.values():
                _refuse_lost_files(found.files, found.version, found.site.label)
            raise

    def _pin(self, table: Table, folder: Path, label: str) -> _Pinned:
        known = {column.name for column in table.columns}
        with _errors_explained(label):
            opened = self._opened(table, folder, label)
            version = opened.version()
            _refuse_mapping_by_id(opened, label)
            files = _files(opened, folder)
            _refuse_lost_files(files, version, label)
            names = [f.name for f in opened.schema().fields if f.name.lower() in known]
            rows = _Rows(opened, names or None)
            opened.scan(columns=rows.columns)
        if opened.metadata().configuration.get(_MAPPING, "none") == "none":
            self._refuse_other_case(files, names, label)
        return _Pinned(self._mapped(table, rows, label), version, files, rows)

    def _opened(self, table: Table, folder: Path, label: str) -> "DeltaTable":
        from deltalake import DeltaTable  # noqa: PLC0415

        uri = folder.resolve().as_uri()
        version = self._cdm.delta_versions.get(table.name)
        if version is None and self._cdm.delta_as_of is not None:
            version = _version_at(DeltaTable(uri), self._cdm.delta_as_of, label)
        elif version is not None and version > (latest := DeltaTable(uri).version()):
            raise CdmError(
                f"{label}: there is no version {version} yet, the latest is {latest}; correct "
                "cdm.delta_versions"
            )
        with _errors_explained(label if version is None else f"{label}: version {version}"):
            return DeltaTable(uri, version=version)

    def _refuse_other_case(self, files: Sequence[Path], names: list[str], label: str) -> None:
        """Check that the files write the columns as the log does, because others read as NULL."""
        if not files:
            return
        patterns = [re.sub(r"([\[*?])", r"[\1]", str(file)) for file in files]
        with errors_as(CdmError, f"{label}: a data file cannot be read as Parquet"):
            rows = self._connection.execute(
                "SELECT DISTINCT name FROM PARQUET_SCHEMA($files)", {"files": patterns}
            ).fetchall()
        exact = {name.lower(): name for name in names}
        for (name,) in rows:
            if exact.get(name.lower(), name) != name:
                raise CdmError(
                    f"{label}: a data file writes the column {exact[name.lower()]} as {name}, "
                    "which cannot be read; write the table again"
                )

    def _mapped(self, table: Table, rows: _Rows, label: str) -> SiteTable:
        view = f"delta_{table.name}"
        with errors_as(CdmError, f"{label}: the table cannot be read"):
            self._connection.from_arrow(rows).create_view(view)
            found = self._connection.execute(f"DESCRIBE FROM memory.main.{view}").fetchall()
        return SiteTable(
            relation=f"memory.main.{view}",
            label=label,
            columns={name.lower(): native for name, native, *_ in found},
            names={name.lower(): name for name, *_ in found},
        )


def _version_at(table: "DeltaTable", moment: datetime, label: str) -> int:
    """Return the version of a table at a moment, by the times that its commits give themselves.

    The package itself goes by the modification times of the log, which change with each copy.
    """
    times = {int(each["version"]): each.get("timestamp") for each in table.history()}
    known = {version: at / 1000 for version, at in times.items() if at is not None}
    before = [version for version, at in known.items() if at <= moment.timestamp()]
    if before:
        return max(before)
    since = " with a time"
    if known:
        since = f" before {datetime.fromtimestamp(min(known.values()), UTC):%Y-%m-%dT%H:%M:%SZ}"
    raise CdmError(
        f"{label}: the log names no version{since}; choose a later cdm.delta_as_of, or name the "
        "version in cdm.delta_versions"
    )


def _refuse_mapping_by_id(table: "DeltaTable", label: str) -> None:
    """Check for the one way of column mapping in which the package finds no column."""
    if table.metadata().configuration.get(_MAPPING) == "id":
        raise CdmError(
            f"{label}: maps its columns by id ({_MAPPING}), which is not supported; copy it to a "
            "table without column mapping, or read it from a catalog (engine: spark)"
        )


def _files(table: "DeltaTable", folder: Path) -> list[Path]:
    """Return the data files. The log has a path relative to the folder, or a URL for a clone."""
    home = urlsplit(table.table_uri).path
    names = [uri.removeprefix(home) for uri in table.file_uris()]
    return [
        Path(unquote(urlsplit(name).path)) if name.startswith("file:") else folder / name
        for name in names
    ]


def _refuse_lost_files(files: Sequence[Path], version: int, label: str) -> None:
    lost = sum(not file.is_file() for file in files)
    if lost:
        raise CdmError(
            f"{label}: {lost} of {len(files)} data files of version {version} no longer exist; "
            "VACUUM removes the files of old versions: read a later version"
        )


@contextmanager
def _errors_explained(label: str) -> Iterator[None]:
    """Raise errors of the package as ours, with the feature that it lacks and nothing else."""
    try:
        from deltalake.exceptions import DeltaError  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{label}: a Delta table needs the package deltalake, which is not installed; install "
            "it with: pip install 'omop-scorer[delta]'"
        ) from None
    try:
        yield
    except (DeltaError, OSError) as error:
        if found := _FEATURES.search(str(error)):
            raise CdmError(
                f"{label}: uses the Delta feature {found[1] or found[2]}, which the installed "
                "deltalake cannot read; update deltalake, remove the feature with ALTER TABLE ... "
                "DROP FEATURE, or read the table from a catalog (engine: spark)"
            ) from None
        raise CdmError(
            f"{label}: cannot be read as a Delta table ({type(error).__name__}); a part of its log "
            "or a deletion vector is damaged, has been removed, or is of a kind that the installed "
            "deltalake does not know"
        ) from None
