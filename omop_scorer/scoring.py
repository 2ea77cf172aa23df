"""From a batch of the patient matrix to rows of the results tables."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer import kernel, results
from omop_scorer.errors import ScoringError
from omop_scorer.model import Model
from omop_scorer.subgroups import first_group, label_set

NO_PREFERENCE = "no_preference"

_PATIENT_SCORE = pa.schema(
    [
        ("person_id", pa.int64()),
        ("subgroup", pa.string()),
        ("preferred", pa.string()),
        ("n_imputed", pa.int32()),
    ]
)


class Tally:
    """Counts kept while patients stream by."""

    def __init__(self, model: Model) -> None:
        self.labels = label_set([c.label for c in model.arrays.classes])
        self._by_label = np.zeros(len(self.labels), dtype=np.int64)
        self.n = 0
        self.n_worst_class_ruled_out = 0
        self.trial_range = {"within": 0, "outside": 0, "unknown": 0}

    def add(self, scores: kernel.Scores, within: NDArray[np.int8]) -> None:
        """Count a batch."""
        self.n += len(scores.label)
        self._by_label += np.bincount(scores.label, minlength=len(self.labels))
        self.n_worst_class_ruled_out += int(scores.worst_class_ruled_out.sum())
        for name, state in (
            ("within", kernel.WITHIN),
            ("outside", kernel.OUTSIDE),
            ("unknown", kernel.UNKNOWN),
        ):
            self.trial_range[name] += int((within == state).sum())

    def subgroups(self) -> dict[str, int]:
        """Persons by label, those that occur, most frequent first."""
        counts = [(label, int(n)) for label, n in zip(self.labels, self._by_label, strict=True)]
        return dict(sorted((c for c in counts if c[1]), key=lambda c: (-c[1], c[0])))


def no_patient_score() -> pa.Table:
    """Return `work.patient_score` of nobody: what the audits need to know of a score."""
    return _PATIENT_SCORE.empty_table()


def patient_score(subgroups: pa.Table, model: Model) -> pa.Table:
    """Return rows of `work.patient_score` for rows of `patient_subgroup`.

    `preferred` holds the keys of the classes that the label puts first, joined by " = ", or
    NO_PREFERENCE when no class comes after them.
    """
    labels = subgroups["subgroup"].combine_chunks().dictionary_encode()
    preferred = pa.array([_preferred(label.as_py(), model) for label in labels.dictionary])
    return pa.table(
        {
            "person_id": subgroups["person_id"],
            "subgroup": subgroups["subgroup"],
            "preferred": preferred.cast(pa.string()).take(labels.indices),
            "n_imputed": subgroups["n_imputed"],
        }
    ).cast(_PATIENT_SCORE)


def _preferred(label: str, model: Model) -> str:
    keys = {drug_class.label: drug_class.key for drug_class in model.arrays.classes}
    first = first_group(label).split(" = ")
    return NO_PREFERENCE if len(first) == len(keys) else " = ".join(keys[name] for name in first)


def score_batch(
    batch: pa.RecordBatch, model: Model, uncertainty: kernel.Uncertainty, run_id: int, tally: Tally
) -> Iterator[tuple[str, pa.Table]]:
    """Score a batch of the matrix; yield rows for `counterfactual` and `patient_subgroup`."""
    names = [covariate.name for covariate in model.card.covariates]
    columns = [batch.column(name) for name in names]
    n_missing = sum(column.null_count for column in columns)
    if n_missing:
        raise ScoringError(f"{n_missing} covariate value(s) are missing after imputation")
    values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
    recorded = np.column_stack(
        [batch.column(f"{name}_is_recorded").to_numpy(zero_copy_only=False) for name in names]
    ).astype(bool)
    scores = kernel.score(values, model.arrays, uncertainty)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    tally.add(scores, within)
    yield "counterfactual", _counterfactual_rows(batch, scores, model, run_id)
    yield "patient_subgroup", _subgroup_rows(batch, scores, within, model, run_id)


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
    ).cast(results.arrow_schema("counterfactual"))


def _subgroup_rows(
    batch: pa.RecordBatch,
    scores: kernel.Scores,
    within: NDArray[np.int8],
    model: Model,
    run_id: int,
) -> pa.Table:
    keys = pa.array([drug_class.key for drug_class in model.arrays.classes])
    n, c = len(batch), len(keys)

    def place(number: int) -> pa.Array:
        if number >= c:
            return pa.nulls(n, pa.string())
        return keys.take(pa.array(scores.ranking[:, number].astype(np.int32)))

    def p_value(numbers: NDArray[np.float64]) -> pa.Array:
        return pa.array(numbers, mask=np.isnan(numbers))

    return pa.table(
        {
            "run_id": pa.array(np.full(n, run_id, np.int64)),
            "person_id": batch.column("person_id"),
            "subgroup": pa.array(scores.labels).take(pa.array(scores.label)),
            "first_class": place(0),
            "second_class": place(1),
            "third_class": place(2),
            "p_first_second": p_value(scores.p_first_second),
            "p_second_third": p_value(scores.p_second_third),
            "p_first_third": p_value(scores.p_first_third),
            "worst_class_ruled_out": scores.worst_class_ruled_out,
            "placebo_effect": scores.placebo_effect,
            "age": batch.column("patient_age"),
            "is_male": batch.column("patient_is_male"),
            "n_imputed": batch.column("n_imputed").cast(pa.int64()),
            "within_trial_range": pa.array(within == kernel.WITHIN, mask=within == kernel.UNKNOWN),
        }
    ).cast(results.arrow_schema("patient_subgroup"))
