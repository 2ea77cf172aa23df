"""The authors' public sample of trial data, which is not part of this repository."""

import os
from pathlib import Path

import pytest

VARIABLE = "OMOP_SCORER_TRIALS_SAMPLE"
LAYOUT = "crohnsrx_sample"


@pytest.fixture(scope="session")
def trials_sample() -> Path:
    """Return the path of crohns_biologics_sample.csv (rwelab/CrohnsRx), or skip the test."""
    path = Path(os.environ.get(VARIABLE, ""))
    if not path.is_file():
        pytest.skip(f"{VARIABLE} does not name the file crohns_biologics_sample.csv")
    return path
