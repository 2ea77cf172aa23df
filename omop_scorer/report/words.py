"""Numbers and coded words as the report prints them.

The mappings give each coded word of `terms` or of the run file its label; a test checks that no
word is missing.
"""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from omop_scorer import terms
from omop_scorer.disclosure import coded
from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.model.card import Covariate

#: Printed instead of a figure that is suppressed.
HIDDEN = "not shown"

#: Printed instead of a share of zero persons.
NOBODY = "–"

#: Between two ranks of a label.
BETTER = " > "

#: The default concept of the cohort: Crohn’s disease.
CROHNS_CONCEPT_ID = 201606

POPULATIONS = {
    "crohns_disease": "Crohn’s disease",
    "biologic_exposed": "Ever given a biologic",
    "first_biologic_since": "First biologic since {since}",
}

AUDITED = {
    "all": "All patients",
    "women_50_and_over": "Women aged 50 and over",
    "men_50_and_over": "Men aged 50 and over",
    "women_under_50": "Women under 50",
    "men_under_50": "Men under 50",
}

#: Populations of `current_treatment`.
NOW = {
    "all": "All patients scored",
    "women_50_and_over": "Women of 50 and over",
    "active_disease": "Active disease on record",
}

#: Events of `prevalence_by_year`.
EVENTS = {"disease_record": "Record of the disease", "first_biologic": "First biologic"}

INDEX_RULES = {"first_biologic": "first biologic", "first_anti_tnf": "first anti-TNF"}

NEXT = {
    "other_advanced": "other advanced therapy",
    "none_died": "none: died",
    "none_continuing": "none: continuing",
    "none_stopped": "none: not in use for {days} days",
}

STATES = {
    "observed": "recorded",
    "computed": "computed from other records",
    "absent": "no record, counted as no",
    "imputed": "imputed",
    "left_out": "left out of the model",
}

STRATA = {
    "sex": "Sex",
    "age_group": "Age",
    "prior_anti_tnf": "Earlier anti-TNF",
    "first_biologic_year": "Year of first biologic",
    "race": "Race",
    "imputed": "Anything imputed",
    "within_trial_range": "Within the trials’ range",
}

#: Values of the stratum `within_trial_range`.
WITHIN_RANGE = {
    "yes": "Within the range",
    "no": "A recorded value outside the range",
    "unknown": "Not known: disease activity not recorded",
}

REASONS = {
    "crohns_disease": "record of Crohn’s disease",
    "year_of_birth_unknown": "year of birth unknown",
    "sex_unknown": "sex not recorded as female or male",
    "deceased": "died on or before the as-of date",
    "age_out_of_range": "age outside {low} to {high} years",
}

ASSUMPTIONS = {
    "first_quartile": "the trials’ 25th percentile",
    "third_quartile": "the trials’ 75th percentile",
    "either_quartile": "either of the two percentiles",
    "reduced_model": "the model without it",
}

#: Measures of `covariate_quality` for the records of a measured quantity.
RECORD_MEASURES = {
    "n_records": "Records",
    "n_rejected_value": "Not a number",
    "n_rejected_unit": "Unit rejected",
    "n_rejected_limit": "Not plausible",
    "n_converted": "Converted",
    "n_censored": "< or >",
    "n_unit_from_text": "Unit from text",
    "n_unit_missing": "No unit",
}

#: Measures of `covariate_quality` for the cohort.
COHORT_MEASURES = {
    "n_with_ulcerative_colitis": "Persons in the cohort who also have ulcerative colitis on record",
    "n_excluded_condition": "Persons kept out of the cohort because of an excluded condition",
    "n_records_without_date": "Records of the disease without a date (not counted)",
    "n_deaths_without_date": "Deaths without a date (not counted)",
    "n_long_exposure": "Drug exposures of more than 366 days",
    "n_reversed_exposure": "Drug exposures that end before they start (the start day counts)",
    "n_negative_supply": "Drug exposures with a negative supply (the start day counts)",
    "n_implausible_start": "Drug exposures that start before 1900 or before birth",
    "n_record_after_death": "Records dated after the death of their person",
    "n_death_contradicted": "Persons with a record more than 60 days after their death",
    "n_death_before_birth": "Persons whose death is dated before their birth",
    "n_deaths_of_two_dates": "Persons with several dates of death (the earliest counts)",
}

#: The run file's `concept_mapping`, and what it does with records by a mapping.
MAPPED_RECORDS = {
    "follow": "Records that belong to a concept set by a mapping, or by their source concept "
    "(measured values by their source concept do not count)",
    "exact": "Records that belong to a concept set only by a mapping or by their source concept, "
    "and do not count",
}

