"""The page of one patient, in a real browser and in its words, from every kind of results."""

import json
import math
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from omop_scorer.config.run_file import load_for_readers
from omop_scorer.model import kernel
from omop_scorer.model.load import load_model
from omop_scorer.results.history import find_run
from omop_scorer.results.patient_record import PatientRecord, read_record
from omop_scorer.stores import open_results
from omop_scorer.web.patient_page import render_patient
from omop_scorer.web.patient_words import Words, evidence_of, label_spans, of_hundred, treatments_of
from tests.support.command_line import AS_OF, Site, assert_refused
from tests.support.served import served

EVIL = "<script>document.body.dataset.evil=1</script>'\"><img src=x onerror=alert(1)>{{7*7}}\u202e"

_SHOWN = """() => ({
  check: document.body.dataset.check, headline: document.getElementById('headline').textContent,
  differences: document.getElementById('differences').textContent,
})"""


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory, made_up) -> Site:
    """Return a site with runs as of three dates; the latest comes first."""
    folder = tmp_path_factory.mktemp("three")
    site = Site(folder, made_up(), folder / "results.duckdb")
    for as_of in (AS_OF, AS_OF - timedelta(days=400), AS_OF - timedelta(days=200)):
        done = site.run("--as-of", as_of)
        assert done.returncode == 0, done.stderr
    return site


def record_of(site: Site, person_id: int, which: str | int = "latest") -> PatientRecord:
    config = load_for_readers(site.run_file())
    with open_results(config.connections) as reader:
        record = read_record(reader, find_run(reader, which), person_id)
    assert record is not None
    return record


def page_of(site: Site, person_id: int, tmp_path: Path, *arguments: object) -> Path:
    """Write the page with the command and return its path."""
    path = tmp_path / f"{site.engine}.html"
    done = site.run(person_id, "--output", path, *arguments, command="patient")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(path)
    return path


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """Return a tab in which no script fails and which asks the network for nothing."""
    page = browser.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: failures.append(r.url) if not r.url.startswith("file:") else None)
    yield page
    page.close()
    assert [each for each in failures if not each.startswith("data:")] == []


# The numbers --------------------------------------------------------------------------------------


def test_every_patient_of_a_run_is_computed_again_as_stored(
    three_runs: Site, tab: Page, tmp_path: Path
) -> None:
    model = load_model("crohns_srs_2025")
    persons = [row[0] for row in three_runs.rows("SELECT person_id FROM latest_score")]
    path = tmp_path / "page.html"
    assert len(persons) > 100
    for person in persons[::8]:
        path.write_text(render_patient(record_of(three_runs, person), model, AS_OF))
        tab.goto(path.as_uri())
        assert tab.evaluate(_SHOWN)["check"] == "equal"


@pytest.mark.parametrize(
    ("missing", "uncertainty"), [("impute", "analytic"), ("reduced_model", "bootstrap")]
)
def test_other_settings_of_a_run_are_computed_again(
    tmp_path: Path, made_up, tab: Page, missing: str, uncertainty: str
) -> None:
    site = Site(tmp_path, made_up(), tmp_path / "results.duckdb")
    keys: dict[str, Any] = {"uncertainty": uncertainty, "missing": missing}
    if missing == "impute":
        keys["impute"] = "cohort_median"
    assert site.run(**keys).returncode == 0
    # One patient of each number of covariates that are not known.
    rows = site.rows(
        "SELECT MIN(person_id), n FROM (SELECT person_id, "
        "COUNT(*) FILTER (WHERE status IN ('imputed', 'left_out')) AS n "
        "FROM latest_patient_covariate GROUP BY person_id) "
        "WHERE person_id IN (SELECT person_id FROM latest_score) GROUP BY n"
    )
    assert len(rows) >= 2
    for person, n in rows:
        tab.goto(page_of(site, person, tmp_path).as_uri())
        assert tab.evaluate(_SHOWN)["check"] == "equal"
        text = tab.locator("#certainty").inner_text()
        left_out = missing == "reduced_model" and n > 0
        assert ("Scored by the model without" in text) == left_out


