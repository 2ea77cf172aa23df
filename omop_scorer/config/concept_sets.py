"""Concept sets: read, checked whole, flattened for the SQL that resolves them.

A set is written in YAML (`configs/concept_sets/`) or exported from ATLAS as JSON; every fault of
both is reported in one go. `sql/cohort/concept_set.sql` finds the members in the site's vocabulary.
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


def load_concept_sets(folder: Path) -> ConceptSets:
    """Read every .yaml, .yml and .json (ATLAS) file of a folder.

    Raises
    ------
    ConfigurationError
        With every fault of every file: file, key, what was found and what is allowed.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix in {".yaml", ".yml", ".json"})
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
    # A set that is looked for may well stand in the file that could not be read.
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
    """Return the valid sets, the names of all (None: the file cannot be read), and the faults."""
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
            alone = _ConceptSetFile.model_validate({"concept_sets": {name: definition}})
            sets.append(ConceptSet(name=name, **dict(alone.concept_sets[name])))
    return sets, [str(name) for name in given], faults
