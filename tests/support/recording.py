"""A plugin of pytest that runs no job: it writes down the CDMs that the rule tests would run on.

`python -m pytest -p tests.support.recording tests/covariates tests/audits` appends a line of JSON a
run on a DuckDB file to the file that OMOP_SCORER_TEST_RECORD names. Whatever a test asks of the
answer equals what it expects, as far as that can be; what it makes of it is of no matter here.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support import spec

_n_runs = 0


class Anything:
    """What any answer is said to be."""

    __hash__ = None
    __iter__ = None

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __eq__(self, other: object) -> bool:
        return True


def record(
    folder: Path,
    cdm: spec.Cdm,
    settings: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Any:
    global _n_runs  # noqa: PLW0603
    _n_runs += 1
    line = {
        "test": os.environ["PYTEST_CURRENT_TEST"],
        "tables": cdm.tables,
        "settings": settings or {},
        "layout": layout,
    }
    with Path(os.environ["OMOP_SCORER_TEST_RECORD"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, default=str) + "\n")
    return Anything()


def record_from(source: str, *given: Any, **named: Any) -> Any:
    if source != "duckdb":
        pytest.skip("another source has the same CDM")
    return record(*given, **named)


spec.run = record
spec.run_from = record_from


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before = _n_runs
    with suppress(Exception):
        yield
    makes_cases = hasattr(getattr(item, "module", None), "read_cdm")
    assert _n_runs > before or not makes_cases, f"{item.nodeid} asked for no run"
