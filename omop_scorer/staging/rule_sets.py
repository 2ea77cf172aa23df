"""Names of the concept sets that the rules search in the clinical tables."""

from omop_scorer.config.definitions import Definitions
from omop_scorer.config.run_file import Measured, RunConfig
from omop_scorer.terms import COHORT

CORTICOSTEROIDS = "systemic_corticosteroid"

#: Sets of conditions that the SQL files ask for by name.
_CONDITIONS = (
    *(COHORT, "ulcerative_colitis"),
    *("cd_ileal_definite", "cd_ileal_probable", "cd_not_ileal_colon"),
)
#: Sets of drugs of the covariates; the treatment lines name others.
_DRUGS = ("biologic_anti_tnf", "immunomodulator", CORTICOSTEROIDS)
#: A part of the corticosteroids, which decides how a drug without dose form and route is taken.
_PARTS = ("corticosteroid_always_systemic",)


def condition_sets(config: RunConfig) -> list[str]:
    """Return the sets of conditions that a run uses."""
    return sorted({*_CONDITIONS, *config.cohort.exclude_concept_sets})


def drug_sets(definitions: Definitions) -> list[str]:
    """Return the sets of drugs that a run uses."""
    lines = (str(line["concept_set"]) for line in definitions.lines.rows())
    return sorted({*_DRUGS, *lines})


def measured_sets(quantity: str, rule: Measured) -> list[tuple[str, str]]:
    """Return the table and name of each set of a measured quantity."""
    site = (f"site_{quantity}",) if rule.concept_ids else ()
    return [
        *(("measurement", name) for name in (*rule.measurement_concept_sets, *site)),
        *(("observation", name) for name in (*rule.observation_concept_sets, *site)),
    ]


def sets_by_table(definitions: Definitions) -> dict[str, set[str]]:
    """Return the sets that the rules of a run search in each clinical table."""
    config = definitions.config
    found: dict[str, set[str]] = {
        "condition_occurrence": {*condition_sets(config)},
        "drug_exposure": {*drug_sets(definitions)},
        "measurement": set(),
        "observation": set(),
    }
    for quantity, rule in config.covariates.quantities().items():
        for table, name in measured_sets(quantity, rule):
            found[table].add(name)
    return found


def rule_sets(definitions: Definitions) -> list[str]:
    """Return every set whose records a rule of the run uses."""
    return sorted({name for sets in sets_by_table(definitions).values() for name in sets})


def searched_sets(definitions: Definitions) -> list[str]:
    """Return every set that follows mappings because its concepts stand in clinical records."""
    return sorted({*rule_sets(definitions), *_PARTS})
