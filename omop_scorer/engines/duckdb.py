"""The embedded engine: a DuckDB file, or a folder of CSV or Parquet files.

The CDM is attached read-only. Work tables live in an in-memory database, so that cursors share
them; results go to a file of their own, whose file lock is the lock of the run.
"""

import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm import Column, Kind, SiteTable, Table
from omop_scorer.config import RunConfig
from omop_scorer.engines.base import Engine, Parameters
from omop_scorer.errors import (
    CdmError,
    ConnectionFailedError,
    LockHeldError,
    OmopScorerError,
    ResultsError,
    SqlError,
)

_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
_NATIVE = {
    "integer": "BIGINT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "text": "VARCHAR",
}
_FAMILIES = (
    ("TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER", "integer"),
    ("HUGEINT|UBIGINT|UHUGEINT", "wide integer"),
    ("FLOAT|DOUBLE", "float"),
    (r"DECIMAL.*", "decimal"),
    ("VARCHAR.*", "text"),
    ("DATE", "date"),
    (r"TIMESTAMP.*", "timestamp"),
)
_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ISO_TIME = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9:]+)?)?"
#: Safe casts by declared kind and family of the site's type; `x` stands for the column. A value
#: that a plain cast would round, wrap or read loosely ('1.7' as 2, '1/2/03' as the year 1) fails.
_CASTS: Mapping[tuple[str, str], str] = {
    ("integer", "integer"): "x",
    ("integer", "wide integer"): "TRY_CAST(x AS BIGINT)",
    ("integer", "float"): "CASE WHEN x = FLOOR(x) AND ABS(x) <= 9007199254740992 "
    "THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "decimal"): "CASE WHEN x = FLOOR(x) THEN TRY_CAST(x AS BIGINT) END",
    ("integer", "text"): r"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), '[+-]?[0-9]+(\.0*)?') "
    "THEN TRY_CAST(SPLIT_PART(TRIM(x), '.', 1) AS BIGINT) END",
    ("double", "integer"): "CAST(x AS DOUBLE)",
    ("double", "wide integer"): "CAST(x AS DOUBLE)",
    ("double", "float"): "CAST(x AS DOUBLE)",
    ("double", "decimal"): "CAST(x AS DOUBLE)",
    ("double", "text"): r"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), "
    r"'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?') THEN TRY_CAST(TRIM(x) AS DOUBLE) END",
    ("date", "date"): "x",
    ("date", "timestamp"): "CAST(x AS DATE)",
    ("date", "text"): f"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), '{_ISO_DATE}{_ISO_TIME}') "
    "THEN TRY_CAST(LEFT(TRIM(x), 10) AS DATE) END",
    ("timestamp", "timestamp"): "CAST(x AS TIMESTAMP)",
    ("timestamp", "date"): "CAST(x AS TIMESTAMP)",
    ("timestamp", "text"): f"CASE WHEN REGEXP_FULL_MATCH(TRIM(x), '{_ISO_DATE}{_ISO_TIME}') "
    "THEN TRY_CAST(TRIM(x) AS TIMESTAMP) END",
    ("text", "text"): "x",
}
#: Casts that lose nothing: nothing to count.
_EXACT = {
    ("integer", "integer"),
    ("double", "integer"),
    ("double", "wide integer"),
    ("double", "float"),
    ("double", "decimal"),
    ("date", "date"),
    ("date", "timestamp"),
    ("timestamp", "timestamp"),
    ("timestamp", "date"),
}
#: Errors whose text names objects, never values.
_SPEAKABLE = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)


