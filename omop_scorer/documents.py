"""How every YAML file is read, and how its faults are put into words."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from omop_scorer.errors import ConfigurationError

Name = Annotated[StrictStr, Field(pattern="^[a-z0-9][a-z0-9_]*$")]
Text = Annotated[StrictStr, Field(min_length=1)]
ConceptId = Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]


class Frozen(BaseModel):
    """A section of a configuration file: unknown keys are faults, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def read_yaml(path: Path) -> object:
    """Return the document of a YAML file, in which no key may stand twice.

    Raises
    ------
    ConfigurationError
        The file cannot be read or is not YAML; the message names the line.
    """
    try:
        return _UniqueKeyLoader(path.read_text(encoding="utf-8")).get_single_data()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(f"{path}: {line}not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from None


def faults_of(
    path: Path, error: ValidationError, model: type[BaseModel], prefix: str = ""
) -> list[str]:
    """Put the faults of a file into words: file, key, what was found, what is allowed."""
    lines = []
    for fault in error.errors(include_url=False):
        key = prefix + (".".join(str(part) for part in fault["loc"]) or "the file as a whole")
        found = repr(fault["input"])
        found = found if len(found) <= 60 else f"{found[:57]}..."
        # Pydantic counts the valid items: a list whose items all have faults is not short.
        if fault["type"] == "too_short" and fault["input"]:
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


#: Where pydantic speaks of Python, what a writer of YAML calls it.
_PLAIN = {
    **dict.fromkeys(("model_type", "dict_type"), "be keys and values"),
    "tuple_type": "be a list",
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


class _UniqueKeyLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for i, key in enumerate(keys):
            if key.value in {earlier.value for earlier in keys[:i]}:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
        return super().construct_mapping(node, deep=deep)