#: Measures of `label_check`: finding, and the patients among whom it is counted.
LABEL_CHECKS = {
    "worst_class_ruled_out": (
        "No preference by label, but the worst class is ruled out",
        "without a preference",
    ),
    "order_not_significant": (
        "An order by label, but the first and the last class do not differ",
        "with an order",
    ),
    "best_response_elsewhere": (
        "The class with the highest probability of response is not ranked first",
        "scored",
    ),
}

UNCERTAINTIES = {
    "bootstrap": "bootstrap: reproduces the paper’s subgroups",
    "analytic": "analytic: reproduces the published calculator, with larger errors",
}

#: The same for models of which no figures are published.
UNCERTAINTIES_UNPUBLISHED = {
    "bootstrap": "bootstrap: from refits with the trial effects held",
    "analytic": "analytic: from the fitted models, with larger errors",
}

#: The run file's `missing`.
MISSING_VALUES = {
    "impute": "imputed: {constants}",
    "reduced_model": "not imputed: the covariate is left out of the model",
}

#: The run file's `impute`.
IMPUTED_CONSTANTS = {
    "calculator": "the constants of the model card",
    "training_mean": "the means of the trials’ participants",
    "cohort_median": "the medians of this cohort",
}

#: Measures of `histogram` that are drawn for each class.
EFFECTS = {
    "attributable_effect": "Effect attributable to each class",
    "response_probability": "Probability of response under each class",
}


def number(value: Any) -> float | None:
    """Return a number; None if it is missing (suppressed, or a share of zero persons)."""
    return None if value is None or pd.isna(value) else float(value)


def whole(value: Any) -> int | None:
    """Return a count; None if it is not shown."""
    return None if value is None or pd.isna(value) else int(value)


def count(value: Any) -> str:
    """Format a count: 2,696."""
    n = whole(value)
    return HIDDEN if n is None else f"{n:,}"


def share(value: Any, n_population: Any = None) -> str:
    """Format a share: 24.1%; a dash for a share of zero persons."""
    known = number(value)
    if known is None:
        return NOBODY if whole(n_population) == 0 else HIDDEN
    return f"{known:.1%}"


def short(value: Any, low: Any, high: Any, n_population: Any = None) -> str:
    """Format a share with its interval: 24.1% (22.5–25.8)."""
    first, last = number(low), number(high)
    text = share(value, n_population)
    if number(value) is None or first is None or last is None:
        return text
    return f"{text} ({100 * first:.1f}–{100 * last:.1f})"


def between(low: float, high: float) -> str:
    """Format the bounds of a share: 85–95%, widened to whole percents."""
    return f"{math.floor(100 * low + 1e-9)}–{math.ceil(100 * high - 1e-9)}%"


def decimal(value: Any, digits: int = 2) -> str:
    """Format a number with a fixed number of decimals and a minus sign."""
    known = number(value)
    if known is None or math.isnan(known):
        return HIDDEN
    return f"{known:z,.{digits}f}".replace("-", "−")


def day(value: Any) -> str:
    """Format a date as 2026-01-31, and any other value as it is; a missing value is empty."""
    if value is None or pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def listed(items: list[str]) -> str:
    """Join items into an enumeration: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def in_ten(value: float) -> str:
    """Return a share in words that need no sign: nine in ten."""
    if value >= 0.995:
        return "all"
    tenths = round(10 * value)
    words = ("few", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    if tenths == 0:
        return words[0]
    return f"{words[tenths]} in ten" if tenths < 10 else "nearly all"


def about(value: Any) -> str:
    """Format a share in a title: 24%, or less than 1%."""
    known = number(value)
    if known is None:
        return HIDDEN
    return "less than 1%" if 0 < known < 0.005 else f"{known:.0%}"


def with_article(name: str) -> str:
    """Return a name with its indefinite article: an anti-TNF."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def sentence(text: str) -> str:
    """Return a text with its first letter capitalised."""
    return text[:1].upper() + text[1:]


def within(title: str) -> str:
    """Return a title as it stands within a sentence; an abbreviation keeps its capital letter."""
    return title[:1].lower() + title[1:] if title[1:2].islower() else title


def plain(name: str) -> str:
    """Return a coded word with spaces instead of underscores."""
    return name.replace("_", " ")


