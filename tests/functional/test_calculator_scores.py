"""The calculator's arithmetic in a real browser against the kernel, patient by patient."""

import csv
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Error, Page

from omop_scorer.model.contradictions import ends
from omop_scorer.model.load import Model, load_model
from omop_scorer.model.reduced import score_patterns
from omop_scorer.model.subgroups import first_group
from omop_scorer.scoring.csv_file import score_csv
from omop_scorer.web.calculator.page import render
from tests.support import tiny_card
from tests.support.thoroughness import examples

GOLDEN = Path(__file__).parents[1] / "reference" / "calculator_golden.csv"
CARDS = ("shipped", "two classes", "five classes", "few participants")
UNCERTAINTIES = ("bootstrap", "analytic")
N_PATIENTS = 500
P_VALUES = ("p_first_second", "p_second_third", "p_first_third")
TEXTS = ("subgroup", "first_class", "second_class", "third_class")
_SCORE = """text => {
  const [rows, options] = JSON.parse(text);
  return JSON.stringify(rows.map(row => omopScorer.score(row, options)));
}"""


def of_few_participants(folder: Path) -> Model:
    """Return a card with few degrees of freedom, covariances, and a fixed term of a class."""
    document = tiny_card.card(3)
    generator = np.random.default_rng(5)
    for i, each in enumerate(document["classes"]):
        k = len(each["terms"]) + (i == 0)
        for key in ("covariance", "bootstrap_covariance"):
            root = generator.normal(size=(k, k)) / 10
            each[key] = (root @ root.T + np.eye(k) / 100).tolist()
        each["degrees_of_freedom"] = (3, 0.75, 450.5)[i]
    first = document["classes"][0]
    first["fixed_terms"] = {"dose": {"value": 3, "centre": 0.5}}
    first["terms"] = [*first["terms"][1:3], "dose", first["terms"][0], *first["terms"][3:]]
    for key in ("beta", "bootstrap_mean"):
        first[key] = [*first[key], 0.25]
    path = folder / "few.yaml"
    path.write_text(yaml.safe_dump(document))
    return load_model(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folders = [tmp_path_factory.mktemp("card") for _ in range(3)]
    return {
        "shipped": load_model("crohns_srs_2025"),
        "two classes": tiny_card.load(folders[0], 2),
        "five classes": tiny_card.load(folders[1], 5),
        "few participants": of_few_participants(folders[2]),
    }


@pytest.fixture(scope="module")
def open_model(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a function that opens the page of a model."""
    folder = tmp_path_factory.mktemp("calculators")
    opened: dict[str, Page] = {}

    def open_it(model: Model) -> Page:
        if model.sha256 not in opened:
            path = folder / f"{model.sha256}.html"
            path.write_text(render(model), encoding="utf-8")
            page = browser.new_page()
            page.goto(path.as_uri())
            opened[model.sha256] = page
        return opened[model.sha256]

    yield open_it
    for page in opened.values():
        page.close()


def scored(page: Page, rows: list[dict[str, float | None]], **options: Any) -> Any:
    """Return the page's answers. Playwright is slow with values, so they pass as one text."""
    return json.loads(page.evaluate(_SCORE, json.dumps([rows, options])))


def expected(rows: list[dict[str, float | None]], model: Model, folder: Path, *options: Any) -> Any:
    """Return the rows that the `score` command writes for these patients."""
    with (folder / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([{k: _word(model, k, v) for k, v in row.items()} for row in rows])
    score_csv(folder / "in.csv", folder / "out.csv", model, *options)
    with (folder / "out.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _word(model: Model, column: str, value: float | None) -> str:
    """Return a value as a CSV file holds it."""
    if value is None:
        return ""
    (covariate,) = (each for each in model.card.covariates if each.csv_column == column)
    if covariate.kind == "continuous":
        return repr(value)
    return next(word for word, meaning in covariate.words.items() if meaning == value)


def patients(model: Model, n: int, seed: int) -> list[dict[str, float | None]]:
    """Make up patients: ordinary ones, ends of every range, and unknown inputs."""
    generator = np.random.default_rng(seed)
    columns = {}
    for covariate in model.card.covariates:
        if covariate.kind == "yes_no":
            values = generator.integers(0, 2, n).astype(float)
        else:
            limits = ends(covariate.plausible_range, (-50.0, 50.0))
            ordinary = ends(covariate.within_trial_range, limits)
            values = generator.uniform(*ordinary, n)
            edges = [*limits, *ordinary, covariate.centre, np.nextafter(covariate.centre, 1e9)]
            is_edge = generator.random(n) < 0.2
            values[is_edge] = generator.choice(np.clip(edges, *limits), is_edge.sum())
        column: list[float | None] = values.tolist()
        if covariate.imputed_value is not None:
            unknown = generator.random(n) < 0.15
            column = [None if lacks else v for lacks, v in zip(unknown, column, strict=True)]
        columns[covariate.csv_column] = column
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def any_patient(model: Model) -> st.SearchStrategy[dict[str, float | None]]:
    """Return patients of any values that the model's card allows."""
    columns: dict[str, st.SearchStrategy[float | None]] = {}
    for each in model.card.covariates:
        known: st.SearchStrategy[float | None]
        if each.kind == "yes_no":
            known = st.sampled_from([0.0, 1.0])
        else:
            known = st.floats(*ends(each.plausible_range, (-50.0, 50.0)))
        columns[each.csv_column] = known if each.imputed_value is None else st.none() | known
    return st.fixed_dictionaries(columns)


def compare(found: list[dict[str, Any]], rows: list[dict[str, str]], model: Model) -> None:
    """Compare the page's answers with rows of the `score` command."""
    keys = [each.key for each in model.card.classes]
    # The columns of the command, up to those on the limits of a value.
    inputs = {each.csv_column for each in model.card.covariates}
    columns = [name for name in rows[0] if name not in inputs]
    n_columns = 1 + 3 * len(keys) + len(TEXTS) + len(P_VALUES) + 3
    assert list(found[0])[:n_columns] == columns[:n_columns]
    for answer, row in zip(found, rows, strict=True):
        for name in (
            "placebo_effect",
            *(f"{key}_{kind}" for key in keys for kind in ("effect", "standard_error")),
        ):
            assert math.isclose(answer[name], float(row[name]), rel_tol=1e-12), name
        for key in keys:
            name = f"{key}_response_probability"
            assert abs(answer[name] - float(row[name])) <= 1e-9, name
        known = {name: row[name] for name in P_VALUES}
        for name, text in known.items():
            if text == "":
                assert answer[name] is None
            else:
                assert abs(answer[name] - float(text)) <= 1e-9, name
        borders = [abs(float(p) - model.card.alpha) for p in known.values() if p]
        if min(borders, default=1) > 1e-9:
            for name in TEXTS:
                assert (answer[name] or "") == row[name], name
            assert str(answer["worst_class_ruled_out"]).lower() == row["worst_class_ruled_out"]
            label = answer["subgroup"]
            assert answer["on_top"] == (first_group(label) if label else "no class left")
        assert str(answer["n_imputed"]) == row["n_imputed"]
        within = answer["within_trial_range"]
        assert ("" if within is None else str(within).lower()) == row["within_trial_range"]


@pytest.mark.parametrize("uncertainty", UNCERTAINTIES)
def test_golden_patients(
    open_model: Callable[[Model], Page], models: dict[str, Model], tmp_path: Path, uncertainty: str
) -> None:
    model = models["shipped"]
    with GOLDEN.open(newline="") as file:
        golden = list(csv.DictReader(file))
    assert len(golden) == 400
    columns = {"prior_anti_tnf": "hx_tnfi"}
    rows = [
        {
            each.csv_column: 1.0 * (row["sex"] == "Male")
            if each.name == "male"
            else float(row[columns.get(each.name, each.name)])
            for each in model.card.covariates
        }
        for row in golden
    ]
    found = scored(open_model(model), rows, uncertainty=uncertainty)
    compare(found, expected(rows, model, tmp_path, uncertainty), model)
    if uncertainty == "analytic":
        # The published calculator's own numbers, of which every value was computed in R.
        names = {"anti_tnf": "tnfi", "anti_il12_23": "il12", "anti_integrin": "intg"}
        kinds = {"effect": "attrib", "standard_error": "se", "response_probability": "response"}
        for answer, row in zip(found, golden, strict=True):
            assert answer["placebo_effect"] == pytest.approx(float(row["plac.attrib"]), abs=1e-9)
            assert names[answer["first_class"]] == row["drug1"]
            for key, name in names.items():
                for kind, column in kinds.items():
                    value = float(row[f"{name}.{column}"])
                    assert abs(answer[f"{key}_{kind}"] - value) <= 1e-9


@pytest.mark.parametrize("uncertainty", UNCERTAINTIES)
@pytest.mark.parametrize("card", CARDS)
def test_made_up_patients(
    open_model: Callable[[Model], Page],
    models: dict[str, Model],
    tmp_path: Path,
    card: str,
    uncertainty: str,
) -> None:
    model = models[card]
    rows = patients(model, N_PATIENTS, seed=17)
    found = scored(open_model(model), rows, uncertainty=uncertainty)
    compare(found, expected(rows, model, tmp_path, uncertainty), model)
    # What is compared is not all alike.
    assert len({each["subgroup"] for each in found}) > 2
    assert {each["within_trial_range"] for each in found} == {True, False, None}
    assert len({each["n_imputed"] for each in found}) > 2


@pytest.mark.parametrize("uncertainty", UNCERTAINTIES)
def test_any_patient(
    open_model: Callable[[Model], Page], models: dict[str, Model], tmp_path: Path, uncertainty: str
) -> None:
    model = models["shipped"]
    page = open_model(model)

    @settings(
        max_examples=examples(50),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(any_patient(model), min_size=40, max_size=40))
    def agrees(rows: list[dict[str, float | None]]) -> None:
        compare(
            scored(page, rows, uncertainty=uncertainty),
            expected(rows, model, tmp_path, uncertainty),
            model,
        )

    agrees()


@pytest.mark.parametrize("card", CARDS)
def test_excluded_classes(
    open_model: Callable[[Model], Page], models: dict[str, Model], tmp_path: Path, card: str
) -> None:
    model = models[card]
    keys = [each.key for each in model.card.classes]
    rows = patients(model, 40, seed=3)
    for pattern in range(1, 2 ** len(keys)):
        excluded = [key for i, key in enumerate(keys) if pattern >> i & 1]
        found = scored(open_model(model), rows, exclude=excluded)
        compare(found, expected(rows, model, tmp_path, "bootstrap", frozenset(excluded)), model)
    assert {each["on_top"] for each in found} == {"no class left"}


def test_models_without_some_covariates(
    open_model: Callable[[Model], Page], models: dict[str, Model]
) -> None:
    model = models["shipped"]
    names = list(model.arrays.covariates)
    rows = np.array([[300.0, 40, 22, 12, 1, 0, 1, 0, 1], [410, 61, 31, 55, 0, 1, 0, 1, 0]])
    assert len(model.reduced) == 7
    for left_out in model.reduced:
        values = rows.copy()
        values[:, [names.index(name) for name in left_out]] = math.nan
        for uncertainty in UNCERTAINTIES:
            scores = score_patterns(values, model, uncertainty)
            for i, row in enumerate(rows):
                found = open_model(model).evaluate(
                    "([values, leftOut, uncertainty]) => omopScorer.assess(values, {uncertainty},"
                    " omopScorer.withoutCovariates(leftOut))",
                    [dict(zip(names, row.tolist(), strict=True)), sorted(left_out), uncertainty],
                )
                effects = [each["effect"] for each in found["classes"]]
                assert effects == pytest.approx(scores.attributable_effect[i].tolist(), rel=1e-12)
                errors = [each["error"] for each in found["classes"]]
                assert errors == pytest.approx(scores.standard_error[i].tolist(), rel=1e-12)
                chances = [each["probability"] for each in found["classes"]]
                assert chances == pytest.approx(scores.response_probability[i].tolist(), abs=1e-9)
                assert found["label"] == scores.subgroups()[i]
    assert open_model(model).evaluate("omopScorer.withoutCovariates(['age'])") is None


def test_intervals_agree_with_the_tests(
    open_model: Callable[[Model], Page], models: dict[str, Model]
) -> None:
    """A difference whose p is below alpha is one whose interval excludes 0, and the other way."""
    for card in CARDS:
        rows = patients(models[card], 300, seed=8)
        checked = open_model(models[card]).evaluate(
            """rows => rows.flatMap(row => omopScorer.assess(omopScorer.read(row).values).contrasts)
            .map(each => [each.p, each.low, each.high, each.difference])""",
            rows,
        )
        assert {p < 0.05 for p, *_ in checked} == {True, False}
        for p, low, high, difference in checked:
            if abs(p - 0.05) > 1e-9:
                assert (p < 0.05) == (low > 0 or high < 0)
            assert (low + high) / 2 == pytest.approx(difference, abs=1e-6 * (high - low))


def test_the_placebo_response_and_the_distance(
    open_model: Callable[[Model], Page], models: dict[str, Model]
) -> None:
    """Both are worked out from the card in another way, with numpy and scipy."""
    from scipy import stats

    model = models["shipped"]
    card = model.card
    names = list(model.arrays.covariates)
    for row in ([300.0, 40, 22, 12, 1, 0, 1, 0, 1], [230, 19, 16, 0, 0, 1, 0, 0, 1]):
        values = dict(zip(names, row, strict=True))
        x = np.array([1.0, 6.0, *(np.array(row) - model.arrays.centre)])
        mean = x @ np.array(card.placebo.beta)
        variance = x @ np.array(card.placebo.covariance) @ x
        spread = variance + card.placebo.trial_variance + card.placebo.residual_variance
        chance = stats.norm.sf((100 - mean) / spread**0.5)
        page = open_model(model)
        found = page.evaluate("values => omopScorer.assess(values).placeboProbability", values)
        assert found == pytest.approx(chance, abs=1e-12)
        centre = np.array([card.training_population.mean[name] for name in names])
        away = np.array(row) - centre
        square = away @ np.linalg.solve(np.array(card.training_population.covariance), away)
        farther = page.evaluate("values => omopScorer.shareFarther(values)", values)
        assert farther == pytest.approx(stats.chi2.sf(square, len(names)), abs=1e-10)


def test_the_model_is_the_card(
    open_model: Callable[[Model], Page], models: dict[str, Model]
) -> None:
    for model in models.values():
        inside = open_model(model).evaluate("omopScorer.model")
        card = json.loads(json.dumps(model.card.model_dump(mode="json")))
        assert {key: inside[key] for key in card} == card
        assert inside["sha256"] == model.sha256
        assert open_model(model).evaluate(
            "Object.keys(window).filter(k => /omop|score/i.test(k))"
        ) == ["omopScorer"]


ORDINARY = {
    **{"cdai": 300, "age": 40, "bmi": 22, "crp": 10, "prior_anti_tnf": 0, "sex": "female"},
    **{"steroid": 1, "immunomodulator": 0, "ileal": None},
}


@pytest.mark.parametrize(
    ("change", "options", "fault"),
    [
        ({"age": None}, {}, "age: unknown; it is never imputed"),
        ({"sex": None}, {}, "sex: unknown; it is never imputed"),
        ({"age": "40"}, {}, "age: not a number"),
        ({"age": 17}, {}, "age: outside 18 to 99 years"),
        ({"crp": 501}, {}, "crp: outside 0 to 500 mg/L"),
        ({"sex": "f "}, {}, None),
        ({"sex": "woman"}, {}, "sex: not a number"),
        ({"steroid": 0.5}, {}, "steroid: allowed: 0, 1"),
        ({"steroid": True, "ileal": "no"}, {}, None),
        ({"another": 5}, {}, None),
        ({}, {"uncertainty": "both"}, "uncertainty: allowed: bootstrap, analytic"),
        ({}, {"exclude": ["tnf"]}, "exclude: allowed: anti_tnf, anti_il12_23, anti_integrin"),
    ],
)
def test_what_score_refuses(
    open_model: Callable[[Model], Page],
    models: dict[str, Model],
    change: dict[str, Any],
    options: dict[str, Any],
    fault: str | None,
) -> None:
    page = open_model(models["shipped"])
    call = "([inputs, options]) => omopScorer.score(inputs, options).n_imputed"
    if fault is None:
        assert page.evaluate(call, [ORDINARY | change, options]) in (0, 1)
    else:
        with pytest.raises(Error, match=fault):
            page.evaluate(call, [ORDINARY | change, options])


def test_a_column_that_is_absent_is_no_unknown(
    open_model: Callable[[Model], Page], models: dict[str, Model]
) -> None:
    inputs = {key: value for key, value in ORDINARY.items() if key != "crp"}
    with pytest.raises(Error, match="crp: missing; write null if it is unknown"):
        open_model(models["shipped"]).evaluate("omopScorer.score", inputs)
