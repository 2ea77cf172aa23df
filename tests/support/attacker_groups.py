"""What the attacker knows of groups, ranges, quartiles, drugs, years and means.

Like the rest of the attacker it shares no code with the package: it knows the definitions of the
counts, and the published ranges of the models.
"""

import math
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.attacker import Attack, Name

GROUPS, PROFILE, NOW = "preference_summary", "preference_profile", "current_treatment"
#: 1st to 99th percentile of the trials' participants, as the model card is published.
RANGES = {
    "cdai": (197.0, 456.0),
    "age": (19.0, 69.0),
    "bmi": (15.39, 41.79),
    "crp": (-math.inf, 118.0),
}
TOGETHER = " + "


def learn(attack: "Attack") -> None:
    """Learn everything of this module."""
    groups = attack.values(GROUPS, "preference_group", stratum="all")
    has_left_out = any(
        row["measure"] == "n_left_out" and row["n"] != "0"
        for row in attack.files.get("covariate_quality", [])
    )
    _ranges(attack, groups)
    if not has_left_out:
        _recorded(attack, groups)
    _ruled_out(attack, groups)
    _quartiles(attack)
    _imputed_together(attack)
    _drugs(attack, groups)
    _years(attack)
    _means(attack, groups)


def of(stratum: str, value: str, group: str) -> "Name":
    """The patients of a stratum with a preference group."""
    return (GROUPS, "n_persons", stratum, value, group)


def size(stratum: str, value: str) -> "Name":
    """The patients of a stratum."""
    return ("subgroup_summary", "n_stratum", stratum, value)


def profile(group: str, category: str, population: str) -> "Name":
    """The patients of a group with a value of a covariate."""
    return (PROFILE, "n_persons", group, "covariate", category, population)


def _ranges(attack: "Attack", groups: list[str]) -> None:
    """Who is outside the range of the trials, by age, by bins and by recorded activity."""
    ages = [each for each in attack.strata("age_group") if _lowest(each) > RANGES["age"][1]]
    for group in groups:
        beyond = attack.add_up(
            ("=", "beyond 69", group), [of("age_group", each, group) for each in ages]
        )
        outside = of("within_trial_range", "no", group)
        attack.derive(("?", "outside at another age", group), outside, beyond)
        recorded, total = profile(group, "cdai", "recorded"), of("all", "all", group)
        attack.derive(("?", "no cdai", group), total, recorded)
        within, unknown = (of("within_trial_range", each, group) for each in ("yes", "unknown"))
        attack.derive(("?", "cdai, not within", group), recorded, within)
        attack.derive(("?", "no cdai, outside", group), ("?", "no cdai", group), unknown)
    for covariate, (low, high) in RANGES.items():
        bins = attack.bins("covariate", covariate)
        found = [n for (a, b), n in bins.items() if float(a) > high or float(b) <= low]
        beyond = attack.add_up(("=", "outside by", covariate), found)
        outside = size("within_trial_range", "no")
        attack.derive(("?", "outside, not by", covariate), outside, beyond)
    recorded = ("covariate_summary", "n_persons", "cdai", "recorded")
    attack.derive(("?", "no cdai"), ("run", "n_scored"), recorded)
    attack.derive(("?", "cdai, not within"), recorded, size("within_trial_range", "yes"))
    attack.derive(
        ("?", "no cdai, outside"), ("?", "no cdai"), size("within_trial_range", "unknown")
    )


def _lowest(age_group: str) -> int:
    return -1 if age_group.startswith(("Under", "unknown")) else int(age_group.split(maxsplit=1)[0])


def _recorded(attack: "Attack", groups: list[str]) -> None:
    """Of whom nothing is imputed, everything is recorded."""
    for covariate in attack.values("covariate_summary", "covariate"):
        recorded = ("covariate_summary", "n_persons", covariate, "recorded")
        attack.derive(("?", "another imputed", covariate), recorded, size("imputed", "no"))
        imputed = ("imputation_sensitivity", "n_imputed", covariate)
        attack.derive(("?", "imputed, but not", covariate), size("imputed", "yes"), imputed)
        for group in groups:
            attack.derive(
                ("?", "another imputed", covariate, group),
                profile(group, covariate, "recorded"),
                of("imputed", "no", group),
            )
            attack.derive(
                ("?", "imputed, but not", covariate, group),
                of("imputed", "yes", group),
                ("?", "imputed", covariate, group),
            )


def _ruled_out(attack: "Attack", groups: list[str]) -> None:
    """The worst class is ruled out of those without a preference only."""
    (run,) = attack.files["run"]
    out = [each for each in attack.strata("ruled_out_class") if each != "none"]
    ruled_out = ("label_check", "n_persons", run["uncertainty"], "worst_class_ruled_out")
    if all(attack.knows(size("ruled_out_class", each)) for each in out):
        attack.is_sum(ruled_out, [size("ruled_out_class", each) for each in out])
    for group in groups:
        attack.is_sum(size("preference_group", group), [of("all", "all", group)])
        if group != "no_preference":
            attack.is_sum(of("ruled_out_class", "none", group), [of("all", "all", group)])


def _quartiles(attack: "Attack") -> None:
    """Whose label one quartile changes, and whose both do."""
    for covariate in attack.values("imputation_sensitivity", "covariate"):
        first, third, either = (
            ("imputation_sensitivity", "n_changed", covariate, each)
            for each in ("first_quartile", "third_quartile", "either_quartile")
        )
        attack.derive(("?", "by the first alone", covariate), either, third)
        attack.derive(("?", "by the third alone", covariate), either, first)
        attack.derive(("?", "by both", covariate), first, ("?", "by the first alone", covariate))


