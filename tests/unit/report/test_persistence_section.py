"""Titles and sentences of the section on persistence."""

from collections.abc import Sequence

import pandas as pd
import pytest

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.report.blocks import Beside, Image, Prose
from omop_scorer.report.context import Context
from omop_scorer.report.sections.persistence import persistence_blocks
from tests.support import report_data

CANNOT = "Preference cannot be told"


def said(curves: pd.DataFrame, means: pd.DataFrame) -> tuple[list[Image], str]:
    """Return both pictures, and the text below them."""
    tables = {"persistence": curves, "persistence_mean": means}
    data = ReportData(report_data.RUN, report_data.CLASSES, report_data.MINIMUM, tables)
    beside, prose = persistence_blocks(Context(data))
    assert isinstance(beside, Beside)
    assert isinstance(prose, Prose)
    images = [each for each in beside.blocks if isinstance(each, Image)]
    assert all(len(each.title.split()) <= 12 for each in images)
    return images, prose.text


@pytest.mark.parametrize("hidden", [["difference_days", "p_value"], ["mean_days"]])
def test_without_a_difference_nothing_is_said_of_preferences(hidden: Sequence[str]) -> None:
    means = report_data.persistence_mean()
    means[["difference_days", "difference_ci_low", "difference_ci_high", "p_value"]] = None
    means[list(hidden)] = None
    # The curves are far apart, because one class is kept longer and preferred more often.
    curves = report_data.persistence()
    is_other = curves["preference"] == "others_preferred"
    curves.loc[is_other, ["share", "ci_low", "ci_high"]] *= 0.3
    (_, by_preference), text = said(curves, means)
    assert by_preference.title.startswith(CANNOT)
    assert CANNOT in text
    assert "; p " not in text


@pytest.mark.parametrize(
    ("difference", "p_value", "title"),
    [
        (20.0, 0.177, "No clear difference between preferred and other classes"),
        (20.0, 0.049, "20 days longer on a drug whose class was preferred"),
        (-20.0, 0.049, "20 days shorter on a drug whose class was preferred"),
    ],
)
def test_a_difference_is_told_if_it_is_clear(difference: float, p_value: float, title: str) -> None:
    means = report_data.persistence_mean()
    is_preferred = means["preference"] == "preferred"
    means.loc[is_preferred, ["difference_days", "p_value"]] = difference, p_value
    (_, by_preference), text = said(report_data.persistence(), means)
    assert by_preference.title == title
    assert f"; p {p_value})" in text
    assert CANNOT not in text


@pytest.mark.parametrize(
    ("factor", "title"),
    [
        (1.0, "After 360 days, {2} to {0} still have their first drug"),
        (0.5, "After 360 days, {0} still have their first drug, an anti-TNF"),
    ],
)
def test_a_class_is_named_only_if_it_is_clear_of_the_others(factor: float, title: str) -> None:
    curves = report_data.persistence()
    is_other = curves["drug_class"].isin(["anti_il12_23", "anti_integrin"])
    curves.loc[is_other, ["share", "ci_low", "ci_high"]] *= factor
    rows = curves[(curves["days"] == 360) & (curves["preference"] == "all")]
    shares = [f"{each:.0%}" for each in rows.set_index("drug_class")["share"].drop("all")]
    (by_class, _), _ = said(curves, report_data.persistence_mean())
    assert by_class.title == title.format(*shares)


def test_a_share_rounded_to_zero_does_not_end_a_curve() -> None:
    curves = report_data.persistence()
    curves.loc[curves["days"] == 90, ["share", "ci_low", "ci_high"]] = 0.0, 0.0, 0.02
    (by_class, _), _ = said(curves, report_data.persistence_mean())
    assert by_class.table is not None
    assert any("720 days" in str(row[0]) for row in by_class.table.rows)
    curves.loc[curves["days"] == 90, ["ci_low", "ci_high"]] = None
    (by_class, _), _ = said(curves, report_data.persistence_mean())
    assert by_class.table is not None
    assert not any("120 days" in str(row[0]) for row in by_class.table.rows)
    assert not any("720 days" in str(row[0]) for row in by_class.table.rows)
