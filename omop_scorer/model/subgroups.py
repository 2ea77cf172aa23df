"""Subgroups: every ranking of a few drug classes, ties allowed, and its label.

A grouping holds the group of each class in the card's order, 0 for the best. For example, (0, 1, 1)
ranks the first class above the two others, which do not differ.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from omop_scorer.terms import NO_PREFERENCE, SHARED_TOP, alone

MAXIMUM_CLASSES = 5

_BETTER, _EQUAL = " > ", " = "


def label_set(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the label of every subgroup of the classes with these labels, in the card's order.

    Two classes have 3 labels, three 13, four 75 and five 541: all rankings with ties. Strict
    orders come first, "all equal" last.

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
    """Return the classes that a label ranks first, such as `B = C` for `(B = C) > A`."""
    return label.partition(_BETTER)[0].strip("()")


def first_classes(label: str, keys: Mapping[str, str]) -> list[str]:
    """Return the keys of the classes that a label ranks first, given the keys by class label."""
    return [keys[name] for name in first_group(label).split(_EQUAL)]


def preference_group(label: str, keys: Mapping[str, str]) -> str:
    """Return the preference group of a label, whatever comes after the classes on top.

    Parameters
    ----------
    label
        A label of the label set, such as `B > (A = C)`.
    keys
        The key of every class of the card, by its label.

    Returns
    -------
    str
        `<class>_alone` if one class is on top, NO_PREFERENCE if all are, otherwise SHARED_TOP.
    """
    first = first_classes(label, keys)
    if len(first) == len(keys):
        return NO_PREFERENCE
    return alone(first[0]) if len(first) == 1 else SHARED_TOP


def pair_orders(r: int) -> NDArray[np.int8]:
    """Return the order of every pair of r classes under each label of the label set.

    Returns
    -------
    NDArray
        (labels, r (r - 1) / 2), pairs (0, 1), (0, 2), ..., (1, 2), ...: 1 = the first class of the
        pair is better, 0 = the two are equal, -1 = the second is better.
    """
    groups = np.array(_groupings(r), dtype=np.int8)
    first, second = np.array(list(combinations(range(r), 2))).T
    orders: NDArray[np.int8] = np.sign(groups[:, second] - groups[:, first])
    return orders


def label_numbers(groups: NDArray[np.intp]) -> NDArray[np.int16]:
    """Return each patient's index into the label set, shape (n,), from groups of shape (r, n)."""
    numbers: NDArray[np.int16] = _label_table(len(groups))[tuple(groups)]
    return numbers


def _group_label(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({_EQUAL.join(names)})"


@lru_cache
def _groupings(r: int) -> tuple[tuple[int, ...], ...]:
    """Return every grouping of r classes.

    Groupings with the most groups come first; among those, small groups come before large ones,
    then the card's order decides.
    """
    if r > MAXIMUM_CLASSES:
        raise ValueError(f"{r} classes; allowed: at most {MAXIMUM_CLASSES}")
    found = [
        grouping
        for grouping in product(range(r), repeat=r)
        if grouping and set(grouping) == {*range(max(grouping) + 1)}
    ]

    def sort_key(grouping: tuple[int, ...]) -> tuple[Any, ...]:
        members = _members(grouping)
        return -len(members), *map(len, members), members

    return tuple(sorted(found, key=sort_key))


def _members(grouping: Sequence[int]) -> list[list[int]]:
    """Return the class indices of each group, best group first, each in the card's order."""
    return [
        [i for i, group in enumerate(grouping) if group == wanted]
        for wanted in range(max(grouping) + 1)
    ]


@lru_cache
def _label_table(r: int) -> NDArray[np.int16]:
    """Return the label index of each grouping, as a table with one axis per class."""
    table = np.full((r,) * r, -1, np.int16)
    for number, grouping in enumerate(_groupings(r)):
        table[grouping] = number
    return table