@pytest.mark.parametrize(
    ("table", "column", "change", "said"),
    [
        ("counterfactual", "attributable_effect", "attributable_effect + 1e-6", "drug part"),
        ("counterfactual", "standard_error", "standard_error * (1 + 1e-8)", "standard error"),
        ("counterfactual", "response_probability", "response_probability - 1e-8", "probability"),
        ("counterfactual", "preference_rank", "4 - preference_rank", "rank"),
        ("patient_subgroup", "placebo_effect", "-placebo_effect", "placebo effect"),
        ("patient_subgroup", "p_first_second", "p_first_second + 1e-8", "p first-second"),
        ("patient_subgroup", "subgroup", "'INT > TNF > IL'", "label"),
        ("patient_subgroup", "first_class", "'other'", "first class"),
        ("patient_covariate", "covariate_value", "covariate_value + 1", "drug part|placebo"),
    ],
)
def test_a_stored_score_that_is_not_computed_again_is_shown_loudly(
    site: Site, tab: Page, tmp_path: Path, table: str, column: str, change: str, said: str
) -> None:
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    only = " AND covariate = 'bmi'" if table == "patient_covariate" else ""
    site.write(f"UPDATE {table} SET {column} = {change} WHERE person_id = {person}{only}")
    tab.goto(page_of(site, person, tmp_path).as_uri())
    shown = tab.evaluate(_SHOWN)
    assert shown["check"] == "different"
    assert any(each in shown["differences"] for each in said.split("|"))
    assert "Do not use either" in tab.locator("#check").inner_text()
    assert tab.locator("#differences").get_attribute("role") == "alert"
    assert tab.locator("#stored").get_attribute("open") is not None


def test_a_difference_of_less_than_a_billionth_is_none(site: Site, tab: Page, tmp_path: Path):
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    site.write("UPDATE counterfactual SET attributable_effect = attributable_effect * (1 + 1e-12)")
    tab.goto(page_of(site, person, tmp_path).as_uri())
    assert tab.evaluate(_SHOWN)["check"] == "equal"


def test_without_the_card_of_the_run_nothing_is_computed(site: Site, tab: Page, tmp_path: Path):
    ((person, label),) = site.rows("SELECT person_id, subgroup FROM latest_score LIMIT 1")
    site.write("UPDATE scoring_run SET model_sha256 = repeat('0', 64)")
    path = page_of(site, person, tmp_path)
    text = path.read_text()
    assert "<script" not in text
    # Nothing is known of the models either.
    assert "models of 2025" not in text
    tab.goto(path.as_uri())
    assert "is not at hand" in tab.locator("#check").inner_text()
    assert label in tab.locator("#stored").inner_text()
    assert tab.locator("[data-override]").count() == 0


def test_without_javascript_the_stored_scores_are_there(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_of(site, person, tmp_path).as_uri())
    assert "has not computed the scores again" in page.locator("#check").inner_text()
    rows = page.locator("#stored tbody tr").all_inner_texts()
    stored = site.rows(
        "SELECT preference_rank, attributable_effect, standard_error, expected_reduction "
        f"FROM latest_counterfactual WHERE person_id = {person} ORDER BY preference_rank"
    )
    assert [row.split("\t")[0] for row in rows] == [str(row[0]) for row in stored]
    for shown, (_, *numbers) in zip(rows, stored, strict=True):
        assert shown.split("\t")[2:5] == [f"{number:.1f}" for number in numbers]
    context.close()


# Overrides ----------------------------------------------------------------------------------------


