"""Patients of a CSV file as arrays: the same values as `score` uses, the same refusals."""

from pathlib import Path

import numpy as np
import pytest

from omop_scorer.errors import ScoringError
from omop_scorer.model.load import load_model
from omop_scorer.scoring import csv_file
from omop_scorer.scoring.csv_file import read_csv

CARD = load_model("crohns_srs_2025").card
HEADER = "age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def test_values_are_in_the_order_of_the_card_and_blanks_are_its_constants(tmp_path):
    path = written(tmp_path / "p.csv", "45,male,25,20,320,0,1,no,1", "61,F,,,,yes,0,1,0")
    values, recorded = read_csv(path, CARD.covariates)
    assert values.tolist() == [
        [320, 45, 25, 20, 0, 1, 1, 0, 1],
        [300, 61, 20, 10, 1, 0, 0, 1, 0],
    ]
    assert recorded[0].all()
    assert np.flatnonzero(~recorded[1]).tolist() == [0, 2, 3]


def test_a_header_alone_is_nobody(tmp_path):
    values, recorded = read_csv(written(tmp_path / "p.csv"), CARD.covariates)
    assert values.shape == recorded.shape == (0, 9)


def test_more_rows_than_a_block_keep_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 3)
    lines = [f"{20 + i},male,25,20,320,0,1,0,1" for i in range(10)]
    values, _ = read_csv(written(tmp_path / "p.csv", *lines), CARD.covariates)
    assert values[:, 1].tolist() == [20 + i for i in range(10)]


def test_every_bad_row_is_named_without_its_value(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 2)
    good = "45,male,25,20,320,0,1,no,1"
    path = written(tmp_path / "p.csv", good, "17,male,25,20,320,0,1,no,1", good, good[:-2], good)
    with pytest.raises(ScoringError) as refused:
        read_csv(path, CARD.covariates)
    assert refused.value.problems == (
        f"{path}: 2 invalid row(s); nothing was written",
        "line 3: age: outside 18 to 99 years",
        "line 5: 8 fields, but the header has 9",
    )


def test_a_file_that_is_not_there_or_lacks_a_column(tmp_path):
    with pytest.raises(ScoringError, match=r"none\.csv: No such file"):
        read_csv(tmp_path / "none.csv", CARD.covariates)
    path = tmp_path / "p.csv"
    path.write_text("age,sex\n45,male\n", encoding="utf-8")
    with pytest.raises(ScoringError, match=r"columns cdai, bmi, .* are missing"):
        read_csv(path, CARD.covariates)
