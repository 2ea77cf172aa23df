"""Scoring of one batch of the patient matrix into rows of the results tables."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer import data_model
from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.load import Model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.scoring.preference import (
    PATIENT_PREFERENCE,
    groups_of,
    patient_score,
    preferred_classes,
)
from omop_scorer.scoring.tally import Patients, Tally
from omop_scorer.terms import STATUS_CODES, Uncertainty


def patient_preference(batch: pa.RecordBatch, model: Model, uncertainty: Uncertainty) -> pa.Table:
    """Return person_id and `preferred`, as in `patient_score`, for a batch of the matrix.

    Raises
    ------
    ScoringError
        As for `score_batch`.
    """
    values = read_patients(batch, model).values
    scores = score_patterns(values, model, uncertainty, with_response=False)
    preferred = pa.array([preferred_classes(label, model) for label in scores.labels])
    return pa.table(
        {
            "person_id": batch.column("person_id"),
            "preferred": preferred.take(pa.array(scores.label)),
        }
    ).cast(PATIENT_PREFERENCE)


def read_patients(batch: pa.RecordBatch, model: Model) -> Patients:
    """Return the covariates of a batch of the matrix.

    Raises
    ------
    ScoringError
        A value is missing but not left out, is left out but present, has no status or is there
        twice. The message holds counts only.
    """
    names = [covariate.name for covariate in model.card.covariates]
    n = len(batch)
    values = np.empty((len(names), n))
    recorded, imputed = np.empty((2, len(names), n), np.bool_)
    # A patient with more values than covariates has two of one covariate.
    n_wrong = int(np.maximum(batch.column("n_values").to_numpy() - len(names), 0).sum())
    for j, name in enumerate(names):
        column = batch.column(name)
        values[j] = column.to_numpy(zero_copy_only=False)
        status = batch.column(f"{name}_status").fill_null(0).to_numpy()
        has = {each: status == code for each, code in STATUS_CODES.items()}
        recorded[j], imputed[j] = has["observed"] | has["computed"], has["imputed"]
        # A value has exactly one status, and only a value that is left out is NULL.
        is_null = column.is_null().to_numpy(zero_copy_only=False)
        is_right = np.where(is_null, has["left_out"], recorded[j] | imputed[j] | has["absent"])
        n_wrong += int(np.count_nonzero(~is_right | (np.isnan(values[j]) & ~is_null)))
    if n_wrong:
        raise ScoringError(
            f"{n_wrong} covariate value(s) are missing, or do not have exactly one status"
        )
    return Patients(values.T, recorded.T, imputed.T)


def score_batch(
    batch: pa.RecordBatch, model: Model, uncertainty: Uncertainty, run_id: int, tally: Tally
) -> Iterator[tuple[str, pa.Table]]:
    """Score a batch of the matrix and yield the rows of `counterfactual` and `patient_subgroup`.

    Raises
    ------
    ScoringError
        As for `read_patients` and `score_patterns`.
    """
    patients = read_patients(batch, model)
    scores = score_patterns(patients.values, model, uncertainty)
    within = kernel.within_trial_range(patients.values, patients.recorded, model.arrays)
    analytic = tally.add(patients, scores, within, uncertainty)
    yield "counterfactual", _counterfactual_rows(batch, scores, model, run_id)
    n_imputed = patients.imputed.sum(axis=1)
    rows = _subgroup_rows(batch, n_imputed, scores, within, model, run_id)
    labels = pa.array(tally.labels, pa.string()).take(pa.array(analytic))
    schema = data_model.arrow_schema("patient_subgroup")
    yield "patient_subgroup", rows.append_column("subgroup_analytic", labels).cast(schema)


def score_and_count(
    batch: pa.RecordBatch, model: Model, uncertainty: Uncertainty, run_id: int
) -> tuple[dict[str, pa.Table], Tally]:
    """Score a batch of the matrix and return its rows, by table, and its counts.

    Raises
    ------
    ScoringError
        As for `score_batch`.
    """
    tally = Tally(model)
    rows = dict(score_batch(batch, model, uncertainty, run_id, tally))
    tables = {f"results.{table}": each for table, each in rows.items()}
    tables["work.patient_score"] = patient_score(rows["patient_subgroup"], model)
    return tables, tally


def _counterfactual_rows(
    batch: pa.RecordBatch, scores: kernel.Scores, model: Model, run_id: int
) -> pa.Table:
    keys = [drug_class.key for drug_class in model.arrays.classes]
    n, c = len(batch), len(keys)
    person = np.repeat(batch.column("person_id").to_numpy(), c)
    classes = pa.DictionaryArray.from_arrays(np.tile(np.arange(c, dtype=np.int32), n), keys)
    return pa.table(
        {
            "run_id": pa.array(np.full(n * c, run_id, np.int64)),
            "person_id": person,
            "drug_class": classes.cast(pa.string()),
            "attributable_effect": np.ascontiguousarray(scores.attributable_effect).ravel(),
            "standard_error": np.ascontiguousarray(scores.standard_error).ravel(),
            "expected_reduction": np.ascontiguousarray(scores.expected_reduction).ravel(),
            "response_probability": np.ascontiguousarray(scores.response_probability).ravel(),
            "preference_rank": np.ascontiguousarray(scores.preference_rank).ravel(),
        }
    ).cast(data_model.arrow_schema("counterfactual"))


def _subgroup_rows(
    batch: pa.RecordBatch,
    n_imputed: NDArray[np.int64],
    scores: kernel.Scores,
    within: NDArray[np.int8],
    model: Model,
    run_id: int,
) -> pa.Table:
    keys = pa.array([drug_class.key for drug_class in model.arrays.classes])
    groups = pa.array(groups_of(scores.labels, model))
    n, c = len(batch), len(keys)

    def class_at_rank(rank: int) -> pa.Array:
        if rank > c:
            return pa.nulls(n, pa.string())
        return keys.take(pa.array(scores.ranking[:, rank - 1].astype(np.int32)))

    def ruled_out() -> pa.Array:
        last = scores.ranking[:, c - 1].astype(np.int32)
        return keys.take(pa.array(last, mask=~scores.worst_class_ruled_out))

    def p_value(numbers: NDArray[np.float64]) -> pa.Array:
        return pa.array(numbers, mask=np.isnan(numbers))

    return pa.table(
        {
            "run_id": pa.array(np.full(n, run_id, np.int64)),
            "person_id": batch.column("person_id"),
            "subgroup": pa.array(scores.labels).take(pa.array(scores.label)),
            "first_class": class_at_rank(1),
            "second_class": class_at_rank(2),
            "third_class": class_at_rank(3),
            "p_first_second": p_value(scores.p_first_second),
            "p_second_third": p_value(scores.p_second_third),
            "p_first_third": p_value(scores.p_first_third),
            "worst_class_ruled_out": scores.worst_class_ruled_out,
            "placebo_effect": scores.placebo_effect,
            "age": batch.column("patient_age"),
            "is_male": batch.column("patient_is_male"),
            "n_imputed": n_imputed,
            "within_trial_range": pa.array(within == kernel.WITHIN, mask=within == kernel.UNKNOWN),
            "preference_group": groups.take(pa.array(scores.label)),
            "ruled_out_class": ruled_out(),
        }
    )