def test_an_override_is_marked_and_nothing_is_written_back(
    site: Site, tab: Page, tmp_path: Path
) -> None:
    model = load_model("crohns_srs_2025")
    ((person,),) = site.rows(
        "SELECT MIN(person_id) FROM latest_patient_covariate "
        "WHERE covariate = 'cdai' AND status = 'imputed'"
    )
    before = site.fingerprint()
    tab.goto(page_of(site, person, tmp_path).as_uri())
    run_headline = tab.locator("#headline").inner_text()
    tab.locator("[data-covariate=cdai] summary").click()
    field = tab.locator("[data-override=cdai]")
    field.fill("423")
    marked = tab.locator("#overridden")
    assert marked.is_visible()
    assert "CDAI 423 points instead of 300 points (not known)" in marked.inner_text()
    assert "not the score of the run, and nothing is written back" in marked.inner_text()
    assert "with overridden inputs" in tab.locator("#headline").inner_text()
    assert not tab.locator("#check").is_visible()
    assert tab.locator(".ghost").count() == len(model.card.classes)
    # The numbers are those of the kernel for the other value.
    rows = {k: v["covariate_value"] for k, v in record_of(site, person).covariates.items()}
    inputs = [[423.0 if n == "cdai" else rows[n] for n in model.arrays.covariates]]
    expected = kernel.score(np.array(inputs), model.arrays, "bootstrap", frozenset())
    totals = sorted(round(float(each)) for each in expected.expected_reduction[0])
    table = tab.locator("#result table").first.locator("tbody tr").all_inner_texts()
    shown = sorted(int(row.split("\t")[1].replace("−", "-")) for row in table[:-1])
    assert shown == totals
    # In print the mark stays.
    tab.emulate_media(media="print")
    assert marked.is_visible()
    tab.emulate_media(media="screen")
    for wrong, said in (("9999", "Allowed: 0 to 600"), ("4,2", "decimal point"), ("x", "number")):
        field.fill(wrong)
        assert said in tab.locator("[data-covariate=cdai] .message").inner_text()
        assert tab.locator("#result").inner_text() == ""
        assert tab.locator("#headline").inner_text().startswith("No result")
    field.fill("")
    assert tab.locator("#headline").inner_text() == run_headline
    assert not marked.is_visible()
    assert tab.url.endswith(".html")
    assert site.fingerprint() == before


def test_without_a_model_for_the_inputs_that_are_left_there_is_no_result(
    three_runs: Site, tab: Page, tmp_path: Path
) -> None:
    """A card need not have a model without each part of what a patient lacks."""
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM latest_score")
    record, shipped = record_of(three_runs, person), load_model("crohns_srs_2025")
    both = ["cdai", "crp"]
    left_out = {name: row(covariate=name, status="left_out") for name in both}
    record = replace(record, covariates={**record.covariates, **left_out})
    (tmp_path / shipped.path.name).write_bytes(shipped.path.read_bytes())
    variants = json.loads((shipped.path.parent / str(shipped.card.variants)).read_text())
    kept = [each for each in variants["variants"] if sorted(each["left_out"]) == both]
    (tmp_path / str(shipped.card.variants)).write_text(json.dumps({"variants": kept}))
    path = tmp_path / "page.html"
    path.write_text(render_patient(record, load_model(tmp_path / shipped.path.name), AS_OF))
    tab.goto(path.as_uri())
    before = tab.locator("#headline").inner_text()
    assert "Scored by the model without" in tab.locator("#certainty").inner_text()
    tab.locator("[data-covariate=cdai] summary").click()
    tab.locator("[data-override=cdai]").fill("400")
    label = "C-reactive protein"
    assert tab.locator("#headline").inner_text() == f"No result: override {label} too."
    assert tab.locator("#result").inner_text() == tab.locator("#certainty").inner_text() == ""
    tab.locator("[data-covariate=crp] summary").click()
    tab.locator("[data-override=crp]").fill("20")
    assert "with overridden inputs" in tab.locator("#headline").inner_text()
    tab.locator("[data-override=crp]").fill("")
    tab.locator("[data-override=cdai]").fill("")
    assert tab.locator("#headline").inner_text() == before


# The words ----------------------------------------------------------------------------------------


def row(**given: Any) -> dict[str, Any]:
    """Return a row of patient_covariate."""
    empty = dict.fromkeys(
        (
            *("covariate_value", "source_table", "source_id", "source_concept_id", "source_date"),
            *("source_value", "source_unit", "unit_concept_id", "unit_source", "factor"),
            "is_censored",
        )
    )
    return {**empty, "status": "observed", **given}


def measured(**given: Any) -> dict[str, Any]:
    values = {"source_table": "measurement", "source_id": 11, "source_concept_id": 3020460}
    return row(**{"covariate": "crp", "covariate_value": 3.6, "factor": 10.0, **values, **given})


