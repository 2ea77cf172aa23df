"""Columns of a table of patients: those of the covariates, those of the scores, and refused rows.

A CSV file and a data frame have the same columns, and are refused for the same reasons.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.contradictions import ends
from omop_scorer.model.load import Model
from omop_scorer.scoring.patient import (
    MAXIMUM_LISTED,
    Recorded,
    on_top_words,
    read_column,
    read_patient,
)
from omop_scorer.terms import Uncertainty


@dataclass(frozen=True)
class CovariateColumn:
    """A column of the input that holds a covariate, and the limits of its values."""

    covariate: Covariate
    position: int
    limits: tuple[float, float]


def find_columns(
    source: object,
    names: Iterable[object],
    covariates: Sequence[Covariate],
    new_columns: Iterable[str],
    *,
    unique: bool = False,
) -> list[CovariateColumn]:
    """Return the columns of the covariates, in the card's order.

    Parameters
    ----------
    source
        Name of the input, with which each message begins.
    names
        Names of all columns of the input, in any order and letter case.
    covariates
        The covariates of the card, in its order.
    new_columns
        Names of the columns that are added.
    unique
        The other columns must have different names too.

    Raises
    ------
    ScoringError
        A column is missing, appears twice, or has the name of an output column.
    """
    found = [str(name).strip().lower() for name in names]
    required = [covariate.csv_column for covariate in covariates]
    missing = [column for column in required if column not in found]
    once = list(dict.fromkeys(found)) if unique else required
    repeated = [column for column in once if found.count(column) > 1]
    clashing = [column for column in new_columns if column in found]
    problems = []
    if missing:
        listed = ", ".join(required)
        columns_are = "column {} is" if len(missing) == 1 else "columns {} are"
        lacking = columns_are.format(", ".join(missing))
        problems.append(f"{lacking} missing; the header needs {listed}")
    if repeated:
        problems.append(f"column {', '.join(repeated)} appears more than once; keep one of them")
    if clashing:
        listed = ", ".join(clashing)
        problems.append(f"column {listed} has the name of an output column; rename or remove it")
    if problems:
        raise ScoringError(*(f"{source}: {problem}" for problem in problems))
    return [
        CovariateColumn(each, found.index(each.csv_column), ends(each.plausible_range))
        for each in covariates
    ]


def read_columns(
    columns: Sequence[CovariateColumn], cells: Sequence[Sequence[str]], *, strict: bool
) -> tuple[Floats, Recorded] | None:
    """Return the values and recorded flags of n patients, each (n, k); None if one is refused.

    `cells` has the texts of each column. A number outside its limits is refused if the reading is
    strict, and infinite otherwise.
    """
    try:
        read = [
            read_column(column.covariate, texts, column.limits)
            for column, texts in zip(columns, cells, strict=True)
        ]
    except ValueError:
        return None
    values, recorded = (np.array(arrays).T for arrays in zip(*read, strict=True))
    return None if strict and np.isinf(values).any() else (values, recorded)


def no_patients(covariates: Sequence[Covariate]) -> tuple[Floats, Recorded]:
    """Return the values and recorded flags of no patient, each (0, k)."""
    shape = (0, len(covariates))
    return np.empty(shape), np.empty(shape, np.bool_)


def refusals_of(
    columns: Sequence[CovariateColumn], texts: Sequence[str], *, strict: bool
) -> list[str]:
    """Return the messages of the refused values of one patient, whose texts are given.

    Unless the reading is strict, there are none if every refused value is a number out of range.
    """
    given = [(each.covariate, text, each.limits) for each, text in zip(columns, texts, strict=True)]
    *_, unreadable = read_patient(given, keep_outside=True)
    *_, refusals = read_patient(given)
    return refusals if strict or unreadable else []


@dataclass
class BadRows:
    """Rows that are refused: their number, and the first of them with the reasons."""

    n: int = 0
    listed: list[str] = field(default_factory=list)

    def add(self, row: str, *reasons: str) -> None:
        """Add a row, named by its number, such as `line 2`."""
        self.n += 1
        if len(self.listed) < MAXIMUM_LISTED:
            self.listed.append(f"{row}: {'; '.join(reasons)}")

    def refuse(self, source: object, outcome: str) -> None:
        """Raise ScoringError if there are any; `outcome` ends the first line."""
        if not self.n:
            return
        more = self.n - len(self.listed)
        raise ScoringError(
            f"{source}: {self.n} invalid row(s); {outcome}",
            *self.listed,
            *([f"and {more} more"] if more else []),
        )


def score_columns(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    values: Floats,
    recorded: Recorded,
) -> dict[str, pa.Array]:
    """Return the columns that are added for n patients, by name.

    Parameters
    ----------
    model, uncertainty, excluded
        As for `score_patient`.
    values
        (n, k) in the card's order and natural units; imputed where not recorded; infinite where the
        value is out of range.
    recorded
        (n, k): False where the value was imputed.

    Returns
    -------
    dict
        Arrays of length n: float64 for numbers, int64 for `n_imputed`, dictionary arrays for words
        and booleans. Null = there is none: a p-value or place of a class that is not ranked, or a
        trial range that is unknown. A patient with a value out of range has nulls only, and
        `out_of_range` names the columns, separated by blanks.

    Raises
    ------
    ScoringError
        A class is unknown, or a score is not finite.
    """
    is_outside = np.isinf(values)
    inside = ~is_outside.any(axis=1)
    columns = _scored(model, uncertainty, excluded, values[inside], recorded[inside])
    if not inside.all():
        place = pa.array(np.cumsum(inside) - 1, mask=~inside)
        columns = {name: column.take(place) for name, column in columns.items()}
    names = np.array([each.csv_column for each in model.card.covariates])
    patterns, which = np.unique(is_outside, axis=0, return_inverse=True)
    words = [" ".join(names[pattern]) or None for pattern in patterns]
    return columns | {"out_of_range": _chosen([*words, None], which.reshape(-1), pa.string())}


def _scored(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    values: Floats,
    recorded: Recorded,
) -> dict[str, pa.Array]:
    """Return the columns of the scores of patients whose values are all in range."""
    scores = kernel.score(values, model.arrays, uncertainty, excluded)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    columns = {"placebo_effect": _numbers(scores.placebo_effect)}
    for i, drug_class in enumerate(model.card.classes):
        key, response = drug_class.key, scores.response_probability
        columns[f"{key}_effect"] = _numbers(scores.attributable_effect[:, i])
        columns[f"{key}_standard_error"] = _numbers(scores.standard_error[:, i])
        columns[f"{key}_response_probability"] = _numbers(response[:, i])
    columns["subgroup"] = _chosen([*scores.labels, None], scores.label)
    keys = [*(c.key for c in model.card.classes), None]
    nobody = np.full(len(values), len(keys) - 1)
    for i, column in enumerate(("first_class", "second_class", "third_class")):
        has_class = i < scores.ranking.shape[1]
        columns[column] = _chosen(keys, scores.ranking[:, i] if has_class else nobody)
    yes_no = [False, True, None]
    return columns | {
        "p_first_second": _numbers(scores.p_first_second),
        "p_second_third": _numbers(scores.p_second_third),
        "p_first_third": _numbers(scores.p_first_third),
        "worst_class_ruled_out": _chosen(yes_no, scores.worst_class_ruled_out),
        "n_imputed": pa.array((~recorded).sum(axis=1), pa.int64()),
        "within_trial_range": _chosen(yes_no, within),
        "on_top": _chosen(on_top_words(scores), scores.label),
    }


def _numbers(values: Floats) -> pa.Array:
    """Return an array with null in place of NaN."""
    return pa.array(values, from_pandas=True)


def _chosen(
    words: Sequence[str | bool | None], index: NDArray[Any], kind: pa.DataType | None = None
) -> pa.Array:
    """Return the word at each index; index -1 is the last word. All words may be null of a kind."""
    places = pa.array(np.mod(index, len(words), dtype=np.int64))
    return pa.DictionaryArray.from_arrays(places, pa.array(words, kind))
