"""Loading of model cards. All faults of the files are reported at once."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from omop_scorer.documents import (
    Frozen,
    faults_of,
    limited,
    named_or_path,
    read_json,
    read_yaml,
)
from omop_scorer.errors import ConfigurationError
from omop_scorer.model.arrays import ModelArrays, model_arrays
from omop_scorer.model.card import (
    ClassTemplate,
    DrugClass,
    ModelCard,
    PlaceboTemplate,
    Regression,
    Template,
    Variants,
)
from omop_scorer.model.contradictions import card_contradictions, variant_contradictions
from omop_scorer.resources import shipped
from omop_scorer.yaml_loader import ExponentLoader

_Kind = TypeVar("_Kind", bound=Frozen)


@dataclass(frozen=True, eq=False)
class Model:
    """A valid model card, its numbers as arrays, and its digest for the provenance of a run."""

    card: ModelCard
    arrays: ModelArrays
    sha256: str
    """SHA-256 of the card file followed by its variants file, as hexadecimal text.

    The section `calculator`, if it is the card's last one, does not count.
    """
    path: Path
    reduced: Mapping[frozenset[str], ModelArrays] = field(default_factory=dict)
    """The models without some covariates, by the set of covariates left out."""

    @property
    def can_be_left_out(self) -> tuple[str, ...]:
        """Covariates that some variant of the card leaves out, in the card's order."""
        names = frozenset[str]().union(*self.reduced)
        return tuple(name for name in self.arrays.covariates if name in names)


def load_model(reference: str | Path) -> Model:
    """Load a model card, and its variants if it has any.

    Parameters
    ----------
    reference
        A path, or the name of a shipped card, such as `crohns_srs_2025`.

    Raises
    ------
    ConfigurationError
        A file is missing, is not YAML or JSON, or contradicts itself or the other file. The error
        lists every fault with file, key, the value found and the values allowed.
    """
    path = named_or_path(reference, _folder(), "model")
    document = read_yaml(path, ExponentLoader)
    problems: list[str] = []
    card = _validate(path, document, ModelCard, card_contradictions(document), problems)
    content, variants = _without_texts(path.read_bytes(), document), None
    variants_path = _variants_path(path, document)
    if variants_path is not None:
        try:
            given = read_json(variants_path)
        except ConfigurationError as error:
            named = "" if variants_path.exists() else "; the model card names it under `variants`"
            problems += [f"{each}{named}" for each in error.problems]
        else:
            contradictions = variant_contradictions(given, document)
            variants = _validate(variants_path, given, Variants, contradictions, problems)
            content += variants_path.read_bytes()
    if card is not None and card.fit is not None and card.id in shipped_models():
        problems.append(
            f"{path}: id: found {card.id}, a shipped card, beside `fit`; allowed: its own id, "
            "because a report compares the shipped card with its published figures"
        )
    if card is None or problems:
        raise ConfigurationError(*problems)
    reduced = {
        frozenset(variant.left_out): model_arrays(card, variant)
        for variant in (variants.variants if variants else ())
    }
    return Model(card, model_arrays(card), hashlib.sha256(content).hexdigest(), path, reduced)


def _without_texts(content: bytes, document: object) -> bytes:
    """Return the bytes of a card without `calculator`, if that is its last key.

    No score depends on these texts, so runs before and after a change of them have the same models.
    """
    head, key, _ = content.partition(b"\ncalculator:")
    is_last = isinstance(document, dict) and list(document)[-1:] == ["calculator"]
    return head.rstrip() + b"\n" if key and is_last else content


def load_template(reference: str | Path) -> tuple[Template, bool]:
    """Load the template of a model card; return True beside it if the card has numbers too.

    Parameters
    ----------
    reference
        A path, or the name of a shipped card. The numbers of the card are not read.

    Raises
    ------
    ConfigurationError
        Every fault of the file, with key, what was found and what is allowed.
    """
    path = named_or_path(reference, _folder(), "model")
    document, has_numbers = _without_numbers(read_yaml(path, ExponentLoader))
    problems: list[str] = []
    template = _validate(path, document, Template, card_contradictions(document), problems)
    if template is None or problems:
        raise ConfigurationError(*problems)
    return template, has_numbers


def _without_numbers(document: object) -> tuple[object, bool]:
    """Return a document without the keys that only a fitted card has, and True if it had any."""
    whole = _lacking(document, ModelCard, Template)
    if not isinstance(whole, dict):
        return whole, False
    placebo, classes = whole.get("placebo"), whole.get("classes")
    if "placebo" in whole:
        whole["placebo"] = _lacking(placebo, Regression, PlaceboTemplate)
    if isinstance(classes, list):
        whole["classes"] = [_lacking(each, DrugClass, ClassTemplate) for each in classes]
    return whole, whole != document


def _lacking(section: object, fitted: type[Frozen], kind: type[Frozen]) -> object:
    """Return a section without the keys of a fitted card; terms of a class must have been empty."""
    if not isinstance(section, dict):
        return section
    numbers = fitted.model_fields.keys() - kind.model_fields.keys()
    kept: dict[Any, Any] = {
        key: value
        for key, value in section.items()
        if key not in numbers or (key == "fixed_terms" and value)
    }
    return kept


def _variants_path(path: Path, document: object) -> Path | None:
    """Return the path of a card's variants file, even if the card has other faults."""
    name = document.get("variants") if isinstance(document, dict) else None
    is_name = isinstance(name, str) and Path(name).name == name
    return path.parent / str(name) if is_name else None


def _validate(
    path: Path,
    document: object,
    kind: type[_Kind],
    contradictions: Iterable[str],
    problems: list[str],
) -> _Kind | None:
    """Return the document as a model of this kind, or None; append its faults to `problems`."""
    valid = None
    try:
        valid = kind.model_validate(document)
    except ValidationError as error:
        problems += faults_of(path, error, kind)
    problems += limited(f"{path}: {each}" for each in contradictions)
    return valid


def shipped_models() -> list[str]:
    """Return the names of the shipped model cards."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _folder() -> Path:
    return shipped("configs") / "models"
