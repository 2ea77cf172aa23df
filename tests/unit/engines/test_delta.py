"""Delta tables: which rows are read, and what is refused."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from omop_scorer.cdm.tables import TABLES, SiteTable
from omop_scorer.config.connections import Cdm
from omop_scorer.engines.duckdb.delta import DeltaTables
from omop_scorer.errors import CdmError, ConfigurationError, SqlError
from tests.support.delta import MAPPING, column, with_features, write_log

MEASUREMENT = next(table for table in TABLES if table.name == "measurement")
PERSON = next(table for table in TABLES if table.name == "person")
SECRET = "kite-apple-sun"
#: Rows 3, 4, 7, 11, 18 and 29; the example of the Delta protocol.
VECTOR = {
    "storageType": "i",
    "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
    "sizeInBytes": 44,
    "cardinality": 6,
}
MAPPED = [
    column("person_id", id=1, physicalName="col-a1"),
    column("measurement_id", id=2, physicalName="col-b2"),
]


@pytest.fixture
def connection() -> Any:
    with duckdb.connect() as found:
        found.execute("SET TimeZone = 'UTC'")
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "measurement"


Find = Callable[..., SiteTable]


@pytest.fixture
def find(connection: duckdb.DuckDBPyConnection, folder: Path) -> Find:
    """Return a function that finds the table, with the settings that it is given."""

    def look(**settings: Any) -> SiteTable:
        tables = DeltaTables(connection, Cdm(url=str(folder.parent), **settings))
        return tables.find(MEASUREMENT, folder, "the table")

    return look


def people(*ids: int) -> pa.Table:
    return pa.table({"person_id": pa.array(ids, pa.int64())})


def rows_of(
    connection: duckdb.DuckDBPyConnection, site: SiteTable, *names: str
) -> list[tuple[Any, ...]]:
    listed = ", ".join(names or ("person_id",))
    return connection.execute(f"SELECT {listed} FROM {site.relation} ORDER BY ALL").fetchall()


def ids(*found: int) -> list[tuple[int]]:
    return [(each,) for each in found]


def refusal(find: Find, **settings: Any) -> str:
    with pytest.raises(CdmError) as caught:
        find(**settings)
    (problem,) = caught.value.problems
    assert problem.startswith("the table: ")
    assert SECRET not in problem
    assert "\n" not in problem
    return problem


def test_a_table_is_pinned_when_it_is_found(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    write_deltalake(folder, people(1, 2))
    tables = DeltaTables(connection, Cdm(url=str(folder.parent)))
    assert tables.snapshot is None
    site = tables.find(MEASUREMENT, folder, "the table")
    write_deltalake(folder, people(3), mode="append")
    DeltaTable(folder).delete("person_id = 1")
    assert rows_of(connection, site) == ids(1, 2)
    assert tables.find(MEASUREMENT, folder, "the table") is site
    assert tables.snapshot == "delta: measurement=0"


def test_the_snapshot_lists_tables_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    tables = DeltaTables(connection, Cdm(url=str(tmp_path)))
    for table, n_commits in ((PERSON, 3), (MEASUREMENT, 1)):
        for n in range(n_commits):
            write_deltalake(tmp_path / table.name, people(n), mode="append")
        tables.find(table, tmp_path / table.name, table.name)
    assert tables.snapshot == "delta: measurement=0, person=2"


def test_every_cursor_and_thread_reads_the_table(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    write_deltalake(folder, people(*range(5000)))
    site = find()
    connection.execute(f"CREATE VIEW memory.main.v AS SELECT person_id AS p FROM {site.relation}")

    def total(least: int) -> Any:
        with connection.cursor() as cursor:
            query = "SELECT SUM(p) FROM memory.main.v WHERE p >= $least"
            return cursor.execute(query, {"least": least}).fetchall()[0][0]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(total, range(0, 5000, 250)))
    assert found == [sum(range(least, 5000)) for least in range(0, 5000, 250)]


def test_an_old_version_is_read_again(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    for n in range(3):
        write_deltalake(folder, people(n), mode="append")
    assert rows_of(connection, find(delta_versions={"measurement": 1})) == ids(0, 1)
    said = refusal(find, delta_versions={"measurement": 3})
    assert said == (
        "the table: there is no version 3 yet, the latest is 2; correct cdm.delta_versions"
    )
    DeltaTable(folder).create_checkpoint()
    for old in sorted((folder / "_delta_log").glob("*.json"))[:2]:
        old.unlink()
    assert "version 1: cannot be read" in refusal(find, delta_versions={"measurement": 1})


def commits(folder: Path) -> list[datetime]:
    """Return the times of the commits, first to last."""
    times = [entry["timestamp"] for entry in reversed(DeltaTable(folder).history())]
    return [datetime.fromtimestamp(at / 1000, UTC) for at in times]


def test_the_state_at_a_moment_is_read_again(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path, tmp_path: Path
) -> None:
    for n in range(3):
        write_deltalake(folder, people(n), mode="append")
    first, second, third = commits(folder)
    # A copy of the folder has other modification times; the times in the log stay.
    for path in (folder / "_delta_log").iterdir():
        os.utime(path, (0, 0))
    assert first < second < third
    for moment, expected in ((first, 1), (second, 2), (third, 3), (datetime.now(UTC), 3)):
        connection.execute("DROP VIEW IF EXISTS memory.main.delta_measurement")
        assert len(rows_of(connection, find(delta_as_of=moment))) == expected
    connection.execute("DROP VIEW memory.main.delta_measurement")
    named = find(delta_as_of=first, delta_versions={"measurement": 1})
    assert len(rows_of(connection, named)) == 2
    before = datetime(2020, 1, 1, tzinfo=UTC)
    assert "names no version before 20" in refusal(find, delta_as_of=before)


def test_a_log_without_times_has_no_state_at_a_moment(find: Find, folder: Path) -> None:
    write_log(folder, [column("person_id")], people(1))
    said = refusal(find, delta_as_of=datetime.now(UTC))
    assert "names no version with a time" in said
    assert "cdm.delta_versions" in said


def test_a_version_whose_files_were_vacuumed_is_refused(find: Find, folder: Path) -> None:
    write_deltalake(folder, people(1, 2))
    DeltaTable(folder).delete("person_id = 1")
    table = DeltaTable(folder)
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    said = refusal(find, delta_versions={"measurement": 0})
    assert "1 of 1 data files of version 0 no longer exist; VACUUM" in said


def test_a_vacuum_during_the_run_is_explained(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    write_deltalake(folder, people(1, 2))
    tables = DeltaTables(connection, Cdm(url=str(folder.parent)))
    tables.find(MEASUREMENT, folder, "the table")
    with pytest.raises(SqlError, match="about something else"), tables.lost_files_explained():
        raise SqlError("about something else")
    for path in folder.glob("*.parquet"):
        path.unlink()
    with pytest.raises(CdmError, match="version 0 no longer exist"), tables.lost_files_explained():
        raise SqlError("the query failed")


def test_a_column_that_came_later_is_null_in_older_files(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    write_deltalake(folder, people(1))
    later = people(2).append_column("unit_source_value", pa.array(["mg/L"]))
    write_deltalake(folder, later, mode="append", schema_mode="merge")
    site = find()
    found = rows_of(connection, site, "person_id", "unit_source_value")
    assert found == [(1, None), (2, "mg/L")]
    # An older release of the CDM, seen again, lacks the column.
    connection.execute("DROP VIEW memory.main.delta_measurement")
    assert set(find(delta_versions={"measurement": 0}).columns) == {"person_id"}


def test_partitions_with_odd_values_in_a_folder_with_an_odd_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    units = ["a b", "50%", "\u00fc", "x/y", None]
    home = tmp_path / "mea sure#ment"
    rows = people(1, 2, 3, 4, 5).append_column("unit_source_value", pa.array(units))
    write_deltalake(home, rows, partition_by=["unit_source_value"])
    site = DeltaTables(connection, Cdm(url="x")).find(MEASUREMENT, home, "the table")
    found = rows_of(connection, site, "person_id", "unit_source_value")
    assert found == list(zip(range(1, 6), units, strict=True))


def test_types_come_as_they_were_written(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    moments = [datetime(1, 1, 1), datetime(2024, 1, 1, 23, 30), datetime(9999, 12, 31), None]
    rows = pa.table(
        {
            "PERSON_ID": pa.array([1, 2, 3, None], pa.int32()),
            "value_as_number": pa.array([Decimal("1.50"), None, Decimal(3), None]),
            "measurement_date": pa.array([date(1, 1, 1), date(2024, 2, 29), None, None]),
            "measurement_datetime": pa.array(moments, pa.timestamp("us", "UTC")),
            "unit_source_value": pa.array(["", " mg", None, "\u00b5"]),
            "operator_concept_id": pa.nulls(4, pa.int64()),
            "not_read": pa.array([[1], [2], [], None]),
        }
    )
    write_deltalake(folder, rows)
    site = find()
    assert site.columns == {
        "person_id": "INTEGER",
        "value_as_number": "DECIMAL(3,2)",
        "measurement_date": "DATE",
        "measurement_datetime": "TIMESTAMP WITH TIME ZONE",
        "unit_source_value": "VARCHAR",
        "operator_concept_id": "BIGINT",
    }
    assert site.names["person_id"] == "PERSON_ID"
    found = rows_of(connection, site, "PERSON_ID", "measurement_date", "unit_source_value")
    assert found == [
        (1, date(1, 1, 1), ""),
        (2, date(2024, 2, 29), " mg"),
        (3, None, None),
        (None, None, "\u00b5"),
    ]
    assert local_moments(connection, site) == moments


def local_moments(connection: duckdb.DuckDBPyConnection, site: SiteTable) -> list[Any]:
    moment = "CAST(measurement_datetime AS TIMESTAMP)"
    return [row[0] for row in rows_of(connection, site, moment)]


def test_moments_of_spark_are_in_utc(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    """Spark stores moments as INT96; as nanoseconds the extremes would wrap round."""
    moments = [datetime(1, 1, 1), datetime(2024, 1, 1, 23, 30), datetime(9999, 12, 31)]
    rows = pa.table({"measurement_datetime": pa.array(moments, pa.timestamp("us"))})
    write_log(folder, [column("measurement_datetime", "timestamp")], rows, int96=True)
    assert local_moments(connection, find()) == moments
    connection.execute("SET TimeZone = 'Asia/Tokyo'")
    assert local_moments(connection, find_again(connection, folder))[1] == datetime(
        2024, 1, 2, 8, 30
    )


def find_again(connection: duckdb.DuckDBPyConnection, folder: Path) -> SiteTable:
    connection.execute("DROP VIEW memory.main.delta_measurement")
    return DeltaTables(connection, Cdm(url="x")).find(MEASUREMENT, folder, "the table")


def test_deletion_vectors_are_applied(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    protocol = with_features("deletionVectors")
    files = (people(*range(32)), people(100))
    columns = [column("person_id")]
    write_log(folder, columns, *files, protocol=protocol, deletion_vector=VECTOR)
    kept = [n for n in range(32) if n not in (3, 4, 7, 11, 18, 29)]
    assert rows_of(connection, find()) == ids(*kept, 100)


def test_a_damaged_deletion_vector_is_refused(find: Find, folder: Path) -> None:
    protocol = with_features("deletionVectors")
    vector = {**VECTOR, "storageType": "p", "pathOrInlineDv": (folder / "gone.bin").as_uri()}
    write_log(folder, [column("person_id")], people(1), protocol=protocol, deletion_vector=vector)
    assert "a deletion vector is damaged, has been removed" in refusal(find)


@pytest.mark.parametrize(
    "protocol", [{"minReaderVersion": 2, "minWriterVersion": 5}, with_features("columnMapping")]
)
def test_renamed_columns_are_followed(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path, protocol: Any
) -> None:
    rows = pa.table({"col-b2": [10, 20], "col-a1": [1, 2]})
    write_log(folder, MAPPED, rows, protocol=protocol, configuration={MAPPING: "name"})
    found = rows_of(connection, find(), "person_id", "measurement_id")
    assert found == [(1, 10), (2, 20)]


def test_columns_mapped_by_id_are_refused(find: Find, folder: Path) -> None:
    rows = pa.table({"another name": [1]})
    protocol = {"minReaderVersion": 2, "minWriterVersion": 5}
    write_log(folder, MAPPED, rows, protocol=protocol, configuration={MAPPING: "id"})
    assert "maps its columns by id" in refusal(find)


@pytest.mark.parametrize("feature", ["typeWidening", "vacuumProtocolCheck", "notInventedYet"])
def test_a_feature_that_the_package_cannot_read_is_named(
    find: Find, folder: Path, feature: str
) -> None:
    write_log(folder, [column("person_id")], people(1), protocol=with_features(feature))
    said = refusal(find)
    assert feature.lower() in said.lower()
    assert "DROP FEATURE" in said
    assert "engine: spark" in said


def test_a_feature_that_the_package_reads_is_no_fault(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path
) -> None:
    features = with_features("v2Checkpoint", "timestampNtz", "deletionVectors")
    write_log(folder, [column("person_id")], people(1), protocol=features)
    assert rows_of(connection, find()) == ids(1)


def test_a_column_in_another_letter_case_is_refused(find: Find, folder: Path) -> None:
    """As CONVERT TO DELTA can leave it; the package would read it as missing."""
    write_log(folder, [column("person_id")], people(1), pa.table({"Person_Id": [2]}))
    assert "writes the column person_id as Person_Id" in refusal(find)


def damaged_log(folder: Path) -> None:
    write_deltalake(folder, people(1))
    (log,) = (folder / "_delta_log").glob("*.json")
    log.write_text(f'{{"add": "{SECRET}', encoding="utf-8")


def unreadable_partition(folder: Path) -> None:
    columns = [column("measurement_id"), column("person_id")]
    rows = pa.table({"measurement_id": [1]})
    write_log(folder, columns, rows, partitions=[{"person_id": SECRET}])


def file_that_is_no_parquet(folder: Path) -> None:
    write_deltalake(folder, people(1))
    (data,) = folder.glob("*.parquet")
    data.write_text(SECRET, encoding="utf-8")


def empty_log(folder: Path) -> None:
    (folder / "_delta_log").mkdir(parents=True)


@pytest.mark.parametrize(
    "write", [damaged_log, unreadable_partition, file_that_is_no_parquet, empty_log]
)
def test_a_damaged_table_is_refused_without_its_values(
    find: Find, folder: Path, write: Callable[[Path], None]
) -> None:
    write(folder)
    assert "cannot be read as" in refusal(find)


def test_the_files_of_a_clone_are_elsewhere(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path, tmp_path: Path
) -> None:
    original = write_log(tmp_path / "original", [column("person_id")], people(1))
    shutil.copytree(original / "_delta_log", folder / "_delta_log")
    (log,) = (folder / "_delta_log").glob("*.json")
    url = (original / "part-0.parquet").as_uri()
    log.write_text(log.read_text("utf-8").replace("part-0.parquet", url), encoding="utf-8")
    assert rows_of(connection, find()) == ids(1)


@pytest.mark.parametrize("missing", [["measurement_id"], ["another"]])
def test_a_table_may_lack_columns(
    connection: duckdb.DuckDBPyConnection, find: Find, folder: Path, missing: Sequence[str]
) -> None:
    write_deltalake(folder, pa.table({name: [1] for name in missing}))
    site = find()
    assert list(site.columns) == missing
    assert rows_of(connection, site, "COUNT(*)") == [(1,)]


def test_a_missing_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, find: Find, folder: Path
) -> None:
    write_deltalake(folder, people(1))
    for name in [each for each in sys.modules if each.partition(".")[0] == "deltalake"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'omop-scorer\[delta\]'"):
        find()
