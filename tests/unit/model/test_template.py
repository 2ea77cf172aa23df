"""Templates: model cards without their numbers."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import load_model, load_template
from tests.support import tiny_card

OF_CLASS = ("key", "label", "title", "drugs")


def write(folder: Path, document: Any) -> Path:
    path = folder / "template.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def without_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Return a card with what only data can give left out."""
    kept = {k: v for k, v in document.items() if k != "training_population"}
    classes = [{k: each[k] for k in OF_CLASS} for each in document["classes"]]
    return kept | {"placebo": {"fixed_terms": {}}, "classes": classes}


@pytest.mark.parametrize("n_classes", [2, 4, 5])
def test_a_card_and_the_card_without_numbers_are_one_template(
    tmp_path: Path, n_classes: int
) -> None:
    whole = tiny_card.card(n_classes)
    full, has_numbers = load_template(write(tmp_path, whole))
    bare, lacks_numbers = load_template(write(tmp_path, without_numbers(whole)))
    assert full == bare
    assert (has_numbers, lacks_numbers) == (True, False)


def test_the_shipped_card_is_a_template() -> None:
    template, has_numbers = load_template("crohns_srs_2025")
    card = load_model("crohns_srs_2025").card
    assert has_numbers
    assert template.covariates == card.covariates
    assert template.placebo.fixed_terms == card.placebo.fixed_terms
    assert [each.key for each in template.classes] == [each.key for each in card.classes]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"colour": 1}, "colour: no such key"),
        ({"alpha": 2}, "alpha"),
        ({"classes": []}, "classes"),
        ({"classes": "two"}, "classes"),
        ({"placebo": 3}, "placebo"),
        (
            {"placebo": {"fixed_terms": {"year": {"centre": 2000}}}},
            "placebo.fixed_terms.year.value",
        ),
        ({"activity_covariate": "pain"}, "activity_covariate: found 'pain'"),
        ({"limits": {"line": "x" * 90, "text": "x"}}, "limits.line"),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_template(write(tmp_path, without_numbers(tiny_card.card()) | change))
    assert f"template.yaml: {key}" in "\n".join(caught.value.problems)


def test_fixed_terms_of_a_class_are_refused(tmp_path: Path) -> None:
    document = tiny_card.card()
    document["classes"][0]["fixed_terms"] = {"year": {"value": 1}}
    with pytest.raises(ConfigurationError, match=r"classes\.0\.fixed_terms: no such key"):
        load_template(write(tmp_path, document))


def test_a_template_is_no_card(tmp_path: Path) -> None:
    path = write(tmp_path, without_numbers(tiny_card.card()))
    with pytest.raises(ConfigurationError, match=r"placebo\.beta: missing"):
        load_model(path)
