"""The preferred drug classes of each patient, as input of the audits."""

import pyarrow as pa

from omop_scorer.model.load import Model
from omop_scorer.model.subgroups import first_group
from omop_scorer.terms import EQUALLY, NO_PREFERENCE

_PATIENT_SCORE = pa.schema(
    [
        ("person_id", pa.int64()),
        ("subgroup", pa.string()),
        ("preferred", pa.string()),
        ("n_imputed", pa.int32()),
        ("within_trial_range", pa.bool_()),
    ]
)

PATIENT_PREFERENCE = pa.schema([("person_id", pa.int64()), ("preferred", pa.string())])


def no_patient_score() -> pa.Table:
    """Return an empty `work.patient_score`, so that the audits can join it if nobody is scored."""
    return _PATIENT_SCORE.empty_table()


def patient_score(subgroups: pa.Table, model: Model) -> pa.Table:
    """Return rows of `work.patient_score` for rows of `patient_subgroup`.

    `preferred` holds the keys of the classes that the label ranks first, joined by EQUALLY, or
    NO_PREFERENCE if it ranks all classes equal.
    """
    labels = subgroups["subgroup"].combine_chunks().dictionary_encode()
    preferred = pa.array([preferred_classes(label.as_py(), model) for label in labels.dictionary])
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
    """Return an empty table with the columns of `patient_preference`."""
    return PATIENT_PREFERENCE.empty_table()


def preferred_classes(label: str, model: Model) -> str:
    """Return the class keys that a label ranks first, joined by EQUALLY, or NO_PREFERENCE."""
    keys = {drug_class.label: drug_class.key for drug_class in model.arrays.classes}
    first = first_group(label).split(" = ")
    return NO_PREFERENCE if len(first) == len(keys) else EQUALLY.join(keys[name] for name in first)
