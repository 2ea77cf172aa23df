"""A CDM in a PostgreSQL database: COPY out of one snapshot, which ends with the last row."""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from functools import cached_property

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from sqlglot import exp

from omop_scorer.cdm.tables import TABLES, SiteTable, Table
from omop_scorer.config.connections import Connections
from omop_scorer.connections.postgres import Connection, rendered
from omop_scorer.errors import CdmError, SqlError
from omop_scorer.sources.base import PulledSource
from omop_scorer.sources.postgres_catalog import PostgresCatalog
from omop_scorer.sources.statement import Ids, Statement, bound

#: Bytes of COPY that are parsed together. COPY sends a row at a time, which is slow to parse.
_BLOCK_BYTES = 8 * 2**20

_INTEGERS = re.compile("smallint|integer|bigint")
_FLOATS = {"real": "FLOAT", "double precision": "DOUBLE"}
#: DuckDB reads every day and moment of PostgreSQL as it is written (infinity, year 12345), except
#: those before Christ: see `_bc_as_duckdb_writes_it`.
_DAYS = {
    "date": "DATE",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
}
#: Share of all persons up to which reading person by person is faster than reading all records:
#: 0.9 s instead of 2.6 s for 9,000 of 300,000 persons, but 17 s instead of 6 s for all of them.
_FEW = 0.05

_ARROW = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "FLOAT": pa.float32()}


class PostgresSource(PulledSource):
    """A database, read in one REPEATABLE READ transaction."""

    snapshot = "postgresql: one snapshot"

    def __init__(self, settings: Connections) -> None:
        """Connect. The transaction begins when the first table is looked for.

        Raises
        ------
        ConnectionFailedError
        """
        self._settings = settings
        self._connection = Connection("cdm", settings.cdm, settings)
        self.where = self._connection.where
        self._person = ""
        """Qualified name of the table of persons."""
        self._shares: dict[str, float] = {}
        """Share of all persons, by query of persons."""
        try:
            self._connection.refuse_unfit()
        except BaseException:
            self.close()
            raise

    @cached_property
    def _catalog(self) -> PostgresCatalog:
        """Tables in the snapshot, which begins here, after a lock against emptying or exchange."""
        names = dict(self._settings.cdm.table_names)
        found = PostgresCatalog(self._connection, names)
        left_out = self._settings.cdm.left_out
        for table in TABLES:
            if table.name in left_out:
                continue
            with suppress(CdmError):  # `find` raises it again
                self._find(found, table)
        self._connection.driver.autocommit = False
        self._connection.driver.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.driver.read_only = True
        if lockable := sorted(found.lockable_relations()):
            self._connection.execute(f"LOCK TABLE {', '.join(lockable)} IN ACCESS SHARE MODE")
        for relation in sorted(found.relations()):
            # A materialized view, also below a view, is locked only when it is read.
            self._connection.execute(f"SELECT FROM {relation} LIMIT 0")
        return PostgresCatalog(self._connection, names)

    def find(self, table: Table) -> SiteTable | None:
        """Find a table in the schema of the CDM, or of the vocabulary."""
        with self._connection.errors_as(SqlError):
            site = self._find(self._catalog, table)
        if site is not None and table.name == "person":
            self._person = site.relation
        return site

    def _find(self, catalog: PostgresCatalog, table: Table) -> SiteTable | None:
        cdm = self._settings.cdm
        schema, anchor = cdm.schema_, "person"
        if table.schema == "vocab" and cdm.vocabulary_schema is not None:
            schema, anchor = cdm.vocabulary_schema, "concept"
        return catalog.find(table.name, schema, anchor, native=_native)

    def pull(self, statement: Statement, ids: Ids) -> Generator[pa.RecordBatch, None, None]:
        """Stream the rows by COPY."""
        kinds = {name: _ARROW.get(native, pa.string()) for name, native in statement.types.items()}
        days = [name for name, native in statement.types.items() if native in _DAYS.values()]
        for tree, values in bound(statement, ids):
            chosen = self._by_person(tree, values)
            query = f"COPY ({rendered(chosen, is_bound=bool(values))}) TO STDOUT (FORMAT csv)"
            with self._connection.errors_as(SqlError, f"{self.where}: {statement.name}"):
                for block in self._blocks(query, values):
                    try:
                        yield from _parsed(block, statement.columns, kinds, days)
                    except pa.ArrowInvalid:
                        # Arrow quotes the cell that it cannot parse.
                        raise SqlError(
                            f"{self.where}: {statement.name}: a value is not of its column's type"
                        ) from None

    def _blocks(self, query: str, values: dict[str, object]) -> Iterator[bytes]:
        """Join the rows of COPY to blocks, each of whole rows."""
        block = bytearray()
        with (
            self._connection.driver.cursor() as cursor,
            cursor.copy(query.encode(), values) as rows,
        ):
            for row in rows:
                block += row
                if len(block) >= _BLOCK_BYTES:
                    yield bytes(block)
                    block.clear()
        if block:
            yield bytes(block)

    def _by_person(self, tree: exp.Select, values: Mapping[str, object]) -> exp.Select:
        """Let the persons with the disease lead to their records, where they are few."""
        condition = next((each for each in tree.find_all(exp.In) if each.args.get("query")), None)
        if condition is None:
            return tree
        persons = condition.args["query"].this
        if self._share(persons, values) > _FEW:
            return tree
        patient = exp.to_identifier("omop_scorer_patient", quoted=True)
        persons = (
            exp.select(exp.alias_(persons.selects[0].copy(), patient))
            .distinct()
            .from_(persons.args["from_"].this.copy())
        )
        if (where := condition.args["query"].this.args.get("where")) is not None:
            persons = persons.where(where.this.copy())
        condition.replace(exp.column(patient).eq(condition.this.copy()))
        joined = tree.join(exp.to_table("omop_scorer_patients"), join_type="CROSS")
        return joined.with_("omop_scorer_patients", persons, materialized=True)

    def _share(self, persons: exp.Select, values: Mapping[str, object]) -> float:
        """Return the share of all persons that a query of persons finds, counted once."""
        text = rendered(persons.copy(), is_bound=bool(values))
        if text not in self._shares:
            # As in `text`, psycopg takes a percent sign for the start of a parameter.
            everybody = self._person.replace("%", "%%") if values else self._person
            query = (
                f"SELECT (SELECT COUNT(DISTINCT p) FROM ({text}) AS d (p)) "  # noqa: S608
                f"/ GREATEST((SELECT COUNT(*) FROM {everybody}), 1)::float8"
            )
            with self._connection.errors_as(SqlError):
                ((self._shares[text],),) = self._connection.rows(query, values)
        return self._shares[text]

    def shown(self, statement: Statement, ids: Ids) -> str:
        """Return the statement as PostgreSQL receives it, parameters by name."""
        return ";\n".join(
            rendered(self._by_person(tree, values), is_bound=True, is_for_people=True)
            for tree, values in bound(statement, ids)
        )

    def release(self) -> None:
        """End the session, and with it the transaction and the locks."""
        self.close()

    def close(self) -> None:
        """End the session."""
        self._connection.close()


