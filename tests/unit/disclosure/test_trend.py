"""Trends: one run a month, and no share from which a small count follows."""

from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from omop_scorer.disclosure.trend import rounded_share, runs_of_year, shown_trend
from omop_scorer.results.history import Run


def run(run_id: int, as_of: date, **changes: Any) -> Run:
    made: dict[str, Any] = {
        **dict.fromkeys(("tool_version", "engine", "model_id", "concept_sets_sha256"), "one"),
        **dict.fromkeys(("cdm_source_name", "cdm_version", "cdm_release_date"), None),
        **dict.fromkeys(("vocabulary_version", "message"), None),
        "started_at": datetime(2026, 1, 1, tzinfo=UTC),
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "status": "COMPLETE",
        "model_sha256": "a",
        "uncertainty": "bootstrap",
        "config_json": "{}",
        "n_cohort": 100,
        "n_scored": 90,
    }
    return Run(run_id=run_id, as_of_date=as_of, **(made | changes))


def test_the_last_run_of_each_month_of_the_same_models() -> None:
    last = run(9, date(2026, 3, 10))
    runs = [
        run(1, date(2025, 3, 1)),  # more than a year before
        run(2, date(2026, 1, 1)),
        run(3, date(2026, 1, 31)),
        run(4, date(2026, 2, 5), model_sha256="b"),
        run(5, date(2026, 2, 6), status="FAILED"),
        run(6, date(2026, 2, 4)),
        last,
        run(10, date(2026, 3, 11)),
    ]
    assert [each.run_id for each in runs_of_year(last, runs)] == [3, 6, 9]


@pytest.mark.parametrize(
    ("n", "of", "shown"),
    [
        # Steps of 1, 2, 5 and 10% are ten persons of 1,000, 500, 200 and 100.
        *((333, 1000, 0.33), (333, 999, 0.34), (47, 200, 0.25), (47, 199, 0.2)),
        *((4, 1000, 0.0), (0, 1000, 0.0), (40, 99, None), (0, 0, None)),
    ],
)
def test_a_share_is_rounded_to_twice_as_many_persons(n: int, of: int, shown: float | None) -> None:
    assert rounded_share(n, of, 5) == (None if shown is None else pytest.approx(shown))


def test_no_small_count_can_be_told_from_zero() -> None:
    for of in range(100, 3000, 7):
        assert len({rounded_share(n, of, 5) for n in range(5)}) == 1
        assert len({rounded_share(of - n, of, 5) for n in range(5)}) == 1


def test_a_figure_beside_a_small_count_is_left_out() -> None:
    rows = [
        (1, date(2026, 1, 31), "preference_group", item, n, 1000)
        for item, n in (("one_alone", 600), ("two_alone", 397), ("no_preference", 3))
    ]
    rows += [(1, date(2026, 1, 31), "imputed", "cdai", 790, 1000)]
    rows += [
        (2, date(2026, 2, 28), "preference_group", item, n, 1000)
        for item, n in (("one_alone", 600), ("two_alone", 390), ("no_preference", 10))
    ]
    columns = ["run_id", "as_of_date", "measure", "item", "n_persons", "n_population"]
    found = shown_trend(pd.DataFrame(rows, columns=columns), 5)
    assert found["share"].fillna(-1).tolist() == pytest.approx([-1, -1, -1, 0.79, 0.6, 0.39, 0.01])
    assert "n_persons" not in found
