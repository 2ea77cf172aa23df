"""One patient and a CSV of patients: what is taken, what is refused, and what is never said."""

import csv
import io
import json

import numpy as np
import pytest
import yaml
from rich.console import Console

from omop_scorer.cli.patient import render_patient
from omop_scorer.errors import ScoringError
from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from omop_scorer.scoring import csv_file
from omop_scorer.scoring.csv_file import patient_row, score_csv
from omop_scorer.scoring.patient import score_patient

COLUMNS = "age,sex,bmi,crp,cdai,prior_anti_tnf,steroid,immunomodulator,ileal"
PATIENT = "45,male,25,20,320,0,1,0,1"
SENTINEL = "7919.125"
NEW_COLUMNS = [
    "placebo_effect",
    *(
        f"{key}_{what}"
        for key in ("anti_tnf", "anti_il12_23", "anti_integrin")
        for what in ("effect", "standard_error", "response_probability")
    ),
    *("subgroup", "first_class", "second_class", "third_class"),
    *("p_first_second", "p_second_third", "p_first_third", "worst_class_ruled_out"),
    *("n_imputed", "within_trial_range", "on_top", "out_of_range"),
]


@pytest.fixture(scope="module")
def model():
    return load_model("crohns_srs_2025")


@pytest.fixture
def run(tmp_path, model):
    """Score the text of a CSV and return the rows that were written."""

    def score_text(text, model=model, **options):
        source, target = tmp_path / "in.csv", tmp_path / "out.csv"
        source.write_bytes(text if isinstance(text, bytes) else text.encode())
        counts = score_csv(source, target, model, **options)
        with target.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        assert counts.n_scored + counts.n_out_of_range == len(rows)
        assert counts.n_out_of_range == sum(row["out_of_range"] != "" for row in rows)
        return rows

    return score_text


@pytest.fixture
def refused(tmp_path, run):
    """Score a CSV that must be refused; return the problems. Nothing may be left behind."""

    def refused_text(text, **options):
        (tmp_path / "out.csv").write_text("yesterday")
        with pytest.raises(ScoringError) as caught:
            run(text, **options)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
        assert (tmp_path / "out.csv").read_text() == "yesterday"
        assert SENTINEL not in str(caught.value)
        return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return refused_text


def kernel_scores(model, **options):
    patient = np.array([[320, 45, 25, 20, 0, 1, 1, 0, 1.0]])
    return kernel.score(patient, model.arrays, **options)


def test_columns_and_every_digit(run, model):
    (row,) = run(f"{COLUMNS}\n{PATIENT}\n")
    assert list(row) == [*COLUMNS.split(","), *NEW_COLUMNS]
    assert [row[column] for column in COLUMNS.split(",")] == PATIENT.split(",")
    scores = kernel_scores(model)
    assert float(row["placebo_effect"]) == scores.placebo_effect[0]
    for i, key in enumerate(("anti_tnf", "anti_il12_23", "anti_integrin")):
        assert float(row[f"{key}_effect"]) == scores.attributable_effect[0, i]
        assert float(row[f"{key}_standard_error"]) == scores.standard_error[0, i]
        assert float(row[f"{key}_response_probability"]) == scores.response_probability[0, i]
    for name in ("p_first_second", "p_second_third", "p_first_third"):
        assert float(row[name]) == getattr(scores, name)[0]
    assert row["subgroup"] == scores.subgroups()[0] == "(TNF = IL = INT)"
    ranking = [row[f"{place}_class"] for place in ("first", "second", "third")]
    assert ranking == [model.card.classes[i].key for i in scores.ranking[0]]
    assert row["on_top"] == "TNF = IL = INT"
    assert row["worst_class_ruled_out"] in {"true", "false"}
    assert row["n_imputed"] == "0"
    assert row["within_trial_range"] == "true"


