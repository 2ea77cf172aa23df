"""A model card and its variants file, written whole or not at all, the same bytes each time."""

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from omop_scorer.documents import faults_of
from omop_scorer.errors import ConfigurationError, ScoringError
from omop_scorer.model.card import ModelCard, Variants
from omop_scorer.model.contradictions import card_contradictions, variant_contradictions
from omop_scorer.model.load import shipped_models
from omop_scorer.yaml_loader import ExponentDumper

_HEADING = (
    "# Model card, written by `omop-scorer trials fit`. `score` takes it with --model, and a run\n"
    "# with the key `model` of its run file. The block `fit` says how its numbers were made.\n"
)


def card_id_of(path: Path) -> str:
    """Return the id of the card in a file: the file's name, in the letters that an id may have.

    Raises
    ------
    ConfigurationError
        The name gives no id, or that of a shipped card.
    """
    card_id = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")
    if path.suffix not in {".yaml", ".yml"}:
        raise ConfigurationError(f"{path}: a model card is a file .yaml; choose another name")
    if not re.match("[a-z]", card_id):
        raise ConfigurationError(
            f"{path}: the name of the file becomes the id of the card, which begins with a letter "
            "a to z; choose another name"
        )
    if card_id in shipped_models():
        raise ConfigurationError(
            f"{path}: the name of the file becomes the id of the card, and a shipped card has the "
            f"id {card_id}; choose another name"
        )
    return card_id


def variants_path(card: Path) -> Path:
    """Return the path of the variants file of a card."""
    return card.with_name(f"{card.stem}.variants.json")


def refuse_places(data: Path, files: Sequence[Path]) -> None:
    """Refuse files to write that cannot be written, before work begins.

    Raises
    ------
    ConfigurationError
        A file is the data itself, a folder, in no folder, or named twice.
    """
    places = [each.resolve() for each in files]
    for path, place in zip(files, places, strict=True):
        if place == data.resolve():
            raise ConfigurationError(f"{path}: is the file of the data; choose another name")
        if places.count(place) > 1:
            raise ConfigurationError(f"{path}: is to be written twice; choose another name")
        if place.is_dir() or not place.parent.is_dir():
            reason = "is a folder" if place.is_dir() else "is in a folder that does not exist"
            raise ConfigurationError(f"{path}: {reason}; choose another file")


def card_files(
    path: Path, document: Mapping[str, Any], variants: Mapping[str, Any] | None
) -> dict[Path, str]:
    """Return the texts of a card and of its variants file, if it has variants, by path.

    Raises
    ------
    ScoringError
        A number of the card cannot be used for scoring; the message names its key.
    """
    if variants is None:
        _refuse_faults(path, document, None)
        return {path: _HEADING + _yaml(document)}
    beside = variants_path(path)
    whole = {**document, "variants": beside.name}
    _refuse_faults(path, whole, variants)
    return {beside: json.dumps(variants, indent=1) + "\n", path: _HEADING + _yaml(whole)}


def _refuse_faults(
    path: Path, document: Mapping[str, Any], variants: Mapping[str, Any] | None
) -> None:
    problems = [f"{path}: {each}" for each in card_contradictions(document)]
    if variants is not None:
        problems += [f"{path}: {each}" for each in variant_contradictions(variants, document)]
    try:
        ModelCard.model_validate(document)
        if variants is not None:
            Variants.model_validate(variants)
    except ValidationError as error:
        problems += faults_of(path, error, ModelCard)
    if problems:
        raise ScoringError(
            "these models cannot be scored with, so no card is written", *problems[:10]
        )


def _yaml(document: Mapping[str, Any]) -> str:
    """Return a document as YAML: a list or mapping of single values is one line."""
    return yaml.dump(
        dict(document),
        Dumper=ExponentDumper,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )


def write_whole(files: Mapping[Path, str]) -> None:
    """Write text files; each replaces an older one as a whole, and none does if one cannot.

    Raises
    ------
    ScoringError
        A file cannot be written; the files are then as before.
    """
    parts = {path: path.with_name(f".{path.name}.{secrets.token_hex(4)}.part") for path in files}
    try:
        for path, text in files.items():
            if path.is_dir():
                raise ScoringError(f"{path}: is a folder; choose another file")
            with parts[path].open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        raise ScoringError(f"{error.filename or 'output'}: {error.strerror}") from None
    finally:
        for part in parts.values():
            with suppress(OSError):
                part.unlink(missing_ok=True)
