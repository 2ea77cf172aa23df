"""Results in a DuckDB file, for those who only read them."""

import tempfile
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.engines.base import Parameters, ResultsReader
from omop_scorer.engines.duckdb.session import attach, first_line, holder, is_locked
from omop_scorer.errors import ConnectionFailedError, LockHeldError, ResultsError, SqlError

_ALIAS = "results_to_read"

_RUN_FIRST = "start a run first, with: omop-scorer run"

#: Errors whose text names objects, never values.
_SPEAKABLE = (duckdb.BinderException, duckdb.CatalogException, duckdb.IOException)


def read_arrow(
    connection: duckdb.DuckDBPyConnection, query: exp.Expr, parameters: Parameters, where: str
) -> pa.Table:
    """Return all rows of a query whose names are in place.

    Raises
    ------
    SqlError
    """
    try:
        return connection.sql(query.sql(dialect="duckdb"), params=dict(parameters)).to_arrow_table()
    except duckdb.Error as error:
        detail = f": {first_line(str(error))}" if isinstance(error, _SPEAKABLE) else ""
        raise SqlError(f"{where}: cannot be read ({type(error).__name__}){detail}") from None


class DuckDBResultsReader(ResultsReader):
    """A results file, attached read-only."""

    def __init__(self, settings: Connections) -> None:
        """Open the file and find the schema in it.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        path = Path(settings.results.url)
        self.where = f"results.url {path}"
        if not path.exists():
            raise ConnectionFailedError(f"{self.where}: no such file; {_RUN_FIRST}")
        # An empty file would be taken for a new database.
        if not path.is_file() or not path.stat().st_size:
            raise ConnectionFailedError(f"{self.where}: not a DuckDB file; {_RUN_FIRST}")
        try:
            self._spill = tempfile.TemporaryDirectory(prefix="omop-scorer-")
        except OSError as error:
            raise ResultsError(f"no temporary folder can be written: {error.strerror}") from None
        self._connection = duckdb.connect(":memory:")
        try:
            self._settle(settings)
            self._attach(path)
            self._schema = self._find_schema(settings.results.schema_)
        except BaseException:
            self.close()
            raise

    def _settle(self, settings: Connections) -> None:
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._connection.execute("SET temp_directory = $folder", {"folder": self._spill.name})
        if settings.threads is not None:
            self._connection.execute("SET threads = $n", {"n": settings.threads})
        if settings.memory_limit is not None:
            self._connection.execute("SET memory_limit = $limit", {"limit": settings.memory_limit})

    def _attach(self, path: Path) -> None:
        try:
            attach(self._connection, path, _ALIAS, read_only=True)
        except duckdb.Error as error:
            text = str(error)
            if is_locked(text):
                raise LockHeldError(
                    f"{self.where}: a run, or another program, has the file open for writing"
                    f"{holder(text)}; wait for it to end, or close it, and start again"
                ) from None
            raise ConnectionFailedError(
                f"{self.where}: cannot be opened: {first_line(text)}"
            ) from None

    def _find_schema(self, wanted: str) -> str:
        rows = self._connection.execute(
            "SELECT schema_name FROM duckdb_schemas() "
            "WHERE database_name = $alias AND NOT internal ORDER BY schema_name",
            {"alias": _ALIAS},
        ).fetchall()
        names = [str(name) for (name,) in rows]
        # DuckDB does not tell names apart by letter case.
        for name in names:
            if name.lower() == wanted.lower():
                return name
        known = ", ".join(repr(name) for name in names if name != "main") or "none"
        raise ResultsError(
            f"{self.where}: no results.schema {wanted!r} in it; schemas: {known}; "
            f"name one of them, or {_RUN_FIRST}"
        )

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        tree = query.copy()
        sql.qualify(tree, {"results": (_ALIAS, self._schema)})
        return read_arrow(self._connection, tree, parameters, self.where)

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        rows = self._connection.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_catalog = $alias AND table_schema = $schema",
            {"alias": _ALIAS, "schema": self._schema},
        ).fetchall()
        return {str(name).lower() for (name,) in rows}

    def is_run_under_way(self) -> bool:
        """Tell that none is: a run would have kept the file from being opened."""
        return False

    def close(self) -> None:
        """Close the connection; the file is free for the next run."""
        self._connection.close()
        self._spill.cleanup()
