"""Numbers and names as they are printed: thousands separated, one decimal, plain words."""

import math
from typing import Any

import pandas as pd

from omop_scorer.disclosure.protected_run import ReportData

#: What stands in the place of a figure that must not be told, and of a share of nobody.
HIDDEN = "not shown"

NOBODY = "–"

#: The concept of Crohn’s disease, which is the cohort unless the run says otherwise.
CROHNS_DISEASE = 201606

POPULATIONS = {
    "crohns_disease": "Crohn’s disease",
    "biologic_exposed": "Ever given a biologic",
    "first_biologic_since": "First biologic since {since}",
}

AUDITED = {
    "all": "Everybody",
    "women_50_and_over": "Women of 50 and over",
    "men_50_and_over": "Men of 50 and over",
    "women_under_50": "Women under 50",
    "men_under_50": "Men under 50",
}

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
    "absent": "no record, so taken as no",
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
    "reduced_model": "the model without it",
}


def number(value: Any) -> float | None:
    """Return a number; None for one that is missing (suppressed, or of nobody)."""
    return None if value is None or pd.isna(value) else float(value)


def whole(value: Any) -> int | None:
    """Return a count; None for one that is not shown."""
    return None if value is None or pd.isna(value) else int(value)


def count(value: Any) -> str:
    """Print a count: 2,696."""
    n = whole(value)
    return HIDDEN if n is None else f"{n:,}"


def share(value: Any, n_population: Any = None) -> str:
    """Print a share: 24.1%; a share of nobody has no value."""
    known = number(value)
    if known is None:
        return NOBODY if whole(n_population) == 0 else HIDDEN
    return f"{known:.1%}"


def interval(low: Any, high: Any, n_population: Any = None) -> str:
    """Print an interval: 22.5 to 25.8."""
    first, last = number(low), number(high)
    if first is None or last is None:
        return NOBODY if whole(n_population) == 0 else HIDDEN
    return f"{100 * first:.1f} to {100 * last:.1f}"


def short(value: Any, low: Any, high: Any, n_population: Any = None) -> str:
    """Print a share with its interval in little room: 24.1% (22.5–25.8)."""
    first, last = number(low), number(high)
    text = share(value, n_population)
    if number(value) is None or first is None or last is None:
        return text
    return f"{text} ({100 * first:.1f}–{100 * last:.1f})"


def decimal(value: Any, digits: int = 2) -> str:
    """Print a number with so many decimals and a true minus."""
    known = number(value)
    if known is None or math.isnan(known):
        return HIDDEN
    return f"{known:,.{digits}f}".replace("-", "−")


def day(value: Any) -> str:
    """Print a date as 2026-01-31, any other value as it is; a missing one is empty."""
    if value is None or pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def listed(items: list[str]) -> str:
    """Join the parts of an enumeration: a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """Return a text with a capital letter at its start."""
    return text[:1].upper() + text[1:]


def plain(name: str) -> str:
    """Return a name of the results as words."""
    return name.replace("_", " ")


class Names:
    """What the drug classes, covariates and populations of a run are called."""

    def __init__(self, data: ReportData) -> None:
        self._classes = {each["key"]: each for each in data.classes}
        self._covariates = {each.name: each for each in data.card.covariates} if data.card else {}
        audit = _section(data, "audit")
        cohort = _section(data, "cohort")
        self.since = str(audit.get("since", "the start of the audit"))
        self.is_crohns = list(cohort.get("concept_ids") or [CROHNS_DISEASE]) == [CROHNS_DISEASE]
        self._continuing_days = audit.get("continuing_days", 180)
        self._ages = (cohort.get("age_minimum", 18), cohort.get("age_maximum", 99))

    def drug_class(self, key: str) -> str:
        """Return the title of a drug class, or what became of who has no further one."""
        if key in self._classes:
            return str(self._classes[key]["title"])
        return NEXT.get(key, plain(key)).format(days=self._continuing_days)

    def label(self, key: str) -> str:
        """Return the short name of a drug class."""
        return str(self._classes[key]["label"]) if key in self._classes else key

    def covariate(self, name: str) -> str:
        """Return what a covariate is called in a sentence, or several joined by ` + `."""
        return " + ".join(self._covariate(each) for each in name.split(" + "))

    def _covariate(self, name: str) -> str:
        if name == "cdai":
            return "CDAI"
        known = self._covariates.get(name)
        title = known.title.removesuffix(", completed") if known else plain(name)
        # Not a name of letters such as BMI, nor one that begins like "C-reactive".
        return title[0].lower() + title[1:] if title[1:2].islower() else title

    def unit(self, name: str) -> str:
        """Return the unit of a covariate; empty for a yes or no."""
        known = self._covariates.get(name)
        return "" if known is None or known.kind == "yes_no" else known.unit.replace("m2", "m²")

    def is_yes_no(self, name: str) -> bool:
        """Say whether a covariate is a yes or no."""
        known = self._covariates.get(name)
        return known is not None and known.kind == "yes_no"

    def of_cohort(self, what: str = "") -> str:
        """Return who the patients are: with (a record of) Crohn’s disease, or of the cohort."""
        if not self.is_crohns:
            return "of the cohort"
        return f"with {'a ' if what else ''}{what}Crohn’s disease"

    def population(self, name: str) -> str:
        """Return the title of a population."""
        if name == "crohns_disease" and not self.is_crohns:
            return "The cohort"
        titles = POPULATIONS | AUDITED
        return titles.get(name, plain(name)).format(since=self.since)

    def reason(self, name: str) -> str:
        """Return why persons were left out."""
        if name == "crohns_disease" and not self.is_crohns:
            return "record of a disease of the cohort"
        low, high = self._ages
        return REASONS.get(name, plain(name)).format(low=low, high=high)

    def stratum_value(self, stratum: str, value: str) -> str:
        """Return what a value of a stratum is called."""
        if stratum == "first_biologic_year" and value == "none":
            return "no biologic"
        if stratum == "race":
            return race(value)
        return sentence(value) if stratum != "age_group" else value

    def preferred(self, name: str) -> str:
        """Return what the models preferred at the index treatment."""
        if name in ("no_preference", "not_scored"):
            return plain(name)
        return " = ".join(self.drug_class(key) for key in name.split(" = "))


def race(name: str) -> str:
    """Return the name of a race as OMOP prints it, without the prefix of its concept set."""
    words = name.removeprefix("race_").split("_")
    return sentence(
        " ".join(
            word if word in ("or", "unknown", "other") else word.capitalize() for word in words
        )
    )


def _section(data: ReportData, name: str) -> dict[str, Any]:
    section = (data.run.get("config") or {}).get(name)
    return section if isinstance(section, dict) else {}
