"""The scored patients of a run, as the population of a planned trial. Ids of persons stay here."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from omop_scorer import sql
from omop_scorer.errors import ResultsError
from omop_scorer.model.arrays import Floats
from omop_scorer.results.history import Run
from omop_scorer.results.row_counts import lost_rows
from omop_scorer.stores.base import ResultsReader
from omop_scorer.terms import COVARIATE_STATUSES
from omop_scorer.trials.population import Persons

#: `imputed` and `left_out`: statuses of a covariate without a record.
_WITHOUT_VALUE = COVARIATE_STATUSES[-2:]


def read_persons(
    reader: ResultsReader, run: Run, runs: Iterable[Run], covariates: Iterable[str]
) -> Persons:
    """Return the patients scored in a COMPLETE run, in an order that tells nothing.

    Parameters
    ----------
    reader
        The results.
    run
        The run.
    runs
        Every run.
    covariates
        Names of the covariates, in the order of the card that will score the patients.

    Raises
    ------
    ResultsError
        Rows of the run are missing, or the run has no covariate of that name.
    """
    where = f"{reader.where}: run {run.run_id}"
    if lost := lost_rows(reader, run, runs):
        raise ResultsError(
            *(f"{where} has changed since it was published: {each}" for each in lost)
        )
    persons = _read(reader, "scored_person", run_id=run.run_id)
    n = persons.num_rows
    if n != (run.n_scored or 0):
        raise ResultsError(
            f"{where}: the rows of its patients have been removed (keep_person_level_runs); choose "
            "a later run"
        )
    columns: dict[str, Floats] = {}
    without_value: dict[str, int] = {}
    for name in covariates:
        rows = _read(reader, "scored_covariate", run_id=run.run_id, covariate=name)
        if rows.num_rows == n and rows["person_id"].equals(persons["person_id"]):
            columns[name] = _numbers(rows["covariate_value"])
            is_missing = pc.is_in(rows["status"], value_set=pa.array(_WITHOUT_VALUE))
            if n_missing := pc.sum(is_missing).as_py():
                without_value[name] = n_missing
        else:
            columns[name] = np.empty(0)
    if missing := [name for name, values in columns.items() if len(values) != n]:
        raise ResultsError(
            f"{where}, of model {run.model_id}, has no covariate {', '.join(missing)} of every "
            "patient; choose a model card with the covariates of the run"
        )
    return Persons(
        values=np.column_stack([*columns.values()]),
        age=_numbers(persons["age"]),
        is_male=_numbers(persons["is_male"].cast(pa.int8())) == 1,
        missing=without_value,
    )


def _read(reader: ResultsReader, name: str, **parameters: object) -> pa.Table:
    (query,) = sql.find(f"history/{name}").statements()
    return reader.read(query, parameters).combine_chunks()


def _numbers(column: pa.ChunkedArray) -> Floats:
    numbers: Floats = column.cast(pa.float64()).to_numpy()
    return numbers
