"""The preferred drug classes of each patient, as input of the audits."""

from collections.abc import Sequence

import pyarrow as pa

from omop_scorer.model.load import Model
from omop_scorer.model.subgroups import first_classes, preference_group
from omop_scorer.terms import EQUALLY, NO_PREFERENCE

_PATIENT_SCORE = pa.schema(
    [
        ("person_id", pa.int64()),
        ("subgroup", pa.string()),
        ("preferred", pa.string()),
        ("preference_group", pa.string()),
        ("ruled_out_class", pa.string()),
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
            **{name: subgroups[name] for name in _PATIENT_SCORE.names[3:]},
        }
    ).cast(_PATIENT_SCORE)


def no_patient_preference() -> pa.Table:
    """Return an empty table with the columns of `patient_preference`."""
    return PATIENT_PREFERENCE.empty_table()


def preferred_classes(label: str, model: Model) -> str:
    """Return the class keys that a label ranks first, joined by EQUALLY, or NO_PREFERENCE."""
    first = first_classes(label, class_keys(model))
    return NO_PREFERENCE if len(first) == len(model.arrays.classes) else EQUALLY.join(first)


def groups_of(labels: Sequence[str], model: Model) -> list[str]:
    """Return the preference group of each label."""
    keys = class_keys(model)
    return [preference_group(label, keys) for label in labels]


def class_keys(model: Model) -> dict[str, str]:
    """Return the key of each class of the model by its label."""
    return {each.label: each.key for each in model.arrays.classes}
