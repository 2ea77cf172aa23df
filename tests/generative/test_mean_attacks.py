"""Means, deviations and differences against a reader who wants the values of a few patients.

The reader has the two rows of a covariate as printed, the counts of patients, and perhaps the
constant that was imputed. Whatever the reader solves for, it is never of fewer recorded values than
four times the minimum. A cohort median is the value of one patient, so it counts as well.
"""

import csv
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from omop_scorer.disclosure.protect import protect_run
from omop_scorer.report.csv_files import csv_files
from tests.support.made_up_run import run_of
from tests.support.thoroughness import examples

Row = Mapping[str, Any]
CONSTANT = 10.0
TRIAL_MEAN, TRIAL_DEVIATION = 19.0, 25.0
VALUES = st.lists(st.integers(10, 990).map(lambda n: n / 10), max_size=45)


def moments(values: Sequence[float]) -> dict[str, float | None]:
    mean = statistics.fmean(values) if values else None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    difference = None
    if mean is not None and deviation is not None:
        difference = (mean - TRIAL_MEAN) / math.sqrt((deviation**2 + TRIAL_DEVIATION**2) / 2)
    return {
        "mean": mean,
        "standard_deviation": deviation,
        "standardised_mean_difference": difference,
    }


def tables_of(recorded: Sequence[float], n_imputed: int, imputed: float) -> dict[str, list[Any]]:
    """Return the true tables of a covariate that is recorded for some and imputed for others."""
    states = {"observed": len(recorded), "computed": 0, "absent": 0, "imputed": n_imputed}
    rows = (("scored", [*recorded, *[imputed] * n_imputed]), ("recorded", recorded))
    return {
        "covariate_quality": [
            {"covariate": "crp", "measure": f"n_{state}", "n": n} for state, n in states.items()
        ],
        "covariate_summary": [
            {
                "covariate": "crp",
                "population": population,
                "n_persons": len(values),
                **moments(values),
                "trial_mean": TRIAL_MEAN,
                "trial_standard_deviation": TRIAL_DEVIATION,
            }
            for population, values in rows
        ],
    }


def number(row: Row, name: str) -> float | None:
    return None if row[name] in ("", None) else float(row[name])


def mean_of(row: Row) -> float | None:
    """Return the mean of a row, printed or from the difference and the deviation."""
    mean, deviation = number(row, "mean"), number(row, "standard_deviation")
    difference = number(row, "standardised_mean_difference")
    if mean is not None or difference is None:
        return mean
    if deviation is None:
        return TRIAL_MEAN + difference * TRIAL_DEVIATION  # not exact, but near
    return TRIAL_MEAN + difference * math.sqrt((deviation**2 + TRIAL_DEVIATION**2) / 2)


def learned(rows: Sequence[Row], n_scored: int, n_recorded: int) -> Iterator[float]:
    """Yield what the reader finds out, given the counts: of the recorded and of the imputed."""
    scored, recorded = rows
    n_imputed = n_scored - n_recorded
    of_all, of_recorded = mean_of(scored), mean_of(recorded)
    if of_recorded is not None:
        yield of_recorded
    if of_all is not None and n_recorded:
        yield (n_scored * of_all - n_imputed * CONSTANT) / n_recorded
        # Most values are imputed, so the mean of all is near the median.
        yield of_all
    if None not in (of_all, of_recorded) and n_imputed:
        yield (n_scored * float(of_all or 0) - n_recorded * float(of_recorded or 0)) / n_imputed
    for row in rows:
        if (deviation := number(row, "standard_deviation")) is not None and n_recorded:
            yield deviation


def printed(tables: dict[str, list[Any]], n_scored: int, minimum: int) -> list[Row]:
    run = run_of(tables, minimum=minimum, n_cohort=n_scored, n_scored=n_scored)
    text = csv_files(protect_run(run, minimum))["covariate_summary.csv"]
    return list(csv.DictReader(io.StringIO(text)))


@settings(max_examples=examples(50), deadline=None, derandomize=True)
@given(VALUES, st.integers(0, 60), st.booleans(), st.integers(2, 8))
def test_no_value_of_a_few_is_learned(
    recorded: list[float], n_imputed: int, is_median: bool, minimum: int
) -> None:
    imputed = statistics.median(recorded) if is_median and recorded else CONSTANT
    n_scored = len(recorded) + n_imputed
    if not n_scored:
        return
    rows = printed(tables_of(recorded, n_imputed, imputed), n_scored, minimum)
    found = list(learned(rows, n_scored, len(recorded)))
    if 0 < len(recorded) < 4 * minimum:
        assert found == []
    elif len(recorded) >= 4 * minimum and not 0 < n_imputed < minimum:
        assert rows[1]["mean"] != ""


def test_the_reader_solves_what_is_printed_as_it_is() -> None:
    # Five recorded values, of which 7.5 is the median, and 40 patients with the median.
    recorded = [2.0, 5.0, 7.5, 30.0, 80.0]
    rows = tables_of(recorded, 40, 7.5)["covariate_summary"]
    assert any(math.isclose(each, 7.5) for each in learned(rows, 45, 5))
    rows = tables_of(recorded, 40, CONSTANT)["covariate_summary"]
    assert sum(math.isclose(each, 24.9) for each in learned(rows, 45, 5)) == 2
    # Without the means, the differences give them away.
    without = [{**row, "mean": ""} for row in rows]
    assert any(math.isclose(each, 24.9) for each in learned(without, 45, 5))