def test_uncertainty_is_chosen_by_name(run, model):
    (row,) = run(f"{COLUMNS}\n{PATIENT}\n", uncertainty="analytic")
    scores = kernel_scores(model, uncertainty="analytic")
    assert float(row["anti_tnf_effect"]) == scores.attributable_effect[0, 0]
    assert float(row["anti_tnf_standard_error"]) == scores.standard_error[0, 0]


def test_any_column_order_letter_case_and_other_columns(run):
    text = (
        'person_id,Ileal, CDAI ,"note, free",crp,BMI,Sex,AGE,steroid,Immunomodulator,'
        "prior_anti_tnf\n"
        '007,Yes,320,"two ""lines""\nand a comma, here",20,25,MALE,45,TRUE,No,false\n'
        "7,1,3.2e2,,+20,25.,m,45.0,yes,0,NO\n"
    )
    plain, (first, second) = run(f"{COLUMNS}\n{PATIENT}\n"), run(text)
    assert first["person_id"] == "007"
    assert first["note, free"] == 'two "lines"\nand a comma, here'
    assert list(first)[:3] == ["person_id", "Ileal", " CDAI "]
    for column in NEW_COLUMNS:
        assert first[column] == second[column] == plain[0][column]


def test_byte_order_mark_crlf_and_empty_lines(run):
    plain = run(f"{COLUMNS}\n{PATIENT}\n")
    dressed = run(f"\r\n{PATIENT}\r\n\r\n".join(["\ufeff" + COLUMNS, ""]).encode())
    assert dressed == plain


def test_blanks_are_imputed_and_counted(run, model):
    blank, given = run(f"{COLUMNS}\n45,F,,,,,,, \n45,F,20,10,300,no,no,no,no\n")
    assert blank["n_imputed"] == "7"
    assert given["n_imputed"] == "0"
    for column in set(NEW_COLUMNS) - {"n_imputed", "within_trial_range"}:
        assert blank[column] == given[column]


@pytest.mark.parametrize(
    ("patient", "answer"),
    [
        ("45,male,25,20,320,,,,", "true"),
        ("45,male,25,20,,,,,", ""),
        ("45,male,,,456,,,,", "true"),
        ("45,male,,,456.5,,,,", "false"),
        ("70,male,25,20,,,,,", "false"),
        ("45,male,42,20,320,,,,", "false"),
        ("45,male,25,119,,,,,", "false"),
        ("45,male,25,0,320,,,,", "true"),
    ],
)
def test_within_trial_range_has_three_values(run, patient, answer):
    (row,) = run(f"{COLUMNS}\n{patient}\n")
    assert row["within_trial_range"] == answer


def test_plausible_values_outside_the_calculator_are_used(run):
    inside, outside = run(f"{COLUMNS}\n45,F,45,200,600,,,,\n45,F,46,201,601,,,,\n")
    assert inside["placebo_effect"] != outside["placebo_effect"]


def test_excluded_classes(run):
    text = f"{COLUMNS}\n{PATIENT}\n"
    (row,) = run(text, excluded=frozenset({"anti_tnf"}))
    (whole,) = run(text)
    assert row["anti_tnf_effect"] == whole["anti_tnf_effect"]
    assert row["subgroup"] == "(IL = INT)"
    assert row["on_top"] == "IL = INT"
    assert {row["first_class"], row["second_class"]} == {"anti_il12_23", "anti_integrin"}
    assert row["third_class"] == row["p_second_third"] == row["p_first_third"] == ""
    (alone,) = run(text, excluded=frozenset({"anti_tnf", "anti_il12_23"}))
    assert (alone["subgroup"], alone["on_top"]) == ("INT", "INT")
    assert alone["second_class"] == alone["p_first_second"] == ""
    (nothing,) = run(text, excluded=frozenset({"anti_tnf", "anti_il12_23", "anti_integrin"}))
    assert nothing["on_top"] == "no class left"
    assert nothing["subgroup"] == nothing["first_class"] == ""
    assert nothing["anti_tnf_effect"] == whole["anti_tnf_effect"]
    assert nothing["worst_class_ruled_out"] == "false"


