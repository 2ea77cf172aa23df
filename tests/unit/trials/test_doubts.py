"""Doubts about trial data that is used all the same, and columns that must be other ones."""

import re
from pathlib import Path

import pytest

from omop_scorer.errors import ScoringError
from omop_scorer.trials.load import load_trials

HEADER = "trial,year,arm,age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal"
ARMS = ("placebo", "anti_tnf", "anti_il12_23")


def write(folder: Path, visits: dict[int, object], n: int = 60, year: int = 2004) -> Path:
    """Write n participants of three arms and four trials, with the value of each visit."""
    weeks = "".join(f",cdai_week_{week}" for week in visits)
    values = "".join(f",{value}" for value in visits.values())
    rows = [
        f"T{i % 4},{year + i % 4},{ARMS[i % 3]},{20 + i},{i % 2},{20 + i % 7},{i % 11},{300 + i},"
        f"{i % 3 // 2},{i // 2 % 2},{i // 3 % 2},{i // 5 % 2}{values}"
        for i in range(n)
    ]
    path = folder / "trials.csv"
    path.write_text("\n".join([HEADER + weeks, *rows]) + "\n", encoding="utf-8")
    return path


def layout(folder: Path, text: str) -> Path:
    path = folder / "layout.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("visits", "warning"),
    [
        ({4: 250, 6: 200}, None),
        ({2: 250, 4: 200}, "no column of a visit at week 6, so the outcome is that of week 4 or"),
        ({4: 250, 6: ""}, "nobody has a value at week 6, so every outcome is that of an earlier"),
        ({6: 250, 8: 200, 12: 199}, r"visits after week 6 are never read \(week 8, 12\); set"),
    ],
)
def test_visits_that_do_not_fit_the_outcome_week(tmp_path, visits, warning):
    found = [each for each in load_trials(write(tmp_path, visits)).warnings if "week" in each]
    assert len(found) == (warning is not None)
    assert all(re.match(str(warning), each) for each in found)


def test_a_year_outside_the_data(tmp_path):
    inside = load_trials(write(tmp_path, {6: 200}, year=2004)).warnings
    assert not [each for each in inside if each.startswith("year is held")]
    (outside,) = [
        each
        for each in load_trials(write(tmp_path, {6: 200}, year=2016)).warnings
        if each.startswith("year is held")
    ]
    assert outside.startswith(
        "year is held at 2006 when somebody is scored, and the years of the data are 2016 to 2019"
    )


def test_words_that_name_no_arm_are_said_unless_they_are_rare(tmp_path):
    path = write(tmp_path, {6: 200})
    words = "arms: {placebo: placebo, anti_tnf: anti_tnf, anti_integrin: anti_integrin}"
    rows = path.read_text(encoding="utf-8").splitlines()
    # Of the 20 rows of the class, 10 keep a word, 5 have a frequent one in two spellings, 4 a rare
    # one, and 1 has none.
    new = ["anti_integrin"] * 10 + ["UST", "ust", " UST", "Ust ", "UST"] + ["RARE"] * 4 + [""]
    left = iter(new)
    rows = [row.replace("anti_il12_23", next(left)) if "il12" in row else row for row in rows]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    said = load_trials(path, layout(tmp_path, words)).warnings
    assert (
        "10 row(s) have no word of an arm in the column arm (in 5 rows or more: 'ust'); name the "
        "file's words under `arms` of the layout, or leave the rows out"
    ) in said
    assert "anti_il12_23: no participant is included, so the class is left out" in said
    assert not any("rare" in each.lower() for each in said)
    with pytest.raises(ScoringError) as caught:
        load_trials(path, layout(tmp_path, "arms: {pbo: placebo, UST: anti_tnf, x: anti_integrin}"))
    assert "no participant of the arm placebo is included" in str(caught.value)
    assert "(in 5 rows or more: 'placebo', 'anti_tnf', 'anti_integrin')" in str(caught.value)
    assert "rare" not in str(caught.value).lower()


def test_a_trial_that_loses_everybody(tmp_path):
    path = write(tmp_path, {6: 200})
    rows = path.read_text(encoding="utf-8").splitlines()
    place = HEADER.split(",").index("prior_anti_tnf")
    for i, row in enumerate(rows):
        if row.startswith("T2,"):
            cells = row.split(",")
            rows[i] = ",".join([*cells[:place], "", *cells[place + 1 :]])
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = [each for each in load_trials(path).warnings if "lose every participant" in each]
    assert found == [
        "1 trial(s) lose every participant; if a trial never collected a covariate, say under "
        "`never_collected` of the layout what to assume"
    ]


def test_a_column_is_read_under_one_name(tmp_path):
    path = write(tmp_path, {6: 200})
    with pytest.raises(ScoringError) as caught:
        load_trials(path, layout(tmp_path, "columns: {trial: age}"))
    assert caught.value.problems == (
        f"{path}: column age is read as trial already; name another column under `columns` of the "
        "layout",
    )


def test_participants_are_no_trials(tmp_path):
    path = write(tmp_path, {6: 200})
    rows = path.read_text(encoding="utf-8").splitlines()
    ids = [f"P{i:03}" for i in range(len(rows))]
    text = "\n".join(f"{'subject' if i == 0 else ids[i]},{row}" for i, row in enumerate(rows))
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(ScoringError) as caught:
        load_trials(path, layout(tmp_path, "columns: {trial: subject}"))
    assert "column trial: most participants have a trial of their own" in str(caught.value)
    assert not any(each in str(caught.value) for each in ids)
