"""Tables of a CDM in a schema of a Spark catalog, or as Parquet files in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.engines.spark.session import Session, errors_as
from omop_scorer.errors import CdmError, ConnectionFailedError, SqlError

_TEXT_FILES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


class CatalogSource:
    """Tables of the session's catalog, found by schema and name in any letter case."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._names: dict[str, Mapping[str, str]] = {}

    def find(self, table: str, schema: str | None) -> SiteTable | None:
        """Find a table in a schema, by default in the current schema of the session.

        Raises
        ------
        CdmError
            The schema does not exist, or the table cannot be read.
        """
        # The full name, because a temporary view of the session may have the name of the table.
        catalog = self._spark.catalog
        home = [catalog.currentCatalog(), catalog.currentDatabase()]
        if schema:
            home = schema.split(".")
        key = named(home)
        if key not in self._names:
            self._names[key] = self._list(key, schema)
        name = self._names[key].get(table.lower())
        if name is None:
            return None
        relation = named([*home, name])
        with errors_as(CdmError, f"cdm.schema {schema or '(the current one)'}: table {name}"):
            return _described(relation, relation, self._spark.table(relation))

    def _list(self, home: str, schema: str | None) -> Mapping[str, str]:
        with errors_as(SqlError, f"cdm.schema {schema}"):
            try:
                rows = self._spark.sql(f"SHOW TABLES{home and f' IN {home}'}").collect()
            except AnalysisException as error:
                raise CdmError(
                    f"cdm.url spark: no schema {schema!r} ({error.getCondition()}); set cdm.schema "
                    "or cdm.vocabulary_schema to schema or catalog.schema"
                ) from None
        return {row.tableName.lower(): row.tableName for row in rows if not row.isTemporary}


class FolderSource:
    """Parquet files, or folders of them, named after the tables in any letter case.

    Raises
    ------
    ConnectionFailedError
        The folder does not exist.
    """

    def __init__(self, session: Session, key: str, url: str, prefix: str) -> None:
        self._session = session
        self._path = Path(url).resolve()
        self._where = f"{key} {url}"
        self._prefix = prefix
        self._n_views = 0
        if not self._path.is_dir():
            raise ConnectionFailedError(
                f"{self._where}: no such folder; engine spark reads a folder of Parquet files, or "
                "the tables of a catalog if the url is the word spark"
            )

    def find(self, table: str, _schema: str | None) -> SiteTable | None:
        """Find a table.

        Raises
        ------
        CdmError
            Several files match, the file is not Parquet, or it cannot be read.
        """
        entries = {path.name.lower(): path for path in sorted(self._path.iterdir())}
        name = table.lower()
        matches = [entries[n] for n in (name, f"{name}.parquet") if n in entries]
        if not matches:
            if texts := [name + suffix for suffix in _TEXT_FILES if name + suffix in entries]:
                raise CdmError(f"{self._where}/{texts[0]}: engine spark reads Parquet, not CSV")
            return None
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: table {table} is found as {found}; keep one of them")
        (path,) = matches
        label = f"{self._where}/{path.name}"
        with errors_as(CdmError, f"{label}: cannot be read as Parquet"):
            reader = self._session.spark.read.option("mergeSchema", "true")
            frame = reader.parquet(path.as_uri())
            n_read = len(frame.inputFiles())
        if path.is_dir() and n_read != (n_there := len(list(path.rglob("*.parquet")))):
            raise CdmError(
                f"{label}: holds {n_there} Parquet files, but Spark reads only {n_read}; put all "
                "files in the folder itself, or in subfolders named key=value"
            )
        self._n_views += 1
        view = f"{self._prefix}site_{self._n_views}"
        self._session.show(frame, view)
        return _described(named([view]), label, frame)


def named(names: Sequence[str]) -> str:
    """Return a name, given in parts, as a quoted identifier."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _described(relation: str, label: str, frame: DataFrame) -> SiteTable:
    fields = frame.schema.fields
    return SiteTable(
        relation=relation,
        label=label,
        columns={field.name.lower(): field.dataType.simpleString() for field in fields},
        names={field.name.lower(): field.name for field in fields},
    )
