"""A data frame is scored and refused as the CSV file that pandas writes of it."""

import csv
import math
from numbers import Number

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omop_scorer
from omop_scorer.errors import ScoringError
from omop_scorer.scoring import data_frame
from omop_scorer.scoring.csv_file import score_csv
from tests.support.thoroughness import examples

MODEL = omop_scorer.load_model("crohns_srs_2025")
COVARIATES = {each.csv_column: each for each in MODEL.card.covariates}
NUMBERS = {
    "age": [18, 54, 99],
    "bmi": [25, 27.3, 23.077575769657763],
    "crp": [0, 20, 0.1],
    "cdai": [150, 320.5],
}
WORDS = {"sex": ["male", "F", " m "]}
YES_NO = ["yes", "No", "1", "true", ""]
TEXTS = ["25", " 54.0 ", "3.2e2", "1,5", "nan", "NA", "", "x", "-1", "1e999", "\u0662", "None"]
ODD = [-1, 7919, 1e22, 10**30, math.inf, 2, 0.5, True, "1.0", 3 + 4j, b"1", (1,), pd.Timestamp(0)]
MISSING = [None, math.nan, pd.NA, pd.NaT, np.float32("nan")]
#: Data types of columns that hold numbers, whole numbers, booleans and texts.
KINDS = {
    "numbers": ["object", "float64", "float32", "Float64", "category", "double[pyarrow]"],
    "whole": ["object", "int64", "int16", "Int64", "float64", "category", "int64[pyarrow]"],
    "booleans": ["object", "bool", "boolean", "bool[pyarrow]", "category"],
    "texts": ["object", "str", "string", "category", "string[pyarrow]"],
}
#: Data types of pandas and numpy that have no missing value.
WITHOUT_NA = {"int64", "int16", "bool"}


@st.composite
def columns(draw, name, n):
    """Draw a column of n cells for a covariate: of one data type, or of anything."""
    chance = draw(st.sampled_from([0, 0, 0, 0, 0.1]))
    random = draw(st.randoms(use_true_random=False))
    if name in NUMBERS:
        kind = draw(st.sampled_from(["numbers", "whole", "texts"]))
        choices = NUMBERS[name]
        if kind == "whole":
            choices = [value for value in choices if isinstance(value, int)] or [25]
        if kind == "texts":
            choices = [*map(str, choices), "25", "54"]
    elif name in WORDS:
        kind, choices = "texts", WORDS[name]
    else:
        kind = draw(st.sampled_from(["numbers", "whole", "booleans", "texts"]))
        choices = {"booleans": [True, False], "texts": YES_NO}.get(kind, [0, 1])
    dtype = draw(st.sampled_from(KINDS[kind]))
    may_lack = COVARIATES[name].imputed_value is not None and dtype not in WITHOUT_NA
    cells = [random.choice(choices) for _ in range(n)]
    cells = [random.choice(MISSING) if may_lack and random.random() < 0.2 else c for c in cells]
    if dtype != "object":
        return pd.Series([None if pd.isna(cell) else cell for cell in cells], dtype=dtype)
    odd = [*ODD, *TEXTS, *MISSING]
    cells = [random.choice(odd) if random.random() < chance else cell for cell in cells]
    return pd.Series(cells, dtype=object)


@st.composite
def frames(draw):
    n = draw(st.integers(0, 7))
    drawn = {name: draw(columns(name, n)) for name in draw(st.permutations(sorted(COVARIATES)))}
    spelt = [draw(st.sampled_from([name, name.upper(), f" {name}"])) for name in drawn]
    drawn = dict(zip(spelt, drawn.values(), strict=True))
    frame = pd.concat({**drawn, "note": pd.Series([draw(st.sampled_from(ODD[:6]))] * n)}, axis=1)
    frame[3] = "kept"
    if draw(st.booleans()):
        frame.index = pd.Index([draw(st.sampled_from(["a", "b"])) for _ in range(n)], dtype=object)
    return frame


def by_csv(folder, frame):
    """Return the rows of the output of the CSV command as texts, or its problems."""
    source, target = folder / "in.csv", folder / "out.csv"
    as_written = frame.copy()
    for place, name in enumerate(frame.columns):
        covariate = COVARIATES.get(str(name).strip().lower())
        if covariate is not None and covariate.kind == "yes_no":
            # pandas writes a column of 1 and NaN as `1.0`, which is no word of a CSV file.
            words = [whole(cell) for cell in frame.iloc[:, place].array]
            as_written.isetitem(place, pd.Series(words, index=frame.index, dtype=object))
    as_written.to_csv(source, index=False)
    try:
        score_csv(source, target, MODEL)
    except ScoringError as error:
        return [each.removeprefix(f"{source}: ") for each in error.problems]
    with target.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def whole(cell):
    is_whole = isinstance(cell, Number) and not isinstance(cell, bool | np.bool_ | complex)
    return int(cell) if is_whole and math.isfinite(cell) and cell == int(cell) else cell


def text(value):
    """Return a value of the output as the CSV command writes it."""
    if pd.isna(value):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, float) else str(value)


def by_frame(frame, batch_rows):
    """Return the scored frame, or the problems."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_frame, "BATCH_ROWS", batch_rows)
        try:
            return omop_scorer.score_frame(frame, model=MODEL)
        except ScoringError as error:
            return list(error.problems)


def as_rows(problems):
    """Return the problems of a CSV file as those of a frame; its first row is on line 2."""
    first, *lines = problems
    counted = first.removesuffix("nothing was written")
    rows = [line.removeprefix("line ").partition(": ") for line in lines]
    return [
        f"frame: {counted}rows are counted from 0; nothing was scored",
        *(f"row {int(number) - 2}: {reasons}" for number, _, reasons in rows),
    ]


@settings(max_examples=examples(100), deadline=None)
@given(frame=frames(), batch_rows=st.sampled_from([1, 2, 100]))
def test_any_frame_is_scored_as_its_csv(tmp_path_factory, frame, batch_rows):
    expected = by_csv(tmp_path_factory.mktemp("csv"), frame)
    before = frame.copy(deep=True)
    scored = by_frame(frame, batch_rows)
    pd.testing.assert_frame_equal(frame, before)
    if isinstance(scored, list):
        assert scored == as_rows(expected)
        return
    pd.testing.assert_frame_equal(scored.iloc[:, : len(frame.columns)], frame)
    assert scored.index.equals(frame.index)
    new = scored.columns[len(frame.columns) :]
    assert not expected or [*expected[0]][-len(new) :] == [*new]
    found = [{name: text(row[name]) for name in new} for _, row in scored[new].iterrows()]
    assert found == [{name: row[name] for name in new} for row in expected]
