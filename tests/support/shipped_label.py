"""What the shipped models say of one patient, for the peer that has no models of its own."""

from collections.abc import Mapping

import numpy as np

from omop_scorer.model import kernel
from tests.conftest import shipped_definitions


def label(values: Mapping[str, float]) -> str:
    """Return the label of a patient with these nine covariates."""
    model = shipped_definitions().model.arrays
    row = np.array([[values[name] for name in model.covariates]])
    (found,) = kernel.score(row, model).subgroups()
    return str(found)