@pytest.mark.parametrize(
    ("given", "value", "state", "details"),
    [
        (
            measured(
                source_value=0.36,
                source_unit="mg/dL",
                unit_source="text",
                source_date=date(2025, 6, 14),
            ),
            "3.6 mg/L",
            "recorded",
            [
                *("0.36 mg/dL × 10 (unit known by its text)", "2025-06-14, 1 day before"),
                *("measurement 11 (concept 3020460)", "window: 180 days before"),
            ],
        ),
        (
            measured(
                source_value=3.6,
                factor=1.0,
                unit_source="missing",
                is_censored=True,
                source_date=date(2025, 1, 1),
            ),
            "3.6 mg/L",
            "recorded",
            [
                *("3.6 without a unit (taken as mg/L)",),
                "recorded with < or >, so the number is a bound",
                *("2025-01-01, 165 days before", "measurement 11 (concept 3020460)"),
                "window: 180 days before",
            ],
        ),
        (
            row(covariate="crp", covariate_value=10.0, status="imputed"),
            "taken as 10 mg/L",
            "not known: no usable record",
            ["the score takes the constant of the model card", "window: 180 days before"],
        ),
        (
            row(covariate="crp", status="left_out"),
            "–",
            "not known: no usable record",
            ["scored by the model without it", "window: 180 days before"],
        ),
        (
            row(covariate="steroid", covariate_value=0.0, status="absent"),
            "No",
            "no record, which counts as No",
            ["window: 30 days before"],
        ),
        (
            row(
                covariate="steroid",
                covariate_value=1.0,
                source_table="drug_exposure",
                source_id=7,
                source_concept_id=1550557,
                source_date=date(2025, 5, 1),
            ),
            "Yes",
            "recorded",
            [
                *("started 2025-05-01, 45 days before", "drug exposure 7 (concept 1550557)"),
                "window: 30 days before",
            ],
        ),
        (
            row(
                covariate="male",
                covariate_value=0.0,
                source_table="person",
                source_id=5,
                source_concept_id=8532,
            ),
            "Female",
            "recorded",
            ["person 5 (concept 8532)"],
        ),
        (
            row(
                covariate="age",
                covariate_value=47.0,
                source_table="person",
                source_id=5,
                source_value=1978.0,
            ),
            "47 years",
            "recorded",
            ["born 1978", "person 5"],
        ),
    ],
)
def test_a_covariate_says_what_it_rests_on(
    three_runs: Site, given: dict[str, Any], value: str, state: str, details: list[str]
) -> None:
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM latest_score")
    record = record_of(three_runs, person)
    assert record.run.as_of_date == date(2025, 6, 15)
    card = load_model("crohns_srs_2025").card
    changed = replace(record, covariates={given["covariate"]: given}, inputs={})
    (found,) = evidence_of(changed, Words(record.run, card))
    assert (found.value, found.state, list(found.details)) == (value, state, details)
    assert found.is_known == (given["status"] not in ("imputed", "left_out"))


def test_a_computed_covariate_names_both_records(three_runs: Site) -> None:
    ((person,),) = three_runs.rows(
        "SELECT MIN(person_id) FROM latest_patient_covariate WHERE status = 'computed'"
    )
    record = record_of(three_runs, person)
    found = {
        e.name: e
        for e in evidence_of(record, Words(record.run, load_model("crohns_srs_2025").card))
    }
    details = sorted(found["bmi"].details)
    inputs = {each["quantity"]: each for each in record.inputs["bmi"]}
    assert [each.split()[0] for each in details] == ["height", "weight"]
    for text, name in zip(details, ("body_height", "body_weight"), strict=True):
        assert f"{inputs[name]['source_table']} {inputs[name]['source_id']}" in text
    value = (
        inputs["body_weight"]["quantity_value"]
        / (inputs["body_height"]["quantity_value"] / 100) ** 2
    )
    assert math.isclose(value, record.covariates["bmi"]["covariate_value"], rel_tol=1e-9)


def test_labels_over_the_runs_name_what_changed_them(three_runs: Site) -> None:
    rows = three_runs.rows(
        "SELECT person_id, LIST(subgroup ORDER BY as_of_date), LIST(r.run_id ORDER BY as_of_date) "
        "FROM patient_subgroup AS s JOIN scoring_run AS r USING (run_id) GROUP BY person_id"
    )
    card = load_model("crohns_srs_2025").card
    changed = [each for each in rows if len(set(each[1])) > 1]
    assert changed
    for person, labels, run_ids in changed[:10]:
        record = record_of(three_runs, person)
        words = Words(record.run, card)
        spans = label_spans(record, words)
        expected = [each for i, each in enumerate(labels) if i == 0 or labels[i - 1] != each]
        assert [span.notation for span in reversed(spans)] == expected
        assert spans[-1].cause == "first run in these results"
        position = next(i for i in range(1, len(labels)) if labels[i] != labels[i - 1])
        values = [
            dict(
                three_runs.rows(
                    "SELECT covariate, covariate_value FROM patient_covariate "
                    f"WHERE run_id = {run_ids[i]} AND person_id = {person}"
                )
            )
            for i in (position - 1, position)
        ]
        differing = {name for name in values[0] if values[0][name] != values[1][name]}
        cause = spans[-2].cause
        assert differing
        for each in card.covariates:
            assert (f"{words.covariate(each.name)}: " in cause) == (each.name in differing)


