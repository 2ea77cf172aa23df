"""Parts of a Parquet table: which files belong to it, and what is refused."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from omop_scorer.cdm.ddl import Column
from omop_scorer.cdm.tables import TABLES, SiteTable
from omop_scorer.config.connections import Cdm, Connections, PostgreSQL, Results, Spark
from omop_scorer.engines.duckdb.engine import DuckDBEngine
from omop_scorer.engines.duckdb.source import Source
from omop_scorer.engines.parquet_types import can_be_one, columns_of
from omop_scorer.errors import CdmError, ConnectionFailedError
from omop_scorer.loading.text_tables import TextTables

PERSON = next(table for table in TABLES if table.name == "person")
NEEDED = {column.name for column in PERSON.columns}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a table person, still without parts."""
    (tmp_path / "person").mkdir()
    return tmp_path / "person"


def write(file: Path, **columns: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def find(folder: Path) -> SiteTable | None:
    with duckdb.connect() as connection:
        source = Source(connection, "site", "cdm.url", str(folder.parent), ("",))
        return source.find("person", None, "person", NEEDED)


def rows(folder: Path, *columns: str) -> list[Any]:
    site = find(folder)
    assert site is not None
    found = []
    with duckdb.connect() as connection:
        for part in site.pieces:
            selected = [f'"{part.names[c]}"' if c in part.names else "NULL" for c in columns]
            query = f"SELECT {', '.join(selected)} FROM {part.relation}"
            found += connection.execute(query).fetchall()
    return sorted(found, key=repr)


def test_parts_are_found_at_any_depth_but_not_below_logs(folder: Path) -> None:
    for number, name in enumerate(
        ("a.parquet", "x/y/b.parquet", "year=2025/month=1/c.parquet", "000000_0", "d.PARQUET"), 1
    ):
        write(folder / name, person_id=[number])
    for name in ("_temporary/0/a.parquet", ".hidden.parquet", "x/_b.parquet", "_key=1/c.parquet"):
        write(folder / name, person_id=[99])
    for name in ("_SUCCESS", ".a.parquet.crc", "README.txt", "empty"):
        (folder / name).touch()
    assert rows(folder, "person_id") == [(1,), (2,), (3,), (4,), (5,)]


def test_a_folder_may_be_named_as_a_file(tmp_path: Path) -> None:
    write(tmp_path / "PERSON.parquet" / "part-0.parquet", person_id=[1])
    assert rows(tmp_path / "PERSON.parquet", "person_id") == [(1,)]


def test_links_are_followed_but_not_in_a_circle(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "a.parquet", person_id=[1])
    write(tmp_path / "b", person_id=[2])
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "b.parquet").symlink_to(tmp_path / "b")
    assert rows(folder, "person_id") == [(1,), (2,)]
    (folder / "again").symlink_to(folder)
    with pytest.raises(CdmError, match="person/again: again is a link to a folder above"):
        find(folder)


def test_names_of_folders_give_a_column_that_the_files_lack(folder: Path) -> None:
    write(folder / "Gender_Concept_Id=8532" / "a.parquet", person_id=[1])
    write(folder / "Gender_Concept_Id=__HIVE_DEFAULT_PARTITION__" / "a.parquet", person_id=[2])
    write(folder / "gender_concept_id=8507" / "a.parquet", person_id=[3])
    write(folder / "b.parquet", person_id=[4], gender_concept_id=[8521])
    write(folder / "gender_concept_id=1" / "c.parquet", person_id=[5], gender_concept_id=[8551])
    assert rows(folder, "person_id", "gender_concept_id") == [
        (1, "8532"),
        (2, None),
        (3, "8507"),
        (4, 8521),
        (5, 8551),
    ]


