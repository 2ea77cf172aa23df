"""The calculator page of a model card, as one text that loads nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from omop_scorer import __version__
from omop_scorer.documents import read_json
from omop_scorer.model.calculator import Calculator, ClassTexts, CovariateTexts
from omop_scorer.model.card import Covariate
from omop_scorer.model.load import Model
from omop_scorer.web.frame import environment, own_file
from omop_scorer.web.policy import class_colours, content_policy
from omop_scorer.web.questions import choices_of, limits_of, unit_of

_FOLDER = Path(__file__).parent

#: The scripts of the page: the arithmetic, an answer in words and pictures, and the form.
SCRIPTS = ("score.js", "answer.js", "form.js")


def render(model: Model) -> str:
    """Return the page as HTML. The same model and program give the same text, byte for byte."""
    texts = model.card.calculator or Calculator()
    scripts = [own_file(f"calculator/{name}") for name in SCRIPTS]
    style = class_colours() + own_file("calculator/page.css")
    return (
        environment(_FOLDER)
        .get_template("page.html.j2")
        .render(
            card=model.card,
            texts=texts,
            covariates=[_question(each, texts) for each in model.card.covariates],
            classes=[
                (each, texts.classes.get(each.key, ClassTexts())) for each in model.card.classes
            ],
            lacking=list(_lacking(model, texts)),
            document=document(model),
            version=__version__,
            policy=content_policy(style, scripts),
            # Files of the package, which no text of a card can change.
            style=Markup(style),  # noqa: S704
            scripts=[Markup(each) for each in scripts],  # noqa: S704
        )
    )


def document(model: Model) -> dict[str, Any]:
    """Return the model card for the page's scripts, with the models of its variants and its hash.

    `reduced_models` holds the variants as their file does; `sha256` and `tool_version` name what
    gave the numbers.
    """
    card = model.card.model_dump(mode="json", by_alias=True)
    variants: Any = {"variants": []}
    if model.card.variants is not None:
        variants = read_json(model.path.parent / model.card.variants)
    return card | {
        "reduced_models": variants["variants"],
        "sha256": model.sha256,
        "tool_version": __version__,
    }


def _question(covariate: Covariate, texts: Calculator) -> dict[str, Any]:
    """Return how the form asks for a covariate."""
    own = texts.covariates.get(covariate.name, CovariateTexts())
    limits, unit = limits_of(covariate), unit_of(covariate)
    parts = [own.hint, f"{limits} {unit}" if limits else None, own.recent]
    return {
        "name": covariate.name,
        "label": own.label or covariate.title,
        "kind": covariate.kind,
        "unit": unit,
        "choices": choices_of(covariate),
        "hint": ". ".join(part[0].upper() + part[1:] for part in parts if part),
        "can_be_unknown": covariate.imputed_value is not None,
        "texts": own,
    }


def _lacking(model: Model, texts: Calculator) -> Iterator[str]:
    """Yield what the card does not say and the page would otherwise show."""
    if not texts.eligibility:
        yield "for which patients the result applies"
    unlabelled = [
        each.name
        for each in model.card.covariates
        if (own := texts.covariates.get(each.name)) is None or own.label is None
    ]
    if unlabelled:
        yield f"how to ask for {', '.join(unlabelled)}"
    silent = [each.title for each in model.card.classes if each.key not in texts.classes]
    if silent:
        yield f"when {', '.join(silent)} must not be given"
    if not texts.not_in_model:
        yield "what the models leave out"
