"""Cells of trial data as numbers. A message counts the cells that cannot be read; it shows none."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.model.card import Covariate
from omop_scorer.texts.numbers import DECIMAL_COMMA, NUMBER
from omop_scorer.trials.table import Cell


def covariate_numbers(covariate: Covariate, cells: Sequence[Cell]) -> Floats:
    """Return the values of a covariate, shape (n,); NaN where a cell is missing.

    Words are those of a CSV file to score, in any letter case; a yes/no value may also be 0 or 1.

    Raises
    ------
    ValueError
        The reasons why cells cannot be read, each with their number.
    """
    if covariate.kind == "continuous":
        return numbers(cells)
    words = covariate.words
    allowed = ", ".join(dict.fromkeys([*words, "1", "0"]))

    def read(cell: Cell) -> float | str:
        if isinstance(cell, str) and cell.lower() in words:
            return words[cell.lower()]
        number = _number(cell)
        return (
            number
            if number in (0.0, 1.0)
            else f"not one of {allowed} (leave a missing value blank)"
        )

    return _all(cells, read)


def numbers(cells: Sequence[Cell]) -> Floats:
    """Return numbers, shape (n,); NaN where a cell is missing.

    Raises
    ------
    ValueError
        The reasons why cells cannot be read, each with their number.
    """
    return _all(cells, _number)


def _all(cells: Sequence[Cell], read: Callable[[Cell], float | str]) -> Floats:
    known: dict[Cell, float | str] = {cell: read(cell) for cell in set(cells) - {None}}
    known[None] = math.nan
    reasons = [each for each in map(known.__getitem__, cells) if isinstance(each, str)]
    if reasons:
        raise ValueError(
            "; ".join(f"{reasons.count(each)} cell(s): {each}" for each in sorted(set(reasons)))
        )
    return np.array([known[cell] for cell in cells], dtype=np.float64)


def _number(cell: Cell) -> float | str:
    """Return the number in a cell, or the reason why it has none."""
    if isinstance(cell, str):
        if DECIMAL_COMMA.fullmatch(cell):
            return "has a comma; write a decimal point, and no separator of thousands"
        if not NUMBER.fullmatch(cell):
            return "not a number (leave a missing value blank)"
    value = float(cell)  # type: ignore[arg-type]
    return value if math.isfinite(value) else "not a finite number"


def texts(cells: Sequence[Cell]) -> list[str | None]:
    """Return cells as text; a whole number has no decimal point, however the file stores it."""
    return [None if cell is None else _text(cell) for cell in cells]


def _text(cell: str | float | bool) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
