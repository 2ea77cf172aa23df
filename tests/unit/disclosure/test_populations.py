"""Populations of a warehouse: none is shown that is too small, or leaves out too few."""

import json

import numpy as np
import pytest

from omop_scorer.disclosure.digits import rounded_mean
from omop_scorer.disclosure.populations import may_be_counted, protection_of
from omop_scorer.trials.population import Criteria, Persons


def persons(women, men, young=0):
    """Return women and men of 60, and young women of 30."""
    n = women + men + young
    age = np.array([60.0] * (women + men) + [30.0] * young)
    is_male = np.array([False] * women + [True] * men + [False] * young)
    return Persons(np.zeros((n, 1)), age, is_male)


@pytest.mark.parametrize(
    ("women", "men", "young", "everyone", "of_women"),
    [
        (5, 5, 5, True, True),
        (5, 0, 0, True, True),  # nobody is left out
        (4, 6, 5, True, False),  # too few women
        (9, 4, 5, True, False),  # the men follow from the women
        (2, 2, 9, False, False),  # too few in all
        (6, 6, 4, False, True),  # the young follow from all; 6 of 12 and 6 of 16 may be shown
    ],
)
def test_a_population_and_what_it_leaves_out(women, men, young, everyone, of_women):
    found, rules = persons(women, men, young), protection_of("{}", 5)
    assert may_be_counted(Criteria(50), found, rules) == everyone
    assert may_be_counted(Criteria(50, None, "female"), found, rules) == of_women


@pytest.mark.parametrize(
    ("config", "asked", "in_force"),
    [
        ({"minimum_cell_count": 11}, 5, 11),
        ({"minimum_cell_count": 3}, 5, 5),
        ({}, 7, 7),
        ([], 7, 7),
    ],
)
def test_the_greater_minimum_is_in_force(config, asked, in_force):
    assert protection_of(json.dumps(config), asked).minimum_cell_count == in_force


def test_digits_of_a_mean():
    assert (rounded_mean(0.503349), rounded_mean(123456.0)) == (0.5033, 123500.0)
