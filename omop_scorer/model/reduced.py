"""Scoring of patients with covariates left out, each with the model fitted without them."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats, ModelArrays
from omop_scorer.model.kernel import Scores
from omop_scorer.model.load import Model
from omop_scorer.terms import Uncertainty


def score_patterns(
    values: Floats, model: Model, uncertainty: Uncertainty, with_response: bool = True
) -> Scores:
    """Score n patients, each with the model without the covariates that are NaN.

    The scores of a patient are bit for bit the same alone, in any batch, and at any position in it.

    Parameters
    ----------
    values
        (n, k) in the card's order and natural units; NaN where left out.
    model
        The model card and its variants.
    uncertainty
        As for `kernel.score`.
    with_response
        As for `kernel.score`.

    Raises
    ------
    ScoringError
        The card has no variant without the covariates that a patient lacks, or as for
        `kernel.score`. The message holds counts and names of covariates only.
    """
    is_left_out = np.isnan(values)
    if not is_left_out.any():
        return kernel.score(values, model.arrays, uncertainty, with_response=with_response)
    whole: dict[str, Any] = {}
    for rows, arrays in _groups(is_left_out, model):
        kept = np.array([model.arrays.covariates.index(name) for name in arrays.covariates])
        part_of_values = values.T[np.ix_(kept, rows)].T
        part = kernel.score(part_of_values, arrays, uncertainty, with_response=with_response)
        if len(rows) == len(values):
            return part
        for name, each in vars(part).items():
            if isinstance(each, np.ndarray):
                # Columns of a result are contiguous, as in the kernel.
                shape = (len(values), *each.shape[1:])
                whole.setdefault(name, np.empty(shape, each.dtype, order="F"))[rows] = each
    return replace(part, **whole)


def _groups(
    is_left_out: NDArray[np.bool_], model: Model
) -> list[tuple[NDArray[np.intp], ModelArrays]]:
    """Return the row indices and the model of each pattern of covariates that are left out."""
    columns = np.flatnonzero(is_left_out.any(axis=0))
    patterns = np.zeros(len(is_left_out), np.int64)
    for bit, column in enumerate(columns):
        patterns |= is_left_out[:, column].astype(np.int64) << bit
    groups, problems = [], []
    for pattern in np.unique(patterns):
        rows = np.flatnonzero(patterns == pattern)
        missing = [int(column) for bit, column in enumerate(columns) if pattern >> bit & 1]
        names = [model.arrays.covariates[column] for column in missing]
        arrays = model.reduced.get(frozenset(names)) if names else model.arrays
        if arrays is None:
            listed = ", ".join(names)
            problems.append(
                f"{len(rows)} patient(s) lack {listed}, but the model card has no variant without "
                f"{listed}; nothing was scored"
            )
        else:
            groups.append((rows, arrays))
    if problems:
        raise ScoringError(*problems)
    return groups
