"""Suppression against hand-worked tables; attackers try it in tests/generative."""

import pytest

from omop_scorer.disclosure.suppression import protect

NOTHING = frozenset()


def hidden_in(counts, sums=(), virtual=NOTHING, minimum=5, keep=()):
    """Cells are single letters here: `tabc` says that t is the sum of a, b and c."""
    named = [(total, tuple(members)) for total, *members in sums]
    return "".join(sorted(protect(counts, named, set(virtual), minimum, keep)))


# One row


def test_one_small_cell_takes_its_smallest_neighbour_along():
    # 33 - 10 - 20 would give a away.
    assert hidden_in({"a": 3, "b": 10, "c": 20, "t": 33}, ["tabc"]) == "ab"


def test_a_cell_outside_all_sums_is_hidden_alone():
    assert hidden_in({"a": 4, "b": 5, "c": 0}) == "a"


def test_zeros_are_printed_and_protect_nothing():
    assert hidden_in({"a": 2, "b": 0, "c": 9, "t": 11}, ["tabc"]) == "ac"


def test_two_small_cells_can_protect_each_other():
    # a + b = 6 with both at least 1: either may be 5.
    assert hidden_in({"a": 2, "b": 4, "c": 94, "t": 100}, ["tabc"]) == "ab"


def test_two_small_cells_whose_sum_is_too_small_need_a_third():
    # a + b = 5 with both at least 1: neither can be 5, so both would be known as small.
    assert hidden_in({"a": 1, "b": 4, "c": 95, "t": 100}, ["tabc"]) == "abc"


def test_hidden_cells_that_sum_to_their_number_take_the_total_along():
    # Six hidden cells of at least 1 with a sum of 6 are 1 each.
    counts = dict.fromkeys("abcdef", 1) | {"t": 6}
    assert hidden_in(counts, ["tabcdef"]) == "abcdeft"


def test_all_equal_to_one():
    assert hidden_in(dict.fromkeys("abcd", 1) | {"t": 4}, ["tabcd"]) == "abcdt"


def test_one_person():
    counts = {"a": 0, "b": 1, "c": 0, "r": 1, "d": 0, "e": 0, "f": 0, "s": 0}
    counts |= {"x": 0, "y": 1, "z": 0, "t": 1}
    sums = ["rabc", "sdef", "xad", "ybe", "zcf", "trs", "txyz"]
    assert hidden_in(counts, sums) == "brty"


# Totals


def test_a_small_total_is_hidden_with_its_members_and_a_neighbour():
    assert hidden_in({"a": 1, "b": 2, "s": 3, "o": 50, "t": 53}, ["sab", "tso"]) == "abos"


def test_a_chain_of_totals_is_followed_to_its_end():
    # With zeros beside them, a, t and u are the same count; w - o would give it away.
    counts = {"a": 2, "y": 0, "t": 2, "z": 0, "u": 2, "o": 30, "w": 32}
    assert hidden_in(counts, ["tay", "utz", "wuo"]) == "aotu"


SQUARE = {"a": 2, "b": 10, "r": 12, "c": 20, "d": 30, "s": 50, "p": 22, "q": 40, "t": 62}
SQUARE_SUMS = ["rab", "scd", "pac", "qbd", "trs", "tpq"]


def test_a_two_way_table_needs_a_rectangle():
    # a is hidden, b for the row, c for the column, and then d for the row and column of those.
    assert hidden_in(SQUARE, SQUARE_SUMS) == "abcd"


def test_cells_that_readers_need_are_hidden_last():
    # With the inside kept, the margins of a go: its row, its column, and the grand total.
    assert hidden_in(SQUARE, SQUARE_SUMS, keep="abcd") == "aprt"
    assert hidden_in({"a": 3, "b": 10, "t": 13}, ["tab"], keep="b") == "at"
    assert hidden_in({"a": 3, "b": 10, "t": 13}, ["tab"], keep="tb") == "ab"
    assert hidden_in({"a": 3, "b": 10, "t": 13}, ["tab"], keep="bt") == "at"


def test_among_equals_the_later_is_hidden():
    assert hidden_in({"a": 3, "b": 10, "c": 10, "d": 20, "t": 43}, ["tabcd"]) == "ac"


def test_no_wish_outweighs_protection():
    assert hidden_in({"a": 3, "b": 10, "t": 13}, ["tab"], keep="a") == "ab"


# Virtual cells


@pytest.mark.parametrize("difference", [1, 2, 3, 4])
def test_nested_populations_that_differ_by_few(difference):
    # Both are large, yet one less the other is not; the smaller one is hidden.
    counts = {"a": 40 + difference, "b": 40, "d": difference}
    assert hidden_in(counts, ["abd"], virtual="d") == "b"


@pytest.mark.parametrize("difference", [0, 5])
def test_nested_populations_that_differ_by_nobody_or_by_many(difference):
    counts = {"a": 40 + difference, "b": 40, "d": difference}
    assert hidden_in(counts, ["abd"], virtual="d") == ""


def test_the_complement_of_a_share_is_protected_too():
    # 58 of 60 would say that 2 are not.
    assert hidden_in({"y": 58, "n": 2, "t": 60}, ["tyn"], virtual="n") == "y"


def test_a_virtual_zero_is_unknown_to_the_reader():
    # s may be 5 when a is 4 and d, which nobody sees, is 2: a is all that it takes.
    counts = {"s": 3, "a": 6, "w": 9, "d": 0, "t": 6}
    assert hidden_in(counts, ["wsa", "tad"], virtual="d") == "as"


def test_a_virtual_zero_cannot_fall():
    # s may be 5 only when t is 4, and t = a + d only when a is less than 6 as well.
    counts = {"s": 3, "t": 6, "w": 9, "a": 6, "d": 0}
    assert hidden_in(counts, ["wst", "tad"], virtual="d", keep="w") == "ast"


# Nothing to hide, nothing to work with, wrong input


def test_a_minimum_of_one_hides_nothing():
    assert hidden_in({"a": 1, "b": 1, "t": 2}, ["tab"], minimum=1) == ""


def test_no_cells():
    assert protect({}, [], set(), 5) == frozenset()


def test_a_sum_that_does_not_hold_is_named_without_its_counts():
    with pytest.raises(ValueError, match=r"^the sum for 'total' does not hold$"):
        protect({"a": 3, "b": 4, "total": 8}, [("total", ["a", "b"])], set(), 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": 1}, [("t", ["a"])], set(), 5), "the sum for 't' names a cell that has no count"),
        (({"t": 1}, [("t", ["a"])], set(), 5), "the sum for 't' names a cell that has no count"),
        (({"a": 1}, [], {"v"}, 5), "virtual names a cell that has no count"),
        (({"a": 1}, [], set(), 5, ["k"]), "keep names a cell that has no count"),
        (({"a": -7}, [], set(), 5), "the count of 'a' must be a whole number of 0 or more"),
        (({"a": 7.5}, [], set(), 5), "the count of 'a' must be a whole number of 0 or more"),
        (({"a": 1}, [], set(), 0), "minimum: found 0; allowed: 1 or more"),
    ],
)
def test_wrong_input(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        protect(*arguments)
