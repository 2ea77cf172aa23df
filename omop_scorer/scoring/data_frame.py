"""Scoring of a pandas DataFrame of patients, by the rules of a CSV file of patients."""

from collections.abc import Sequence, Set

import pandas as pd
import pyarrow as pa

from omop_scorer import data_model
from omop_scorer.errors import ScoringError
from omop_scorer.model.load import Model
from omop_scorer.scoring.patient import BATCH_ROWS, cell_text
from omop_scorer.scoring.score_columns import (
    BadRows,
    CovariateColumn,
    find_columns,
    no_patients,
    read_columns,
    refusals_of,
    score_columns,
)
from omop_scorer.terms import Uncertainty

#: Name of the input in messages.
_SOURCE = "frame"


def score_frame(
    frame: pd.DataFrame,
    model: Model,
    uncertainty: Uncertainty = "bootstrap",
    excluded: Set[str] = frozenset(),
    *,
    strict: bool = False,
) -> pd.DataFrame:
    """Score a data frame of n patients, and return it with the columns of the scores.

    Parameters
    ----------
    frame
        One row per patient, with the columns of the card in any order and letter case. It is not
        changed.
    model, uncertainty, excluded
        As for `score_patient`.
    strict
        A value outside its limits makes its row invalid; otherwise `out_of_range` names its column,
        and the patient has no scores.

    Returns
    -------
    pandas.DataFrame
        n rows: index and columns of the frame, then those that `score_csv` adds, with the data
        types of `data_model.data_frame`.

    Raises
    ------
    ScoringError
        The input is no data frame, a column is missing, or rows are invalid. The message names each
        invalid row by its number, from 0 on, and never contains a value or a label of the index.
    """
    if not isinstance(frame, pd.DataFrame):
        raise ScoringError(f"{_SOURCE}: found {type(frame).__name__}; allowed: a pandas DataFrame")
    covariates = model.card.covariates
    scores = [score_columns(model, uncertainty, excluded, *no_patients(covariates))]
    columns = find_columns(_SOURCE, frame.columns, covariates, scores[0])
    bad_rows = BadRows()
    for start in range(0, len(frame), BATCH_ROWS):
        rows = frame.iloc[start : start + BATCH_ROWS]
        cells = [[*map(cell_text, rows.iloc[:, column.position].array)] for column in columns]
        patients = read_columns(columns, cells, strict=strict)
        if patients is None:
            _add_bad_rows(bad_rows, cells, columns, start, strict)
        elif not bad_rows.n:
            scores.append(score_columns(model, uncertainty, excluded, *patients))
    bad_rows.refuse(_SOURCE, "rows are counted from 0; nothing was scored")
    added = data_model.data_frame(pa.concat_tables(map(pa.table, scores)))
    return pd.concat([frame, added.set_axis(frame.index)], axis="columns")


def _add_bad_rows(
    bad_rows: BadRows,
    cells: Sequence[Sequence[str]],
    columns: Sequence[CovariateColumn],
    start: int,
    strict: bool,
) -> None:
    for row, texts in enumerate(zip(*cells, strict=True), start):
        refusals = refusals_of(columns, texts, strict=strict)
        if refusals:
            bad_rows.add(f"row {row}", *refusals)
