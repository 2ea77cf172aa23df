"""Subgroups: every way to put a few classes in an order with ties, and what each is called.

A grouping is the group of each class in the card's order, counted from the best: (0, 1, 1) says
that the first class comes before the two others, which do not differ.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAXIMUM_CLASSES = 5

_BETTER, _EQUAL = " > ", " = "


def label_set(labels: Sequence[str]) -> tuple[str, ...]:
    """Return every subgroup of the classes with these short names, given in the card's order.

    Two classes make 3 labels, three 13, four 75, five 541: all ways to put classes in an order
    with ties. Strict orders come first, "all equal" last.

    Raises
    ------
    ValueError
        More than five classes.
    """
    return tuple(
        _BETTER.join(_group_label([labels[i] for i in members]) for members in _members(grouping))
        for grouping in _groupings(len(labels))
    )


def first_group(label: str) -> str:
    """Return the classes that a label puts first, `B = C` of `(B = C) > A`."""
    return label.partition(_BETTER)[0].strip("()")


def label_numbers(groups: NDArray[np.intp]) -> NDArray[np.int16]:
    """Return the place of each patient's grouping in the label set; groups are (r, n)."""
    numbers: NDArray[np.int16] = _number_of_grouping(len(groups))[tuple(groups)]
    return numbers


def _group_label(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({_EQUAL.join(names)})"


@lru_cache
def _groupings(r: int) -> tuple[tuple[int, ...], ...]:
    """Return every grouping of r classes.

    Those with the most groups come first; among them small groups before large, then the card's
    order.
    """
    if r > MAXIMUM_CLASSES:
        raise ValueError(f"{r} classes; allowed: at most {MAXIMUM_CLASSES}")
    found = [
        grouping
        for grouping in product(range(r), repeat=r)
        if grouping and set(grouping) == {*range(max(grouping) + 1)}
    ]

    def place(grouping: tuple[int, ...]) -> tuple[Any, ...]:
        members = _members(grouping)
        return -len(members), *map(len, members), members

    return tuple(sorted(found, key=place))


def _members(grouping: Sequence[int]) -> list[list[int]]:
    """Return the classes of each group, the best group first, each in the card's order."""
    return [
        [i for i, group in enumerate(grouping) if group == wanted]
        for wanted in range(max(grouping) + 1)
    ]


@lru_cache
def _number_of_grouping(r: int) -> NDArray[np.int16]:
    """Return a table with one axis per class, which a grouping indexes."""
    table = np.full((r,) * r, -1, np.int16)
    for number, grouping in enumerate(_groupings(r)):
        table[grouping] = number
    return table
