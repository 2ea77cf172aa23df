"""Cells of trial data as numbers. A message counts the cells that cannot be read; it shows none."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from omop_scorer.model.arrays import Floats
from omop_scorer.texts.numbers import DECIMAL_COMMA, NUMBER
from omop_scorer.trials.layout import plain
from omop_scorer.trials.table import Cell


def without_missing(cells: Sequence[Cell], words: Collection[str]) -> list[Cell]:
    """Return cells, with None for each that has a word for a missing value, as `plain` gives it."""
    if not words:
        return list(cells)
    missing = {cell for cell in set(cells) - {None} if plain(text_of(cell)) in words}
    return [None if cell in missing else cell for cell in cells]


def coded_numbers(words: Mapping[str, float], cells: Sequence[Cell]) -> Floats:
    """Return the values of a yes/no covariate, shape (n,); NaN where a cell is missing.

    Parameters
    ----------
    words
        Value, 0 or 1, of each word, as `plain` gives it. A cell may also be 0 or 1.
    cells
        Cells of the column.

    Raises
    ------
    ValueError
        The reasons why cells cannot be read, each with their number.
    """
    allowed = ", ".join(dict.fromkeys([*words, "1", "0"]))
    refusal = (
        f"not one of {allowed} (name other words under `words` of the layout, and words for a "
        "missing value under `missing_words`)"
    )

    def read(cell: Cell) -> float | str:
        if (word := plain(text_of(cell))) in words:
            return words[word]
        number = _number(cell)
        return number if number in (0.0, 1.0) else refusal

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
            return (
                "not a number (leave a missing value blank, or name its word under "
                "`missing_words` of the layout)"
            )
    value = float(cell)  # type: ignore[arg-type]
    return value if math.isfinite(value) else "not a finite number"


def texts(cells: Sequence[Cell]) -> list[str | None]:
    """Return cells as text; a whole number has no decimal point, however the file stores it."""
    return [None if cell is None else text_of(cell) for cell in cells]


def text_of(cell: Cell) -> str:
    """Return a cell as text; a missing one is empty."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
