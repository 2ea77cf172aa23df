"""Concept sets that the run file defines: the cohort and the further concepts of a site."""

from omop_scorer.config.concept_set import ConceptSet
from omop_scorer.config.run_file import RunConfig
from omop_scorer.terms import COHORT


def site_concept_sets(config: RunConfig) -> dict[str, ConceptSet]:
    """Return the concept sets that the run file defines, by name."""
    ids = (*config.cohort.concept_ids, *config.cohort.extra_concept_ids)
    sets = {
        COHORT: ConceptSet.from_ids(
            COHORT, "Disease of the cohort", ids, True, ("condition_occurrence",)
        )
    }
    for quantity, rule in config.covariates.quantities().items():
        if rule.concept_ids:
            name = f"site_{quantity}"
            sets[name] = ConceptSet.from_ids(
                name,
                f"Concepts of this site for {quantity}",
                rule.concept_ids,
                False,
                ("measurement", "observation"),
            )
    return sets