def test_nobody_and_everybody_are_no_answers() -> None:
    said = [of_hundred(p) for p in (0.0, 0.0049, 0.005, 0.45, 0.995, 0.9951, 1.0)]
    few, most = "fewer than 1", "more than 99"
    assert said == [few, few, "1", "45", "100", most, most]


def test_a_text_of_several_lines_is_read_as_one(three_runs: Site) -> None:
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM latest_score")
    model = load_model("crohns_srs_2025")
    limits = model.card.limits.model_copy(update={"line": "First line.\nSecond line."})
    card = model.card.model_copy(update={"limits": limits})
    page = render_patient(record_of(three_runs, person), replace(model, card=card), AS_OF)
    assert "First line. Second line." in page


@pytest.mark.parametrize(
    ("label", "p_values", "said"),
    [
        ("TNF > (IL = INT)", (0.01, 0.5, 0.049), "anti-TNF better than both others"),
        (
            *("TNF > (IL = INT)", (0.01, 0.5, 0.05)),
            "anti-TNF better than anti-IL-12/23, but not told apart from anti-integrin",
        ),
        (
            *("TNF > IL > INT", (0.01, 0.01, 0.2)),
            "anti-TNF better than anti-IL-12/23, but not told apart from anti-integrin",
        ),
        (
            *("(TNF = IL) > INT", (0.5, 0.01, 0.06)),
            "anti-TNF and anti-IL-12/23 not told apart; anti-IL-12/23 better than anti-integrin",
        ),
        ("(TNF = IL = INT)", (0.5, 0.5, 0.06), "no preference"),
        ("TNF > IL", (0.01, None, None), "anti-TNF better than anti-IL-12/23"),
        (
            *("TNF > (IL = INT = JAK)", (0.01, 0.5, 0.01)),
            "TNF > (IL = INT = JAK), each tested against the next alone",
        ),
    ],
)
def test_better_is_said_only_of_what_was_tested(
    three_runs: Site, label: str, p_values: tuple[float | None, ...], said: str
) -> None:
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM latest_score")
    record = record_of(three_runs, person)
    keys = ("anti_tnf", "anti_il12_23", "anti_integrin")
    places = ("first_class", "second_class", "third_class")
    tests = ("p_first_second", "p_second_third", "p_first_third")
    score = {
        "subgroup": label,
        **dict(zip(places, keys, strict=True)),
        **dict(zip(tests, p_values, strict=True)),
    }
    words = Words(record.run, load_model("crohns_srs_2025").card)
    assert words.answer(score) == said
    without_card = Words(record.run, None).answer(score)
    assert ("not told apart" in without_card) == ("not told apart" in said)
    found = label_spans(replace(record, labels=[replace(record.labels[0], score=score)]), words)
    assert [each.label for each in found] == [said]


def test_a_treatment_has_the_label_of_its_start(three_runs: Site) -> None:
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM latest_score")
    record = record_of(three_runs, person)
    first = AS_OF - timedelta(days=400)

    def line(number: int, drug: str, start: date, **more: Any) -> dict[str, Any]:
        return {
            "line_number": number,
            "drug": drug,
            "drug_class": "anti_tnf",
            "start_date": start,
            **more,
        }

    index = {
        "index_rule": "first_biologic",
        "drug": "infliximab",
        "index_date": first - timedelta(days=100),
        "preferred": "anti_il12_23 = anti_integrin",
    }
    lines = [
        line(1, "infliximab", first - timedelta(days=100), last_exposure_date=first),
        line(2, "adalimumab", first - timedelta(days=1)),
        line(3, "golimumab", first, is_current=True, last_exposure_date=AS_OF),
    ]
    changed = replace(record, treatments=lines, index_treatments=[index])
    words = Words(record.run, load_model("crohns_srs_2025").card)
    found = treatments_of(changed, words)
    assert found[0].label == "anti-IL-12/23 and anti-integrin on top, scored as of this start"
    assert found[1].label == "not known: no run before this start"
    label = words.answer(record.labels[0].score)
    assert found[2].label == f"{label}, since the run as of {first}"
    assert found[2].when == f"{first} to {AS_OF}, in use"
    assert [each.left for each in found] == [0, 198, 200]
    assert [each.width for each in found] == [200, 6, 800]
    assert treatments_of(replace(record, treatments=[]), words) == []


