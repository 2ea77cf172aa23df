"""The scored patients of a run, read from each kind of local results."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from omop_scorer import data_model
from omop_scorer.config.connections import Connections
from omop_scorer.config.run_file import RunConfig
from omop_scorer.errors import ResultsError
from omop_scorer.results import runs
from omop_scorer.results.history import list_runs, run_of
from omop_scorer.results.schema import migrate
from omop_scorer.results.scored_persons import read_persons
from omop_scorer.stores import open_results, open_store
from omop_scorer.stores.base import Store
from omop_scorer.trials.population import Persons

#: person_id, age, is male, crp (None: left out)
PATIENTS = [(30, 61, False, 4.5), (7, 33, True, None), (912, 50, False, 12.0)]


@pytest.fixture(params=["results.duckdb", "results/"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Connections:
    config = {"cdm": {"url": "none"}, "results": {"url": f"{tmp_path}/{request.param}"}}
    return RunConfig.model_validate(config).connections


@pytest.fixture
def store(settings: Connections) -> Iterator[Store]:
    with closing(open_store(settings)) as store:
        migrate(store)
        yield store


def publish(store: Store, run_id: int, patients: list, without_crp: tuple = ()) -> None:
    """Publish a run with the covariates age, male and crp."""
    words = dict.fromkeys(
        ("tool_version", "engine", "model_id", "model_sha256", "config_sha256"), "x"
    )
    words |= {"concept_sets_sha256": "x", "uncertainty": "bootstrap", "config_json": "{}"}
    with store.transaction():
        row = {"run_id": run_id, "as_of_date": date(2026, 1, run_id)}
        runs.record_run(store, row | {"started_at": datetime(2026, 1, 1, 3), **words})
        subgroups, covariates = [], []
        for person, age, is_male, crp in patients:
            subgroups.append(_subgroup(run_id, person, age, is_male))
            values = {"age": float(age), "male": float(is_male), "crp": crp}
            covariates += [
                {"run_id": run_id, "person_id": person, "covariate": name}
                | {"covariate_value": value, "status": "left_out" if value is None else "observed"}
                for name, value in values.items()
                if name != "crp" or person not in without_crp
            ]
        _append(store, "patient_subgroup", subgroups)
        # The rows of covariates are in another order than those of subgroups.
        _append(store, "patient_covariate", covariates[::-1])
        n = len(patients)
        runs.publish(store, run_id, n, n, "", {"scoring_run": 1, "patient_subgroup": n})


def _subgroup(run_id: int, person: int, age: int, is_male: bool) -> dict:
    row = {"run_id": run_id, "person_id": person, "subgroup": "x", "first_class": "x"}
    row |= {"second_class": "x", "p_first_second": 0.5, "worst_class_ruled_out": False}
    return row | {"placebo_effect": 1.0, "age": age, "is_male": is_male, "n_imputed": 0}


def _append(store: Store, table: str, rows: list) -> None:
    schema = data_model.arrow_schema(table)
    store.append(table, pa.Table.from_pylist(rows, schema=schema).to_batches())


def read(settings: Connections, which: str = "latest", *covariates: str) -> Persons:
    with open_results(settings) as reader:
        every = list_runs(reader)
        return read_persons(reader, run_of(every, which), every, covariates)


def test_values_stand_with_their_person(settings: Connections, store: Store) -> None:
    publish(store, 1, [(1, 20, True, 1.0)])
    publish(store, 2, PATIENTS)
    store.close()
    found = read(settings, "latest", "crp", "age")
    assert found.age.tolist() == [33, 61, 50]
    assert found.is_male.tolist() == [True, False, False]
    assert np.isnan(found.values[0, 0])
    assert found.values[1:, 0].tolist() == [4.5, 12.0]
    assert found.values[:, 1].tolist() == [33, 61, 50]
    assert found.missing == {"crp": 1}
    before = read(settings, "previous", "crp")
    assert before.values.tolist() == [[1.0]]
    assert before.missing == {}


def test_a_covariate_that_the_run_lacks_is_named(settings: Connections, store: Store) -> None:
    publish(store, 1, PATIENTS, without_crp=(912,))
    store.close()
    with pytest.raises(ResultsError, match="no covariate crp, cdai of every patient"):
        read(settings, "latest", "crp", "age", "cdai")


def test_rows_that_were_removed_are_missed(settings: Connections, store: Store) -> None:
    publish(store, 1, PATIENTS)
    with store.transaction():
        store.remove("patient_subgroup", [1])
    store.close()
    with pytest.raises(ResultsError, match=r"run 1 has changed|rows of its patients"):
        read(settings, "latest", "age")
