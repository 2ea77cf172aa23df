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


def shares(rows: list[tuple[Any, ...]], minimum: int) -> list[float | None]:
    """Return the shares that are shown of rows of run, minimum of the run, measure, item and n."""
    found = pd.DataFrame(
        [(run_id, date(2026, run_id, 28), *others, 1000) for run_id, *others in rows],
        columns=[
            *("run_id", "as_of_date", "minimum", "measure", "item"),
            *("n_persons", "n_population"),
        ],
    )
    shown = shown_trend(found, minimum)
    assert list(shown) == ["as_of_date", "measure", "item", "share"]
    return [None if pd.isna(share) else round(float(share), 9) for share in shown["share"]]


def test_a_figure_beside_few_is_left_out() -> None:
    # Four times the minimum is enough to be shown; 19 are few, and so are those who are left.
    rows = [
        (run_id, 5, "preference_group", item, n)
        for run_id, few in ((1, 19), (2, 20))
        for item, n in (("one_alone", 600), ("two_alone", 400 - few), ("no_preference", few))
    ]
    rows += [(1, 5, "imputed", "cdai", 790), (2, 5, "imputed", "cdai", 981)]
    assert shares(rows, 5) == [None, None, None, 0.6, 0.38, 0.02, 0.79, None]


def test_a_run_keeps_its_own_minimum() -> None:
    # Steps of 1% and 2%. 0.45 is rounded to 0.44 from the 0.45 that the run itself shows.
    rows = [(1, 5, "imputed", "cdai", 454), (2, 10, "imputed", "cdai", 454)]
    assert shares(rows, 5) == [0.45, 0.46]
    assert shares(rows, 10) == [0.44, 0.46]
    few = [(1, 5, "imputed", "cdai", 30), (2, 10, "imputed", "cdai", 30)]
    assert shares(few, 5) == [0.03, None]
