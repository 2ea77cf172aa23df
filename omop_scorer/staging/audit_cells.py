"""The cells that the audits count. A cell without persons gets a row too."""

from collections.abc import Sequence
from itertools import product

import pyarrow as pa

from omop_scorer import terms
from omop_scorer.staging.cohort_definitions import cohort_rows, subgroup_labels
from omop_scorer.staging.night import Night

TREATMENT_KEYS = ["population", "index_rule", "index_class"]

#: Key columns, in order, and the denominator column of each audit that counts persons.
AUDITS: dict[str, tuple[list[str], str | None]] = {
    "prevalence": (["population", "measure"], "n_population"),
    "age_sex_pyramid": (["population", "age_group", "sex"], None),
    "subgroup_summary": (["stratum", "stratum_value", "subgroup"], "n_stratum"),
    "preference_summary": (["stratum", "stratum_value", "preference_group"], "n_stratum"),
    "next_treatment": ([*TREATMENT_KEYS, "next_class"], "n_population"),
    "preference_concordance": (["population", "preferred", "next_class"], None),
}


def load_cells(night: Night) -> None:
    """Load classes, age groups, labels, cohorts, and every cell that an audit counts."""
    classes = [drug_class.key for drug_class in night.model.card.classes]
    night.load("model_class", pa.table({"drug_class": classes}))
    names, lowest, highest = map(list, zip(*terms.AGE_GROUPS, strict=True))
    night.load(
        "age_group", pa.table({"age_group": names, "lowest_age": lowest, "highest_age": highest})
    )
    labels = [(label,) for label in subgroup_labels(night.definitions)]
    _load(night, "subgroup_label", ["subgroup"], labels)
    groups = [(group,) for group in terms.preference_groups(classes)]
    _load(night, "preference_group", ["preference_group"], groups)
    cohorts = pa.Table.from_pylist(cohort_rows(night.definitions))
    night.load("audit_cohort", cohorts.select(["cohort_definition_id", "cohort_key"]))
    treated, following = terms.TREATED_POPULATIONS, terms.next_classes(classes)
    axes: dict[str, list[Sequence[str]]] = {
        "prevalence": [terms.POPULATIONS, terms.prevalence_measures(classes)],
        "age_sex_pyramid": [terms.POPULATIONS, terms.AGE_GROUP_NAMES, terms.SEXES],
        "next_treatment": [treated, terms.INDEX_RULES, (terms.ALL, *classes), following],
        "preference_concordance": [treated, terms.preferences(classes), following],
    }
    for table, values in axes.items():
        _load(night, f"{table}_grid", AUDITS[table][0], list(product(*values)))


def _load(night: Night, table: str, keys: Sequence[str], cells: Sequence[tuple[str, ...]]) -> None:
    columns = {key: [cell[i] for cell in cells] for i, key in enumerate(keys)}
    night.load(table, pa.table({**columns, "display_order": list(range(len(cells)))}))
