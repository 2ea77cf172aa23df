"""Readers of YAML and JSON files. They describe all faults of a file in one form."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from reprlib import Repr
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
)
from pydantic_core import PydanticKnownError

from omop_scorer.errors import ConfigurationError
from omop_scorer.yaml_loader import (
    MOST_BYTES,
    TooLargeError,
    UniqueKeyLoader,
    document_faults,
    dotted,
    parse,
)

Name = Annotated[StrictStr, Field(pattern="^[a-z0-9][a-z0-9_]*$")]

Text = Annotated[StrictStr, Field(min_length=1)]

#: Bytes of the longest name of a file. The system refuses longer ones at many places.
_LONGEST_NAME = 255


def _names_are_short(place: str) -> str:
    names = () if "://" in place else place.encode("utf-8", "surrogatepass").split(b"/")
    if any(len(name) > _LONGEST_NAME for name in names):
        raise ValueError(f"found {shown(place)}; a name in a path may have {_LONGEST_NAME} bytes")
    return place


#: A path or URL. No system has longer paths.
Place = Annotated[StrictStr, Field(max_length=4096), AfterValidator(_names_are_short)]

ConceptId = Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def whole_number_only(value: object) -> object:
    """Refuse true and 1.0, which Python takes for 1, before a value is compared with 0 and 1."""
    if isinstance(value, bool | float):
        raise PydanticKnownError("int_type")
    return value


def _date_only(value: object) -> object:
    # pydantic would also read a number, as seconds since 1970, and midnight of a day.
    is_text = isinstance(value, str) and _ISO_DATE.fullmatch(value)
    if is_text or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    raise PydanticKnownError("date_type")


def _moment_only(value: object) -> object:
    is_text = isinstance(value, str) and _ISO_DATE.match(value)
    if is_text or isinstance(value, datetime):
        return value
    raise PydanticKnownError("datetime_type")


Day = Annotated[date, BeforeValidator(_date_only)]

Moment = Annotated[AwareDatetime, BeforeValidator(_moment_only)]


class Frozen(BaseModel):
    """A section of a configuration file. Unknown keys are faults, and values are immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


#: Most faults of one kind of one file that are printed.
_MOST_FAULTS = 50
_LONGEST_FAULT = 2_000


def read_yaml(path: Path, loader_class: type[UniqueKeyLoader] = UniqueKeyLoader) -> object:
    """Return the document of a YAML file, in which every key must be unique.

    The time and memory that it takes are bounded, whatever the file holds.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is not YAML, or is too large; the message names the line or the
        key.
    """
    text = read_text(path)
    try:
        document, repeated = parse(text, loader_class)
        faults = faults_of_document(path, document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = f"line {mark.line + 1}: " if mark else ""
        # The name of an alias or a tag may be a password that begins with `*` or `!`.
        problem = re.sub("(alias|tag) '.*'", r"\1", str(error.problem), flags=re.DOTALL)
        raise ConfigurationError(f"{path}: {position}not valid YAML: {problem[:200]}") from None
    except TooLargeError as error:
        raise ConfigurationError(f"{path}: too large: {error}") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path}: not valid YAML: {reason[:200]}") from None
    if repeated:
        raise ConfigurationError(
            *limited(
                f"{path}: line {line}: not valid YAML: the key {shown(key)} is written twice"
                for line, key in sorted(repeated)
            )
        )
    if faults:
        raise ConfigurationError(*faults)
    return document


def faults_of_document(path: Path, document: object) -> list[str]:
    """Describe what no configuration file may hold: control characters, too many levels."""
    try:
        return [f"{path}: {fault}" for fault in islice(document_faults(document), _MOST_FAULTS)]
    except TooLargeError as error:
        return [f"{path}: too large: {error}"]