# In a browser -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody(three_runs: Site, browser: Browser, scheme: str) -> None:
    """Axe finds no fault, the policy holds, and nothing is wider than a phone."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    script = axe.AXE_FILE_PATH.read_text(encoding="utf-8")
    ((person,),) = three_runs.rows(
        "SELECT MIN(person_id) FROM latest_treatment_line JOIN latest_score USING (person_id)"
    )
    failures: list[str] = []
    with served(three_runs) as server:
        for address in ("/", "/?changed=1", f"/patients/{person}", "/patients/0"):
            page = browser.new_page(color_scheme=scheme, viewport={"width": 360, "height": 800})
            page.on("console", lambda m: failures.append(m.text) if m.type == "error" else None)
            page.goto(f"{server.url}{address}")
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width == 360, address
            page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
            if address == f"/patients/{person}":
                assert page.evaluate(_SHOWN)["check"] == "equal"
                page.locator("[data-override=crp]").fill("44")
                page.locator("[data-override=bmi]").fill("x")
                page.locator("[data-override=bmi]").fill("")
            # The policy forbids added scripts, so axe runs through the protocol of the browser.
            page.evaluate(script)
            found = page.evaluate("axe.run()")["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:100]) for each in found] == [], address
            page.close()
    assert [each for each in failures if "404" not in each] == []


def test_the_search_goes_to_the_patient(three_runs: Site, browser: Browser) -> None:
    ((person,),) = three_runs.rows("SELECT MAX(person_id) FROM latest_score")
    with served(three_runs) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_label("person_id").fill(f" {person} ")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(f"{server.url}/patients/{person}")
        assert page.locator("h1").inner_text() == f"Patient {person}"
        page.get_by_role("link", name="Patients").click()
        page.get_by_label("nothing imputed").check()
        page.get_by_role("button", name="Filter").click()
        assert "known=1" in page.url
        ((n,),) = three_runs.rows("SELECT COUNT(*) FROM latest_score WHERE n_imputed = 0")
        assert f"{n} patient" in page.locator("main").inner_text()
        page.close()


# What a CDM may hold ------------------------------------------------------------------------------


def test_texts_of_a_cdm_stay_texts(site: Site, tab: Page, tmp_path: Path) -> None:
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_treatment_line")
    ((scored,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    evil = EVIL.replace("'", "''")
    where = f"WHERE person_id = {scored}"
    site.write(
        f"UPDATE treatment_line SET person_id = {scored} WHERE person_id = {person}",
        f"UPDATE treatment_line SET drug = '{evil}', drug_class = '{evil}' {where}",
        f"UPDATE patient_covariate SET source_unit = '{evil}', source_table = '{evil}', "
        f"unit_source = 'text', factor = 1, source_value = 1, status = 'observed' {where}",
        f"UPDATE scoring_run SET cdm_source_name = '{evil}', vocabulary_version = '{evil}'",
        f"UPDATE index_treatment SET drug = '{evil}', preferred = '{evil}' {where}",
    )
    tab.goto(page_of(site, scored, tmp_path).as_uri())
    assert tab.evaluate("document.body.dataset.evil") is None
    assert tab.locator("img").count() == 0
    text = tab.locator("body").inner_text()
    assert text.count("<script>document.body.dataset.evil=1</script>") >= 3
    assert "\u202e" not in tab.content()
    assert "{{7*7}}" in text
    scripts = tab.locator("script").count()
    assert scripts == 5


# Stores, and the command --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["duckdb", "export", "folder", "postgresql"])
def test_every_store_gives_the_same_page(
    request: pytest.FixtureRequest, tmp_path: Path, made_up, answered: Path, kind: str
) -> None:
    site = Site(tmp_path, made_up(), answered)
    ((person,),) = site.rows("SELECT MAX(person_id) FROM latest_score")
    model = load_model("crohns_srs_2025")
    expected = record_of(site, person)
    if kind == "postgresql":
        site = request.getfixturevalue("server_answered")
    elif kind == "folder":
        site = Site(tmp_path, made_up(), tmp_path / "results")
        (tmp_path / "results").mkdir()
        done = site.run(results={"url": str(tmp_path / "results")})
        assert done.returncode == 0, done.stderr
    elif kind == "export":
        site = as_export(answered, tmp_path, made_up())
    found = record_of(site, person)
    runs = [replace(each.run, **same_run()) for each in (expected, found)]
    pages = []
    for record, run in zip((expected, found), runs, strict=True):
        pages.append(render_patient(replace(record, run=run), model, AS_OF))
    assert pages[0] == pages[1]


def test_an_export_shows_the_labels_of_earlier_runs(three_runs: Site, tmp_path: Path) -> None:
    ((person,),) = three_runs.rows("SELECT MIN(person_id) FROM label_change")
    export = as_export(three_runs.results, tmp_path, three_runs.cdm)
    expected, found = (record_of(site, person) for site in (three_runs, export))
    assert len(expected.labels) > 1
    assert found.labels == expected.labels


def test_an_older_run_knows_no_later_labels(three_runs: Site) -> None:
    ((person, second),) = three_runs.rows(
        "SELECT person_id, first_run_id FROM label_history WHERE label_number = 2 "
        "AND first_run_id NOT IN (SELECT run_id FROM latest_run) ORDER BY person_id LIMIT 1"
    )
    latest = record_of(three_runs, person).labels
    older = record_of(three_runs, person, second).labels
    assert older[0] == latest[0]
    day = latest[1].first_as_of_date
    score = {**latest[1].score, **older[1].score}
    assert older[1:] == [replace(latest[1], score=score, last_as_of_date=day, n_runs=None)]
    names = ", ".join(older[1].score)
    assert three_runs.rows(
        f"SELECT {names} FROM patient_subgroup WHERE person_id = {person} AND run_id = {second}"
    ) == [tuple(older[1].score.values())]


def same_run() -> dict[str, Any]:
    """Return what differs between two runs on the same CDM."""
    moment = datetime(2025, 6, 16)
    return {
        **{"run_id": 1, "started_at": moment, "recorded_at": moment, "config_json": "{}"},
        "cdm_snapshot": None,
    }


def as_export(results: Path, folder: Path, cdm: Path) -> Site:
    """Return a site whose results are an export, with the tables of one run in main."""
    path = folder / "copy.duckdb"
    site = Site(folder, cdm, results)
    done = site.run("--to", path, "--format", "duckdb", command="export")
    assert done.returncode == 0, done.stderr
    return Site(folder, cdm, path, {"results": {"url": str(path), "schema": "main"}})


def test_the_page_is_private_and_replaces_pages_alone(site: Site, tmp_path: Path) -> None:
    ((person,),) = site.rows("SELECT MIN(person_id) FROM latest_score")
    path = page_of(site, person, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    assert page_of(site, person, tmp_path).read_bytes() == first
    # A page that a site lets a group read is not opened to everybody.
    for mode in (0o600, 0o640, 0o604):
        path.chmod(mode)
        page_of(site, person, tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
    before = site.results.read_bytes()
    done = site.run(person, "--output", site.results, command="patient")
    assert_refused(done, 15, "no HTML page")
    assert site.results.read_bytes() == before


def test_a_person_without_scores_is_refused_without_the_id(site: Site, tmp_path: Path) -> None:
    done = site.run(987654321, "--output", tmp_path / "x.html", command="patient")
    assert_refused(done, 15, "no scores of this person", "omop-scorer explain")
    assert "987654321" not in done.stderr
    assert not (tmp_path / "x.html").exists()
    assert_refused(site.run(1, "--run", "5", command="patient"), 10, "no run '5'")


def test_results_of_an_earlier_release_name_the_way_out(site: Site) -> None:
    site.write("DELETE FROM schema_version WHERE version > 6")
    assert_refused(site.run(1, command="patient"), 15, "version 6", "the next run migrates it")
