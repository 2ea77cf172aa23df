"""A Delta table with any history has the rows of a Parquet file that was written once."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from omop_scorer.cdm.tables import TABLES
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.duckdb.delta import DeltaTables
from omop_scorer.engines.duckdb.source import Source
from tests.support.thoroughness import examples

MEASUREMENT = next(table for table in TABLES if table.name == "measurement")
SCHEMA = pa.schema(
    {
        "measurement_id": pa.int64(),
        "person_id": pa.int64(),
        "value_as_number": pa.float64(),
        "unit_source_value": pa.string(),
    }
)
LATE_COLUMN = pa.field("operator_concept_id", pa.int64())

Row = dict[str, Any]
Change = tuple[str, Any]

FEW = st.integers(1, 5)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "measurement_id": st.integers(1, 12),
            "person_id": st.none() | FEW,
            "value_as_number": st.none() | st.sampled_from([0.5, 7.25, -1.0]),
            "unit_source_value": st.none() | st.sampled_from(["", "mg/L", "\u00b5g"]),
            "operator_concept_id": st.none() | FEW,
        }
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row["measurement_id"],
)
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["insert", "insert_late_column", "merge"]), ROWS),
    st.tuples(st.sampled_from(["delete_person", "update_person"]), FEW),
    st.tuples(st.sampled_from(["delete_unknown", "compact", "sort", "checkpoint"]), st.none()),
    st.tuples(st.just("vacuum"), st.none()),
)


class Twins:
    """A Delta table, and its rows at each version as plain Python keeps them."""

    def __init__(self, folder: Path, partitioned: bool) -> None:
        self.folder = folder
        self.schema = SCHEMA
        self.rows: list[Row] = []
        by = ["person_id"] if partitioned else None
        write_deltalake(folder, SCHEMA.empty_table(), partition_by=by)
        self.versions = {0: (self.schema, self.rows)}

    @property
    def table(self) -> DeltaTable:
        return DeltaTable(self.folder)

    def apply(self, change: str, value: Any) -> None:
        how: Callable[[Any], list[Row] | None] = getattr(self, change)
        changed = how(value)
        self.rows = self.rows if changed is None else changed
        self.versions[self.table.version()] = (self.schema, self.rows)

    def arrow(self, rows: list[Row]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=self.schema)

    def insert(self, rows: list[Row]) -> list[Row]:
        write_deltalake(self.folder, self.arrow(rows), mode="append")
        return self.rows + self.arrow(rows).to_pylist()

    def insert_late_column(self, rows: list[Row]) -> list[Row]:
        if LATE_COLUMN.name not in self.schema.names:
            self.schema = self.schema.append(LATE_COLUMN)
        write_deltalake(self.folder, self.arrow(rows), mode="append", schema_mode="merge")
        return self.rows + rows

    def merge(self, rows: list[Row]) -> list[Row]:
        given = self.arrow(rows)
        merging = self.table.merge(
            given, "old.measurement_id = new.measurement_id", source_alias="new", target_alias="old"
        )
        merging.when_matched_update_all().when_not_matched_insert_all().execute()
        new = {row["measurement_id"]: row for row in given.to_pylist()}
        known = {row["measurement_id"] for row in self.rows}
        kept = [new.get(row["measurement_id"], row) for row in self.rows]
        return kept + [row for number, row in new.items() if number not in known]

    def delete_person(self, person: int) -> list[Row]:
        self.table.delete(f"person_id = {person}")
        return [row for row in self.rows if row["person_id"] != person]

    def delete_unknown(self, _: None) -> list[Row]:
        self.table.delete("value_as_number IS NULL")
        return [row for row in self.rows if row["value_as_number"] is not None]

    def update_person(self, person: int) -> list[Row]:
        one_more = {"value_as_number": "value_as_number + 1"}
        self.table.update(updates=one_more, predicate=f"person_id = {person}")
        return [
            {**row, "value_as_number": row["value_as_number"] + 1}
            if row["person_id"] == person and row["value_as_number"] is not None
            else row
            for row in self.rows
        ]

    def compact(self, _: None) -> None:
        self.table.optimize.compact()

    def sort(self, _: None) -> None:
        self.table.optimize.z_order(["measurement_id"])

    def checkpoint(self, _: None) -> None:
        self.table.create_checkpoint()

    def vacuum(self, _: None) -> None:
        self.table.vacuum(0, enforce_retention_duration=False, dry_run=False)
        self.versions.clear()


def rows_of_delta(folder: Path, version: int, names: list[str]) -> list[Any]:
    cdm = Cdm(url=str(folder.parent), delta_versions={"measurement": version})
    with duckdb.connect() as connection:
        site = DeltaTables(connection, cdm).find(MEASUREMENT, folder, "table")
        assert sorted(site.columns) == sorted(names)
        query = f"SELECT {', '.join(names)} FROM {site.relation} ORDER BY ALL"
        return connection.execute(query).fetchall()


def rows_of_parquet(folder: Path, schema: pa.Schema, rows: list[Row]) -> list[Any]:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "measurement.parquet")
    with duckdb.connect() as connection:
        source = Source(connection, "twin", "cdm.url", str(folder), ("",))
        site = source.find("measurement", None, "person")
        assert site is not None
        query = f"SELECT {', '.join(schema.names)} FROM {site.relation} ORDER BY ALL"
        return connection.execute(query).fetchall()


@seed(0)
@settings(max_examples=examples(10), deadline=None, database=None)
@given(
    partitioned=st.booleans(),
    changes=st.lists(CHANGES, min_size=2, max_size=7),
    choose=st.randoms(use_true_random=False),
)
def test_any_version_has_the_rows_of_its_twin(
    partitioned: bool, changes: list[Change], choose: Any
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home, plain = Path(name) / "delta", Path(name) / "plain"
        home.mkdir()
        plain.mkdir()
        twins = Twins(home / "measurement", partitioned)
        for change in changes:
            twins.apply(*change)
        latest = max(twins.versions)
        for version in {latest, choose.choice(sorted(twins.versions))}:
            schema, rows = twins.versions[version]
            found = rows_of_delta(home / "measurement", version, schema.names)
            assert found == rows_of_parquet(plain, schema, rows), version
