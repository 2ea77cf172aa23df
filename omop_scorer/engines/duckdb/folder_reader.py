"""Results in a folder of Parquet files, for those who only read them: they need no Spark."""

import re
import tempfile

import duckdb
import pyarrow as pa
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.config.connections import Connections
from omop_scorer.engines.base import Parameters, ResultsReader
from omop_scorer.engines.duckdb.reader import read_arrow
from omop_scorer.engines.results_folder import Columns, ResultsFolder
from omop_scorer.errors import ConnectionFailedError, ResultsError

_STATUS = "scoring_run_status"


class FolderResultsReader(ResultsReader):
    """A results folder, seen through views: one a table, and those of sql/results/views.sql."""

    def __init__(self, settings: Connections) -> None:
        """List the files that are there now.

        Raises
        ------
        ConnectionFailedError, ResultsError
        """
        self._folder = folder = ResultsFolder(settings.results.url, settings.results.schema_)
        self.where = folder.where
        if not folder.home.parent.is_dir():
            raise ConnectionFailedError(
                f"{self.where}: no such folder; start a run first, with: omop-scorer run"
            )
        tables = folder.tables()
        if not tables:
            known = [path.parent.name for path in folder.home.parent.glob("*/_tables.json")]
            raise ResultsError(
                f"{self.where}: no results.schema {settings.results.schema_!r} in it; schemas: "
                f"{', '.join(sorted(map(repr, known))) or 'none'}; name one of them, or start a "
                "run first, with: omop-scorer run"
            )
        try:
            self._spill = tempfile.TemporaryDirectory(prefix="omop-scorer-")
        except OSError as error:
            raise ResultsError(f"no temporary folder can be written: {error.strerror}") from None
        self._connection = duckdb.connect()
        self._connection.execute("SET autoinstall_known_extensions = false")
        self._connection.execute("SET temp_directory = $folder", {"folder": self._spill.name})
        self._connection.execute("CREATE SCHEMA results")
        self._tables = set(tables)
        try:
            # Of a run that is listed as COMPLETE, every file is there already.
            for table, columns in sorted(tables.items(), key=lambda item: item[0] != _STATUS):
                self._show(folder, table, columns)
            self._add_views()
        except BaseException:
            self.close()
            raise

    def _show(self, folder: ResultsFolder, table: str, columns: Columns) -> None:
        files = [re.sub(r"([\[*?])", r"[\1]", str(path)) for path in folder.files(table)]
        query, found = exp.select().where("FALSE"), set[str]()
        if files:
            listed = exp.array(*map(exp.Literal.string, files)).sql(dialect="duckdb")
            by_run = ", hive_types = {'run_id': BIGINT}" if "run_id" in columns else ""
            how = f"union_by_name = TRUE, hive_partitioning = TRUE{by_run}"
            relation = f"READ_PARQUET({listed}, {how})"
            try:
                rows = self._connection.execute(f"DESCRIBE FROM {relation}").fetchall()
            except duckdb.Error as error:
                raise ResultsError(
                    f"{self.where}: table {table} cannot be read ({type(error).__name__})"
                ) from None
            found = {name for name, *_ in rows}
            query = exp.select().from_(relation, dialect="duckdb")
        for name, native in columns.items():
            # A column that came with a later release is missing from the files before it.
            value = exp.column(name) if name in found else exp.null()
            query = query.select(exp.alias_(exp.cast(value, native, dialect="duckdb"), name))
        view = exp.Create(this=exp.table_(table, "results"), kind="VIEW", expression=query)
        self._connection.execute(view.sql(dialect="duckdb"))

    def _add_views(self) -> None:
        for view in sql.find("results/views").statements():
            named = {each.name for each in view.find_all(exp.Table)} - {view.this.name}
            # Results of an older release lack the tables of some views.
            if named <= self._tables:
                self._connection.execute(view.sql(dialect="duckdb"))
                self._tables.add(view.this.name)

    def read(self, query: exp.Expr, parameters: Parameters) -> pa.Table:
        """Return all rows."""
        return read_arrow(self._connection, query, parameters, self.where)

    def tables(self) -> set[str]:
        """Return the names of tables and views."""
        return set(self._tables)

    def is_run_under_way(self) -> bool:
        """Look for the file that is the lock."""
        return self._folder.is_locked()

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()
        self._spill.cleanup()
