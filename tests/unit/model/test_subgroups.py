"""The preference group of every label, of cards of two to five classes."""

from collections import Counter

import pytest

from omop_scorer import terms
from omop_scorer.model.subgroups import label_set, preference_group

KEYS = {"TNF": "anti_tnf", "IL": "anti_il12_23", "INT": "anti_integrin", "JAK": "jak", "SIP": "s1p"}
TNF, IL, INT = "anti_tnf_alone", "anti_il12_23_alone", "anti_integrin_alone"
OF_TWO = {"TNF > IL": TNF, "IL > TNF": IL, "(TNF = IL)": "no_preference"}
OF_THREE = {
    "TNF > IL > INT": TNF,
    "TNF > INT > IL": TNF,
    "TNF > (IL = INT)": TNF,
    "IL > TNF > INT": IL,
    "IL > INT > TNF": IL,
    "IL > (TNF = INT)": IL,
    "INT > TNF > IL": INT,
    "INT > IL > TNF": INT,
    "INT > (TNF = IL)": INT,
    "(TNF = IL) > INT": "shared_top",
    "(TNF = INT) > IL": "shared_top",
    "(IL = INT) > TNF": "shared_top",
    "(TNF = IL = INT)": "no_preference",
}
# One class on top leaves 13 rankings of three others, or 75 of four. Of four classes, 6 pairs on
# top leave 3 rankings of two, and 4 threes leave 1; of five, 10 pairs leave 13, 10 threes 3 and 5
# fours 1.
N_OF_A_CLASS_ALONE = {2: 1, 3: 3, 4: 13, 5: 75}
N_SHARED = {2: 0, 3: 3, 4: 6 * 3 + 4, 5: 10 * 13 + 10 * 3 + 5}


def groups_of(n):
    keys = dict(list(KEYS.items())[:n])
    return keys, {label: preference_group(label, keys) for label in label_set(list(keys))}


def test_the_group_of_each_label_of_two_and_of_three_classes():
    assert groups_of(2)[1] == OF_TWO
    assert groups_of(3)[1] == OF_THREE


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_group_of_every_label_by_what_it_begins_with(n):
    keys, found = groups_of(n)
    for label, group in found.items():
        if label.startswith("("):
            assert group == ("shared_top" if " > " in label else "no_preference"), label
        else:
            assert group == f"{keys[label.split()[0]]}_alone", label


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_groups_are_the_words_of_the_card_and_as_many_as_can_be_counted(n):
    keys, found = groups_of(n)
    expected = {f"{key}_alone": N_OF_A_CLASS_ALONE[n] for key in keys.values()}
    expected |= {"shared_top": N_SHARED[n]} if n > 2 else {}
    expected |= {"no_preference": 1}
    assert Counter(found.values()) == expected
    assert terms.preference_groups(list(keys.values())) == tuple(expected)