def test_the_folders_of_a_path_with_links_give_the_column(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "elsewhere" / "gender_concept_id=1"
    for number in range(1, 6):
        write(there / f"{number}.parquet", person_id=[number])
    (folder / "gender_concept_id=8507").mkdir()
    (folder / "gender_concept_id=8507" / "a.parquet").symlink_to(there / "1.parquet")
    write(folder / "gender_concept_id=8507" / "b.parquet", person_id=[2])
    (folder / "race_concept_id=5").symlink_to(there)
    (folder / "c.parquet").symlink_to(there / "3.parquet")
    found = rows(folder, "person_id", "gender_concept_id", "race_concept_id")
    assert found == [
        (1, "8507", None),
        (1, None, "5"),
        (2, "8507", None),
        (2, None, "5"),
        (3, None, "5"),
        (3, None, None),
        (4, None, "5"),
        (5, None, "5"),
    ]


def test_a_value_of_a_folder_is_the_text_after_the_first_equals_sign(folder: Path) -> None:
    texts = ("8507=x", "a%3Db%25", "x%20y", "\u00e4", "it's", "NULL", "")
    for number, text in enumerate(texts):
        write(folder / f"gender_concept_id={text}" / "a.parquet", person_id=[number])
    found = rows(folder, "person_id", "gender_concept_id")
    assert [value for _, value in found] == ["8507=x", "a=b%", "x y", *texts[3:]]


def test_a_folder_gives_no_column_that_the_file_has(tmp_path: Path) -> None:
    folder = tmp_path / "gender_concept_id=1" / "person"
    write(folder / "person_id=17" / "race_concept_id=5" / "a.parquet", person_id=[1])
    write(folder / "person_id=17" / "race_concept_id=6" / "b.parquet", person_id=[2])
    found = rows(folder, "person_id", "gender_concept_id", "race_concept_id")
    assert found == [(1, None, "5"), (2, None, "6")]


def test_a_column_named_as_the_index_of_files_does_no_harm(folder: Path) -> None:
    for number in (1, 2):
        file = folder / f"gender_concept_id=850{number}" / "a.parquet"
        write(file, person_id=[number], file_index=[0])
    assert rows(folder, "person_id", "gender_concept_id") == [(1, "8501"), (2, "8502")]


def test_two_folders_that_give_one_column_are_refused(folder: Path) -> None:
    write(folder / "x=1" / "x=2" / "person_id=1" / "PERSON_ID=1" / "a.parquet", day_of_birth=[1])
    assert rows(folder, "person_id") == [("1",)]
    write(folder / "person_id=1" / "person_id=2" / "a.parquet", day_of_birth=[1])
    with pytest.raises(CdmError, match=r"two of its folders give column person_id; keep one"):
        find(folder)


def test_folders_by_the_thousand_are_read_together(folder: Path) -> None:
    for number in range(1001):
        write(folder / f"gender_concept_id={number}" / "a.parquet", person_id=[number])
    site = find(folder)
    assert site is not None
    assert len(site.pieces) < 10
    found = rows(folder, "person_id", "gender_concept_id")
    assert sorted(found) == [(number, str(number)) for number in range(1001)]


def test_a_column_that_a_part_lacks_is_missing_there(folder: Path) -> None:
    write(folder / "a.parquet", person_id=[1], month_of_birth=[5])
    write(folder / "b.parquet", Person_Id=[2], race_concept_id=pa.nulls(1))
    write(folder / "c.parquet", day_of_birth=pa.array([], pa.string()))
    site = find(folder)
    assert site is not None
    expected = {"person_id", "month_of_birth", "race_concept_id", "day_of_birth"}
    assert set(site.columns) == expected
    assert rows(folder, "person_id", "month_of_birth", "race_concept_id") == [
        (1, 5, None),
        (2, None, None),
    ]


def test_a_load_reads_parts_of_different_types_as_text(folder: Path) -> None:
    write(folder / "a.parquet", person_id=[1], note=[[1]], month_of_birth=pa.nulls(1))
    write(folder / "gender_concept_id=8507" / "b.parquet", PERSON_ID=["2"])
    with TextTables(str(folder.parent)) as tables:
        names = ("person_id", "month_of_birth", "gender_concept_id")
        site = tables.find("person", names)
        assert site is not None
        assert set(site.columns) == {*names, "note"}
        columns = [Column(name, "integer", is_required=False) for name in names]
        found = [row for batch in tables.read(site, columns, 10) for row in batch.to_pylist()]
    assert sorted(tuple(row.values()) for row in found) == [("1", None, None), ("2", None, "8507")]


def test_only_files_without_rows_are_a_table_without_rows(folder: Path) -> None:
    write(folder / "a.parquet", person_id=pa.array([], pa.date32()))
    write(folder / "b.parquet", person_id=pa.array([], pa.int64()), day_of_birth=pa.nulls(0))
    site = find(folder)
    assert site is not None
    assert set(site.columns) == {"person_id", "day_of_birth"}
    assert rows(folder, "person_id") == []


CELLS: dict[str, pa.Array] = {
    "INT64": pa.array([1]),
    "INT8": pa.array([1], pa.int8()),
    "UINT64": pa.array([1], pa.uint64()),
    "DOUBLE": pa.array([1.5]),
    "FLOAT": pa.array([1.5], pa.float32()),
    "DECIMAL(10,2)": pa.array([Decimal("1.50")], pa.decimal128(10, 2)),
    "TEXT": pa.array(["1"]),
    "DATE": pa.array([date(2026, 1, 1)]),
    "TIMESTAMP in microseconds": pa.array([datetime(2026, 1, 1)], pa.timestamp("us")),
    "TIMESTAMP in nanoseconds of UTC": pa.array([datetime(2026, 1, 1)], pa.timestamp("ns", "UTC")),
    "BOOLEAN": pa.array([True]),
    "NULL": pa.nulls(1),
}
NUMBERS = {"INT64", "INT8", "UINT64", "DOUBLE", "FLOAT", "DECIMAL(10,2)"}
DAYS = {name for name in CELLS if name.startswith(("DATE", "TIMESTAMP"))}


@pytest.mark.parametrize("pair", [*combinations(CELLS, 2)], ids=" and ".join)
def test_types_go_together_or_are_named(folder: Path, pair: tuple[str, str]) -> None:
    kinds = set(pair) - {"NULL"}
    is_one = len(kinds) == 1 or kinds <= NUMBERS | {"TEXT"} or kinds <= DAYS
    write(folder / "a.parquet", person_id=CELLS[pair[0]])
    write(folder / "b.parquet", person_id=CELLS[pair[1]])
    if is_one:
        assert len(rows(folder, "person_id")) == 2
        return
    with pytest.raises(CdmError) as refused:
        find(folder)
    said = str(refused.value)
    assert "/person/a.parquet and cdm.url " in said
    assert "/person/b.parquet: column person_id is " in said
    assert f" is {pair[0]} in the first and {pair[1]} in the second" in said


def test_a_column_that_is_not_read_may_have_any_types(folder: Path) -> None:
    write(folder / "a.parquet", person_id=[1], note=[[1]])
    write(folder / "b.parquet", person_id=[2], note=["text"])
    write(folder / "c.parquet", person_id=[3])
    assert rows(folder, "person_id") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (pa.array([[1]]), "a nested type"),
        (pa.array([{"x": 1}]), "a nested type"),
        (pa.array([b"ab"], pa.binary(2)), "FIXED_LEN_BYTE_ARRAY"),
        (pa.array([1.5], pa.float16()), "FLOAT16"),
        (pa.array([datetime(2026, 1, 1).time()]), "TIME"),
    ],
)
def test_a_type_that_no_column_of_a_cdm_has_is_refused(
    folder: Path, cells: pa.Array, name: str
) -> None:
    write(folder / "a.parquet", person_id=cells)
    with pytest.raises(CdmError, match=rf"/a\.parquet: column person_id has the type {name}"):
        find(folder)


