"""The calculator as a clinician meets it: every rule of the form, the answer, paper and safety."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Error

from omop_scorer.model.load import load_model
from omop_scorer.web.calculator.page import render
from tests.support import tiny_card
from tests.support.calculator_page import PATIENT, Calculator
from tests.support.command_line import omop_scorer, problems

OpenIt = Callable[..., Calculator]

_FAR = "extrapolation. {} of 100 trial participants had"

#: Tried in every text of a card.
ATTACKS = (
    '<img src=x onerror="window.pwned=1">',
    "</script><script>window.pwned=1</script>",
    "\"'><svg onload=window.pwned=1>",
    "<!--<script>",
    "{{ 7 * 7 }} ${window.pwned=1} \u2028",
)


def hostile_card() -> dict[str, Any]:
    """Return a card of two classes with an attack in every text that its schema lets through."""
    document = tiny_card.card(2)
    attacks = iter(ATTACKS * 20)
    document["title"] = next(attacks)
    document["credit"] = next(attacks)
    document["outcome"] = {"title": next(attacks), "unit": next(attacks)}
    document["limits"] = {"line": next(attacks)[:70], "text": next(attacks)}
    for each in document["covariates"]:
        each["title"] = next(attacks)
        if each["kind"] == "continuous":
            each["unit"] = next(attacks)
    for i, each in enumerate(document["classes"]):
        each["title"], each["drugs"] = next(attacks), [next(attacks)]
        each["label"] = ("<img", "\"'B")[i]
    example = {"text": next(attacks), "source": next(attacks)}
    document["covariates"][3] |= {"column": "sex", "coding": {ATTACKS[0]: 1, ATTACKS[2]: 0}}
    document["calculator"] = {
        "title": next(attacks),
        "eligibility": [{"text": next(attacks), "otherwise": next(attacks)}],
        "covariates": {
            "x0": {
                **{"label": next(attacks), "hint": next(attacks), "recent": next(attacks)},
                "other_unit": {"unit": next(attacks), "factor": 10, "ask_below": 1, "ask_above": 5},
                "items_source": next(attacks),
                "items": [
                    {"text": next(attacks), "weight": 1, "range": [0, 5]},
                    {
                        **{"text": next(attacks), "weight": 2, "range": [0, 5]},
                        "choices": [{"text": next(attacks), "value": 2}],
                    },
                ],
            },
            "flag": {"label": next(attacks), "locked": next(attacks)},
        },
        "classes": {"first": {"contraindicated": [example], "not_available": [example]}},
        "limits": next(attacks),
        "not_in_model": [next(attacks)],
    }
    return document


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the page of each card."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "hostile.yaml").write_text(yaml.safe_dump(hostile_card()))
    models = {
        "shipped": load_model("crohns_srs_2025"),
        "two classes": tiny_card.load(tmp_path_factory.mktemp("two"), 2),
        "three classes": tiny_card.load(tmp_path_factory.mktemp("three"), 3),
        "five classes": tiny_card.load(tmp_path_factory.mktemp("five"), 5),
        "hostile": load_model(folder / "hostile.yaml"),
    }
    files = {}
    for name, model in models.items():
        files[name] = folder / f"{name.replace(' ', '_')}.html"
        files[name].write_text(render(model), encoding="utf-8")
    return files


@pytest.fixture(scope="module")
def shared(browser: Browser) -> Iterator[Calculator]:
    """Return the one tab in which most tests open their page."""
    calculator = Calculator(browser.new_page())
    calculator.listen()
    yield calculator
    calculator.page.close()


@pytest.fixture
def open_page(shared: Calculator, pages: dict[str, Path]) -> Iterator[OpenIt]:
    """Return a function that opens a page; no page has complained or asked for anything."""

    def open_it(card: str = "shipped", width: int = 1440, scheme: Any = "light") -> Calculator:
        shared.page.set_viewport_size({"width": width, "height": 900})
        shared.page.emulate_media(media="null", color_scheme=scheme)
        return shared.open(pages[card])

    shared.complaints.clear()
    shared.requests.clear()
    yield open_it
    assert shared.complaints == []
    assert [url for url in shared.requests if not url.startswith(("file:", "data:"))] == []
    assert "?" not in shared.page.url


def tiny(c: int, *effects: float, flag: int = 0) -> dict[str, str]:
    """Return the answers of a patient of a tiny card whose classes have these effects."""
    answers = {f"x{i}": str(effect) for i, effect in enumerate(effects)}
    assert len(answers) == c
    return answers | {"flag": str(flag), "male": "1"}


class TestInputs:
    def test_nothing_is_answered_at_first(self, open_page: OpenIt) -> None:
        calculator = open_page()
        page = calculator.page
        assert not calculator.has_result
        assert calculator.headline == (
            "No result yet. To answer: CDAI; Age; Body mass index; C-reactive protein; Ever "
            "treated with an anti-TNF; Sex; Systemic corticosteroid; Immunomodulator; "
            "Ileum involved."
        )
        assert page.locator("input:checked").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('input[type=text]')].every(each => each.value === '')"
        )
        assert page.locator("#print").is_disabled()
        assert page.locator("#copy").is_disabled()

    def test_unknown_is_a_choice_wherever_a_value_may_be_imputed(self, open_page: OpenIt) -> None:
        page = open_page().page
        numbers = [each.get_attribute("id") for each in page.locator("[id$=-unknown]").all()]
        assert numbers == ["c-cdai-unknown", "c-bmi-unknown", "c-crp-unknown"]
        yes_no = [each.get_attribute("name") for each in page.locator("[value=unknown]").all()]
        assert yes_no == ["c-prior_anti_tnf", "c-steroid", "c-immunomodulator", "c-ileal"]
        words = page.locator("[data-covariate=male] label").all_text_contents()
        assert [word.strip() for word in words] == ["Female", "Male"]

    def test_every_question_must_be_answered(self, open_page: OpenIt) -> None:
        for name, value in PATIENT.items():
            calculator = open_page()
            calculator.fill({key: given for key, given in PATIENT.items() if key != name})
            assert not calculator.has_result
            question = f"[data-covariate={name}]"
            label = calculator.text(f"{question} .name, {question} legend")
            assert calculator.headline == f"No result yet. To answer: {label}."
            calculator.give(name, value)
            assert calculator.has_result

    def test_unknown_and_a_number_exclude_each_other(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        calculator.give("crp", "unknown")
        assert calculator.page.input_value("#c-crp") == ""
        assert "C-reactive protein: 10 mg/L" in calculator.text("#certainty")
        assert "unknown, taken as 10 mg/L" in calculator.text(".inputs")
        calculator.give("crp", "30")
        assert not calculator.page.is_checked("#c-crp-unknown")
        assert "No input is unknown." in calculator.text("#certainty")

    def test_a_value_outside_the_hard_range_is_refused(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        for name, text, message in (
            ("age", "17", "Allowed: 18 to 99 years."),
            ("age", "100", "Allowed: 18 to 99 years."),
            ("bmi", "11.9", "Allowed: 12 to 45 kg/m²."),
            ("bmi", "45.1", "Allowed: 12 to 45 kg/m²."),
            ("crp", "200.5", "Allowed: 0 to 200 mg/L."),
            ("crp", "-1", "Allowed: 0 to 200 mg/L."),
            ("cdai", "601", "Allowed: 0 to 600 points."),
            ("cdai", "310,5", "Write a decimal point, not a comma."),
            ("cdai", "about 300", "Not a number."),
            ("cdai", "3e2", "Not a number."),
            ("cdai", "0x10", "Not a number."),
            ("cdai", "Infinity", "Not a number."),
        ):
            assert calculator.has_result
            calculator.give(name, text)
            assert calculator.message(name) == message
            assert calculator.page.get_attribute(f"#c-{name}", "aria-invalid") == "true"
            assert not calculator.has_result
            calculator.give(name, PATIENT[name])
            assert calculator.page.get_attribute(f"#c-{name}", "aria-invalid") == "false"

    def test_an_extrapolation_is_marked(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        enrolled = "CDAI: the trials enrolled 220 to 450."
        for name, text, message in (
            ("crp", "118", ""),
            ("crp", "118.5", f"C-reactive protein: {_FAR.format(99)} up to 118 mg/L."),
            ("age", "70", f"Age: {_FAR.format(98)} 19 to 69 years."),
            ("cdai", "220", ""),
            ("cdai", "450", ""),
            ("cdai", "210", enrolled),
            ("cdai", "451", enrolled),
            ("cdai", "480", f"CDAI: {_FAR.format(98)} 197 to 456 points. {enrolled}"),
        ):
            calculator.give(name, text)
            assert calculator.has_result
            assert calculator.message(name) == message
            assert message in calculator.text("#certainty")
            assert bool(message) == (calculator.page.locator("#certainty .outside").count() > 0)
            calculator.give(name, PATIENT[name])

    def test_the_unit_can_be_changed(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        of_milligrams_per_litre = calculator.text("#result")
        calculator.page.select_option("#c-crp-unit", label="mg/dL")
        calculator.give("crp", "2.2")
        assert calculator.text("#result") == of_milligrams_per_litre
        calculator.give("crp", "201")
        assert calculator.message("crp") == "Allowed: 0 to 20 mg/dL."

    def test_a_value_that_looks_like_the_other_unit_is_questioned(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        page = calculator.page
        calculator.give("crp", "0.8")
        assert calculator.message("crp").startswith("0.8 mg/L? It looks like a value in mg/dL.")
        assert not calculator.has_result
        page.get_by_role("button", name="It is mg/dL").click()
        assert page.input_value("#c-crp-unit") == "10.0"
        assert "C-reactive protein8 mg/L" in calculator.text(".inputs")
        # Eight in mg/dL is again one that may be of the other unit.
        calculator.give("crp", "8")
        assert calculator.message("crp").startswith("8 mg/dL? It looks like a value in mg/L.")
        page.get_by_role("button", name="It is mg/dL").click()
        assert "80 mg/L" in calculator.text(".inputs")
        # The answer is for this value alone.
        calculator.give("crp", "9")
        assert not calculator.has_result
        page.get_by_role("button", name="It is mg/L").click()
        assert "9 mg/L" in calculator.text(".inputs")
        calculator.give("crp", "0.5")
        page.get_by_role("button", name="It is mg/L").click()
        assert "0.5 mg/L" in calculator.text(".inputs")
        calculator.give("crp", "0")
        assert calculator.has_result

    def test_body_mass_index_from_height_and_weight(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        page = calculator.page
        page.get_by_text("From height and weight").click()
        page.fill("#c-bmi-height", "180")
        # The number that was typed stays until there is another one.
        assert page.input_value("#c-bmi") == "27"
        page.fill("#c-bmi-weight", "81")
        assert page.input_value("#c-bmi") == "25"
        assert "25 kg/m², computed from height and weight" in calculator.text(".inputs")
        page.fill("#c-bmi-height", "18")
        assert page.input_value("#c-bmi") == ""
        assert not calculator.has_result
        page.fill("#c-bmi-height", "150")
        assert page.input_value("#c-bmi") == "36"
        # A number typed by hand wins, and the parts no longer show another one.
        calculator.give("bmi", "30")
        assert page.input_value("#c-bmi-height") == page.input_value("#c-bmi-weight") == ""
        assert "30 kg/m²" in calculator.text(".inputs")
        assert "computed" not in calculator.text(".inputs")

    def test_cdai_from_its_items(self, open_page: OpenIt) -> None:
        calculator = open_page()
        page = calculator.page
        page.get_by_text("From its 8 items").click()
        items = ("35", "7", "7", "1", "1.0", "2.0", "40", "5")
        for i, value in enumerate(items):
            field = page.locator(f"#c-cdai-item-{i}")
            if i in (4, 5):
                field.select_option(value)
            else:
                field.fill(value)
        assert calculator.text("[data-from=items] .message") == (
            "Still needed: Haematocrit: answer “Sex” first."
        )
        assert page.input_value("#c-cdai") == ""
        # 2 * 35 + 5 * 7 + 7 * 7 + 20 + 30 + 10 * 2 + 6 * (42 - 40) + 5 = 241 for a woman;
        # of a man the haematocrit is 7 below 47, which makes 30 points more.
        calculator.give("male", "0")
        assert page.input_value("#c-cdai") == "241"
        calculator.give("male", "1")
        assert page.input_value("#c-cdai") == "271"
        page.fill("#c-cdai-item-0", "36")
        assert page.input_value("#c-cdai") == "273"
        page.fill("#c-cdai-item-1", "22")
        assert (
            calculator.text("[data-from=items] .message")
            == "Still needed: Abdominal pain: 0 to 21."
        )
        assert page.input_value("#c-cdai") == ""
        page.fill("#c-cdai-item-1", "0")
        calculator.fill({k: v for k, v in PATIENT.items() if k not in ("cdai", "male")})
        assert "238 points, computed from its 8 items" in calculator.text(".inputs")
        calculator.give("cdai", "unknown")
        assert page.input_value("#c-cdai-item-0") == ""
        calculator.give("male", "0")
        assert page.input_value("#c-cdai") == ""
        assert page.is_checked("#c-cdai-unknown")

    def test_start_again_forgets_everything(self, open_page: OpenIt) -> None:
        calculator = open_page()
        before = calculator.page.evaluate(_STATE)
        calculator.fill()
        page = calculator.page
        page.select_option("#x-anti_tnf", "contraindicated")
        page.select_option("#w-covariate", "crp")
        page.fill("#w-input", "40")
        page.get_by_text("From height and weight").click()
        page.fill("#c-bmi-height", "180")
        page.get_by_role("button", name="Start again").click()
        assert page.evaluate(_STATE) == before
        assert not calculator.has_result


_STATE = """() => [document.body.innerText,
  ...[...document.querySelectorAll('input, select')].map(e => [e.id, e.value, e.checked])]"""


class TestAnswer:
    def test_the_first_line(self, open_page: OpenIt) -> None:
        calculator = open_page("three classes")
        for effects, sentence in (
            # Two differ when they are more than 2.77 apart.
            ((9, 0, 0), "First is better than both others"),
            ((0, 9, 4), "Second is better than both others"),
            ((0, 9, 0), "Second is better than both others"),
            ((9, 9, 0), "First and second are not told apart; both are better than third"),
            ((0, 2, 4), "Not told apart, but first is ruled out"),
            ((4, 2, 0), "Not told apart, but third is ruled out"),
            ((2, 2, 2), "The models cannot tell these apart"),
        ):
            calculator.fill(tiny(3, *effects))
            assert calculator.headline == f"{sentence}."

    def test_the_first_line_with_classes_left_out(self, open_page: OpenIt) -> None:
        calculator = open_page("three classes").fill(tiny(3, 9, 4, 0))
        page = calculator.page
        page.select_option("#x-first", "not available")
        assert calculator.headline == "Second is better than third."
        page.select_option("#x-second", "contraindicated")
        assert calculator.headline == "Only third is left, so there is nothing to compare."
        page.select_option("#x-third", "contraindicated")
        assert calculator.headline == "No class is left: every class is excluded."
        page.select_option("#x-second", "")
        page.select_option("#x-third", "")
        calculator.give("x1", "0")
        assert calculator.headline == "The models cannot tell these two apart."

    def test_better_is_said_only_where_the_difference_itself_is_tested(
        self, open_page: OpenIt
    ) -> None:
        """Neighbours can differ where first and last do not; the label alone would mislead."""
        found = open_page("three classes").page.evaluate(
            """() => {
              const { alpha } = omopScorer.model;
              const [a, b, c] = ['anti-A', 'anti-B', 'anti-C'].map(title => ({ title }));
              const told = (groups, differ) => omopScorer.headline({
                groups, order: groups.flat(), isWorstRuledOut: false,
                p: (one, other) => differ.some(d => d.includes(one) && d.includes(other))
                  ? alpha / 2 : alpha,
              });
              return [told([[a], [b], [c]], [[a, b], [b, c]]), told([[a, b], [c]], [[b, c]]),
                told([[a], [b, c]], [[a, b]]), told([[a], [b, c]], [[a, b], [a, c]])];
            }"""
        )
        assert found == [
            "Anti-A is better than anti-B, but not told apart from anti-C",
            "Anti-A and anti-B are not told apart; anti-B is better than anti-C",
            "Anti-A is better than anti-B, but not told apart from anti-C",
            "Anti-A is better than both others",
        ]

    def test_numbers_of_a_class(self, open_page: OpenIt) -> None:
        """Worked out by hand: placebo 10; bootstrap standard error 1; 1,000 degrees of freedom."""
        calculator = open_page("two classes").fill(tiny(2, 9, 4))
        rows = [
            [" ".join(cell.split()) for cell in row.locator("th, td").all_text_contents()]
            for row in calculator.page.locator("#result tbody tr").all()
        ]
        # Response: 10 + 10 (the fit gives the first class 1 more) - 10 = 10, one deviation: 84%.
        # The second: 10 + 4 - 10 = 4, 0.4 deviations: 66%. Placebo alone: the fit has variance 1
        # + 96, and the mean is the threshold: 50%.
        assert rows == [
            ["first one", "19", "10", "9 (7 to 11)", "84"],
            ["second one", "14", "10", "4 (2 to 6)", "66"],
            ["Placebo alone", "10", "10", "–", "50"],
            ["First minus second", "5 (2 to 8)", "p < 0.001"],
        ]
        names = [
            each.get_attribute("aria-label") for each in calculator.page.locator(".hundred").all()
        ]
        assert names == [
            "first: 84 of 100 respond",
            "second: 66 of 100 respond",
            "placebo alone: 50 of 100 respond",
        ]
        filled = calculator.page.locator(".hundred").first.locator(".full").count()
        assert filled == 84

    def test_an_excluded_class_stays_visible(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        page = calculator.page
        page.select_option("#x-anti_il12_23", "contraindicated")
        row = page.locator("#result tbody tr").nth(2)
        assert row.locator("s").text_content() == "anti-IL-12/23 ustekinumab"
        assert "contraindicated, not ranked" in (row.text_content() or "")
        line = page.evaluate(
            "getComputedStyle(document.querySelector('.class.out strong')).textDecorationLine"
        )
        assert line == "line-through"
        # It is in no comparison, and the others are ranked without it.
        assert "IL-12/23" not in calculator.text("#certainty")
        assert "IL-12/23" not in calculator.headline
        assert page.locator("#result .strip .row").count() == 3
        # With everything excluded the page still says so, without a ranking.
        page.select_option("#x-anti_tnf", "not available")
        page.select_option("#x-anti_integrin", "not available")
        assert calculator.headline == "No class is left: every class is excluded."
        assert page.locator("#result s").count() == 6

    def test_without_all_ticks_it_is_grey_with_the_reason(self, open_page: OpenIt) -> None:
        calculator = open_page().fill(ticks=False)
        page = calculator.page
        assert page.locator(".answer.greyed").count() == 1
        assert calculator.headline.startswith("Does not apply to this patient as ticked. ")
        assert page.locator(".unmet li").count() == 5
        for tick in page.locator("[data-tick]").all()[:4]:
            tick.check()
        assert calculator.text(".unmet") == (
            "The result compares biologics; it does not say that one is needed."
        )
        page.locator("[data-tick]").nth(4).check()
        assert page.locator(".answer.greyed, .unmet").count() == 0
        assert not calculator.headline.startswith("Does not apply")

    def test_both_uncertainties_side_by_side(self, open_page: OpenIt) -> None:
        # 4 apart: told apart by bootstrap (2.77), not by analytic (5.54), whose first is 1 more.
        calculator = open_page("two classes").fill(tiny(2, 9, 5))
        rows = calculator.page.locator("#certainty tbody tr").all()
        cells = [row.locator("th, td").all_text_contents() for row in rows]
        assert cells == [
            ["Answer", "First is better than second", "The models cannot tell these two apart"],
            ["First", "9 (7 to 11)", "10 (6 to 14)"],
            ["Second", "5 (3 to 7)", "5 (1 to 9)"],
        ]

    def test_unknown_inputs_give_a_range_and_what_would_settle_it(self, open_page: OpenIt) -> None:
        # x0 is imputed as 3; quartiles 2, 5 (the median is not in the card) and 8. The second
        # class has 5: with 2 it is better, with 8 the first. The flag adds 6 to the second.
        calculator = open_page("two classes")
        calculator.fill({"x0": "unknown", "x1": "5", "flag": "0", "male": "1"})
        text = calculator.text("#certainty")
        assert "Unknown, so the result takes: X: 3 points." in text
        # The model without x0 gives its class 1.
        assert "the drug part is first 1 to 8; second 5 points" in text
        assert "The answer may also be:" in text
        assert "First is better than second" in text
        assert "Second is better than first" in text
        assert "Knowing X would settle it." in text
        calculator.give("flag", "unknown")
        assert "No single input would settle it." in calculator.text("#certainty")
        # With 20 for the second class nothing else matters.
        calculator.give("x1", "20")
        assert "None of these values changes the answer." in calculator.text("#certainty")

    def test_what_if_shows_the_entered_patient_as_a_ghost(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        page = calculator.page
        entered = calculator.text("#result")
        page.select_option("#w-covariate", "cdai")
        assert page.locator("#w-result *").count() == 0
        page.fill("#w-input", "400")
        assert page.locator("#w-result .ghost").count() == 3
        assert calculator.text("#w-message").startswith("With CDAI 400 points: ")
        assert calculator.text("#result") == entered
        expected = page.evaluate(
            """() => omopScorer.assess(omopScorer.read({cdai: 400, age: 55, bmi: 27, crp: 22,
              prior_anti_tnf: 0, sex: 0, steroid: 1, immunomodulator: 0, ileal: 1}).values)
              .order.map(each => omopScorer.points(each.effect))"""
        )
        other = [
            (each.locator("td").nth(1).text_content() or "").split(" ")[0]
            for each in page.locator("#w-result tbody tr").all()
        ]
        assert other == expected
        page.fill("#w-input", "700")
        assert calculator.text("#w-message") == "Allowed: 0 to 600 points."
        assert page.locator("#w-result *").count() == 0
        page.fill("#w-input", "400")
        calculator.give("age", "")
        assert not calculator.has_result
        assert page.locator("#what-if").is_hidden()

    def test_what_if_leaves_steroid_and_immunomodulator_alone(self, open_page: OpenIt) -> None:
        calculator = open_page().fill()
        options = calculator.page.locator("#w-covariate option").all()
        locked = [each.text_content() for each in options if each.is_disabled()]
        assert locked == ["Systemic corticosteroid (locked)", "Immunomodulator (locked)"]
        text = calculator.text("#what-if")
        assert "Systemic corticosteroid is locked. It describes the patient." in text

    def test_a_number_too_large_to_be_scored_leaves_no_result(self, open_page: OpenIt) -> None:
        """Covariates of this card have no range, so its numbers can be of any size."""
        calculator = open_page("three classes").fill(tiny(3, 9, 0, 0))
        page = calculator.page
        page.select_option("#w-covariate", "x1")
        page.fill("#w-input", "9")
        entered = calculator.text("#result")
        for digits in (200, 400):
            page.fill("#w-input", "9" * digits)
            assert calculator.text("#w-message") == "A number is too large to be scored."
            assert page.locator("#w-result *").count() == 0
            assert calculator.text("#result") == entered
            page.fill("#w-input", "9")
            calculator.give("x0", "9" * digits)
            assert calculator.headline == "No result yet. A number is too large to be scored."
            assert not calculator.has_result
            assert page.locator("#print").is_disabled()
            assert page.locator("#copy").is_disabled()
            calculator.give("x0", "9")
            assert calculator.headline == "First is better than both others."
            page.fill("#w-input", "9")
            assert calculator.text("#w-message").startswith("With X 9 points: ")

    @pytest.mark.parametrize("seed", range(2))
    def test_no_result_is_ever_stale(self, open_page: OpenIt, seed: int) -> None:
        """After each of many edits the page shows the answer of its inputs, or none."""
        calculator = open_page().fill()
        page = calculator.page
        generator = random.Random(seed)
        state: dict[str, str] = dict(PATIENT)
        excluded: set[str] = set()
        choices = {
            "cdai": ["", "250", "400", "unknown", "9999"],
            "age": ["", "30", "60", "x"],
            "bmi": ["", "20", "33", "unknown"],
            "crp": ["", "5", "60", "unknown", "0.2"],
            "male": ["0", "1"],
            **{n: ["0", "1", "unknown"] for n in ("prior_anti_tnf", "steroid", "ileal")},
        }
        bad = {"", "x", "9999", "0.2"}
        n_shown = 0
        for _ in range(50):
            name = generator.choice(list(choices))
            # Most answers are good ones, so that there is a result to look at.
            good = [value for value in choices[name] if value not in bad]
            state[name] = generator.choice(choices[name] if generator.random() < 0.3 else good)
            calculator.give(name, state[name])
            if generator.random() < 0.2:
                key = generator.choice(["anti_tnf", "anti_il12_23", "anti_integrin"])
                excluded ^= {key}
                page.select_option(f"#x-{key}", "contraindicated" if key in excluded else "")
            if bad & set(state.values()):
                assert not calculator.has_result
                continue
            n_shown += 1
            columns = {("sex" if k == "male" else k): v for k, v in state.items()}
            inputs = {k: None if v == "unknown" else float(v) for k, v in columns.items()}
            expected = page.evaluate(
                """([inputs, exclude]) => omopScorer.headline(
                  omopScorer.assess(omopScorer.read(inputs).values, {exclude}))""",
                [inputs, sorted(excluded)],
            )
            assert calculator.headline == f"{expected}."
            total = page.evaluate(
                """([inputs, exclude]) => omopScorer.byRank(
                  omopScorer.assess(omopScorer.read(inputs).values, {exclude})
                ).map(each => omopScorer.points(each.total))""",
                [inputs, sorted(excluded)],
            )
            shown = page.locator("#result table").first.locator("tbody tr td:nth-child(2)")
            assert shown.all_text_contents()[:3] == total
        assert 20 < n_shown < 50

    def test_copy_as_text(self, browser: Browser, pages: dict[str, Path]) -> None:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        calculator = Calculator(context.new_page()).open(pages["shipped"])
        calculator.fill(PATIENT | {"crp": "unknown", "cdai": "210"})
        calculator.page.select_option("#x-anti_integrin", "contraindicated")
        calculator.page.locator("[data-tick]").nth(2).uncheck()
        calculator.page.get_by_role("button", name="Copy as text").click()
        calculator.page.get_by_text("Copied.").wait_for()
        text = calculator.page.evaluate("navigator.clipboard.readText()")
        model = load_model("crohns_srs_2025")
        for part in (
            calculator.headline,
            "The models predict the fall of the CDAI in active disease.",
            "- CDAI: 210 points",
            "- C-reactive protein: unknown, taken as 10 mg/L",
            "- Sex: Female",
            "CDAI: the trials enrolled 220 to 450.",
            "anti-integrin (natalizumab, vedolizumab); contraindicated, not ranked",
            "placebo alone",
            "By the analytic uncertainty: ",
            f"Model crohns_srs_2025, SHA-256 {model.sha256}, omop-scorer ",
            "Not a medical device.",
        ):
            assert part in text, part
        assert re.search(r", \d{4}-\d\d-\d\d\.$", text, flags=re.MULTILINE)
        context.close()


class TestReaders:
    def test_the_answer_is_announced(self, open_page: OpenIt) -> None:
        page = open_page().page
        region = page.locator("#headline")
        assert region.get_attribute("aria-live") == "polite"
        assert region.get_attribute("role") == "status"
        assert region.get_attribute("aria-atomic") == "true"

    def test_keyboard_alone(self, open_page: OpenIt) -> None:
        calculator = open_page()
        keyboard, page = calculator.page.keyboard, calculator.page
        keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the result"
        numbers = {f"c-{name}": PATIENT[name] for name in ("cdai", "age", "bmi", "crp")}
        seen = []
        for _ in range(80):
            keyboard.press("Tab")
            found = page.evaluate(
                "(e => [e.id, e.type ?? '', e.name ?? '', e.tagName])(document.activeElement)"
            )
            seen.append(found)
            identity, kind, name, _tag = found
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", found
            if identity in numbers:
                keyboard.type(numbers[identity])
            elif kind == "checkbox" and not identity:
                keyboard.press("Space")
            elif kind == "radio":
                # The first one of the group has the focus; an arrow would go on to the next.
                keyboard.press("Space")
            elif identity == "x-anti_tnf":
                keyboard.press("ArrowDown")
            elif identity == "again":
                break
            del name
        assert calculator.has_result
        assert page.locator("#x-anti_tnf").input_value() == "contraindicated"
        assert "not ranked" in calculator.text("#result")
        assert page.locator("[data-tick]:checked").count() == 5

    @pytest.mark.parametrize("card", ["shipped", "five classes", "hostile"])
    def test_nothing_scrolls_sideways(self, open_page: OpenIt, card: str) -> None:
        page = open_page(card).page
        widths = (1440, 768, 390, 360)

        def overflow() -> list[int]:
            found = []
            for width in widths:
                page.set_viewport_size({"width": width, "height": 900})
                found.append(page.evaluate(_OVERFLOW))
            return found

        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        assert max(overflow()) <= 0
        calculator = open_page(card).fill(_answers(card))
        page.select_option("#w-covariate", index=1)
        page.fill("#w-input", "3")
        assert calculator.has_result
        assert max(overflow()) <= 0
        # The table of the result is whole on a phone too, without a frame that scrolls.
        if card == "shipped":
            frames = page.locator(".table").evaluate_all(
                "all => all.map(each => each.scrollWidth - each.clientWidth)"
            )
            assert max(frames) <= 0

    @pytest.mark.parametrize("card", ["shipped", "two classes", "five classes"])
    def test_it_prints_on_one_page(self, open_page: OpenIt, card: str, tmp_path: Path) -> None:
        calculator = open_page(card)
        answers = dict.fromkeys(_answers(card), "unknown") | {"age": "70", "male": "1"}
        calculator.fill({name: answers[name] for name in _answers(card)}, ticks=False)
        assert calculator.has_result
        assert _pages(calculator, tmp_path) == 1
        calculator.page.select_option(f"#x-{_first_class(card)}", "contraindicated")
        assert _pages(calculator, tmp_path) == 1
        calculator.page.emulate_media(media="print")
        for part in ("#headline", "#result", "#certainty", ".inputs", "footer"):
            assert calculator.page.locator(part).is_visible(), part
        for part in (".entry", "#what-if", "button", ".skip"):
            assert not calculator.page.locator(part).first.is_visible(), part

    @pytest.mark.parametrize(
        ("card", "scheme"),
        [("shipped", "light"), ("shipped", "dark"), ("five classes", "dark"), ("hostile", "light")],
    )
    def test_axe_has_no_complaint(self, open_page: OpenIt, card: str, scheme: str) -> None:
        axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
        calculator = open_page(card, scheme=scheme)
        page = calculator.page
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}[scheme]
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        page.evaluate(axe.AXE_FILE_PATH.read_text(encoding="utf-8"))
        if card == "shipped":
            assert _violations(calculator) == []
        calculator.fill(_answers(card), ticks=False)
        page.select_option(f"#x-{_first_class(card)}", "contraindicated")
        page.select_option("#w-covariate", index=1)
        page.fill("#w-input", "3")
        assert _violations(calculator) == []
        if card == "shipped":
            calculator.fill()
            assert _violations(calculator) == []
            calculator.fill({"crp": "0.8", "age": "7", "cdai": "480"})
            assert page.locator(".fault button").count() == 2
            assert page.locator(".message.outside:not(:empty)").count() == 1
            assert _violations(calculator) == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_class_colours_can_be_seen(self, open_page: OpenIt, scheme: str) -> None:
        page = open_page("five classes", scheme=scheme).page
        contrasts = page.evaluate(
            """() => {
              const luminance = text => text.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255)
                .map(n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4)
                .reduce((sum, n, i) => sum + n * [0.2126, 0.7152, 0.0722][i], 0);
              const page = luminance(getComputedStyle(document.body).backgroundColor);
              return [...document.querySelectorAll('.class')].map(each => {
                const own = luminance(getComputedStyle(each).borderLeftColor);
                return (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
              });
            }"""
        )
        assert len(contrasts) == 5
        assert min(contrasts) >= 3 - 0.01

    def test_plain_words(self, open_page: OpenIt) -> None:
        calculator = open_page().fill(PATIENT | {"crp": "unknown"})
        text = calculator.page.evaluate("document.body.innerText").lower()
        assert "recommend" not in text
        for word in ("nan", "undefined", "null", "[object", "infinity"):
            assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text), word
        for claim in ("not a medical device", "informs, does not decide", "1999-2015"):
            assert claim in text
        left_out = calculator.text(".left-out").lower()
        words = "harms cost route pregnancy fistulas 2019 combination sequence"
        assert [word for word in words.split() if word not in left_out] == []
        drugs = "adalimumab infliximab certolizumab ustekinumab natalizumab vedolizumab"
        assert [drug for drug in drugs.split() if drug not in calculator.text("#result")] == []

    def test_a_card_without_texts_says_what_is_missing(self, open_page: OpenIt) -> None:
        calculator = open_page("five classes")
        assert calculator.text(".lacking") == (
            "This model card does not say: for which patients the result applies; how to ask for "
            "x0, x1, x2, x3, x4, flag, male; when first, second, third, fourth, fifth must not be "
            "given; what the models leave out. Write it in the card under calculator."
        )
        calculator.fill(tiny(5, 20, 1, 2, 3, 4))
        assert calculator.headline == "First is better than all others."
        assert open_page("shipped").page.locator(".lacking").count() == 0

    def test_without_javascript_it_says_so(self, pages: dict[str, Path]) -> None:
        text = pages["shipped"].read_text(encoding="utf-8")
        assert re.search("<noscript>.*It needs JavaScript.*</noscript>", text)


_OVERFLOW = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"


def _answers(card: str) -> dict[str, str]:
    if card == "shipped":
        return PATIENT
    effects = [9, 4, 0, 2, 7][: {"two classes": 2, "five classes": 5, "hostile": 2}[card]]
    return tiny(len(effects), *effects)


def _first_class(card: str) -> str:
    return "anti_tnf" if card == "shipped" else "first"


def _pages(calculator: Calculator, folder: Path) -> int:
    calculator.page.pdf(path=folder / "A4.pdf", format="A4", prefer_css_page_size=True)
    return len(re.findall(rb"/Type\s*/Page\b", (folder / "A4.pdf").read_bytes()))


def _violations(calculator: Calculator) -> list[Any]:
    found = calculator.page.evaluate("axe.run()")["violations"]
    return [(each["id"], [node["html"][:90] for node in each["nodes"]]) for each in found]


class TestSafety:
    def test_texts_of_a_card_stay_texts(self, open_page: OpenIt) -> None:
        calculator = open_page("hostile").fill(_answers("hostile"), ticks=False)
        page = calculator.page
        page.select_option("#x-first", "contraindicated")
        page.select_option("#w-covariate", index=2)
        page.fill("#w-input", "2")
        calculator.give("x0", "unknown")
        page.get_by_role("button", name="Copy as text").click()
        assert page.evaluate("window.pwned") is None
        assert page.locator("img, svg:not(.hundred), [onload], [onerror]").count() == 0
        assert page.locator("script").count() == 4
        body = page.evaluate("document.body.innerText")
        for attack in ATTACKS[:3]:
            assert attack in body

    @pytest.mark.parametrize(
        "attempt",
        [
            "const s = document.createElement('script'); s.textContent = 'window.pwned = 1';"
            "document.body.append(s)",
            "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=1>')",
            "const b = document.createElement('b'); b.setAttribute('onclick', 'window.pwned = 1');"
            "document.body.append(b); b.click()",
            "const s = document.createElement('script'); s.src = 'https://example.invalid/x.js';"
            "document.body.append(s)",
        ],
    )
    def test_foreign_scripts_are_refused(
        self, browser: Browser, pages: dict[str, Path], attempt: str
    ) -> None:
        calculator = Calculator(browser.new_page()).listen().open(pages["shipped"])
        calculator.page.evaluate(f"() => {{ {attempt} }}")
        calculator.page.wait_for_timeout(100)
        assert calculator.page.evaluate("window.pwned") is None
        assert any("Content Security Policy" in each for each in calculator.complaints)
        calculator.page.close()

    @pytest.mark.parametrize(
        "attempt",
        [
            "fetch('https://example.invalid/')",
            "new Promise((done, failed) => { const i = new Image(); i.onload = done;"
            " i.onerror = () => failed(new Error('refused'));"
            " i.src = 'https://example.invalid/i.png' })",
            "new Promise((done, failed) => { const s = new WebSocket('wss://example.invalid/');"
            " s.onopen = done; s.onerror = () => failed(new Error('refused')) })",
        ],
    )
    def test_nothing_can_be_sent(
        self, browser: Browser, pages: dict[str, Path], attempt: str
    ) -> None:
        calculator = Calculator(browser.new_page()).listen().open(pages["shipped"])
        with pytest.raises(Error):
            calculator.page.evaluate(f"() => {attempt}")
        assert any("Content Security Policy" in each for each in calculator.complaints)
        calculator.page.close()

    def test_nothing_is_kept(self, browser: Browser, pages: dict[str, Path]) -> None:
        context = browser.new_context()
        calculator = Calculator(context.new_page()).open(pages["shipped"]).fill()
        page = calculator.page
        url = page.url
        page.keyboard.press("Enter")
        assert page.url == url
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [
            0,
            0,
            "",
        ]
        assert page.evaluate("indexedDB.databases()") == []
        page.reload()
        assert not calculator.has_result
        assert page.locator("input:checked").count() == 0
        assert context.cookies() == []
        context.close()

    def test_the_policy_names_the_page_itself_alone(self, pages: dict[str, Path]) -> None:
        text = pages["shipped"].read_text(encoding="utf-8")
        (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
        policy = policy.replace("&#39;", "'")
        parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == "'none'"
        assert parts["img-src"] == "data:"
        assert re.fullmatch(r"('sha256-[\w+/=]+' ?){3}", parts["script-src"])
        assert re.fullmatch(r"'sha256-[\w+/=]+'", parts["style-src"])
        assert "unsafe" not in policy
        assert set(parts) == {
            *("default-src", "script-src", "style-src", "img-src", "base-uri", "form-action"),
        }

    def test_the_same_card_gives_the_same_bytes(self, pages: dict[str, Path]) -> None:
        assert render(load_model("crohns_srs_2025")) == pages["shipped"].read_text(encoding="utf-8")


class TestCommand:
    def test_it_writes_a_page_for_any_card(self, tmp_path: Path, browser: Browser) -> None:
        model = tiny_card.load(tmp_path, 4)
        page = tmp_path / "page.html"
        done = omop_scorer("calculator", "-o", page, "--model", model.path)
        assert (done.returncode, done.stdout) == (0, f"{page}\n"), done.stderr
        calculator = Calculator(browser.new_page()).open(page).fill(tiny(4, 1, 9, 1, 1))
        assert calculator.headline == "Second is better than all others."
        calculator.page.close()
        again = omop_scorer("calculator", "--output", page)
        assert again.returncode == 0
        assert "Biologics for active Crohn" in page.read_text(encoding="utf-8")

    def test_it_replaces_pages_alone(self, tmp_path: Path) -> None:
        other = tmp_path / "results.duckdb"
        other.write_bytes(b"not a page")
        refused = omop_scorer("calculator", "-o", other)
        assert refused.returncode == 15
        assert "exists and is no HTML page" in problems(refused)[0]
        assert other.read_bytes() == b"not a page"
        missing = omop_scorer("calculator", "-o", tmp_path / "no_folder" / "page.html")
        assert missing.returncode == 15
        assert "no such folder" in problems(missing)[0]

    def test_a_card_with_faults_is_refused(self, tmp_path: Path) -> None:
        document = tiny_card.card(2) | {"calculator": {"covariates": {"x9": {"label": "X"}}}}
        card, page = tmp_path / "card.yaml", tmp_path / "page.html"
        card.write_text(yaml.safe_dump(document))
        refused = omop_scorer("calculator", "-o", page, "--model", card)
        assert refused.returncode == 10
        fault = "calculator.covariates: found 'x9'; allowed: x0, x1, flag, male"
        assert problems(refused) == [f"{card}: {fault}"]
        assert not page.exists()
        assert omop_scorer("calculator").returncode == 2
