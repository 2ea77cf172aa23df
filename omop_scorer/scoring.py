"""From a batch of the patient matrix to rows of the results tables."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer import kernel, results
from omop_scorer.applicability import Applicability
from omop_scorer.errors import ScoringError
from omop_scorer.model import Model
from omop_scorer.sensitivity import Sensitivity
from omop_scorer.subgroups import first_group, label_set
from omop_scorer.variants import score_patterns

NO_PREFERENCE = "no_preference"

_PATIENT_SCORE = pa.schema(
    [
        ("person_id", pa.int64()),
        ("subgroup", pa.string()),
        ("preferred", pa.string()),
        ("n_imputed", pa.int32()),
        ("within_trial_range", pa.bool_()),
    ]
)


_PATIENT_PREFERENCE = pa.schema([("person_id", pa.int64()), ("preferred", pa.string())])


@dataclass(frozen=True, eq=False)
class Patients:
    """The covariates of n patients, (n, k) in the card's order, and how each was come by."""

    values: kernel.Floats
    """NaN where left out of the model."""
    recorded: NDArray[np.bool_]
    """Observed or computed."""
    imputed: NDArray[np.bool_]


class Tally:
    """Counts kept while patients stream by; those of parts add up to those of the whole."""

    def __init__(self, model: Model) -> None:
        self.sensitivity = Sensitivity(model)
        self.applicability = Applicability(model)
        self.labels = label_set([c.label for c in model.arrays.classes])
        self._by_label = np.zeros(len(self.labels), dtype=np.int64)
        self.n = 0
        self.n_worst_class_ruled_out = 0
        self.trial_range = {"within": 0, "outside": 0, "unknown": 0}

    def add(
        self,
        patients: Patients,
        scores: kernel.Scores,
        within: NDArray[np.int8],
        uncertainty: kernel.Uncertainty,
    ) -> None:
        """Count a batch, which `uncertainty` has scored."""
        self.sensitivity.add(patients.values, patients.imputed, scores, uncertainty)
        self.applicability.add(patients.values, patients.imputed, scores)
        self.n += len(scores.label)
        self._by_label += np.bincount(scores.label, minlength=len(self.labels))
        self.n_worst_class_ruled_out += int(scores.worst_class_ruled_out.sum())
        for name, state in (
            ("within", kernel.WITHIN),
            ("outside", kernel.OUTSIDE),
            ("unknown", kernel.UNKNOWN),
        ):
            self.trial_range[name] += int((within == state).sum())

    def update(self, other: "Tally") -> None:
        """Add what another, of the same model, has counted."""
        self.sensitivity.update(other.sensitivity)
        self.applicability.update(other.applicability)
        self.n += other.n
        self._by_label += other._by_label
        self.n_worst_class_ruled_out += other.n_worst_class_ruled_out
        for state, n in other.trial_range.items():
            self.trial_range[state] += n

    def subgroups(self) -> dict[str, int]:
        """Persons by label, those that occur, most frequent first."""
        counts = [(label, int(n)) for label, n in zip(self.labels, self._by_label, strict=True)]
        return dict(sorted((c for c in counts if c[1]), key=lambda c: (-c[1], c[0])))

    def tables(self, run_id: int) -> Iterator[tuple[str, pa.Table]]:
        """Yield the tables of counts about all patients, by name; also when there are none."""
        yield "uncertainty_comparison", self.sensitivity.uncertainty_comparison(run_id)
        yield "label_check", self.sensitivity.label_check(run_id)
        yield "imputation_sensitivity", self.sensitivity.imputation_sensitivity(run_id)
        yield "covariate_summary", self.applicability.covariate_summary(run_id)
        yield "histogram", self.applicability.histogram(run_id)


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
            "within_trial_range": subgroups["within_trial_range"],
        }
    ).cast(_PATIENT_SCORE)


def no_patient_preference() -> pa.Table:
    """Return what `patient_preference` returns, of nobody."""
    return _PATIENT_PREFERENCE.empty_table()


def patient_preference(
    batch: pa.RecordBatch, model: Model, uncertainty: kernel.Uncertainty
) -> pa.Table:
    """Return person_id and `preferred`, as in `patient_score`, for a batch of the matrix.

    Raises
    ------
    ScoringError
        As for `score_batch`.
    """
    values = read_patients(batch, model).values
    scores = score_patterns(values, model, uncertainty, with_response=False)
    preferred = pa.array([_preferred(label, model) for label in scores.labels])
    return pa.table(
        {
            "person_id": batch.column("person_id"),
            "preferred": preferred.take(pa.array(scores.label)),
        }
    ).cast(_PATIENT_PREFERENCE)


def _preferred(label: str, model: Model) -> str:
    keys = {drug_class.label: drug_class.key for drug_class in model.arrays.classes}
    first = first_group(label).split(" = ")
    return NO_PREFERENCE if len(first) == len(keys) else " = ".join(keys[name] for name in first)


def read_patients(batch: pa.RecordBatch, model: Model) -> Patients:
    """Return the covariates of a batch of the matrix.

    Raises
    ------
    ScoringError
        A value is missing without being left out, or the other way round. Counts only.
    """
    names = [covariate.name for covariate in model.card.covariates]
    n = len(batch)
    values = np.empty((len(names), n))
    recorded, absent, imputed = np.empty((3, len(names), n), np.bool_)
    n_wrong = 0
    for j, name in enumerate(names):
        column = batch.column(name)
        values[j] = column.to_numpy(zero_copy_only=False)
        for state, flags in (("recorded", recorded), ("absent", absent), ("imputed", imputed)):
            flags[j] = batch.column(f"{name}_is_{state}").to_numpy(zero_copy_only=False)
        # One state each; none at all is the mark of a value that is left out, which is NULL.
        n_states = recorded[j].astype(np.int8) + absent[j] + imputed[j]
        is_null = column.is_null().to_numpy(zero_copy_only=False)
        is_wrong = (n_states != np.where(is_null, 0, 1)) | (np.isnan(values[j]) & ~is_null)
        n_wrong += int(np.count_nonzero(is_wrong))
    if n_wrong:
        raise ScoringError(f"{n_wrong} covariate value(s) are missing, or in no one state")
    return Patients(values.T, recorded.T, imputed.T)


def score_batch(
    batch: pa.RecordBatch, model: Model, uncertainty: kernel.Uncertainty, run_id: int, tally: Tally
) -> Iterator[tuple[str, pa.Table]]:
    """Score a batch of the matrix; yield rows for `counterfactual` and `patient_subgroup`.

    Raises
    ------
    ScoringError
        As for `read_patients` and `score_patterns`.
    """
    patients = read_patients(batch, model)
    scores = score_patterns(patients.values, model, uncertainty)
    within = kernel.within_trial_range(patients.values, patients.recorded, model.arrays)
    tally.add(patients, scores, within, uncertainty)
    yield "counterfactual", _counterfactual_rows(batch, scores, model, run_id)
    yield "patient_subgroup", _subgroup_rows(batch, scores, within, model, run_id)


def score_and_count(
    batch: pa.RecordBatch, model: Model, uncertainty: kernel.Uncertainty, run_id: int
) -> tuple[dict[str, pa.Table], Tally]:
    """Return the rows that a batch of the matrix adds to each table, and its counts.

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
