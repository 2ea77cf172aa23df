"""Agreement of two vectors of labels, worked out by hand and from the words of the labels."""

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer.model.subgroups import label_set, pair_orders
from omop_scorer.trials.concordance import compare_labels, contradicts

CLASSES = "ABCDE"


def better(label: str) -> set[tuple[str, str]]:
    """Return every (better, worse) pair that the words of a label say."""
    groups = [re.findall(r"\w", group) for group in label.split(" > ")]
    return {(x, y) for i, j in combinations(range(len(groups)), 2)
            for x in groups[i] for y in groups[j]}  # fmt: skip


@pytest.mark.parametrize("r", [2, 3, 4])
def test_orders_of_pairs_say_what_the_words_of_the_label_say(r):
    labels, orders = label_set(CLASSES[:r]), pair_orders(r)
    for label, row in zip(labels, orders, strict=True):
        for (a, b), order in zip(combinations(CLASSES[:r], 2), row, strict=True):
            assert order == ((a, b) in better(label)) - ((b, a) in better(label))


@pytest.mark.parametrize("r", [2, 3, 4])
def test_two_labels_contradict_if_some_pair_is_turned_round(r):
    labels = label_set(CLASSES[:r])
    n = len(labels)
    first, second = np.divmod(np.arange(n * n), n)
    expected = [
        any((b, a) in better(labels[j]) for a, b in better(labels[i]))
        for i, j in zip(first, second, strict=True)
    ]
    assert contradicts(first, second, r).tolist() == expected


def test_four_persons_by_hand():
    labels = label_set(["A", "B", "C"])
    ours = ["A > B > C", "(A = B = C)", "B > (A = C)", "(A = B) > C"]
    theirs = ["B > A > C", "(A = B = C)", "(A = B = C)", "(A = B) > C"]
    found = compare_labels(
        *(np.array([*map(labels.index, each)]) for each in (ours, theirs)), "ABC"
    )
    assert (found.n, found.n_contradictory, found.concordance) == (4, 1, 0.75)
    assert found.same_label_share == 0.5
    assert found.no_preference_share == (0.25, 0.5)
    # A and B: person 1 is turned round, 2 and 4 are equal in both, 3 is B > A and then equal.
    assert found.pairs["A", "B"] == ((0, 0, 1), (0, 2, 0), (0, 1, 0))
    assert found.pairs["A", "C"] == ((2, 0, 0), (0, 2, 0), (0, 0, 0))
    assert found.pairs["B", "C"] == ((2, 1, 0), (0, 1, 0), (0, 0, 0))


def test_two_methods_that_find_nothing_agree_and_show_it():
    nothing = np.full(7, len(label_set("AB")) - 1)
    found = compare_labels(nothing, nothing, "AB")
    assert (found.concordance, found.no_preference_share) == (1.0, (1.0, 1.0))


def test_nobody_has_no_share():
    found = compare_labels(np.array([], int), np.array([], int), "ABC").as_json()
    assert (found["n"], found["concordance"], found["no_preference_share"]) == (0, None, None)


def test_a_number_that_is_no_label_is_refused():
    with pytest.raises(ValueError, match="places in a set of 3 labels"):
        compare_labels(np.array([0, -1]), np.array([0, 1]), "AB")
    with pytest.raises(ValueError, match="2 places"):
        compare_labels(np.array([0, 1]), np.array([0]), "AB")


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=30))
def test_which_method_is_first_turns_the_tables_only(pairs):
    first, second = np.array(pairs).T
    one, other = compare_labels(first, second, "ABC"), compare_labels(second, first, "ABC")
    assert one.concordance == other.concordance
    assert one.no_preference_share == other.no_preference_share[::-1]
    for pair, table in one.pairs.items():
        assert np.array_equal(np.transpose(table), other.pairs[pair])
        assert np.sum(table) == one.n
        # The corners of a table hold contradictions of this pair.
        assert table[0][2] + table[2][0] <= one.n_contradictory
