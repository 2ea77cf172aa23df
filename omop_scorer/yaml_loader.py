"""YAML text as a document, in bounded time and memory whatever the text is.

A value that only looks like a number, a date or a truth value (`2026-02-30`, 5,000 digits, `1:30`,
`!!int abc`) becomes text, so the model of the file refuses it by its key.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cached_property
from typing import Any

import yaml

try:
    from yaml import CSafeLoader
except ImportError:  # PyYAML was built without libyaml
    from yaml import SafeLoader as CSafeLoader  # type: ignore[assignment]

#: Largest file, in bytes. The shipped files have 25,000 at most.
MOST_BYTES = 5_000_000
#: Most values of a document, counted before and after its aliases are followed.
MOST_VALUES = 100_000
_DEEPEST = 50
#: PyYAML reads 50,000 characters in a second, libyaml in a twentieth of it.
_LONGEST_FOR_PYYAML = 50_000
#: Longer plain scalars are text: no number and no date has so many characters.
_LONGEST_NUMBER = 100

_WHOLE_NUMBER = re.compile("[-+]?(0|[1-9][0-9_]*)")
_LARGEST_WHOLE = 2**63

_TAG = "tag:yaml.org,2002:"


class TooLargeError(yaml.YAMLError):
    """The document has too many values or levels."""


class _UniqueKeys(yaml.constructor.SafeConstructor):
    """Construction that records repeated keys, because YAML would silently use the last one."""

    @cached_property
    def repeated(self) -> list[tuple[int, str]]:
        """Line and text of each repeated key found so far."""
        return []

    @cached_property
    def _merged(self) -> list[int]:
        return [0]

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        """Return the tag of a node. The patterns of numbers take too long on long texts."""
        if kind is yaml.ScalarNode and implicit[0] and len(value) > _LONGEST_NUMBER:
            return f"{_TAG}str"
        return super().resolve(kind, value, implicit)  # type: ignore[misc]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping and record its repeated keys."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    self.repeated.append((key.start_mark.line + 1, key.value))
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Replace merge keys (`<<`) by what they merge, counted before it is copied."""
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                is_list = isinstance(value, yaml.SequenceNode)
                for each in value.value if is_list else (value,):
                    if isinstance(each, yaml.MappingNode):
                        self.flatten_mapping(each)
                        self._merged[0] += len(each.value)
                        if self._merged[0] > MOST_VALUES:
                            raise TooLargeError(_too_many())
        super().flatten_mapping(node)


def _too_many() -> str:
    return f"more than {MOST_VALUES:,} values, aliases and merge keys followed"


def _or_text(construct: Callable[[Any, Any], object]) -> Callable[[Any, Any], object]:
    """Return a constructor that returns the text of a scalar that it cannot convert."""

    def constructed(loader: _UniqueKeys, node: yaml.Node) -> object:
        text = loader.construct_scalar(node)  # type: ignore[arg-type]
        if len(str(text)) > _LONGEST_NUMBER:
            return text
        try:
            return construct(loader, node)
        except (ArithmeticError, AttributeError, LookupError, ValueError):
            return text

    return constructed


def _whole_number(loader: _UniqueKeys, node: yaml.ScalarNode) -> object:
    # YAML 1.1 reads 010 as 8 and 1:30 as 90.
    text = str(loader.construct_scalar(node))
    if not _WHOLE_NUMBER.fullmatch(text):
        return text
    number = int(text)
    return number if -_LARGEST_WHOLE <= number < _LARGEST_WHOLE else text


def _number(loader: _UniqueKeys, node: yaml.ScalarNode) -> object:
    text = str(loader.construct_scalar(node))
    return text if ":" in text else loader.construct_yaml_float(node)


for _name, _construct in (
    ("int", _whole_number),
    ("float", _number),
    ("bool", yaml.constructor.SafeConstructor.construct_yaml_bool),
    ("timestamp", yaml.constructor.SafeConstructor.construct_yaml_timestamp),
):
    _UniqueKeys.add_constructor(f"{_TAG}{_name}", _or_text(_construct))


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


