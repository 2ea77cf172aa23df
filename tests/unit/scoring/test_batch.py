"""A batch of the matrix: to rows of the results, to the preferences, and to the counts."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from omop_scorer import data_model
from omop_scorer.errors import ScoringError
from omop_scorer.model.load import load_model
from omop_scorer.scoring.batch import (
    patient_preference,
    read_patients,
    score_and_count,
    score_batch,
)
from omop_scorer.scoring.preference import (
    no_patient_preference,
    no_patient_score,
    patient_score,
)
from omop_scorer.scoring.tally import Tally
from omop_scorer.terms import COVARIATE_STATUSES, NO_PREFERENCE, STATUS_CODES
from tests.support import tiny_card

COUNTS = (
    *("uncertainty_comparison", "label_check", "imputation_sensitivity"),
    *("covariate_summary", "preference_profile", "histogram"),
)

STATUS_OF = dict(zip("rcail", COVARIATE_STATUSES, strict=True))
# Each value and r(ecorded), c(omputed), a(bsent), i(mputed) or l(eft out); x0, x1, flag, male.
PATIENTS = [
    ("7r", "0r", "0a", "1r"),
    ("0i", "6r", "0i", "0r"),
    ("l", "0r", "1r", "1r"),
    ("3r", "25r", "l", "0r"),
    ("l", "1i", "l", "1r"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_card.load(tmp_path_factory.mktemp("tiny"))


def matrix(patients, names=("x0", "x1", "flag", "male"), first=1):
    """Write patients as a batch of the matrix."""
    n = len(patients)
    columns = {
        "person_id": pa.array(range(first, first + n), pa.int64()),
        "n_values": pa.array([len(names)] * n, pa.int64()),
        "patient_age": pa.array([40] * n, pa.int64()),
        "patient_is_male": pa.array([each[-1].startswith("1") for each in patients], pa.bool_()),
    }
    for j, name in enumerate(names):
        cells = [row[j] for row in patients]
        values = [float(cell[:-1]) if cell[:-1] else None for cell in cells]
        columns[name] = pa.array(values, pa.float64())
        codes = [STATUS_CODES[STATUS_OF[cell[-1]]] for cell in cells]
        columns[f"{name}_status"] = pa.array(codes, pa.int32())
    return pa.RecordBatch.from_pydict(columns)


def scored(model, patients, uncertainty="bootstrap", batch_size=100):
    tally, tables = Tally(model), {}
    for start in range(0, len(patients), batch_size):
        batch = matrix(patients[start : start + batch_size], first=start + 1)
        for name, rows in score_batch(batch, model, uncertainty, 11, tally):
            assert rows.schema == data_model.arrow_schema(name)
            tables[name] = pa.concat_tables([tables[name], rows]) if name in tables else rows
    return tally, tables


def test_each_patient_is_scored_by_what_is_known(tiny):
    tally, tables = scored(tiny, PATIENTS)
    rows = tables["patient_subgroup"].to_pylist()
    # Effects 7 : 0, 0 : 6, without x0 1 : 6, 3 : 25, without x0 and flag 1 : 1.
    subgroups = ["A > B", "B > A", "B > A", "B > A", "(A = B)"]
    assert [row["subgroup"] for row in rows] == subgroups
    groups = ["first_alone", "second_alone", "second_alone", "second_alone", "no_preference"]
    assert [row["preference_group"] for row in rows] == groups
    assert [row["ruled_out_class"] for row in rows] == [None] * 5
    assert [row["n_imputed"] for row in rows] == [0, 2, 0, 0, 1]
    # x0 tells disease activity; x1 is 25 where 0 to 20 is the range; unknown without x0.
    assert [row["within_trial_range"] for row in rows] == [True, None, None, False, None]
    assert [row["third_class"] for row in rows] == [None] * 5
    assert [row["first_class"] for row in rows] == ["first", *["second"] * 3, "first"]
    effects = tables["counterfactual"]["attributable_effect"].to_pylist()
    assert effects == [7, 0, 0, 6, 1, 6, 3, 25, 1, 1]
    assert tally.n == 5
    assert tally.subgroups() == {"B > A": 3, "(A = B)": 1, "A > B": 1}
    assert tally.trial_range == {"within": 1, "outside": 1, "unknown": 3}


def test_preferences_are_those_of_the_scores(tiny):
    batch = matrix(PATIENTS)
    _, tables = scored(tiny, PATIENTS)
    score = patient_score(tables["patient_subgroup"], tiny)
    assert score.schema == no_patient_score().schema
    preferred = ["first", "second", "second", "second", NO_PREFERENCE]
    assert score["preferred"].to_pylist() == preferred
    preference = patient_preference(batch, tiny, "bootstrap")
    assert preference.schema == no_patient_preference().schema
    assert preference.to_pydict() == {"person_id": [1, 2, 3, 4, 5], "preferred": preferred}
    # Analytic: A's fit is 1 more and 5.54 apart is needed: 8 : 0, 1 : 6, 2 : 6, 4 : 25, 2 : 1.
    analytic = patient_preference(batch, tiny, "analytic")["preferred"].to_pylist()
    assert analytic == ["first", NO_PREFERENCE, NO_PREFERENCE, "second", NO_PREFERENCE]


def test_tied_classes_are_named_in_the_order_of_the_card(tmp_path):
    model = tiny_card.load(tmp_path, c=3)
    batch = matrix([("8r", "0r", "9r", "0r", "1r")], ("x0", "x1", "x2", "flag", "male"))
    (preferred,) = patient_preference(batch, model, "bootstrap")["preferred"].to_pylist()
    assert preferred == "first = third"


@pytest.mark.parametrize(
    ("effects", "group", "ruled_out"),
    [
        # 2.77 apart is significant: neighbours are not, first and last are or are not.
        (("4", "2", "0"), "no_preference", "third"),
        (("2", "4", "0"), "no_preference", "third"),
        (("0", "2", "4"), "no_preference", "first"),
        (("2", "1", "0"), "no_preference", None),
        # A label with an order rules nothing out beyond what it says.
        (("4", "5", "0"), "shared_top", None),
        (("8", "4", "0"), "first_alone", None),
        (("0", "1", "5"), "third_alone", None),
    ],
)
def test_the_class_ruled_out_is_the_worst_of_no_preference(tmp_path, effects, group, ruled_out):
    model = tiny_card.load(tmp_path, c=3)
    patient = (*(f"{effect}r" for effect in effects), "0r", "1r")
    batch = matrix([patient], ("x0", "x1", "x2", "flag", "male"))
    (row,) = dict(score_batch(batch, model, "bootstrap", 11, Tally(model)))[
        "patient_subgroup"
    ].to_pylist()
    assert (row["preference_group"], row["ruled_out_class"]) == (group, ruled_out)


def test_the_counts_of_a_run(tiny):
    tally, _ = scored(tiny, PATIENTS)
    tables = dict(tally.tables(11, "bootstrap"))
    assert tuple(tables) == COUNTS
    for name, rows in tables.items():
        assert rows.schema == data_model.arrow_schema(name)
        assert set(rows["run_id"].to_pylist()) == {11}
    pairs = tables["uncertainty_comparison"].to_pylist()
    assert sum(row["n_persons"] for row in pairs) == 5
    changes = {
        (row["covariate"], row["assumption"]): (row["n_imputed"], row["n_changed"])
        for row in tables["imputation_sensitivity"].to_pylist()
    }
    # Second patient, 0 : 6: x0 2 keeps B, 8 : 6 is level, 1 : 6 is B. Its flag 1 makes it 0 : 12.
    assert changes["x0", "first_quartile"] == (1, 0)
    assert changes["x0", "third_quartile"] == (1, 1)
    assert changes["x0", "reduced_model"] == (1, 0)
    assert changes["flag", "first_quartile"] == (1, 0)
    assert changes["x0 + flag", "reduced_model"] == (1, 0)
    # Fifth patient, 1 : 1 without x0 and flag: x1 2 is level, 8 is B.
    assert changes["x1", "first_quartile"] == (1, 0)
    assert changes["x1", "third_quartile"] == (1, 1)
    summary = {
        (row["covariate"], row["population"]): row["n_persons"]
        for row in tables["covariate_summary"].to_pylist()
    }
    # Absent is recorded: what no record shows is known to be no.
    assert summary["flag", "scored"] == 3
    assert summary["flag", "recorded"] == 2
    assert summary["x0", "scored"] == 3


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_change_nothing(tiny, batch_size):
    for uncertainty in ("bootstrap", "analytic"):
        whole, tables = scored(tiny, PATIENTS, uncertainty)
        parts, part_tables = scored(tiny, PATIENTS, uncertainty, batch_size)
        assert part_tables == tables
        assert dict(parts.tables(1, "bootstrap")) == dict(whole.tables(1, "bootstrap"))
        assert parts.subgroups() == whole.subgroups()


def test_the_counts_of_parts_add_up_and_travel(tiny):
    whole, _ = scored(tiny, PATIENTS, "bootstrap")
    sum_of_parts = Tally(tiny)
    for first in range(len(PATIENTS)):
        batch = matrix(PATIENTS[first : first + 1], first=first + 1)
        rows, counted = score_and_count(batch, tiny, "bootstrap", 1)
        assert set(rows) == {
            "results.counterfactual",
            "results.patient_subgroup",
            "work.patient_score",
        }
        sum_of_parts.update(pickle.loads(pickle.dumps(counted)))
    assert dict(sum_of_parts.tables(1, "bootstrap")) == dict(whole.tables(1, "bootstrap"))
    assert sum_of_parts.subgroups() == whole.subgroups()
    assert sum_of_parts.trial_range == whole.trial_range
    assert (sum_of_parts.n, sum_of_parts.n_worst_class_ruled_out) == (
        whole.n,
        whole.n_worst_class_ruled_out,
    )


def test_the_counts_of_nobody():
    tables = dict(Tally(load_model("crohns_srs_2025")).tables(1, "bootstrap"))
    assert tuple(tables) == COUNTS
    rows = {name: each.num_rows for name, each in tables.items()}
    assert rows == dict(zip(COUNTS, (0, 6, 28, 18, 126, 0), strict=True))


def test_an_empty_batch(tiny):
    tally = Tally(tiny)
    tables = dict(score_batch(matrix([]), tiny, "bootstrap", 1, tally))
    assert {name: rows.num_rows for name, rows in tables.items()} == {
        "counterfactual": 0,
        "patient_subgroup": 0,
    }
    assert tally.n == 0
    assert patient_preference(matrix([]), tiny, "bootstrap").num_rows == 0


@pytest.mark.parametrize("letter", ["r", "a", "i"])
def test_a_missing_value_that_is_not_left_out_is_refused(tiny, letter):
    batch = matrix([(letter, "8.25r", "0r", "1r"), ("8.25r", "0r", "0r", "1r")])
    with pytest.raises(ScoringError, match=r"^1 covariate value\(s\) are missing") as caught:
        read_patients(batch, tiny)
    assert "8.25" not in str(caught.value)
    with pytest.raises(ScoringError):
        patient_preference(batch, tiny, "bootstrap")


@pytest.mark.parametrize(
    ("column", "number"), [("n_values", 5), ("male_status", 0), ("male_status", None)]
)
def test_a_value_without_exactly_one_status_is_refused(tiny, column, number):
    batch = matrix([("8r", "0r", "0r", "1r"), ("8r", "0r", "0r", "1r")])
    index = batch.schema.get_field_index(column)
    right = batch[column][1].as_py()
    broken = batch.set_column(index, column, pa.array([number, right], batch[column].type))
    with pytest.raises(ScoringError, match=r"^1 covariate value\(s\)"):
        list(score_batch(broken, tiny, "bootstrap", 1, Tally(tiny)))


def test_a_missing_covariate_is_not_a_value_left_out(tiny):
    batch = matrix([("l", "0r", "0r", "1r"), ("l", "0r", "0r", "1r")])
    index = batch.schema.get_field_index("x0_status")
    broken = batch.set_column(index, "x0_status", pa.array([None, 5], pa.int32()))
    with pytest.raises(ScoringError, match=r"^1 covariate value\(s\)"):
        read_patients(broken, tiny)


def test_a_value_left_out_but_present_or_not_a_number_is_refused(tiny):
    batch = matrix([("8l", "nanr", "0r", "1r"), ("8r", "0r", "0r", "1r")])
    with pytest.raises(ScoringError, match=r"^2 covariate value\(s\)"):
        list(score_batch(batch, tiny, "bootstrap", 1, Tally(tiny)))


def test_a_pattern_without_a_variant_is_refused(tiny):
    tally = Tally(tiny)
    with pytest.raises(ScoringError, match=r"^1 patient\(s\) lack x1, but the model card has no"):
        list(score_batch(matrix([("8r", "l", "0r", "1r")]), tiny, "bootstrap", 1, tally))
    assert tally.n == 0


def test_patients_are_read_as_they_are(tiny):
    patients = read_patients(matrix([*PATIENTS[:3], ("3r", "25c", "l", "0r"), PATIENTS[4]]), tiny)
    assert np.isnan(patients.values[:, 0]).tolist() == [False, False, True, False, True]
    assert patients.values[:, 1].tolist() == [0, 6, 0, 25, 1]
    assert patients.recorded[:, 1].tolist() == [True, True, True, True, False]
    assert patients.recorded[:, 2].tolist() == [False, False, True, False, False]
    assert patients.imputed[:, 2].tolist() == [False, True, False, False, False]
