"""What the shipped models say of one patient, for the peer that has no models of its own."""

from collections.abc import Mapping

import numpy as np

from omop_scorer.model import kernel
from tests.conftest import shipped_definitions
from tests.support.audit_peer import Said


def say(values: Mapping[str, float]) -> Said:
    """Return the label of a patient with these nine covariates, and the class ruled out."""
    model = shipped_definitions().model.arrays
    row = np.array([[values[name] for name in model.covariates]])
    scores = kernel.score(row, model)
    last = model.classes[int(scores.preference_rank[0].argmax())].key
    return Said(str(scores.subgroups()[0]), last if scores.worst_class_ruled_out[0] else None)
