"""Definitions of a run: the run file and the files that it names, checked together."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from omop_scorer import sql
from omop_scorer.config.concept_set import ConceptSets
from omop_scorer.config.concept_sets import load_concept_sets
from omop_scorer.config.run_file import Exposure, RunConfig
from omop_scorer.config.treatment_lines import TreatmentLines, load_treatment_lines
from omop_scorer.config.units import Units, load_units
from omop_scorer.errors import ConfigurationError
from omop_scorer.model.load import Model, load_model
from omop_scorer.resources import shipped
from omop_scorer.terms import RACE_SETS

_MOST_LISTED = 10


def refuse_unknown_sets(config: RunConfig, concept_sets: ConceptSets) -> None:
    """Check that every concept set that the run file or an SQL file names exists.

    Raises
    ------
    ConfigurationError
        Every concept set that does not exist.
    """
    named = {"cohort.exclude_concept_sets": config.cohort.exclude_concept_sets}
    for quantity, rule in config.covariates.quantities().items():
        key = f"covariates.{quantity}"
        named[f"{key}.measurement_concept_sets"] = rule.measurement_concept_sets
        named[f"{key}.observation_concept_sets"] = rule.observation_concept_sets
    problems = [
        f"{key}: no concept set {name!r}; known: {', '.join(sorted(concept_sets))}"
        for key, names in named.items()
        for name in names
        if name not in concept_sets
    ]
    problems += [
        f"no concept set {name!r}, which the SQL files need; copy it from the shipped concept sets"
        for name in RULE_SETS
        if name not in concept_sets
    ]
    if problems:
        raise ConfigurationError(*problems)


#: Concept sets that the SQL files name.
RULE_SETS = (
    "sex_male",
    "sex_female",
    *RACE_SETS,
    "operator_censored",
    "biologic_anti_tnf",
    "immunomodulator",
    "systemic_corticosteroid",
    "corticosteroid_always_systemic",
    "dose_form_oral",
    "dose_form_injectable",
    "dose_form_local",
    "route_oral",
    "route_injected",
    "route_local",
    "cd_ileal_definite",
    "cd_ileal_probable",
    "cd_not_ileal_colon",
    "ulcerative_colitis",
)


def refuse_unknown_covariates(config: RunConfig, model: Model, units: Units) -> None:
    """Check that every covariate of the model card has a rule, and every quantity its units.

    Raises
    ------
    ConfigurationError
        Every covariate without a rule and every quantity without units.
    """
    rules = {name.rpartition("/")[2] for name in sql.names() if name.startswith("covariates/")}
    problems = []
    if lacking := [each.name for each in model.card.covariates if each.name not in rules]:
        problems.append(
            f"{model.path}: no rule for the covariate(s) {', '.join(lacking)}, so a run cannot "
            f"derive them from a CDM; add {', '.join(f'sql/covariates/{e}.sql' for e in lacking)} "
            "(omop_scorer/README.md, Add a covariate), or let `omop-scorer score` take them from a "
            "CSV file"
        )
    problems += [
        f"the file of units has no quantity {quantity!r}"
        for quantity in config.covariates.quantities()
        if quantity not in units.quantities
    ]
    if problems:
        raise ConfigurationError(*problems)


@dataclass(frozen=True)
class Definitions:
    """The run file and the files that it names, all valid."""

    config: RunConfig
    model: Model
    concept_sets: ConceptSets
    units: Units
    lines: TreatmentLines

    @property
    def concept_sets_sha256(self) -> str:
        """SHA-256 of the concept sets, units and treatment lines together."""
        parts = (self.concept_sets.sha256, self.units.sha256, json.dumps(self.lines.rows()))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load_definitions(config: RunConfig) -> Definitions:
    """Read the model card, concept sets, units and treatment lines, and check them together.

    Raises
    ------
    ConfigurationError
        Every fault of every file.
    """
    configs = shipped("configs")
    problems: list[str] = []
    model = _collect(problems, lambda: load_model(config.model))
    folder = Path(config.concept_sets) if config.concept_sets else configs / "concept_sets"
    concept_sets = _collect(problems, lambda: load_concept_sets(folder))
    units_file = Path(config.units) if config.units else configs / "units.yaml"
    units = _collect(problems, lambda: load_units(units_file))
    lines_file = (
        Path(config.treatment_lines) if config.treatment_lines else configs / "treatment_lines.yaml"
    )
    lines = None
    if concept_sets is not None:
        lines = _collect(problems, lambda: load_treatment_lines(lines_file, concept_sets))
        _collect(problems, lambda: refuse_unknown_sets(config, concept_sets))
    if model is not None and units is not None:
        _collect(problems, lambda: refuse_unknown_covariates(config, model, units))
    if model is not None:
        _collect(problems, lambda: refuse_without_variants(config, model))
    if problems or model is None or concept_sets is None or units is None or lines is None:
        raise ConfigurationError(*problems)
    return Definitions(config, model, concept_sets, units, lines)


_T = TypeVar("_T")


def _collect(problems: list[str], load: Callable[[], _T]) -> _T | None:
    try:
        return load()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None


def refuse_without_variants(config: RunConfig, model: Model) -> None:
    """Check that a run with reduced models has a variant for each combination of covariates.

    A patient may lack any combination, and a run should not discover a missing variant at night.

    Raises
    ------
    ConfigurationError
        The card has no variants, or lacks some of them.
    """
    if config.missing != "reduced_model":
        return
    if not model.reduced:
        raise ConfigurationError(
            f"missing: found 'reduced_model', but {model.path} has no variants; "
            "allowed: impute, or a card with variants"
        )
    # A drug without records counts as not taken, so an exposure is never left out.
    names = [
        name
        for name in model.can_be_left_out
        if not isinstance(getattr(config.covariates, name, None), Exposure)
    ]
    needed = [each for n in range(1, len(names) + 1) for each in combinations(names, n)]
    missing = [", ".join(each) for each in needed if frozenset(each) not in model.reduced]
    if missing:
        listed = "; ".join(missing[:_MOST_LISTED])
        more = len(missing) - _MOST_LISTED
        raise ConfigurationError(
            f"missing: found 'reduced_model', but {model.path} has no variant without "
            f"{listed}{f'; and {more} more' if more > 0 else ''}; a patient may lack any "
            f"combination of {', '.join(names)}"
        )