def _imputed_together(attack: "Attack") -> None:
    """In whom exactly these covariates are imputed, by inclusion and exclusion."""
    found = {
        frozenset(each.split(TOGETHER)): ("imputation_sensitivity", "n_imputed", each)
        for each in attack.values("imputation_sensitivity", "covariate")
    }
    names = sorted({name for each in found if len(each) > 1 for name in each})
    subsets = [frozenset(c) for n in range(len(names), 0, -1) for c in combinations(names, n)]
    if not names or not all(subset in found for subset in subsets):
        return
    exactly: dict[frozenset[str], Name] = {}
    for subset in subsets:
        exactly[subset] = ("?", "exactly imputed", *sorted(subset))
        attack.derived.append(exactly[subset])
        holding = [exactly[other] for other in exactly if subset <= other]
        attack.is_sum(found[subset], holding)
    some = attack.add_up(("=", "one of them imputed"), exactly.values())
    attack.derive(("?", "none of them imputed"), ("run", "n_scored"), some)


def _drugs(attack: "Attack", groups: list[str]) -> None:
    """Who never had a biologic, who had another therapy alone, and who left the anti-TNF."""
    for group in ("all", *groups):

        def last(drug_class: str) -> "Name":
            return (NOW, "n_persons", "all", "last", group, "all", drug_class)  # noqa: B023

        def stratum(name: str, value: str) -> "Name":
            return size(name, value) if group == "all" else of(name, value, group)  # noqa: B023

        never = stratum("first_biologic_year", "none")
        attack.derive(("?", "other therapies alone", group), never, last("none"))
        attack.derive(
            ("?", "other therapy after a biologic", group),
            last("other_advanced"),
            ("?", "other therapies alone", group),
        )
        earlier = stratum("prior_anti_tnf", "yes")
        attack.guess(("?", "left the anti-TNF", group), earlier, last("anti_tnf"))
        total = ("run", "n_scored") if group == "all" else of("all", "all", group)
        attack.derive(("?", "ever a biologic", group), total, never)
        attack.derive(
            ("?", "a biologic, no anti-TNF", group), ("?", "ever a biologic", group), earlier
        )
    limit = float(attack.audit.get("active_cdai", 150))
    bins = [n for (low, _), n in attack.bins("covariate", "cdai").items() if float(low) >= limit]
    active = (NOW, "n_population", "active_disease", "last", "all", "all")
    attack.derive(
        ("?", "active, not by these bins"), active, attack.add_up(("=", "active bins"), bins)
    )


def _years(attack: "Attack") -> None:
    """First biologics by year are those since the date; who is of unknown age always is."""
    table, since = "prevalence_by_year", "first_biologic_since"

    def years(event: str, measure: str) -> "list[Name]":
        found = attack.values(table, "calendar_year", event=event)
        return [(table, "n_persons", event, year, measure) for year in found]

    def with_measure(population: str, measure: str) -> "Name":
        return ("prevalence", "n_persons", population, measure)

    unknown, women = "age_or_sex_unknown", "women_50_and_over"
    attack.is_sum(with_measure(since, unknown), years("first_biologic", unknown))
    for measure in (unknown, women):
        for each in years("disease_record", measure):
            name = ("?", "no record in", each[3], measure)
            attack.guess(name, with_measure("crohns_disease", measure), each)
    starting = attack.add_up(("=", "women from 50 at the start"), years("first_biologic", women))
    attack.guess(("?", "women who turned 50 since"), with_measure(since, women), starting)
    indexed = ("next_treatment", "n_population", women, "first_biologic", "all")
    if attack.audit["age_at"] == "index":
        attack.guess(("?", "women who turned 50 in the year"), starting, indexed)
    for value in attack.strata("first_biologic_year"):
        if value == "none":
            continue
        first, last = (int(each) for each in (value.split()[0], value.split()[-1]))
        is_whole = first > attack.since.year or (
            first == attack.since.year and (attack.since.month, attack.since.day) == (1, 1)
        )
        if is_whole:
            own = [
                (table, "n_population", "first_biologic", str(year))
                for year in range(first, last + 1)
            ]
            total = attack.add_up(("=", "first biologics in", value), own)
            scored = size("first_biologic_year", value)
            attack.derive(("?", "first biologic, not scored", value), total, scored)


def _means(attack: "Attack", groups: list[str]) -> None:
    """The mean of all is that of the groups, each as often as it has patients."""
    rows = {
        (r["preference_group"], r["measure"], r["category"], r["population"]): r
        for r in attack.files.get(PROFILE, [])
    }
    yes_no = ("male", "prior_anti_tnf", "steroid", "immunomodulator", "ileal")
    for key in {each[1:] for each in rows}:
        own = [rows[group, *key] for group in groups if (group, *key) in rows]
        whole = rows.get(("all", *key))
        has_all = all(row["mean"] or row["n_persons"] == "0" for row in own)
        if whole is None or not whole["mean"] or not has_all:
            continue
        if attack.rounding > 1 and key[1] in yes_no:
            continue
        low: dict[Name, float] = {}
        high: dict[Name, float] = {}
        for row, sign in ((whole, -1), *((row, 1) for row in own if row["mean"])):
            name = (PROFILE, "n_persons", row["preference_group"], *key)
            mean = float(row["mean"])
            error = attack.error_of(mean)
            low[name], high[name] = sign * mean - error, sign * mean + error
        # The least that the groups can be together is at most what all are, and the other way.
        attack.at_most_zero += [low, {name: -value for name, value in high.items()}]