@pytest.mark.parametrize("n_classes", [2, 5])
def test_cards_with_other_numbers_of_classes(run, tmp_path, model, n_classes):
    card = yaml.safe_load(model.path.read_text(encoding="utf-8"))
    card["classes"] = [
        card["classes"][i % 3] | {"key": f"class_{i}", "label": f"C{i}"} for i in range(n_classes)
    ]
    del card["variants"], card["calculator"]
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(card))
    (row,) = run(f"{COLUMNS}\n{PATIENT}\n", model=load_model(path))
    assert [name for name in row if name.endswith("_effect")] == [
        "placebo_effect",
        *(f"class_{i}_effect" for i in range(n_classes)),
    ]
    assert (row["third_class"] == "") == (n_classes == 2)
    assert (row["p_first_third"] == "") == (n_classes == 2)
    assert row["subgroup"].count("C") == n_classes


def test_header_alone_gives_a_header(run, tmp_path):
    assert run(f"{COLUMNS}\n") == []
    assert (tmp_path / "out.csv").read_text() == ",".join([COLUMNS, *NEW_COLUMNS]) + "\n"


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(csv_file, "BATCH_ROWS", 100)


def test_more_rows_than_a_batch_keep_their_order(run, small_batches):
    n = 201
    rows = run(COLUMNS + ",row\n" + "".join(f"{PATIENT},{i}\n" for i in range(n)))
    assert [int(row["row"]) for row in rows] == list(range(n))
    assert {row["placebo_effect"] for row in rows} == {rows[0]["placebo_effect"]}


BAD_FIELDS = [
    (0, "", "age: missing; it is never imputed"),
    (1, " ", "sex: missing; it is never imputed"),
    (0, "17", "age: outside 18 to 99 years"),
    (0, "100", "age: outside 18 to 99 years"),
    (1, SENTINEL, "sex: allowed: male, m, female, f"),
    (2, "9.9", "bmi: outside 10 to 80 kg/m2"),
    (3, SENTINEL, "crp: outside 0 to 500 mg/L"),
    (3, "-1", "crp: outside 0 to 500 mg/L"),
    (4, "750.1", "cdai: outside 0 to 750 points"),
    (2, "1e999", "bmi: outside 10 to 80 kg/m2"),
    (2, f"{SENTINEL}kg", "bmi: not a number (leave blank if missing)"),
    (2, "NA", "bmi: not a number (leave blank if missing)"),
    (2, "nan", "bmi: not a number (leave blank if missing)"),
    (2, "2_5", "bmi: not a number (leave blank if missing)"),
    (2, "٢٥", "bmi: not a number (leave blank if missing)"),
    (5, "maybe", "prior_anti_tnf: allowed: yes, true, 1, no, false, 0"),
    (8, "2", "ileal: allowed: yes, true, 1, no, false, 0"),
]


@pytest.mark.parametrize(("position", "value", "reason"), BAD_FIELDS)
def test_each_bad_field(refused, position, value, reason):
    fields = PATIENT.split(",")
    fields[position] = value
    text = f"{COLUMNS}\n{PATIENT}\n{','.join(fields)}\n"
    assert refused(text, strict=True) == [
        "in.csv: 1 invalid row(s); nothing was written",
        f"line 3: {reason}",
    ]
    if "outside" not in reason:
        assert refused(text)[1] == f"line 3: {reason}"


@pytest.mark.parametrize(
    ("position", "value"), [(p, value) for p, value, reason in BAD_FIELDS if "outside" in reason]
)
def test_a_value_out_of_range_is_marked_and_the_others_are_scored(run, position, value):
    fields = PATIENT.split(",")
    fields[position] = value
    first, marked, last = run(f"{COLUMNS}\n{PATIENT}\n{','.join(fields)}\n{PATIENT}\n")
    assert [marked[name] for name in COLUMNS.split(",")] == fields
    assert marked["out_of_range"] == COLUMNS.split(",")[position]
    assert {marked[name] for name in NEW_COLUMNS} == {"", marked["out_of_range"]}
    assert first == last == run(f"{COLUMNS}\n{PATIENT}\n")[0]