@pytest.mark.parametrize("name", ["person_id", "PERSON_ID"])
def test_a_column_that_stands_in_a_file_twice_is_refused(folder: Path, name: str) -> None:
    twice = pa.table([[1], [2]], names=["person_id", name])
    pq.write_table(twice, folder / "a.parquet")
    with pytest.raises(CdmError, match=r"/a\.parquet: column person_id stands there twice"):
        find(folder)


@pytest.mark.parametrize("text", [b"", b"PAR1", b"PAR1 and something else", b"\0" * 200])
def test_a_damaged_part_is_named(folder: Path, text: bytes) -> None:
    write(folder / "a.parquet", person_id=[1])
    (folder / "b.parquet").write_bytes(text)
    with pytest.raises(CdmError, match=r"person/b\.parquet: cannot be read as Parquet"):
        find(folder)


@pytest.mark.parametrize("name", ["000001_0", "part-1.c000", "x=1/000001_0.SNAPPY"])
@pytest.mark.parametrize("n_kept", [4, 60, -1])
def test_a_part_without_the_ending_that_is_cut_off_is_named(
    folder: Path, name: str, n_kept: int
) -> None:
    write(folder / "000000_0", person_id=[1])
    write(folder / name, person_id=[2])
    (folder / name).write_bytes((folder / name).read_bytes()[:n_kept])
    with pytest.raises(CdmError, match=rf"person/{name}: cannot be read as Parquet"):
        find(folder)


def test_a_part_in_another_format_is_refused(folder: Path) -> None:
    write(folder / "a.parquet", person_id=[1])
    (folder / "b.csv").write_text("person_id\n2\n", encoding="utf-8")
    with pytest.raises(CdmError, match=r"/person/b\.csv: not Parquet"):
        find(folder)


def test_a_folder_without_parts_is_refused(folder: Path) -> None:
    (folder / "_SUCCESS").touch()
    with pytest.raises(CdmError, match="/person: the folder holds no Parquet file"):
        find(folder)