def read_text(path: Path) -> str:
    """Return the text of a file of configuration.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is not UTF-8 text, or is larger than any that a site writes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigurationError(f"{path}: too large: more than {MOST_BYTES:,} bytes")
        return content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"{path}: line {line}: cannot be read: not UTF-8 text") from None


def limited(faults: Iterable[str]) -> list[str]:
    """Return the first faults, each cut to a length that can be read, and how many there are."""
    every = list(faults)
    lines = [
        fault if len(fault) <= _LONGEST_FAULT else f"{fault[:_LONGEST_FAULT]}..."
        for fault in every[:_MOST_FAULTS]
    ]
    if len(every) > _MOST_FAULTS:
        lines.append(f"{every[0].partition(': ')[0]}: {len(every) - _MOST_FAULTS:,} more faults")
    return lines


_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxtuple = 3, 10, 10, 10
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


def shown(value: object) -> str:
    """Return a value as it is printed: short, without control characters, without a password."""
    text = masked(_SHORT.repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


#: Keys whose value is not printed even where it is not allowed.
_SECRET_KEY = re.compile("passw|secret|token|credential", re.IGNORECASE)


def faults_of(
    path: Path | str,
    error: ValidationError,
    model: type[BaseModel],
    prefix: str = "",
    source: Callable[[str], str | None] = lambda _: None,
) -> list[str]:
    """Describe the faults of a file: file, key, what was found and what is allowed.

    `source` gives, for a dotted key, the name of what set it instead of the file, or None.
    """
    lines = []
    for fault in error.errors(include_url=False):
        place = dotted(fault["loc"])
        key = f"{source(place) or path}: {prefix}{place}"
        found = "a value" if _SECRET_KEY.search(place) else shown(fault["input"])
        # Pydantic counts only valid items, so it also calls a list with invalid items too short.
        if fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]:
            continue
        if fault["type"] == "extra_forbidden":
            allowed = ", ".join(_keys_at(model, fault["loc"][:-1]))
            lines.append(f"{key}: no such key; allowed: {allowed}")
        elif fault["type"] == "missing":
            lines.append(f"{key}: missing")
        elif fault["type"] == "value_error":
            lines.append(f"{key}: {fault['ctx']['error']}")
        else:
            allowed = _PLAIN.get(fault["type"]) or re.sub(r"^\w+ should ", "", fault["msg"])
            lines.append(f"{key}: found {found}; it should {allowed}")
    return limited(lines)


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
            names = {field.alias or name: field for name, field in kind.model_fields.items()}
            kind = names[str(part)].annotation
            if isinstance(kind, UnionType):  # a section that may be null
                kind = _last_argument(kind)
        else:
            kind = _last_argument(kind)
    return [field.alias or name for name, field in kind.model_fields.items()]


def _last_argument(kind: Any) -> Any:
    return [each for each in get_args(kind) if each not in (Ellipsis, NoneType)][-1]


def override(document: dict[str, Any], label: str, key: str, value: str) -> str | None:
    """Set a dotted key to a YAML value in place; return the fault, or None.

    `label` is what gave the value: `--set KEY`, or the name of an environment variable.
    """
    try:
        parsed, repeated = parse(value, UniqueKeyLoader)
    except yaml.YAMLError:
        return f"{label}: the value is not valid YAML"
    if repeated:
        return f"{label}: the value holds a key twice"
    *sections, last = key.strip().split(".")
    target = document
    for section in sections:
        inner = target.get(section)
        if inner is not None and not isinstance(inner, dict):
            return f"{label}: {section} is a single value, not a section"
        # A copy, because an alias may use the same section under another key.
        target[section] = dict(inner or {})
        target = target[section]
    target[last] = parsed
    return None


def read_json(path: Path) -> object:
    """Return the document of a JSON file, in which every key must be unique.

    Raises
    ------
    ConfigurationError
        The file cannot be read, is not JSON, or is too large; the message names the line or key.
    """
    return parse_json(path, read_text(path).removeprefix("\ufeff"))


def parse_json(path: Path, text: str) -> object:
    """Return the document of the text of a JSON file.

    Raises
    ------
    ConfigurationError
        As for `read_json`.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeated.append(key)
            seen.add(key)
        return dict(pairs)

    def whole(digits: str) -> int | str:
        return int(digits) if len(digits) < _MOST_DIGITS else digits

    try:
        document: object = json.loads(text, object_pairs_hook=unique, parse_int=whole)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: not valid JSON: {error.msg}"
        raise ConfigurationError(f"{path}: {reason}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: too large: nested too deeply") from None
    if repeated:
        raise ConfigurationError(
            *limited(
                f"{path}: not valid JSON: the key {shown(key)} is written twice"
                for key in sorted(set(repeated))
            )
        )
    if faults := faults_of_document(path, document):
        raise ConfigurationError(*faults)
    return document


#: A whole number with fewer digits, the sign counted, has 64 bits.
_MOST_DIGITS = 19


_Model = TypeVar("_Model", bound=BaseModel)


def named_or_path(reference: str | Path, folder: Path, key: str) -> Path:
    """Return the path that a reference gives, or that of the YAML file of this name in a folder.

    Raises
    ------
    ConfigurationError
        The reference is neither a path nor a name; the message begins with `key`.
    """
    path = Path(reference)
    if isinstance(reference, Path) or path.suffix in {".yaml", ".yml"} or len(path.parts) > 1:
        return path
    names = sorted(each.stem for each in folder.glob("*.yaml"))
    if reference not in names:
        listed = ", ".join(names)
        raise ConfigurationError(f"{key}: found {reference!r}; allowed: a path, or one of {listed}")
    return folder / f"{reference}.yaml"


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
