"""Rows of scored patients as text, CSV or JSON."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from omop_scorer.model.card import Covariate
from omop_scorer.scoring.csv_blocks import Block, written
from omop_scorer.scoring.float_text import float_text

RowFormat: TypeAlias = Literal["csv", "json"]


class RowText(Protocol):
    """Text of a table of patients, in blocks."""

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

    def start(self, names: Sequence[str], new_columns: Sequence[str]) -> str:
        """Return the header."""
        return f"{written([[*names, *new_columns]], self.delimiter)[0]}\n"

    def rows(self, block: Block, scores: Mapping[str, pa.Array]) -> str:
        """Return one line per patient."""
        texts = [_texts(column, self._quoted) for column in scores.values()]
        joined = pc.binary_join_element_wise(
            *texts, self.delimiter, null_handling="replace", null_replacement=""
        )
        lines = zip(block.texts, joined.to_pylist(), strict=True)
        return "".join([f"{text}{self.delimiter}{score}\n" for text, score in lines])

    def end(self) -> str:
        """Return nothing."""
        return ""

    def _quoted(self, words: Iterable[str]) -> list[str]:
        return written(([word] for word in words), self.delimiter)


class JsonRows:
    """JSON: an array of one object per patient, each on a line of its own; a null is null.

    Covariates that are numbers are numbers, and null if missing. Other cells of the input are
    texts, and null if blank. `covariates` has the covariate of a column, by its position.
    """

    def __init__(self, covariates: Mapping[int, Covariate]) -> None:
        self._covariates = covariates
        self._numbers = {i for i, each in covariates.items() if each.kind == "continuous"}
        self._names: list[str] = []
        self._n_rows = count()

    def start(self, names: Sequence[str], new_columns: Sequence[str]) -> str:
        """Return the begin of the array."""
        covariates = {i: each.csv_column for i, each in self._covariates.items()}
        given = [covariates.get(i, name) for i, name in enumerate(names)]
        self._names = _json_words([*given, *new_columns])
        return "["

    def rows(self, block: Block, scores: Mapping[str, pa.Array]) -> str:
        """Return one object per patient."""
        columns = [
            pa.array(map(_json_number if i in self._numbers else _json_text, cells), pa.string())
            for i, cells in enumerate(block.columns or ())
        ]
        columns += [_texts(column, _json_words) for column in scores.values()]
        members = [
            pc.binary_join_element_wise(name, pc.fill_null(column, "null"), ": ")
            for name, column in zip(self._names, columns, strict=True)
        ]
        objects = pc.binary_join_element_wise(*members, ", ").to_pylist()
        return "".join([f"{',' if next(self._n_rows) else ''}\n{{{row}}}" for row in objects])

    def end(self) -> str:
        """Return the end of the array."""
        return "\n]\n" if next(self._n_rows) else "]\n"


def _texts(column: pa.Array, quoted: Callable[[Iterable[str]], list[str]]) -> pa.Array:
    """Return the text of each number, boolean or word, which is quoted; a null stays a null."""
    if pa.types.is_floating(column.type):
        return float_text(column.to_numpy(zero_copy_only=False))
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    words = column.dictionary.cast(pa.string()).to_pylist()
    if pa.types.is_string(column.dictionary.type):
        texts = iter(quoted(word for word in words if word is not None))
        words = [None if word is None else next(texts) for word in words]
    return pa.array(words, pa.string()).take(column.indices)


def _json_words(words: Iterable[str]) -> list[str]:
    return [json.dumps(word, ensure_ascii=False) for word in words]


def _json_text(cell: str) -> str:
    return json.dumps(cell, ensure_ascii=False) if cell.strip() else "null"


def _json_number(cell: str) -> str:
    if not cell.strip():
        return "null"
    value = float(cell)
    return repr(value) if math.isfinite(value) else json.dumps(cell)
