"""The run that readers see: withdrawal, retention, clocks, and rows that are lost."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from omop_scorer import data_model, sql
from omop_scorer.config.connections import Connections
from omop_scorer.config.run_file import RunConfig
from omop_scorer.errors import ResultsError
from omop_scorer.results import runs
from omop_scorer.results.answer import Answer, answer_of, withdraw_run
from omop_scorer.results.health import Health, look
from omop_scorer.results.history import Run, find_run, list_runs
from omop_scorer.results.row_counts import lost_rows, refuse_lost_rows, refuse_unpublished
from omop_scorer.results.schema import migrate
from omop_scorer.stores import open_results, open_store
from omop_scorer.stores.base import Store

NOW = datetime(2026, 11, 29, 3, 0)
MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, day) for day in (23, 24, 25))


@pytest.fixture(params=["results.duckdb", "results/"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Connections:
    """Results in a file and in a folder."""
    config = {"cdm": {"url": "none"}, "results": {"url": f"{tmp_path}/{request.param}"}}
    return RunConfig.model_validate(config).connections


@pytest.fixture
def store(settings: Connections) -> Iterator[Store]:
    """Results with an empty schema."""
    with closing(open_store(settings)) as store:
        migrate(store)
        yield store


def record(store: Store, run_id: int, as_of: date, *, at: datetime = NOW, n: int = 2) -> None:
    """Publish a run of so many patients, each with one row."""
    words = dict.fromkeys(
        ("tool_version", "engine", "model_id", "model_sha256", "config_sha256"), "x"
    )
    words |= {"concept_sets_sha256": "x", "uncertainty": "bootstrap", "config_json": "{}"}
    row = {"run_id": run_id, "as_of_date": as_of, "started_at": at, **words}
    with store.transaction():
        runs.record_run(store, row)
        put(store, run_id, *range(n))
        written = {"scoring_run": 1, "treatment_line": n, "patient_subgroup": 0}
        refuse_lost_rows(store, run_id, written)
        runs.publish(store, run_id, 9, n, "", written)
        refuse_unpublished(store, run_id)


def put(store: Store, run_id: int, *persons: int) -> None:
    """Append one row per person."""
    rows = [
        {"run_id": run_id, "person_id": person, "line_number": 1, "drug": "x", "drug_class": "x"}
        | {"start_date": MONDAY}
        for person in persons
    ]
    schema = data_model.arrow_schema("treatment_line")
    store.append("treatment_line", pa.Table.from_pylist(rows, schema=schema).to_batches())


def seen(settings: Connections, at: datetime | None = None) -> tuple[list[Run], Health]:
    """Return the runs and their health, as a reader gets them."""
    with open_results(settings) as reader:
        return list_runs(reader), look(reader, at or runs.utc_now(), timedelta(hours=26))


def test_a_withdrawn_run_is_skipped(settings: Connections, store: Store) -> None:
    record(store, 1, MONDAY)
    record(store, 2, WEDNESDAY)
    record(store, 3, TUESDAY)
    assert answer_of(store) == Answer(2, WEDNESDAY)
    (run,) = (each for each in list_of(settings, store) if each.run_id == 2)
    assert withdraw_run(store, run, "mistyped") == Answer(3, TUESDAY)
    store.close()
    found, health = seen(settings)
    states = {run.run_id: (run.status, run.is_latest, run.message) for run in found}
    assert states == {
        1: ("COMPLETE", False, None),
        2: ("WITHDRAWN", False, "mistyped"),
        3: ("COMPLETE", True, None),
    }
    assert [(run.n_cohort, run.n_scored) for run in found] == [(9, 2)] * 3
    assert health.problems == ()
    with open_results(settings) as reader:
        assert find_run(reader, "latest").run_id == 3
        assert find_run(reader, "previous").run_id == 1
        with pytest.raises(ResultsError, match=r"run 2 was withdrawn \(mistyped\)"):
            find_run(reader, 2)
        columns = "run_id, as_of_date, item, n_persons, n_population"
        trend = sql.parse(f"SELECT {columns} FROM results.run_trend ORDER BY run_id")
        rows = [tuple(row.values()) for row in reader.read(trend, {}).to_pylist()]
    assert rows == [(1, MONDAY, "all", 2, 9), (3, TUESDAY, "all", 2, 9)]


def list_of(settings: Connections, store: Store) -> list[Run]:
    """Return the runs while the store is open: a file is closed for a moment."""
    if settings.store == "folder":
        with open_results(settings) as reader:
            return list_runs(reader)
    query = "SELECT run_id, as_of_date FROM results.scoring_run"
    return [made_up(int(str(n)), day) for n, day in store.fetch(sql.parse(query), {})]


def made_up(run_id: int, as_of: object) -> Run:
    """Return a COMPLETE run as the list of runs has it."""
    assert isinstance(as_of, date)
    texts = ("x",) * 6
    return Run(
        run_id, as_of, NOW, NOW, "COMPLETE", *texts, None, None, None, None, "{}", 9, 2, None
    )


def test_a_run_is_withdrawn_once(store: Store) -> None:
    record(store, 1, MONDAY)
    assert withdraw_run(store, made_up(1, MONDAY), "wrong") is None
    with pytest.raises(ResultsError, match="run 1 is WITHDRAWN already"):
        withdraw_run(store, made_up(1, MONDAY), "wrong")


def test_retention_does_not_count_withdrawn_runs(store: Store) -> None:
    for run_id, day in enumerate((MONDAY, TUESDAY, WEDNESDAY), start=1):
        record(store, run_id, day)
    withdraw_run(store, made_up(3, WEDNESDAY), "wrong")
    runs.retain(store, 1, 2)
    query = sql.parse("SELECT DISTINCT run_id FROM results.treatment_line")
    assert store.fetch(query, {}) == [(2,)]


def test_withdrawn_runs_keep_their_rows_until_then(store: Store) -> None:
    record(store, 1, MONDAY)
    withdraw_run(store, made_up(1, MONDAY), "wrong")
    assert runs.clear_unfinished(store) == []
    query = sql.parse("SELECT COUNT(*) AS n FROM results.treatment_line")
    assert store.fetch(query, {}) == [(2,)]


def test_readers_who_do_not_see_the_last_run(settings: Connections, store: Store) -> None:
    record(store, 1, WEDNESDAY)
    record(store, 2, TUESDAY)
    store.close()
    (problem,) = seen(settings)[1].problems
    assert "readers see run 1, as of 2026-11-25, and not the last completed run, 2" in problem
    assert "omop-scorer withdraw 1" in problem


@pytest.mark.parametrize(("ahead", "is_wrong"), [(0, False), (1, False), (2, True), (9999, True)])
def test_an_answer_as_of_the_future(
    settings: Connections, store: Store, ahead: int, is_wrong: bool
) -> None:
    now = runs.utc_now()
    record(store, 1, now.date() + timedelta(days=ahead))
    store.close()
    problems = seen(settings, now)[1].problems
    assert ["after today" in each for each in problems] == [True] * is_wrong


@pytest.mark.parametrize(("ahead", "is_refused"), [(-3600, False), (0, False), (3600, True)])
def test_a_clock_that_goes_back(store: Store, ahead: int, is_refused: bool) -> None:
    record(store, 1, MONDAY, at=NOW + timedelta(seconds=ahead))
    if not is_refused:
        runs.refuse_clock_gone_back(store, NOW)
        return
    with pytest.raises(ResultsError, match="the clock of this machine shows 2026-11-29 03:00 UTC"):
        runs.refuse_clock_gone_back(store, NOW)
    withdraw_run(store, made_up(1, MONDAY), "clock")
    runs.refuse_clock_gone_back(store, NOW)


def test_run_ids_grow_whatever_the_clock_shows(store: Store) -> None:
    record(store, 2099_05_05_02_30_00_00, MONDAY)
    assert runs.new_run_id(store, NOW) == 2099_05_05_02_30_00_01


@pytest.mark.parametrize("persons", [(), (0,), (0, 1, 2), (0, 0, 1)])
def test_rows_that_differ_from_those_written_refuse_the_run(
    store: Store, persons: tuple[int, ...]
) -> None:
    put(store, 1, *persons)
    with pytest.raises(ResultsError, match=f"2 rows were written and {len(persons)} are found"):
        refuse_lost_rows(store, 1, {"treatment_line": 2})


def test_a_status_that_is_not_found_refuses_the_run(store: Store) -> None:
    with pytest.raises(ResultsError, match="COMPLETE was written and is found 0 times"):
        refuse_unpublished(store, 1)


@pytest.mark.parametrize("change", ["lost", "doubled", "added", "whole"])
def test_rows_lost_after_complete_are_found(
    settings: Connections, store: Store, change: str
) -> None:
    record(store, 1, MONDAY)
    if change in ("lost", "doubled"):
        store.remove("treatment_line", [1])
    put(store, 1, *{"lost": (), "doubled": (0, 1, 1), "added": (7,), "whole": ()}[change])
    store.close()
    problems = seen(settings)[1].problems
    n = {"lost": 0, "doubled": 3, "added": 3, "whole": 2}[change]
    said = [each for each in problems if "table treatment_line" in each]
    assert [f"2 rows were written and {n} are found" in each for each in said] == [True] * (n != 2)


def test_rows_that_retention_removed_are_not_lost(settings: Connections, store: Store) -> None:
    record(store, 1, MONDAY)
    record(store, 2, TUESDAY)
    runs.retain(store, 1, 2)
    store.close()
    with open_results(settings) as reader:
        first, second = sorted(list_runs(reader), key=lambda run: run.run_id)
        assert lost_rows(reader, second, [first, second]) == []
        assert len(lost_rows(reader, first, [first, second])) == 1
        limited = Run(**{**vars(second), "config_json": '{"keep_person_level_runs": 1}'})
        assert lost_rows(reader, first, [first, limited]) == []