def test_several_values_out_of_range_and_nobody_to_score(run):
    rows = run(f"{COLUMNS}\n17,F,25,501,320,,,,\n45,F,9,20,751,,,,\n")
    # In the order of the card, whatever the order of the file.
    assert [row["out_of_range"] for row in rows] == ["age crp", "cdai bmi"]
    assert {row["subgroup"] for row in rows} == {""}


def test_a_row_that_cannot_be_read_is_named_with_all_its_reasons(refused):
    text = f"{COLUMNS}\n45,F,9,20,320,,,,\n45,F,9,{SENTINEL}mg,320,,,,\n"
    assert refused(text)[1:] == [
        "line 3: bmi: outside 10 to 80 kg/m2; crp: not a number (leave blank if missing)"
    ]


def test_all_bad_rows_are_named_by_their_line_in_the_file(refused):
    text = (
        f"note,{COLUMNS}\r\n"  # line 1
        f'"two\r\nlines",{PATIENT}\r\n'  # lines 2 and 3
        "\r\n"  # line 4
        f"short,{SENTINEL}\r\n"  # line 5
        f'"three\nmore\nlines",,male,{SENTINEL},20,320,0,1,0,{SENTINEL}\r\n'  # lines 6 to 8
        f"good,{PATIENT}\r\n"  # line 9
        f'"bad"quote,{PATIENT}\r\n'  # line 10
        f"long,{PATIENT},\r\n"  # line 11
        f'never closed,"{PATIENT}\r\n'  # line 12
    )
    assert refused(text) == [
        "in.csv: 5 invalid row(s); nothing was written",
        "line 5: 2 fields, but the header has 10",
        "line 6: age: missing; it is never imputed; bmi: outside 10 to 80 kg/m2; "
        "ileal: allowed: yes, true, 1, no, false, 0",
        "line 10: not CSV: ',' expected after '\"'",
        "line 11: 11 fields, but the header has 10",
        "line 12: not CSV: unexpected end of data",
    ]


def test_the_list_of_bad_rows_is_capped(refused):
    problems = refused(f"{COLUMNS}\n" + f"{SENTINEL},male,,,,,,,\n" * 73, strict=True)
    assert problems[0] == "in.csv: 73 invalid row(s); nothing was written"
    assert len(problems) == 52
    assert problems[50] == "line 51: age: outside 18 to 99 years"
    assert problems[51] == "and 23 more"


def test_a_bad_row_after_whole_batches_leaves_nothing(refused, small_batches):
    text = f"{COLUMNS}\n" + f"{PATIENT}\n" * 201 + "x,male,,,,,,,\n"
    assert refused(text)[1] == "line 203: age: not a number (leave blank if missing)"


def test_text_that_is_not_utf8(refused):
    row = f"{COLUMNS},note\n{PATIENT},caf\u00e9\n{PATIENT},".encode() + b"caf\xe9\n"
    assert refused(row)[1:] == ["line 3: not UTF-8 text"]
    assert refused(COLUMNS.encode("utf-16")) == [
        "in.csv: line 1: not UTF-8 text (UTF-16); convert the file"
    ]


def test_headers_that_cannot_be_used(refused):
    without = COLUMNS.replace("crp,", "").replace("age,", "")
    assert refused(f"{without}\n") == [
        "in.csv: columns age, crp are missing; the header needs cdai, age, bmi, crp, "
        "prior_anti_tnf, sex, steroid, immunomodulator, ileal"
    ]
    assert refused(f"{COLUMNS},AGE,subgroup\n") == [
        "in.csv: column age appears more than once; keep one of them",
        "in.csv: column subgroup has the name of an output column; rename or remove it",
    ]
    assert "are missing" in refused("")[0]
    assert refused('"a\n') == ["in.csv: line 1: not CSV: unexpected end of data"]


