"""A made-up CDM at the size of a warehouse, made small."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from omop_scorer.errors import ConfigurationError
from omop_scorer.synthetic import events as synthetic_events
from omop_scorer.synthetic import write as synthetic

PERSONS, SEED, PER_PERSON, AS_OF = 3000, 8, 40, date(2025, 6, 15)
#: Table -> its columns of the concept, the first day and the row id.
EVENTS = {
    "measurement": ("measurement_concept_id", "measurement_date", "measurement_id"),
    "observation": ("observation_concept_id", "observation_date", "observation_id"),
    "condition_occurrence": (
        *("condition_concept_id", "condition_start_date", "condition_occurrence_id"),
    ),
    "drug_exposure": ("drug_concept_id", "drug_exposure_start_date", "drug_exposure_id"),
    "visit_occurrence": ("visit_concept_id", "visit_start_date", "visit_occurrence_id"),
}
SOURCED = [table for table in EVENTS if table != "visit_occurrence"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[synthetic.Summary]:
    path = tmp_path_factory.mktemp("warehouse") / "cdm"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(synthetic_events, "_ROWS_OF_A_BATCH", 100_000)
        yield synthetic.write(
            path, PERSONS, SEED, as_of=AS_OF, events_per_person=PER_PERSON, threads=1
        )


@pytest.fixture(scope="module")
def cdm(written: synthetic.Summary) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for path in written.cdm.iterdir():
            files = path / "*.parquet" if path.is_dir() else path
            connection.execute(f"CREATE VIEW {path.stem} AS FROM '{files}'")
        connection.execute(f"CREATE TABLE cohort AS FROM '{written.truth}'")
        yield connection


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> synthetic.Summary:
    path = tmp_path_factory.mktemp("small") / "cdm"
    return synthetic.write(path, 300, SEED, events_per_person=40)


def value(cdm: duckdb.DuckDBPyConnection, query: str) -> float:
    ((found,),) = cdm.execute(query).fetchall()
    return found


def contents(folder: Path) -> dict[Path, bytes]:
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_threads_change_no_byte(written: synthetic.Summary, tmp_path: Path) -> None:
    other = synthetic.write(
        *(tmp_path / "cdm", PERSONS, SEED), as_of=AS_OF, events_per_person=PER_PERSON, threads=4
    )
    assert contents(other.cdm) == contents(written.cdm)
    assert other.truth.read_bytes() == written.truth.read_bytes()
    assert len(list((written.cdm / "measurement").iterdir())) == 2


def test_a_file_has_the_rows_of_the_folder(small: synthetic.Summary, tmp_path: Path) -> None:
    made = synthetic.write(tmp_path / "cdm.duckdb", 300, SEED, events_per_person=40)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{made.cdm}' AS made (READ_ONLY)")
        for table, n in small.n_rows.items():
            path = small.cdm / table
            files = path / "*.parquet" if path.is_dir() else path.with_suffix(".parquet")
            folder, file = (
                connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {of} t").fetchall()
                for of in (f"'{files}'", f"made.cdm.{table}")
            )
            assert folder == file, table
            assert folder[0][0] == n == made.n_rows[table]


def test_another_seed_draws_other_events(small: synthetic.Summary, tmp_path: Path) -> None:
    other = synthetic.write(tmp_path / "cdm", 300, SEED + 1, events_per_person=40)
    same = f"""SELECT avg(CAST(one.measurement_concept_id = two.measurement_concept_id AS INT))
        FROM '{small.cdm}/measurement/*.parquet' one
        JOIN '{other.cdm}/measurement/*.parquet' two USING (measurement_id)
        WHERE one.visit_occurrence_id IS NOT NULL AND two.visit_occurrence_id IS NOT NULL"""
    ((share,),) = duckdb.execute(same).fetchall()
    assert 0 < share < 0.1


def test_events_are_as_many_as_asked(
    written: synthetic.Summary, cdm: duckdb.DuckDBPyConnection
) -> None:
    n = {table: value(cdm, f"SELECT count(*) FROM {table}") for table in EVENTS}
    assert n == {table: written.n_rows[table] for table in EVENTS}
    assert sum(n.values()) / PERSONS == pytest.approx(PER_PERSON, rel=0.03)
    assert n["measurement"] / sum(n.values()) == pytest.approx(0.67, abs=0.05)


def test_few_persons_and_few_concepts_have_most_events(cdm: duckdb.DuckDBPyConnection) -> None:
    for column, share in (("person_id", 0.25), ("measurement_concept_id", 0.6)):
        rows = cdm.execute(f"SELECT count(*) FROM measurement GROUP BY {column}").fetchall()
        counts = np.sort([n for (n,) in rows])[::-1]
        assert counts[: len(counts) // 20].sum() > share * counts.sum(), column
        assert counts.max() > 10 * np.median(counts), column


def test_persons_with_the_disease_have_more_events(cdm: duckdb.DuckDBPyConnection) -> None:
    inside, outside = (
        value(cdm, f"SELECT count(*) / count(DISTINCT person_id) FROM measurement {join} JOIN "
                   "cohort USING (person_id) WHERE measurement_source_value IS NOT NULL")
        for join in ("SEMI", "ANTI")
    )  # fmt: skip
    assert 1.3 < inside / outside < 2.6


@pytest.mark.parametrize("table", EVENTS)
def test_rows_are_numbered_once_and_lie_by_date(
    cdm: duckdb.DuckDBPyConnection, written: synthetic.Summary, table: str
) -> None:
    _, day, row_id = EVENTS[table]
    # Exact duplicates of a chart's rows have its id.
    rows = value(cdm, f"SELECT count(*) FROM (SELECT DISTINCT * FROM {table})")
    assert value(cdm, f"SELECT count(DISTINCT {row_id}) FROM {table}") == rows
    for part in sorted((written.cdm / table).iterdir()):
        days = [d for (d,) in cdm.execute(f"SELECT {day} FROM '{part}'").fetchall()]
        assert days == sorted(days)


@pytest.mark.parametrize("table", SOURCED)
def test_further_events_happen_in_visits_of_their_persons(
    cdm: duckdb.DuckDBPyConnection, table: str
) -> None:
    _, day, _ = EVENTS[table]
    drawn = f"FROM {table} e WHERE e.visit_occurrence_id IS NOT NULL"
    n = value(cdm, f"SELECT count(*) {drawn}")
    in_visits = value(cdm, f"""SELECT count(*) FROM {table} e JOIN visit_occurrence v
        USING (visit_occurrence_id, person_id)
        WHERE e.{day} BETWEEN v.visit_start_date AND v.visit_end_date""")  # fmt: skip
    assert n == in_visits > 1000
    assert value(cdm, f"SELECT max({day}) {drawn}") <= AS_OF
    lived = f"""SELECT count(*) FROM {table} e JOIN person p USING (person_id)
        LEFT JOIN death d ON d.person_id = p.person_id AND d.death_date <= DATE '{AS_OF}'
        WHERE e.visit_occurrence_id IS NOT NULL
        AND (year(e.{day}) < p.year_of_birth OR e.{day} > d.death_date)"""
    assert value(cdm, lived) == 0


@pytest.mark.parametrize("table", SOURCED)
def test_concepts_are_those_of_the_vocabulary(cdm: duckdb.DuckDBPyConnection, table: str) -> None:
    concept, _, _ = EVENTS[table]
    drawn = f"(FROM {table} WHERE visit_occurrence_id IS NOT NULL)"
    assert value(cdm, f"SELECT count(DISTINCT {concept}) FROM {drawn}") > 200
    unknown = f"FROM {drawn} ANTI JOIN concept ON concept_id = {concept}"
    assert value(cdm, f"SELECT count(*) {unknown}") == 0


def test_the_rules_concepts_are_everywhere_but_where_they_would_count(
    cdm: duckdb.DuckDBPyConnection,
) -> None:
    weights = """FROM measurement WHERE visit_occurrence_id IS NOT NULL
        AND measurement_concept_id = 3025315"""
    recent = f"{weights} AND measurement_date > DATE '{AS_OF}' - 731"
    inside, outside = "SEMI JOIN cohort USING (person_id)", "ANTI JOIN cohort USING (person_id)"
    assert value(cdm, f"SELECT count(*) FROM ({recent}) {outside}") > 100
    assert value(cdm, f"SELECT count(*) FROM ({weights}) {inside}") > 100
    assert value(cdm, f"SELECT count(*) FROM ({recent}) {inside}") == 0


def test_the_cohort_lies_among_the_others(
    cdm: duckdb.DuckDBPyConnection, written: synthetic.Summary
) -> None:
    for part in sorted((written.cdm / "measurement").iterdir()):
        is_cohort = np.array(
            cdm.execute(f"""SELECT c.person_id IS NOT NULL
                FROM (SELECT person_id, file_row_number AS i FROM read_parquet('{part}',
                  file_row_number = TRUE)) LEFT JOIN cohort c USING (person_id)
                ORDER BY i""").fetchall()
        ).ravel()  # fmt: skip
        thousands = [is_cohort[i : i + 1000].mean() for i in range(0, len(is_cohort) - 999, 1000)]
        assert 0.1 < min(thousands) < max(thousands) < 0.9


def test_one_form_replaces_the_other(tmp_path: Path) -> None:
    path = tmp_path / "cdm"
    for per_person in (0, 20, 0):
        synthetic.write(path, 20, 1, events_per_person=per_person, overwrite=True)
        names = {p.name for p in path.iterdir()}
        assert len(names) == 14
        assert ("measurement" in names) == (per_person > 0)
        assert "concept.parquet" in names


@pytest.mark.parametrize("name", ["cdm", "cdm.duckdb"])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, name: str) -> None:
    def stop(done: int, total: int) -> None:
        assert (done, total) == (20, 20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthetic.write(tmp_path / name, 20, 1, events_per_person=20, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("persons", "arguments", "named"),
    [
        (1, {"events_per_person": 5}, "events_per_person is 5; it must be 0, or 20 to 2000"),
        (1, {"events_per_person": 2001}, "events_per_person is 2001"),
        (1, {"events_per_person": float("nan")}, "events_per_person is nan"),
        (10**8, {"events_per_person": 80}, "persons is 100000000; with 80 events per person"),
        (1, {"events_per_person": 80, "threads": 0}, "threads is 0; it must be 1 or more"),
    ],
)
def test_impossible_arguments_are_refused(
    tmp_path: Path, persons: int, arguments: dict[str, float], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        synthetic.write(tmp_path / "cdm", persons, 1, **arguments)
    assert list(tmp_path.iterdir()) == []
