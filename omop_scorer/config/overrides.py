"""Keys of the run file that environment variables and the command line override, in this order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from omop_scorer.documents import (
    faults_of,
    faults_of_document,
    masked,
    override,
    read_yaml,
    shown,
)
from omop_scorer.errors import ConfigurationError

#: Start of the names of environment variables that set a key: OMOP_SCORER__CDM__URL sets cdm.url.
PREFIX = "OMOP_SCORER__"

_OPTION = "--set"


@dataclass(frozen=True)
class Override:
    """One key with its new value in YAML, and what gave it: an option or a variable."""

    given_by: str
    key: str
    value: str


def from_environment(environment: Mapping[str, str]) -> list[Override]:
    """Return the overrides of the environment, by name of the variable."""
    return [
        Override(name, name.removeprefix(PREFIX).lower().replace("__", "."), environment[name])
        for name in sorted(environment)
        if name.startswith(PREFIX)
    ]


def _apply(
    document: dict[str, Any], environment: Mapping[str, str], options: Iterable[str]
) -> tuple[list[Override], list[str]]:
    """Apply the overrides to the document of a run file, in place.

    Returns
    -------
    tuple
        The overrides, and the faults of those that could not be applied.
    """
    overrides, faults = from_environment(environment), []
    for text in options:
        key, separator, value = text.partition("=")
        if separator and key.strip():
            overrides.append(Override(_OPTION, key.strip(), value))
        else:
            named = shown(masked(key)).strip("'")
            faults.append(
                f"{_OPTION} {named}: expected key=value, for example results.schema=scores"
            )
    for each in overrides:
        label = f"{_OPTION} {each.key}" if each.given_by == _OPTION else each.given_by
        if not all(part.strip() for part in each.key.split(".")):
            faults.append(f"{masked(label)}: names no key; for example results.schema")
        elif fault := override(document, masked(label), each.key, each.value):
            faults.append(fault)
    return overrides, faults


def _source_of(place: str, overrides: Sequence[Override], sections: Iterable[str]) -> str | None:
    """Return what set the key of a fault; None if it was the run file.

    A fault may be in a section as a whole: an override made it if the file, whose sections are
    given, does not have it.
    """
    for each in reversed(overrides):
        is_in_section = each.key.startswith(f"{place}.") and place not in sections
        if f"{place}.".startswith(f"{each.key}.") or is_in_section:
            return each.given_by
    return None


_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class GivenRunFile:
    """A run file as it is written, with its overrides applied."""

    path: Path
    document: dict[str, Any]
    overrides: Sequence[Override] = ()
    faults: Sequence[str] = ()
    sections: frozenset[str] = frozenset()
    """Sections that the file itself has."""

    @classmethod
    def read(
        cls, path: Path, options: Iterable[str], environment: Mapping[str, str]
    ) -> "GivenRunFile":
        """Read a run file, and apply the variables, then the options.

        Raises
        ------
        ConfigurationError
            The file is not YAML with keys and values.
        """
        document = read_yaml(path)
        if document is None:
            document = {}
        if not isinstance(document, dict):
            raise ConfigurationError(f"{path}: expected keys and values, found something else")
        sections = frozenset(map(str, document))
        overrides, faults = _apply(document, environment, options)
        return cls(path, document, overrides, faults, sections)

    def validated(self, model: type[_Model]) -> _Model:
        """Return the document as a model.

        Raises
        ------
        ConfigurationError
            Every fault of the file and of the overrides.
        """
        faults = [*self.faults, *faults_of_document(self.path, self.document)]
        try:
            valid = model.model_validate(self.document)
        except ValidationError as error:
            found = faults_of(self.path, error, model, source=self._source)
            raise ConfigurationError(*faults, *found) from None
        if faults:
            raise ConfigurationError(*faults)
        return valid

    def _source(self, place: str) -> str | None:
        return _source_of(place, self.overrides, self.sections)