def test_files_that_cannot_be_used(tmp_path, model):
    source = tmp_path / "in.csv"
    with pytest.raises(ScoringError, match=r"in\.csv: No such file"):
        score_csv(source, tmp_path / "out.csv", model)
    source.write_text(f"{COLUMNS}\n{PATIENT}\n")
    with pytest.raises(ScoringError, match="is the input file or not a regular file"):
        score_csv(source, source, model)
    with pytest.raises(ScoringError, match="is the input file or not a regular file"):
        score_csv(source, tmp_path, model)
    with pytest.raises(ScoringError, match="No such file"):
        score_csv(source, tmp_path / "none" / "out.csv", model)
    with pytest.raises(ScoringError, match="anti_x; allowed: anti_tnf"):
        score_csv(source, tmp_path / "out.csv", model, excluded=frozenset({"anti_x"}))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_one_patient_equals_a_csv_of_one(run, model):
    (row,) = run(f"{COLUMNS}\n{PATIENT}\n")
    patient = score_patient(dict(zip(COLUMNS.split(","), PATIENT.split(","), strict=True)), model)
    assert patient.placebo_effect == float(row["placebo_effect"])
    assert [each.attributable_effect for each in patient.classes] == [
        float(row[f"{each.key}_effect"]) for each in patient.classes
    ]
    assert patient.subgroup == row["subgroup"]
    assert patient.on_top == row["on_top"]
    assert patient.p_first_third == float(row["p_first_third"])
    assert patient.within_trial_range is True
    assert patient.imputed == {}


def test_json_has_the_names_and_values_of_the_csv(run, tmp_path, model):
    text = (
        f"note,{COLUMNS.upper()},free\n"
        f'"a ""b"" ü",{PATIENT},\n' + ",45,f,,,,,,, ,x\n" + ",45,f,9,1e999,,,,,,\n"
    )
    rows = run(text)
    counts = score_csv(tmp_path / "in.csv", tmp_path / "out.json", model, form="json")
    assert (counts.n_scored, counts.n_out_of_range) == (2, 1)
    found = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    numbers = {"age", "bmi", "crp", "cdai"}
    for row, given in zip(rows, found, strict=True):
        lower = {name if name in ("note", "free") else name.lower(): row[name] for name in row}
        assert list(given) == list(lower)
        for name, value in given.items():
            text = lower[name]
            if value is None:
                assert text.strip() == ""
            elif isinstance(value, bool):
                assert text == str(value).lower()
            elif isinstance(value, str):
                assert value == text
            else:
                assert value == float(text)
                assert name in numbers or name == "n_imputed" or "_" in name
    assert (found[0]["note"], found[0]["age"], found[0]["ileal"]) == ('a "b" ü', 45.0, "1")
    assert (found[1]["bmi"], found[1]["ileal"], found[1]["n_imputed"]) == (None, None, 7)
    # Too large for a float: the text as it is given.
    assert (found[2]["bmi"], found[2]["crp"], found[2]["out_of_range"]) == (9.0, "1e999", "bmi crp")


def test_json_in_many_batches_and_a_name_twice(refused, tmp_path, model, small_batches):
    source, target = tmp_path / "in.csv", tmp_path / "out.json"
    for n in (0, 1, 100, 201):
        source.write_text(f"{COLUMNS},row\n" + "".join(f"{PATIENT},{i}\n" for i in range(n)))
        score_csv(source, target, model, form="json")
        assert [row["row"] for row in json.loads(target.read_text())] == [str(i) for i in range(n)]
    target.unlink()
    assert refused(f"{COLUMNS},note,note\n", form="json") == [
        "in.csv: column note appears more than once; keep one of them"
    ]


def test_one_patient_as_text_is_the_row_of_a_csv(run, model):
    (row,) = run(f"{COLUMNS}\n{PATIENT}\n")
    given = dict(zip(COLUMNS.split(","), PATIENT.split(","), strict=True))
    (again,) = csv.DictReader(io.StringIO(patient_row(given, model, form="csv")))
    assert again == row
    one = json.loads(patient_row(given, model))
    assert one["subgroup"] == row["subgroup"]
    assert one["placebo_effect"] == float(row["placebo_effect"])
    with pytest.raises(ScoringError, match="bmi: outside 12 to 45"):
        patient_row(given | {"bmi": 60}, model)