class ExponentDumper(yaml.SafeDumper):
    """A YAML dumper that quotes a text which `ExponentLoader` would read as a number."""


for _kind in (ExponentLoader, _FastExponentLoader, ExponentDumper):
    _kind.add_implicit_resolver(
        f"{_TAG}float",
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


def parse(text: str, loader_class: type[UniqueKeyLoader]) -> tuple[object, list[tuple[int, str]]]:
    """Return a document and its repeated keys.

    libyaml needs an eighth of the time. PyYAML reads what libyaml may read differently, and what
    libyaml refuses, so the document and the message are those of PyYAML; only of a long text,
    which PyYAML would take seconds for, they are those of libyaml.

    Raises
    ------
    yaml.YAMLError
        The text is not YAML, or has too many values or levels.
    """
    _refuse_many_values(text, loader_class)
    is_long = len(text) > _LONGEST_FOR_PYYAML
    if is_long or not _READ_DIFFERENTLY.search(text):
        try:
            return _constructed(loader_class.fast(text))
        except Exception as error:
            if "nesting depth" in str(error):  # PyYAML takes seconds to notice
                raise TooLargeError(_too_deep()) from None
            if is_long:
                raise
    return _constructed(loader_class(text))


def _constructed(
    loader: UniqueKeyLoader | _FastUniqueKeyLoader,
) -> tuple[object, list[tuple[int, str]]]:
    try:
        return loader.get_single_data(), loader.repeated
    except RecursionError:
        raise TooLargeError(_too_deep()) from None


def _too_deep() -> str:
    return f"nested more than {_DEEPEST} levels deep"


def _refuse_many_values(text: str, loader_class: type[UniqueKeyLoader]) -> None:
    """Count the values before they take memory. Each follows one of a few characters."""
    if sum(map(text.count, "\n,:-[{?!&*\"'")) <= MOST_VALUES:
        return
    loader, n_values, depth = loader_class.fast(text), 0, 0
    while event := loader.get_event():
        if isinstance(event, yaml.NodeEvent):
            n_values += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if n_values > MOST_VALUES or depth > _DEEPEST:
            raise TooLargeError(_too_deep() if depth > _DEEPEST else _too_many())


#: Characters that no text of a configuration needs, and that a terminal may obey.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_PLAIN_TYPES = (str, int, float, bool, date, type(None))


def document_faults(document: object) -> Iterator[str]:
    """Yield what no configuration file may hold, with its key: control characters, other types.

    Raises
    ------
    TooLargeError
        The document has too many levels, or too many values once its aliases are followed.
    """
    n_values = 0
    waiting: list[tuple[tuple[str, ...], object]] = [((), document)]
    while waiting:
        place, value = waiting.pop()
        n_values += 1
        if n_values > MOST_VALUES or len(place) > _DEEPEST:
            raise TooLargeError(_too_deep() if len(place) > _DEEPEST else _too_many())
        if isinstance(value, dict):
            waiting += [((*place, str(key)), each) for key, each in reversed(value.items())]
            waiting += [((*place, "the name of a key"), key) for key in value]
        elif isinstance(value, list):
            waiting += [((*place, str(i)), value[i]) for i in reversed(range(len(value)))]
        elif not isinstance(value, _PLAIN_TYPES):
            yield f"{dotted(place)}: a value of this kind is not allowed; remove the tag (!!)"
        elif isinstance(value, str) and _CONTROL.search(value):
            yield f"{dotted(place)}: found a control character; it should be printable text"


def dotted(place: tuple[int | str, ...]) -> str:
    """Return the place of a value as a dotted key that is short and safe to print."""
    parts = (str(part) for part in place)
    shown = (part if len(part) <= 60 else f"{part[:57]}..." for part in parts)
    return _CONTROL.sub("?", ".".join(shown)) or "the file as a whole"