LATIN_1 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("name", [f"{LATIN_1}.parquet", LATIN_1, f"{LATIN_1}=1/a.parquet"])
def test_a_name_that_is_not_utf_8_is_named(folder: Path, tmp_path: Path, name: str) -> None:
    write(folder / "a.parquet", person_id=[1])
    write(tmp_path / "there.parquet", person_id=[2])
    (folder / name).parent.mkdir(exist_ok=True)
    (tmp_path / "there.parquet").rename(folder / name)
    with pytest.raises(CdmError, match=r"person/caf\\xe9.* is not UTF-8; rename"):
        find(folder)


def test_a_link_to_a_name_that_is_not_utf_8_is_named(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / LATIN_1
    there.mkdir()
    write(tmp_path / "a.parquet", person_id=[1])
    (tmp_path / "a.parquet").rename(there / "a.parquet")
    (folder / "a.parquet").symlink_to(there / "a.parquet")
    with pytest.raises(CdmError, match=r"person/a.parquet leads to .*caf\\xe9/a.parquet, a name"):
        find(folder)


def test_a_name_that_is_not_utf_8_does_no_harm_elsewhere(folder: Path, tmp_path: Path) -> None:
    write(folder / "a.parquet", person_id=[1])
    (folder / f"README {LATIN_1}").touch()
    (tmp_path / LATIN_1).touch()
    (folder.parent / "notes").symlink_to(tmp_path / LATIN_1)
    connections = Connections(
        *("duckdb", Cdm(url=str(folder.parent)), Results(url="results.duckdb"), PostgreSQL()),
        *(Spark(), 1000, 1, None, 1000),
    )
    engine = DuckDBEngine(connections)
    engine.map_table(PERSON, engine.find_table(PERSON))
    query = exp.select("person_id").from_(exp.table_("person", db="cdm"))
    assert engine.fetch(query, {}) == [(1,)]
    engine.close()


@pytest.fixture
def world() -> Iterator[Path]:
    """Return a folder below which only modes count: root reads everything, so it steps back."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def nobody() -> Iterator[None]:
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("closed", "mode", "error"),
    [
        ("cdm", 0o000, ConnectionFailedError),
        ("cdm", 0o444, CdmError),
        ("cdm/person", 0o000, CdmError),
        ("cdm/person/x", 0o000, CdmError),
        ("cdm/person/x", 0o444, CdmError),
    ],
)
def test_a_folder_that_cannot_be_read_is_named(
    world: Path, closed: str, mode: int, error: type[Exception]
) -> None:
    write(world / "cdm" / "person" / "x" / "a.parquet", person_id=[1])
    (world / closed).chmod(mode)
    try:
        with (
            nobody(),
            pytest.raises(error, match=rf"{closed}.* cannot be read \(Permission denied"),
        ):
            find(world / "cdm" / "person")
    finally:
        (world / closed).chmod(0o700)


def test_ids_in_floats_are_read_where_they_are_exact(folder: Path) -> None:
    write(folder / "a.parquet", person_id=pa.array([1, 2**24 - 1, 2.0**24], pa.float32()))
    write(folder / "b.parquet", person_id=[2.0**24 + 1, 2.0**53 - 1, 2.0**53])
    write(folder / "c.parquet", person_id=[2**53 + 1, 2**63 - 1])
    write(folder / "d.parquet", person_id=["2", " 9007199254740993 ", "x"])
    connections = Connections(
        *("duckdb", Cdm(url=str(folder.parent)), Results(url="results.duckdb"), PostgreSQL()),
        *(Spark(), 1000, 1, None, 1000),
    )
    engine = DuckDBEngine(connections)
    engine.map_table(PERSON, engine.find_table(PERSON))
    query = exp.select("person_id").from_(exp.table_("person", db="cdm"))
    ids = [row[0] for row in engine.fetch(query, {})]
    counts = engine.count_unreadable(PERSON)
    engine.close()
    exact = [1, 2, 2**24 - 1, 2**24 + 1, 2**53 - 1, 2**53 + 1, 2**53 + 1, 2**63 - 1]
    assert sorted(each for each in ids if each is not None) == exact
    assert ids.count(None) == 3
    assert counts == {"person_id": 3}


def test_moments_without_a_mark_of_time_zone_are_as_written(tmp_path: Path) -> None:
    table = pa.table({"x": pa.array([datetime(2026, 1, 1)], pa.timestamp("ns"))})
    file, types = tmp_path / "x.parquet", {}
    for is_int96 in (True, False):
        pq.write_table(table, file, use_deprecated_int96_timestamps=is_int96)
        (column,) = columns_of(pq.read_metadata(file))
        types[is_int96] = column.type
    assert types[True].is_utc
    assert not types[False].is_utc
    assert can_be_one(types[True], types[False])
