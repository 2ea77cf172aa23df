"""Where Spark finds the tables of a CDM: in a schema of a catalog, or as a folder of Parquet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from omop_scorer.cdm.tables import SiteTable
from omop_scorer.engines.spark.session import Session, errors_as
from omop_scorer.errors import CdmError, ConnectionFailedError, SqlError

_TEXT_FILES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


class CatalogSource:
    """The tables of the session's catalog, by schema and name, in any letter case."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._names: dict[str, Mapping[str, str]] = {}

    def find(self, table: str, schema: str | None) -> SiteTable | None:
        """Find a table in a schema; without one, in the session's current schema.

        Raises
        ------
        CdmError
            There is no such schema.
        """
        # In full: a temporary view of the session may have the name of a table.
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
                    f"cdm.url spark: no schema {schema!r} ({error.getCondition()}); write "
                    "schema, or catalog.schema"
                ) from None
        return {row.tableName.lower(): row.tableName for row in rows if not row.isTemporary}


class FolderSource:
    """Parquet files, or folders of them, named like the tables in any letter case.

    Raises
    ------
    ConnectionFailedError
        There is no such folder.
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
                "with the word spark the tables of a catalog"
            )

    def find(self, table: str, _schema: str | None) -> SiteTable | None:
        """Find a table.

        Raises
        ------
        CdmError
            Several files stand for it, it is no Parquet, or it cannot be read.
        """
        entries = {path.name.lower(): path for path in sorted(self._path.iterdir())}
        name = table.lower()
        matches = [entries[n] for n in (name, f"{name}.parquet") if n in entries]
        if not matches:
            if texts := [name + suffix for suffix in _TEXT_FILES if name + suffix in entries]:
                raise CdmError(f"{self._where}/{texts[0]}: engine spark reads Parquet, not text")
            return None
        if len(matches) > 1:
            found = ", ".join(path.name for path in matches)
            raise CdmError(f"{self._where}: {found} all stand for table {table}")
        (path,) = matches
        label = f"{self._where}/{path.name}"
        try:
            reader = self._session.spark.read.option("mergeSchema", "true")
            frame = reader.parquet(path.as_uri())
            n_read = len(frame.inputFiles())
        except PySparkException as error:
            raise CdmError(f"{label}: cannot be read as Parquet ({error.getCondition()})") from None
        if path.is_dir() and n_read != (n_there := len(list(path.rglob("*.parquet")))):
            raise CdmError(
                f"{label}: holds {n_there} Parquet files, of which Spark reads {n_read}: only "
                "those that stand in the folder itself, or below folders named key=value"
            )
        self._n_views += 1
        view = f"{self._prefix}site_{self._n_views}"
        self._session.show(frame, view)
        return _described(named([view]), label, frame)


def named(names: Sequence[str]) -> str:
    """Return a name in parts as an identifier."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _described(relation: str, label: str, frame: DataFrame) -> SiteTable:
    fields = frame.schema.fields
    return SiteTable(
        relation=relation,
        label=label,
        columns={field.name.lower(): field.dataType.simpleString() for field in fields},
        names={field.name.lower(): field.name for field in fields},
    )