def _native(type_name: str) -> str:
    """Return the type in which a column arrives: numbers, or text that the safe casts read."""
    if (day := _DAYS.get(re.sub(r"\([0-9]+\)", "", type_name))) is not None:
        return day
    if _INTEGERS.fullmatch(type_name):
        return "BIGINT"
    return _FLOATS.get(type_name, "VARCHAR")


def _parsed(
    block: bytes, columns: tuple[str, ...], kinds: dict[str, pa.DataType], days: list[str]
) -> Iterator[pa.RecordBatch]:
    """Parse a block. COPY writes NULL as nothing, and an empty text in quotes."""
    has_bc = b" BC" in block
    table = pyarrow.csv.read_csv(
        pa.BufferReader(block),
        read_options=pyarrow.csv.ReadOptions(
            column_names=list(columns), block_size=max(len(block), 1)
        ),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=kinds,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    yield from (_bc_as_duckdb_writes_it(table, days) if has_bc else table).to_batches()


def _bc_as_duckdb_writes_it(table: pa.Table, days: list[str]) -> pa.Table:
    """Return the texts of days and moments with `(BC)` behind the day, not BC at the end."""
    for name in days:
        texts = pc.replace_substring_regex(table[name], r"^([0-9-]+)(.*) BC$", r"\1 (BC)\2")
        table = table.set_column(table.schema.get_field_index(name), name, texts)
    return table
