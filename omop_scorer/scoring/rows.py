"""Rows of scored patients as text: the columns of the scores, as CSV or as JSON."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from omop_scorer.model import kernel
from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.model.load import Model
from omop_scorer.scoring.csv_blocks import Block, written
from omop_scorer.scoring.float_text import float_text
from omop_scorer.scoring.patient import Recorded, on_top_words
from omop_scorer.terms import Uncertainty

RowFormat: TypeAlias = Literal["csv", "json"]

Quoted: TypeAlias = Callable[[Iterable[str]], list[str]]

Positions: TypeAlias = Mapping[int, Covariate]

"""The covariate of a column of the input, by the position of the column."""


class RowText(Protocol):
    """Text of a table of patients, in blocks."""

    def quoted(self, words: Iterable[str]) -> list[str]:
        """Return the text of each word inside a row."""

    def start(self, names: Sequence[str], new_columns: Sequence[str]) -> str:
        """Return the text before the first row: input columns, then columns of the scores."""

    def rows(self, block: Block, scores: Mapping[str, pa.Array]) -> str:
        """Return the text of the rows of a block; a null is missing."""

    def end(self) -> str:
        """Return the text after the last row."""


@dataclass(frozen=True)
class CsvRows:
    """CSV: the records of the input, unchanged, each with its scores; a null is a blank."""

    delimiter: str

    def quoted(self, words: Iterable[str]) -> list[str]:
        """Return the words as the csv module writes them."""
        return written(([word] for word in words), self.delimiter)

    def start(self, names: Sequence[str], new_columns: Sequence[str]) -> str:
        """Return the header."""
        return f"{written([[*names, *new_columns]], self.delimiter)[0]}\n"

    def rows(self, block: Block, scores: Mapping[str, pa.Array]) -> str:
        """Return one line per patient."""
        joined = pc.binary_join_element_wise(
            *scores.values(), self.delimiter, null_handling="replace", null_replacement=""
        )
        lines = zip(block.texts, joined.to_pylist(), strict=True)
        return "".join([f"{text}{self.delimiter}{score}\n" for text, score in lines])

    def end(self) -> str:
        """Return nothing."""
        return ""


class JsonRows:
    """JSON: an array of one object per patient, each on a line of its own; a null is null.

    Covariates that are numbers are numbers, and null if missing. Other cells of the input are
    texts, and null if blank.
    """

    def __init__(self, covariates: Positions) -> None:
        self._covariates = covariates
        self._numbers = {i for i, each in covariates.items() if each.kind == "continuous"}
        self._names: list[str] = []
        self._n_rows = count()

    def quoted(self, words: Iterable[str]) -> list[str]:
        """Return the words as JSON texts."""
        return [json.dumps(word, ensure_ascii=False) for word in words]

    def start(self, names: Sequence[str], new_columns: Sequence[str]) -> str:
        """Return the begin of the array."""
        covariates = {i: each.csv_column for i, each in self._covariates.items()}
        given = [covariates.get(i, name) for i, name in enumerate(names)]
        self._names = self.quoted([*given, *new_columns])
        return "["

    def rows(self, block: Block, scores: Mapping[str, pa.Array]) -> str:
        """Return one object per patient."""
        given = [
            [_number(cell) if i in self._numbers else self._text(cell) for cell in cells]
            for i, cells in enumerate(block.columns or ())
        ]
        columns = [pa.array(cells, pa.string()) for cells in given] + list(scores.values())
        members = [
            pc.binary_join_element_wise(name, pc.fill_null(column, "null"), ": ")
            for name, column in zip(self._names, columns, strict=True)
        ]
        objects = pc.binary_join_element_wise(*members, ", ").to_pylist()
        return "".join([f"{',' if next(self._n_rows) else ''}\n{{{row}}}" for row in objects])

    def end(self) -> str:
        """Return the end of the array."""
        return "\n]\n" if next(self._n_rows) else "]\n"

    def _text(self, cell: str) -> str:
        return json.dumps(cell, ensure_ascii=False) if cell.strip() else "null"


def _number(cell: str) -> str:
    if not cell.strip():
        return "null"
    value = float(cell)
    return repr(value) if math.isfinite(value) else json.dumps(cell)


def score_columns(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    values: Floats,
    recorded: Recorded,
    quoted: Quoted,
) -> dict[str, pa.Array]:
    """Return the columns of the scores of n patients as texts; null = missing.

    Parameters
    ----------
    model
        The model card, with k covariates.
    uncertainty
        `bootstrap` or `analytic`.
    excluded
        Keys of the drug classes to exclude from the ranking.
    values
        Covariates in the card's order, (n, k). A patient with an infinite value has a value outside
        its limits: `out_of_range` names the columns, and there are no scores.
    recorded
        True where the value was given, (n, k).
    quoted
        Function that writes words; numbers, `true` and `false` are written as they are.
    """
    is_outside = np.isinf(values)
    scored = ~is_outside.any(axis=1)
    columns = _scored(model, uncertainty, excluded, values[scored], recorded[scored], quoted)
    if not scored.all():
        place = pa.array(np.cumsum(scored) - 1, mask=~scored)
        columns = {name: column.take(place) for name, column in columns.items()}
    names = [each.csv_column for each in model.card.covariates]
    patterns, which = np.unique(is_outside, axis=0, return_inverse=True)
    words = [" ".join(np.array(names)[pattern]) or None for pattern in patterns]
    return columns | {"out_of_range": _chosen(quoted, words, which.reshape(-1))}


def _scored(
    model: Model,
    uncertainty: Uncertainty,
    excluded: Set[str],
    values: Floats,
    recorded: Recorded,
    quoted: Quoted,
) -> dict[str, pa.Array]:
    scores = kernel.score(values, model.arrays, uncertainty, excluded)
    within = kernel.within_trial_range(values, recorded, model.arrays)
    columns = {"placebo_effect": float_text(scores.placebo_effect)}
    for i, drug_class in enumerate(model.card.classes):
        key, response = drug_class.key, scores.response_probability
        columns[f"{key}_effect"] = float_text(scores.attributable_effect[:, i])
        columns[f"{key}_standard_error"] = float_text(scores.standard_error[:, i])
        columns[f"{key}_response_probability"] = float_text(response[:, i])
    columns["subgroup"] = _chosen(quoted, [*scores.labels, None], scores.label)
    keys = [*(c.key for c in model.card.classes), None]
    nobody = np.full(len(values), len(keys) - 1)
    for i, column in enumerate(("first_class", "second_class", "third_class")):
        has_class = i < scores.ranking.shape[1]
        columns[column] = _chosen(quoted, keys, scores.ranking[:, i] if has_class else nobody)
    yes_no = pa.array(["false", "true", None])
    return columns | {
        "p_first_second": float_text(scores.p_first_second),
        "p_second_third": float_text(scores.p_second_third),
        "p_first_third": float_text(scores.p_first_third),
        "worst_class_ruled_out": _taken(yes_no, scores.worst_class_ruled_out),
        "n_imputed": pa.array((~recorded).sum(axis=1)).cast(pa.string()),
        "within_trial_range": _taken(yes_no, within),
        "on_top": _chosen(quoted, on_top_words(scores), scores.label),
    }


def _chosen(quoted: Quoted, words: Sequence[str | None], index: NDArray[Any]) -> pa.Array:
    """Return the quoted word at each index, (n,); index -1 is the last word."""
    texts = iter(quoted(word for word in words if word is not None))
    return _taken(pa.array([None if w is None else next(texts) for w in words], pa.string()), index)


def _taken(texts: pa.Array, index: NDArray[Any]) -> pa.Array:
    return texts.take(pa.array(np.mod(index, len(texts), dtype=np.int64)))
