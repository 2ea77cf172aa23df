"""Readers of YAML and JSON files. They describe all faults of a file in one form."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from omop_scorer.errors import ConfigurationError

try:
    from yaml import CSafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as CSafeLoader  # type: ignore[assignment]

Name = Annotated[StrictStr, Field(pattern="^[a-z0-9][a-z0-9_]*$")]

Text = Annotated[StrictStr, Field(min_length=1)]

ConceptId = Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]


class Frozen(BaseModel):
    """A section of a configuration file. Unknown keys are faults, and values are immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Construction that records repeated keys, because YAML would silently use the last one."""

    @cached_property
    def repeated(self) -> list[tuple[int, str]]:
        """Line and text of each repeated key found so far."""
        return []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping and record its repeated keys."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.repeated.append((key.start_mark.line + 1, key.value))
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


class _FastUniqueKeyLoader(_UniqueKeys, CSafeLoader):
    pass


class _FastExponentLoader(_FastUniqueKeyLoader):
    pass


class UniqueKeyLoader(_UniqueKeys, yaml.SafeLoader):
    """A YAML loader that records repeated keys."""

    fast: type[_FastUniqueKeyLoader] = _FastUniqueKeyLoader
    """The same loader on the parser of libyaml."""


class ExponentLoader(UniqueKeyLoader):
    """A YAML loader that reads `1e-05` as a number; YAML 1.1 reads it as text."""

    fast = _FastExponentLoader


for _loader in (ExponentLoader, _FastExponentLoader):
    _loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )

#: Text that libyaml may read although PyYAML refuses it, or that the two read differently: tabs,
#: line breaks other than a line feed, the byte order mark, `?` in a flow collection, the tag `!`,
#: a comment in the header of a block scalar, and directives.
_READ_DIFFERENTLY = re.compile(
    "[^\n -~\xa0-\u2027\u202a-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[?!]|[|>][-+0-9]*#|^%",
    re.MULTILINE,
)


def read_yaml(path: Path, loader_class: type[UniqueKeyLoader] = UniqueKeyLoader) -> object:
    """Return the document of a YAML file, in which every key must be unique.

    Raises
    ------
    ConfigurationError
        The file cannot be read or is not YAML; the message names the line.
    """
    try:
        document, repeated = _parsed(path.read_text(encoding="utf-8"), loader_class)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}: line {line}: cannot be read: not UTF-8 text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(f"{path}: {position}not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: not valid YAML: {reason}") from None
    if repeated:
        raise ConfigurationError(
            *(
                f"{path}: line {line}: not valid YAML: the key {key!r} is written twice"
                for line, key in sorted(repeated)
            )
        )
    return document


def _parsed(text: str, loader_class: type[UniqueKeyLoader]) -> tuple[object, list[tuple[int, str]]]:
    """Return a document and its repeated keys.

    libyaml needs an eighth of the time. PyYAML reads what libyaml may read differently, and what
    libyaml refuses, so every document and every message is the one of PyYAML.
    """
    if not _READ_DIFFERENTLY.search(text):
        with suppress(Exception):
            fast = loader_class.fast(text)
            return fast.get_single_data(), fast.repeated
    loader = loader_class(text)
    return loader.get_single_data(), loader.repeated


def faults_of(
    path: Path, error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> list[str]:
    """Describe the faults of a file: file, key, what was found and what is allowed."""
    lines = []
    for fault in error.errors(include_url=False):
        key = prefix + (".".join(str(part) for part in fault["loc"]) or "the file as a whole")
        found = masked(repr(fault["input"]))
        found = found if len(found) <= 60 else f"{found[:57]}..."
        # Pydantic counts only valid items, so it also calls a list with invalid items too short.
        if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
            continue
        if fault["type"] == "extra_forbidden":
            allowed = ", ".join(_keys_at(model, fault["loc"][:-1]))
            lines.append(f"{path}: {key}: no such key; allowed: {allowed}")
        elif fault["type"] == "missing":
            lines.append(f"{path}: {key}: missing")
        elif fault["type"] == "value_error":
            lines.append(f"{path}: {key}: {fault['ctx']['error']}")
        else:
            allowed = _PLAIN.get(fault["type"]) or re.sub(r"^\w+ should ", "", fault["msg"])
            lines.append(f"{path}: {key}: found {found}; it should {allowed}")
    return lines


_DATE_FAULTS = (
    *("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
)

_MOMENT_FAULTS = (
    *("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"),
)

#: What a value should be, in YAML terms, where the message of pydantic uses Python terms.
_PLAIN = {
    **dict.fromkeys(("model_type", "dict_type"), "be keys and values"),
    "tuple_type": "be a list",
    **dict.fromkeys(("bool_type", "bool_parsing"), "be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "be a number"),
    **dict.fromkeys(_DATE_FAULTS, "be a date such as 2026-01-31"),
    **dict.fromkeys(_MOMENT_FAULTS, "be a moment with its zone, such as 2026-01-31T06:00:00+01:00"),
    "string_type": "be text (a number that is a code goes in quotes)",
}


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    kind: Any = model
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation
        else:
            kind = [each for each in get_args(kind) if each not in (Ellipsis, NoneType)][-1]
    return [field.alias or name for name, field in kind.model_fields.items()]


def override(document: dict[str, Any], text: str) -> str | None:
    """Set a dotted key to a YAML value (`key=value`) in place; return the fault, or None."""
    key, separator, value = text.partition("=")
    key = masked(key)
    if not separator or not key.strip():
        return f"--set {key}: expected key=value, for example results.schema=scores"
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        return f"--set {key}: the value is not valid YAML"
    *sections, last = key.strip().split(".")
    target = document
    for section in sections:
        inner = target.setdefault(section, {})
        if inner is None:
            inner = target[section] = {}
        if not isinstance(inner, dict):
            return f"--set {key}: {section} is a single value, not a section"
        target = inner
    target[last] = parsed
    return None


def read_json(path: Path) -> tuple[object, bytes]:
    """Return the document of a JSON file, in which every key must be unique, and its content.

    Raises
    ------
    ConfigurationError
        The file cannot be read or is not JSON; the message names the line.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(pairs)

    try:
        content = path.read_bytes()
        document: object = json.loads(content.decode("utf-8"), object_pairs_hook=unique)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}; the model card names it under `variants`"
        raise ConfigurationError(f"{path}: {reason}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}: line {line}: cannot be read: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: not valid JSON: {error.msg}"
        raise ConfigurationError(f"{path}: {reason}") from None
    if repeated:
        raise ConfigurationError(
            *(f"{path}: not valid JSON: the key {key!r} is written twice" for key in repeated)
        )
    return document, content


_Model = TypeVar("_Model", bound=BaseModel)


def load_document(path: Path, model: type[_Model], context: object = None) -> _Model:
    """Read a YAML file and validate it as a model.

    Raises
    ------
    ConfigurationError
        Every fault of the file.
    """
    try:
        return model.model_validate(read_yaml(path), context=context)
    except ValidationError as error:
        raise ConfigurationError(*faults_of(path, error, model)) from None


def masked(text: str) -> str:
    """Return a text in which `...` replaces what follows the scheme of a URL (maybe a password)."""
    return re.sub(r"(\w+://)[^\s'\"]*", r"\1...", text)