def test_one_patient_by_numbers_and_what_is_missing(model):
    patient = score_patient({"age": 52, "sex": "F", "bmi": 27.1, "steroid": True}, model)
    assert patient.imputed == {
        **{"cdai": 300, "crp": 10},
        **{"prior_anti_tnf": 0, "immunomodulator": 0, "ileal": 0},
    }
    assert patient.within_trial_range is None
    assert sorted(each.preference_rank for each in patient.classes) == [1, 2, 3]
    on_top = [each for each in patient.classes if each.is_on_top]
    mean = sum(each.response_probability for each in on_top) / len(on_top)
    assert patient.on_top_response_probability == pytest.approx(mean, abs=1e-15)
    total = patient.placebo_effect + patient.classes[0].attributable_effect
    assert patient.classes[0].expected_reduction == total
    assert score_patient({"age": 52, "sex": "F", "cdai": 100}, model).within_trial_range is False


def test_one_patient_is_refused_outside_the_calculator(model):
    with pytest.raises(ScoringError) as caught:
        score_patient({"age": 101, "bmi": 46, "crp": SENTINEL, "cdai": "x", "hbi": 3}, model)
    assert caught.value.problems == (
        "hbi: unknown covariate; allowed: cdai, age, bmi, crp, prior_anti_tnf, sex, steroid, "
        "immunomodulator, ileal",
        "cdai: not a number (leave blank if missing)",
        "age: outside 18 to 99 years",
        "bmi: outside 12 to 45 kg/m2",
        "crp: outside 0 to 200 mg/L",
        "sex: missing; it is never imputed",
    )


def rendered(patient, model, encoding="utf-8"):
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    render_patient(patient, model, Console(file=buffer, width=80, color_system=None))
    buffer.flush()
    return buffer.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize(
    "excluded",
    [
        (),
        ("anti_tnf",),
        ("anti_tnf", "anti_il12_23"),
        ("anti_tnf", "anti_il12_23", "anti_integrin"),
    ],
)
def test_the_table_fits_eighty_columns_and_says_the_limits(model, excluded):
    patient = score_patient({"age": 45, "sex": "m"}, model, excluded=frozenset(excluded))
    text = rendered(patient, model)
    assert max(map(len, text.splitlines())) <= 80
    for part in ("TNF", "IL", "INT", "█", "response", "cdai 300 points", "steroid no"):
        assert part in " ".join(text.split())
    assert model.card.limits.line in text
    assert ("no class left" in text) == (len(excluded) == 3)
    if patient.subgroup:
        assert patient.subgroup in text


def test_the_table_without_unicode_and_without_a_positive_total(model):
    given = {"age": 90, "sex": "m", "bmi": 12, "crp": 200, "cdai": 0, "prior_anti_tnf": "yes"}
    patient = score_patient(given, model)
    assert min(each.expected_reduction for each in patient.classes) < 0
    text = rendered(patient, model, "ascii")
    assert "outside the range of the trial participants" in text
    assert "#" in rendered(score_patient({"age": 30, "sex": "f"}, model), model, "ascii")


def test_the_table_names_a_worst_class_that_is_ruled_out(model):
    """Somewhere between the ages a patient has it; the search keeps the case free of constants."""
    patients = (
        score_patient({"age": age, "sex": "f", "bmi": bmi, "cdai": 300}, model)
        for age in range(20, 80, 5)
        for bmi in range(18, 40, 4)
    )
    patient = next(patient for patient in patients if patient.worst_class_ruled_out)
    assert patient.subgroup == "(TNF = IL = INT)"
    assert patient.p_first_third < 0.05 <= min(patient.p_first_second, patient.p_second_third)
    assert "ruled out" in rendered(patient, model)