class DuckDBEngine(Engine):
    """A CDM in a DuckDB file or a folder of files, results in another DuckDB file."""

    name = "duckdb"
    dialect = "duckdb"

    def __init__(self, config: RunConfig, *, with_results: bool) -> None:
        """Open the CDM and, when asked, lock and open the results.

        Raises
        ------
        ConnectionFailedError, LockHeldError, ResultsError
        """
        self._config = config
        self.schemas = {
            "cdm": ("memory", "cdm"),
            "vocab": ("memory", "vocab"),
            "work": ("memory", "work"),
            "results": (None, config.results.schema_),
        }
        self._spill = tempfile.mkdtemp(prefix="omop-scorer-")
        self._work = duckdb.connect(":memory:")
        try:
            self._settle()
            self._cdm = _Source(self._work, "site_cdm", config.cdm.url, config, "cdm.url")
            url = config.cdm.vocabulary_url
            self._vocabulary = (
                _Source(self._work, "site_vocab", url, config, "cdm.vocabulary_url")
                if url is not None
                else self._cdm
            )
            if with_results:
                _attach_results(self._work, config)
        except BaseException:
            self.close()
            raise
        self._writer = self._work.cursor()
        if with_results:
            self._writer.execute("USE site_results")

    def _settle(self) -> None:
        self._work.execute("SET TimeZone = 'UTC'")
        self._work.execute("SET autoinstall_known_extensions = false")
        self._work.execute("SET temp_directory = $folder", {"folder": self._spill})
        if self._config.threads is not None:
            self._work.execute("SET threads = $n", {"n": self._config.threads})
        if self._config.memory_limit is not None:
            try:
                self._work.execute(
                    "SET memory_limit = $limit", {"limit": self._config.memory_limit}
                )
            except duckdb.Error as error:
                raise ConnectionFailedError(f"memory_limit: {error}") from None
        for schema in ("cdm", "vocab", "work"):
            self._work.execute(f"CREATE SCHEMA {schema}")

    def find_table(self, table: Table) -> SiteTable | None:
        """Look in the CDM, or the vocabulary, for the table under any letter case."""
        source = self._cdm if table.schema == "cdm" else self._vocabulary
        wanted = self._config.cdm.tables.get(table.name, table.name)
        schema = self._config.cdm.schema_
        if table.schema == "vocab":
            own = self._config.cdm.vocabulary_schema
            schema = own if own is not None else (None if source is not self._cdm else schema)
        anchor = "person" if table.schema == "cdm" else "concept"
        return source.find(wanted, schema, self._config.cdm.tables.get(anchor, anchor))

    def expose(self, table: Table, site: SiteTable | None) -> Mapping[str, int]:
        """Make a view over the site's table; files that are text are read into memory once."""
        selected: list[exp.Expr] = []
        lossy: dict[str, tuple[exp.Expr, exp.Expr]] = {}
        for column in table.columns:
            native = site.columns.get(column.name) if site else None
            if native is None or site is None:
                cast: exp.Expr = _cast(exp.Null(), column.kind)
            else:
                raw = exp.column(exp.to_identifier(site.names[column.name], quoted=True))
                given = self._present(raw, native, column.kind)
                cast, is_exact = self._safe_cast(given, native, column)
                if not is_exact:
                    lossy[column.name] = (given, cast)
            selected.append(exp.alias_(cast, column.name))
        query = exp.select(*selected)
        if site is None:
            query = query.where("FALSE")
        else:
            query = query.from_(sqlglot.parse_one(site.relation, into=exp.From, read="duckdb").this)
        is_text = site is not None and site.relation.startswith("FROM READ_CSV")
        target = exp.to_table(f"memory.{table.schema}.{table.name}")
        kind = "TABLE" if is_text else "VIEW"
        self._run(self._work, exp.Create(this=target, kind=kind, expression=query), {}, table.name)
        if site is None or not lossy:
            return {}
        counts = [
            exp.Count(this=exp.case().when(_lost(given, cast), exp.Literal.number(1)))
            for given, cast in lossy.values()
        ]
        counting = exp.select(*counts).from_(
            sqlglot.parse_one(site.relation, into=exp.From, read="duckdb").this
        )
        (row,) = self._run(self._work, counting, {}, table.name)
        return dict(zip(lossy, (int(str(n)) for n in row), strict=True))

    def _present(self, raw: exp.Expr, native: str, kind: Kind) -> exp.Expr:
        """Turn the texts that mean missing into NULL; text that stays text, only if asked to."""
        if _family(native) != "text":
            return raw
        texts = set(self._config.cdm.null_text)
        if kind == "text" and texts <= {""}:
            return raw
        literals = [exp.Literal.string(text) for text in sorted({"", *texts})]
        return exp.case().when(exp.In(this=raw.copy(), expressions=literals), exp.Null()).else_(raw)

    def _safe_cast(self, given: exp.Expr, native: str, column: Column) -> tuple[exp.Expr, bool]:
        family = _family(native)
        if column.kind == "text":
            return (given, True) if family == "text" else (_cast(given, "text"), True)
        template = _CASTS.get((column.kind, family))
        if template is None:
            return _cast(exp.Null(), column.kind), False
        cast = _fill(template, given)
        if family == "text" and column.kind in ("date", "timestamp"):
            cast = self._with_date_formats(cast, given, column.kind)
        return cast, (column.kind, family) in _EXACT

    def _with_date_formats(self, iso: exp.Expr, given: exp.Expr, kind: Kind) -> exp.Expr:
        """Also read the formats that the configuration names, years 1800 to 2299."""
        tries = []
        for text in self._config.cdm.date_formats:
            for time in ("", " %H:%M", " %H:%M:%S"):
                parsed = _fill(f"TRY_STRPTIME(TRIM(x), {exp.Literal.string(text + time)})", given)
                plausible = _fill("YEAR(x) BETWEEN 1800 AND 2299", parsed)
                tries.append(exp.case().when(plausible, _cast(parsed, kind)))
        return exp.func("COALESCE", iso, *tries) if tries else iso

    def stage(self, table: str, query: exp.Expr, parameters: Parameters) -> int:
        """Create `work.<table>`, or append to it by column order."""
        target = exp.to_table(f"memory.work.{table}")
        statement: exp.Expr = (
            exp.Insert(this=target, expression=query)
            if self._is_staged(table)
            else exp.Create(this=target, kind="TABLE", expression=query)
        )
        self._run(self._work, statement, parameters, f"work.{table}")
        counting = exp.select(exp.Count(this=exp.Star())).from_(target)
        (row,) = self._run(self._work, counting, {}, f"work.{table}")
        return int(str(row[0]))

    def _is_staged(self, table: str) -> bool:
        rows = self._work.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory' "
            "AND schema_name = 'work' AND table_name = $name",
            {"name": table},
        ).fetchall()
        return bool(rows)

    def load(self, table: str, rows: pa.Table) -> None:
        """Copy a small Arrow table into `work.<table>`."""
        self._work.register("rows_to_load", rows)
        self._work.execute(f"CREATE TABLE memory.work.{table} AS SELECT * FROM rows_to_load")  # noqa: S608
        self._work.unregister("rows_to_load")

    def fetch(self, query: exp.Expr, parameters: Parameters) -> list[tuple[object, ...]]:
        """Return all rows."""
        return self._run(self._writer, query, parameters, "query")

    def stream(self, query: exp.Expr, batch_size: int) -> Iterator[pa.RecordBatch]:
        """Yield batches from a cursor of its own."""
        cursor = self._work.cursor()
        tree = query.copy()
        sql.place(tree, self.schemas)
        try:
            yield from cursor.sql(tree.sql(dialect="duckdb")).to_arrow_reader(batch_size)
        except duckdb.Error as error:
            raise _sql_error(error, "query") from None
        finally:
            cursor.close()

    def execute(self, statement: exp.Expr, parameters: Parameters) -> None:
        """Run a statement on the results."""
        self._run(self._writer, statement, parameters, "results", ResultsError)

    def append(self, table: str, rows: pa.Table) -> None:
        """Insert an Arrow table in bulk."""
        target = exp.Table(
            this=exp.to_identifier(table),
            db=exp.to_identifier(self._config.results.schema_, quoted=True),
        )
        self._writer.register("rows_to_append", rows)
        try:
            self._writer.execute(
                f"INSERT INTO {target.sql(dialect='duckdb')} BY NAME SELECT * FROM rows_to_append"  # noqa: S608
            )
        except duckdb.Error as error:
            raise _sql_error(error, f"results.{table}", ResultsError) from None
        finally:
            self._writer.unregister("rows_to_append")

    def has_results(self) -> bool:
        """Tell whether the schema is in the results file."""
        rows = self._writer.execute(
            "SELECT schema_name FROM duckdb_schemas() "
            "WHERE database_name = 'site_results' AND schema_name = $name",
            {"name": self._config.results.schema_},
        ).fetchall()
        return bool(rows)

    def create_results_schema(self) -> None:
        """Create the schema in the results file."""
        schema = exp.to_identifier(self._config.results.schema_, quoted=True)
        self._writer.execute(f"CREATE SCHEMA {schema.sql(dialect='duckdb')}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the results written inside, or roll all of them back."""
        self._writer.execute("BEGIN")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException as error:
            with suppress(duckdb.Error):  # a failed COMMIT has ended the transaction already
                self._writer.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise _sql_error(error, "results", ResultsError) from None
            raise

    def close(self) -> None:
        """Close all cursors; the file lock goes with the last."""
        if hasattr(self, "_writer"):
            self._writer.close()
        self._work.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def _run(
        self,
        connection: duckdb.DuckDBPyConnection,
        statement: exp.Expr,
        parameters: Parameters,
        where: str,
        error_class: type[OmopScorerError] = SqlError,
    ) -> list[tuple[object, ...]]:
        tree = statement.copy()
        sql.place(tree, self.schemas)
        try:
            return connection.execute(tree.sql(dialect="duckdb"), dict(parameters)).fetchall()
        except duckdb.Error as error:
            raise _sql_error(error, where, error_class) from None


def try_results_file(config: RunConfig) -> bool:
    """Take the lock of the results file and let go of it; return whether it does not exist yet."""
    path = Path(config.results.url)
    is_new = not path.exists()
    connection = duckdb.connect(":memory:")
    try:
        _attach_results(connection, config)
    finally:
        connection.close()
    if is_new:
        path.unlink(missing_ok=True)
    return is_new


def _attach_results(connection: duckdb.DuckDBPyConnection, config: RunConfig) -> None:
    path = Path(config.results.url)
    where = f"results.url {path}"
    if not path.parent.is_dir():
        raise ResultsError(f"{where}: the folder {path.parent} does not exist; make it first")
    if path.exists() and not stat.S_IMODE(path.stat().st_mode) & 0o222:
        raise ResultsError(f"{where}: the file is read-only; results cannot be written to it")
    try:
        connection.execute(_attach(path, "site_results", read_only=False))
    except duckdb.Error as error:
        text = str(error)
        if "lock" in text or "Unique file handle" in text or "already attached" in text:
            raise LockHeldError(
                f"{where}: another run, or another program, has the file open"
                f"{_holder(text)}; wait for it to end, or close it, and start again"
            ) from None
        raise ResultsError(f"{where}: cannot be opened: {_first_line(text)}") from None


class _Source:
    """A file or folder in which tables are looked up by name, in any letter case."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        alias: str,
        url: str,
        config: RunConfig,
        key: str,
    ) -> None:
        self._connection = connection
        self._alias = alias
        self._null_text = config.cdm.null_text
        self._path = Path(url)
        self._key = key
        if not self._path.exists():
            raise ConnectionFailedError(f"{key} {url}: no such file or folder")
        self._is_folder = self._path.is_dir()
        if self._is_folder:
            return
        try:
            connection.execute(_attach(self._path, alias, read_only=True))
        except duckdb.Error as error:
            text = str(error)
            if "lock" in text:
                raise ConnectionFailedError(
                    f"{key} {url}: another program has the file open for writing"
                    f"{_holder(text)}; let it finish and start again"
                ) from None
            raise ConnectionFailedError(f"{key} {url}: {_first_line(text)}") from None

    def find(self, table: str, schema: str | None, anchor: str) -> SiteTable | None:
        """Find a table; without a schema, in the only one that holds the anchor table."""
        if self._is_folder:
            return self._find_file(table)
        rows = self._connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_catalog = $alias",
            {"alias": self._alias},
        ).fetchall()
        if schema is None:
            homes = sorted({s for s, t in rows if t.lower() == anchor.lower()})
            if len(homes) > 1:
                raise CdmError(
                    f"{self._key} {self._path}: the schemas {', '.join(homes)} each hold a table "
                    f"{anchor}; say which is meant with cdm.schema or cdm.vocabulary_schema"
                )
            schema = homes[0] if homes else None
        elif schema.lower() not in {s.lower() for s, _ in rows}:
            known = ", ".join(sorted({s for s, _ in rows})) or "none"
            raise CdmError(
                f"{self._key} {self._path}: schema {schema!r} holds no tables; schemas: {known}"
            )
        matches = [
            (s, t)
            for s, t in rows
            if t.lower() == table.lower() and schema is not None and s.lower() == schema.lower()
        ]
        if not matches:
            return None
        name = exp.Table(
            this=exp.to_identifier(matches[0][1], quoted=True),
            db=exp.to_identifier(matches[0][0], quoted=True),
            catalog=exp.to_identifier(self._alias, quoted=True),
        )
        return self._describe(f"FROM {name.sql(dialect='duckdb')}")

    def _find_file(self, table: str) -> SiteTable | None:
        matches = [
            path
            for path in sorted(self._path.iterdir())
            if (path.is_dir() and path.name.lower() == table.lower())
            or path.name.lower() in {table.lower() + suffix for suffix in _SUFFIXES}
        ]
        if len(matches) > 1:
            names = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._key} {self._path}: {names} all stand for table {table}")
        if not matches:
            return None
        path = matches[0]
        files: Sequence[str] = (
            sorted(str(part) for part in path.rglob("*.parquet")) if path.is_dir() else [str(path)]
        )
        if not files:
            raise CdmError(f"{self._key} {path}: the folder holds no Parquet file")
        listed = exp.array(*(exp.Literal.string(_no_glob(file)) for file in files))
        if files[0].lower().endswith(".parquet"):
            return self._describe(f"FROM READ_PARQUET({listed.sql(dialect='duckdb')})")
        nulls = exp.array(*(exp.Literal.string(text) for text in self._null_text))
        return self._describe(
            f"FROM READ_CSV({listed.sql(dialect='duckdb')}, all_varchar = TRUE, header = TRUE, "
            f"nullstr = {nulls.sql(dialect='duckdb')})"
        )

    def _describe(self, relation: str) -> SiteTable:
        try:
            rows = self._connection.execute(f"DESCRIBE {relation}").fetchall()
        except duckdb.Error as error:
            raise CdmError(
                f"{self._key} {self._path}: a table cannot be read "
                f"({type(error).__name__}): {_table_of(relation)}"
            ) from None
        return SiteTable(
            relation=relation,
            columns={name.lower(): native for name, native, *_ in rows},
            names={name.lower(): name for name, *_ in rows},
        )


def _attach(path: Path, alias: str, *, read_only: bool) -> str:
    literal = exp.Literal.string(str(path)).sql(dialect="duckdb")
    return f"ATTACH {literal} AS {alias} (TYPE duckdb{', READ_ONLY' if read_only else ''})"


def _fill(template: str, column: exp.Expr) -> exp.Expr:
    tree = sqlglot.parse_one(template, read="duckdb")
    return tree.transform(
        lambda node: column.copy() if isinstance(node, exp.Column) and node.name == "x" else node
    )


def _lost(given: exp.Expr, cast: exp.Expr) -> exp.Expr:
    return exp.and_(
        exp.not_(exp.Is(this=given.copy(), expression=exp.Null())),
        exp.Is(this=cast.copy(), expression=exp.Null()),
    )


def _cast(value: exp.Expr, kind: Kind) -> exp.Expr:
    return exp.cast(value.copy(), _NATIVE[kind], dialect="duckdb")


def _family(native: str) -> str:
    upper = native.upper()
    return next((name for pattern, name in _FAMILIES if re.fullmatch(pattern, upper)), "other")


def _sql_error(
    error: duckdb.Error, where: str, error_class: type[OmopScorerError] = SqlError
) -> OmopScorerError:
    kind = type(error).__name__
    detail = f": {_first_line(str(error))}" if isinstance(error, _SPEAKABLE) else ""
    return error_class(f"{where}: the engine refused the statement ({kind}){detail}")


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


def _holder(text: str) -> str:
    match = re.search(r"PID (\d+)", text)
    return f" (process {match[1]})" if match else ""


def _no_glob(path: str) -> str:
    return re.sub(r"([\[*?])", r"[\1]", path)


def _table_of(relation: str) -> str:
    match = re.search(r"'([^']*)'", relation)
    return Path(match[1]).name if match else relation.removeprefix("FROM ")
