"""Reading of trial data: any way to write the same table, and every way to spoil it."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from omop_scorer.errors import ConfigurationError, OmopScorerError, ScoringError
from omop_scorer.trials.load import TrialData, load_trials
from tests.support.trial_data import Plan, make_up, write_csv

ROWS = make_up(plan=Plan(n=64, n_trials=2)).rows()


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "trials.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def text_of(rows: list[dict[str, Any]], **options: Any) -> str:
    """Return rows as CSV."""
    file = io.StringIO()
    writer = csv.writer(file, **{"lineterminator": "\n"} | options)
    writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
    return file.getvalue()


def changed(place: int = 5, **cells: str) -> list[dict[str, str]]:
    """Return the rows, with other cells in one of them."""
    return [{**row, **(cells if i == place else {})} for i, row in enumerate(ROWS)]


def assert_same(found: TrialData, expected: TrialData) -> None:
    assert found.attrition == expected.attrition
    ours, theirs = found.participants, expected.participants
    assert (ours.trials, ours.arms) == (theirs.trials, theirs.arms)
    for name in ("row", "trial", "arm", "year", "values", "outcome"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TrialData:
    return load_trials(write(tmp_path_factory.mktemp("plain"), text_of(ROWS)))


@pytest.mark.parametrize(
    "text",
    [
        text_of(ROWS, quoting=csv.QUOTE_ALL),
        text_of(ROWS, delimiter=";"),
        text_of(ROWS, delimiter="\t", lineterminator="\r\n"),
        "\ufeff" + text_of(ROWS),
        text_of(ROWS).replace("\n", "\n\n"),
        text_of(ROWS).replace(",", " ,  "),
        text_of([{k: f"  {v} " for k, v in row.items()} for row in ROWS], quoting=csv.QUOTE_ALL),
        text_of(ROWS, quoting=csv.QUOTE_ALL).replace(",", " , "),
        text_of(ROWS).replace("female", "F").replace("male", "1").replace("yes", "YES"),
        text_of([{k.upper(): v for k, v in row.items()} for row in ROWS]),
        text_of([dict(reversed(row.items())) for row in ROWS]),
        text_of([{"note": 'a "b", c', **row} for row in ROWS]),
    ],
    ids=[
        *("quoted", "semicolon", "tab", "byte order mark", "empty lines", "padded"),
        *("padded in quotes", "padded around quotes", "other words", "upper case"),
        *("other order", "a further column"),
    ],
)
def test_one_table_in_many_ways(tmp_path: Path, plain: TrialData, text: str) -> None:
    assert_same(load_trials(write(tmp_path, text)), plain)


@pytest.mark.parametrize("kind", ["text", "typed", "dictionary"])
def test_parquet(tmp_path: Path, plain: TrialData, kind: str) -> None:
    columns: dict[str, Any] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    if kind == "typed":
        for name in ("cdai", "age", "bmi", "crp", "outcome"):
            columns[name] = [float(each) for each in columns[name]]
        columns["year"] = [int(each) for each in columns["year"]]
        columns["steroid"] = [each == "yes" for each in columns["steroid"]]
        columns["ileal"] = pa.array([float(each == "yes") for each in columns["ileal"]])
        columns["sex"] = pa.array([int(each == "male") for each in columns["sex"]], pa.int8())
    table = pa.table(columns)
    if kind == "dictionary":
        table = table.set_column(1, "trial", table["trial"].dictionary_encode())
    path = tmp_path / "anything"
    pq.write_table(table, path)
    assert_same(load_trials(path), plain)


def test_a_null_and_nan_of_parquet_are_missing(tmp_path: Path) -> None:
    columns: dict[str, Any] = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    columns["bmi"] = [None, float("nan"), *(float(each) for each in columns["bmi"][2:])]
    columns["ileal"] = [None, *columns["ileal"][1:]]
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = load_trials(tmp_path / "a.parquet").attrition.as_json()
    assert (found["missing_ileal"], found["imputed_bmi"]) == (1, 1)


LONG = "9" * 5_000
BAD = "4711.123"
FAULTS: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "the file is empty"),
    "blank": ("\n \n", "the file is empty"),
    "a header alone": (text_of(ROWS).split("\n")[0], "has no rows"),
    "UTF-16": (text_of(ROWS).encode("utf-16"), "not UTF-8 text .UTF-16"),
    "Latin-1": (text_of(changed(trial="\u00e9")).encode("latin-1"), "not UTF-8 text"),
    "an open quote": (text_of(ROWS).replace("TRIALA", '"TRIALA', 1), "a quote"),
    "a longer row": (text_of(ROWS).replace("TRIALA", "TRIALA,4711.123", 1), "1 row.s. have more"),
    "a huge cell": (text_of(changed(trial="x" * 200_000)), "field larger"),
    "a long trial": (text_of(changed(trial="x" * 3_000)), "column trial: 1 cell.s.: longer"),
    "text in a number": (text_of(changed(bmi="fat4711")), "column bmi: 1 cell.s.: not a number"),
    "NA in a number": (text_of(changed(crp="NA")), "column crp: .* blank, .* `missing_words` of"),
    "a decimal comma": (text_of(changed(bmi="4711,5")), "column bmi: .* comma"),
    "an infinite number": (text_of(changed(cdai="inf")), "column cdai: .* not a number"),
    "a number too large": (text_of(changed(cdai="1e999")), "column cdai: .* not a finite"),
    "a number of 5,000 digits": (text_of(changed(age=LONG)), "column age: .* not a finite"),
    "text in the year": (text_of(changed(year="4711AD")), "column year: .* not a number"),
    "text in the outcome": (text_of(changed(outcome="x4711")), "column outcome: .* not a number"),
    "another word": (
        text_of(changed(steroid="maybe4711")),
        "column steroid: .* not one of yes, .* `words` of the layout, .* `missing_words`",
    ),
    "2 for yes": (text_of(changed(ileal="2")), "column ileal: .* not one of yes"),
    "yes for a sex": (text_of(changed(sex="yes")), "column sex: .* not one of male"),
    "a repeated id": (text_of(changed(participant_id="P000009")), "column participant_id: 1 row"),
    "a header twice": (text_of(ROWS).replace("bmi", "Age", 1), "column age appears more than once"),
    "no column": (
        text_of(ROWS).replace("steroid", "drug", 1),
        "column steroid is missing; .*--lay",
    ),
    "two columns": (
        text_of(ROWS).replace("steroid", "drug", 1).replace("crp", "x", 1),
        "columns crp, steroid are missing; .*--layout.$",
    ),
    "no year": (
        text_of(ROWS).replace("year", "when", 1),
        r"column year is missing; .*`placebo: .fixed_terms: ...` in the template",
    ),
    "no placebo": (text_of([r for r in ROWS if r["arm"] != "placebo"]), "arm placebo is included"),
    "one class": (text_of([r for r in ROWS if not r["arm"].startswith("anti_i")]), "1 drug class"),
    "no known arm": (
        text_of([{**r, "arm": f"x4711{i}"} for i, r in enumerate(ROWS)]),
        "every row is left out",
    ),
    "no bmi at all": (text_of([{**r, "bmi": ""} for r in ROWS]), "column bmi has no value"),
    "fold 10": (
        text_of([{**r, "fold": "10"} for r in ROWS]),
        "column fold: 64 cell.s.: not a whole",
    ),
    "fold 0.5": (text_of([{**r, "fold": "0.5"} for r in ROWS]), "column fold: "),
    "no fold": (text_of([{**r, "fold": "1" * (i > 0)} for i, r in enumerate(ROWS)]), "column fold"),
    "no outcome": (text_of(ROWS).replace("outcome", "result", 1), "none of a visit up to week 6"),
    "no Parquet": (b"PAR1 and no more", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_names_the_column_and_no_value(tmp_path: Path, case: str) -> None:
    content, pattern = FAULTS[case]
    path = write(tmp_path, content)
    with pytest.raises(ScoringError, match=pattern) as caught:
        load_trials(path)
    said = "\n".join(caught.value.problems).replace(str(path), "")
    assert "4711" not in said
    assert "P0000" not in said
    assert LONG[:20] not in said
    assert caught.value.exit_code == 14


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "trial"} for row in changed(bmi="x", ileal="x")]
    with pytest.raises(ScoringError) as caught:
        load_trials(write(tmp_path, text_of(rows)))
    said = "\n".join(caught.value.problems)
    assert [word in said for word in ("column trial", "column bmi", "column ileal")] == [True] * 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="No such file"):
        load_trials(tmp_path / "trials.csv")


def test_a_column_that_the_layout_names(tmp_path: Path, plain: TrialData) -> None:
    layout = tmp_path / "layout.yaml"
    names = {name: f"Their {name}" for name in ROWS[0]}
    layout.write_text(yaml.safe_dump({"columns": names}), encoding="utf-8")
    path = write_csv(tmp_path / "a.csv", [{names[k]: v for k, v in row.items()} for row in ROWS])
    assert_same(load_trials(path, layout), plain)
    with pytest.raises(ScoringError, match=r"columns .*Their bmi \(bmi\), .* are missing"):
        load_trials(write(tmp_path, text_of(ROWS)), layout)


def test_words_of_the_file(tmp_path: Path, plain: TrialData) -> None:
    layout = tmp_path / "layout.yaml"
    layout.write_text(
        "missing_words: [NA, '.', -99]\n"
        "words: {yes_no: {Y: yes, N: no, T: 1}, steroid: {1: no, 2: yes}, sex: {0: m, 1: F}}\n",
        encoding="utf-8",
    )
    rows = [
        {
            **row,
            "ileal": {"yes": "y", "no": "N"}[row["ileal"]],
            "immunomodulator": {"yes": "t", "no": "no"}[row["immunomodulator"]],
            "steroid": {"yes": "2", "no": "1"}[row["steroid"]],
            "sex": {"male": "0", "female": "1"}[row["sex"]],
        }
        for row in ROWS
    ]
    assert_same(load_trials(write(tmp_path, text_of(rows)), layout), plain)
    for i, (name, word) in enumerate(
        {"bmi": "na", "crp": "-99", "ileal": ".", "sex": "Na", "trial": "NA", "arm": "."}.items()
    ):
        rows[10 + i][name] = word
    found = load_trials(write(tmp_path, text_of(rows)), layout).attrition.as_json()
    assert {key: n for key, n in found.items() if n not in (0, {})} == {
        **{"rows": 64, "unknown_arm": 1, "no_trial": 1, "missing_sex": 1, "missing_ileal": 1},
        **{"included": 60, "imputed_bmi": 1, "imputed_crp": 1},
    }
    pq.write_table(
        pa.table({k: [float(r[k]) if k == "crp" else r[k] for r in rows] for k in rows[0]}),
        tmp_path / "a.parquet",
    )
    assert load_trials(tmp_path / "a.parquet", layout).attrition.as_json() == found


def test_a_trial_is_said_in_visible_characters(tmp_path: Path) -> None:
    rows = [{**row, "trial": row["trial"].replace("TRIALA", "A\x1b[31m")} for row in ROWS]
    assert load_trials(write(tmp_path, text_of(rows))).participants.trials == (
        "A\\x1b[31m",
        "TRIALB",
    )


@pytest.mark.parametrize("reference", ["nobody_2025", "none.yaml"])
def test_a_template_that_is_not_there(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ConfigurationError):
        load_trials(write(tmp_path, text_of(ROWS)), template=reference)


def test_a_template_with_another_fixed_term(tmp_path: Path) -> None:
    from tests.support.trial_data import template

    document = template(Plan(classes=("a", "b")))
    document["placebo"] = {"fixed_terms": {"region": {"value": 1}}}
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(OmopScorerError, match="fixed term region"):
        load_trials(write(tmp_path, text_of(ROWS)), template=path)