def covariate_name(name: str, known: Covariate | None) -> str:
    """Return the name of a covariate within a sentence, from its title if it is known."""
    if name == "cdai":
        return "CDAI"
    title = known.title.removesuffix(", completed") if known else plain(name)
    # An abbreviation such as BMI, or a word such as "C-reactive", keeps its capital letter.
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def label_in_words(label: str, titles: Mapping[str, str]) -> str:
    """Return a label in words, from the titles of the classes by their labels."""
    tied = [each.strip("()").split(terms.EQUALLY) for each in label.split(BETTER)]
    ranks = [[titles.get(name, name) for name in rank] for rank in tied]
    if len(ranks) == 1:
        return "no preference"
    if len(ranks) == 2 and len(ranks[0]) == 1:
        others = {1: ranks[1][0], 2: "both others"}.get(len(ranks[1]), "all others")
        return f"{ranks[0][0]} better than {others}"
    parts = [listed(rank) + (" alike" if len(rank) > 1 else "") for rank in ranks]
    return ", then ".join(parts)


class Names:
    """Names of the drug classes, covariates and populations of a run."""

    def __init__(self, data: ReportData) -> None:
        self._classes = {each["key"]: each for each in data.classes}
        self._covariates = {each.name: each for each in data.card.covariates} if data.card else {}
        audit = _section(data, "audit")
        cohort = _section(data, "cohort")
        self.since = str(audit.get("since", "the start of the audit"))
        concept_ids = list(cohort.get("concept_ids") or [CROHNS_CONCEPT_ID])
        self.is_crohns = concept_ids == [CROHNS_CONCEPT_ID]
        self._continuing_days = audit.get("continuing_days", 180)
        self._ages = (cohort.get("age_minimum", 18), cohort.get("age_maximum", 99))

    def drug_class(self, key: str) -> str:
        """Return the title of a drug class, or the label of another next treatment."""
        if key in self._classes:
            return str(self._classes[key]["title"])
        return NEXT.get(key, plain(key)).format(days=self._continuing_days)

    def label(self, key: str) -> str:
        """Return the short name of a drug class."""
        return str(self._classes[key]["label"]) if key in self._classes else key

    def in_words(self, label: str) -> str:
        """Return a label in words: anti-TNF better than both others."""
        titles = {str(each["label"]): str(each["title"]) for each in self._classes.values()}
        return label_in_words(label, titles)

    def covariate(self, name: str) -> str:
        """Return the name of a covariate within a sentence, or of several joined by ` + `."""
        return terms.TOGETHER.join(self._covariate(each) for each in name.split(terms.TOGETHER))

    def _covariate(self, name: str) -> str:
        return covariate_name(name, self._covariates.get(name))

    def unit(self, name: str) -> str:
        """Return the unit of a covariate; empty for a yes/no covariate."""
        known = self._covariates.get(name)
        return "" if known is None or known.kind == "yes_no" else known.unit.replace("m2", "m²")

    def is_yes_no(self, name: str) -> bool:
        """Return True if a covariate is a yes or no."""
        known = self._covariates.get(name)
        return known is not None and known.kind == "yes_no"

    def of_cohort(self, *, by_record: bool = False) -> str:
        """Return the words after `patients`: with Crohn’s disease, or of the cohort."""
        if not self.is_crohns:
            return "of the cohort"
        return f"with {'a record of ' if by_record else ''}Crohn’s disease"

    def population(self, name: str) -> str:
        """Return the title of a population."""
        if name == terms.COHORT and not self.is_crohns:
            return "The cohort"
        titles = POPULATIONS | AUDITED
        return titles.get(name, plain(name)).format(since=self.since)

    def reason(self, name: str) -> str:
        """Return the label of a reason of the attrition."""
        if name == terms.COHORT and not self.is_crohns:
            return "record of a disease of the cohort"
        low, high = self._ages
        return REASONS.get(name, plain(name)).format(low=low, high=high)

    def stratum_value(self, stratum: str, value: str) -> str:
        """Return the label of a value of a stratum."""
        if stratum == coded.FIRST_BIOLOGIC_YEAR and value == coded.NONE:
            return "no biologic"
        if stratum == coded.RACE:
            return race(value)
        return sentence(value) if stratum != coded.AGE_GROUP else value

    def preferred(self, name: str) -> str:
        """Return the label of the preferred classes at the index treatment."""
        if name in (terms.NO_PREFERENCE, terms.NOT_SCORED):
            return plain(name)
        if name == terms.SHARED_TOP:
            return "several classes"
        return terms.EQUALLY.join(self.drug_class(key) for key in name.split(terms.EQUALLY))


def race(name: str) -> str:
    """Return the OMOP name of a race from the name of its concept set."""
    words = name.removeprefix("race_").split("_")
    return sentence(
        " ".join(
            word if word in ("or", "unknown", "other") else word.capitalize() for word in words
        )
    )


def _section(data: ReportData, name: str) -> dict[str, Any]:
    section = (data.run.get("config") or {}).get(name)
    return section if isinstance(section, dict) else {}
