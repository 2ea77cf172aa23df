"""How much is tried: what finds most faults in minutes, or everything, as in a thorough night."""

import os
from collections.abc import Iterable
from typing import Any

import pytest

VARIABLE = "OMOP_SCORER_TEST_PROFILE"
_PROFILES = ("usual", "thorough")

PROFILE = os.environ.get(VARIABLE, "usual")
if PROFILE not in _PROFILES:
    raise ValueError(f"{VARIABLE}={PROFILE}: no such profile; choose from {', '.join(_PROFILES)}")
IS_THOROUGH = PROFILE == "thorough"
#: Marks a test that takes minutes, and whose parts other tests prove on every change.
only_thorough = pytest.mark.skipif(not IS_THOROUGH, reason=f"needs {VARIABLE}=thorough")


def examples(usual: int) -> int:
    """Return the number of examples to draw: ten times the usual number in a thorough night."""
    return usual * 10 if IS_THOROUGH else usual


def cases(usual: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """Return the usual cases, and the others too in a thorough night."""
    return [*usual, *(others if IS_THOROUGH else ())]
