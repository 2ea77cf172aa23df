"""Reader of a folder of concept sets, in YAML or as JSON exported from ATLAS.

All faults of all files are reported at once. `sql/cohort/concept_set.sql` finds the members of the
sets in the vocabulary of the site.
"""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from omop_scorer.config.atlas import read_atlas
from omop_scorer.config.concept_set import (
    ConceptSet,
    ConceptSetDefinition,
    ConceptSets,
    inclusion_faults,
)
from omop_scorer.documents import Frozen, Name, faults_of, read_yaml
from omop_scorer.errors import ConfigurationError

_SUFFIXES = {".yaml", ".yml", ".json"}


def load_concept_sets(folder: Path) -> ConceptSets:
    """Read every .yaml, .yml and .json (ATLAS) file of a folder.

    Raises
    ------
    ConfigurationError
        Every fault of every file, with file, key, what was found and what is allowed.
    """
    files: list[Path] = []
    with suppress(OSError):  # a name that is too long, or a folder that may not be read
        files = sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)
    if not files:
        raise ConfigurationError(f"{folder}: no such folder, or no .yaml or .json file in it")
    sets: dict[str, ConceptSet] = {}
    defined_in: dict[str, Path] = {}
    problems: list[str] = []
    is_every_name_known = True
    for path in files:
        found, names, faults = _read_file(path)
        problems += faults
        is_every_name_known &= names is not None
        for name in names or ():
            first = defined_in.setdefault(name, path)
            if first != path:
                problems.append(f"{path}: concept_sets.{name}: already defined in {first}")
        for concept_set in found:
            sets.setdefault(concept_set.name, concept_set)
    # An included set may be defined in the file that could not be read.
    known = defined_in if is_every_name_known else None
    problems += [
        f"{defined_in[name]}: concept_sets.{name}.include_sets: {fault}"
        for name, fault in inclusion_faults(sets, known)
    ]
    if problems:
        raise ConfigurationError(*problems)
    return ConceptSets(sets)


class _ConceptSetFile(Frozen):
    concept_sets: dict[Name, ConceptSetDefinition]


def _read_file(path: Path) -> tuple[list[ConceptSet], list[str] | None, list[str]]:
    """Return the valid sets, the names of all sets (None: unreadable file), and the faults."""
    try:
        if path.suffix == ".json":
            found = list(read_atlas(path))
            return found, [concept_set.name for concept_set in found], []
        document = read_yaml(path)
    except ConfigurationError as error:
        return [], None, list(error.problems)
    faults = []
    try:
        _ConceptSetFile.model_validate(document)
    except ValidationError as error:
        faults = faults_of(path, error, _ConceptSetFile)
    given = document.get("concept_sets") if isinstance(document, dict) else None
    if not isinstance(given, dict):
        return [], None, faults
    sets = []
    for name, definition in given.items():
        with suppress(ValidationError):
            single = _ConceptSetFile.model_validate({"concept_sets": {name: definition}})
            sets.append(ConceptSet(name=name, **dict(single.concept_sets[name])))
    return sets, [str(name) for name in given], faults
