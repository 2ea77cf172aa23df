"""A reader of the CSV files who wants to know what was suppressed.

Nothing of the package: the files, what their columns mean, and arithmetic in whole numbers. What
the reader knows are equations between counts; a solver looks for the greatest value that a
suppressed count may have. The truth comes in only to say which counts are small.
"""

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from tests.support import attacker_groups, attacker_persistence

Name = tuple[str, ...]
Rows = list[dict[str, str]]

#: Count columns of each file, each with the columns that name the count.
COUNTS: dict[str, dict[str, tuple[str, ...]]] = {
    "attrition": {"n_persons": ("step",), "n_excluded": ("step",)},
    "covariate_quality": {"n": ("covariate", "measure")},
    "subgroup_summary": {
        "n_persons": ("stratum", "stratum_value", "subgroup"),
        "n_stratum": ("stratum", "stratum_value"),
    },
    "prevalence": {
        "n_persons": ("population", "measure"),
        "n_population": ("population", "measure"),
    },
    "age_sex_pyramid": {"n_persons": ("population", "age_group", "sex")},
    "next_treatment": {
        "n_persons": ("population", "index_rule", "index_class", "next_class"),
        "n_population": ("population", "index_rule", "index_class"),
    },
    "next_treatment_time": {"n_persons": ("population", "index_rule", "index_class")},
    "preference_concordance": {"n_persons": ("population", "preferred", "next_class")},
    "uncertainty_comparison": {"n_persons": ("subgroup_bootstrap", "subgroup_analytic")},
    "label_check": {
        "n_persons": ("uncertainty", "measure"),
        "n_population": ("uncertainty", "measure"),
    },
    "imputation_sensitivity": {
        "n_imputed": ("covariate",),
        "n_changed": ("covariate", "assumption"),
    },
    "covariate_summary": {"n_persons": ("covariate", "population")},
    "preference_summary": {
        "n_persons": ("stratum", "stratum_value", "preference_group"),
        "n_stratum": ("stratum", "stratum_value"),
    },
    "preference_profile": {
        "n_persons": ("preference_group", "measure", "category", "population"),
    },
    "current_treatment": {
        "n_persons": ("population", "treatment", "preference_group", "preferred", "drug_class"),
        "n_population": ("population", "treatment", "preference_group", "preferred"),
    },
    "treated_otherwise": {
        "n_persons": ("population", "treatment", "class_used"),
        "n_population": ("population", "treatment"),
    },
    "prevalence_by_year": {
        "n_persons": ("event", "calendar_year", "measure"),
        "n_population": ("event", "calendar_year"),
    },
    "histogram": {"n_persons": ("measure", "category", "bin_low", "bin_high")},
}
#: What a row says besides its counts, and what it needs to have printed for it.
TELLING = (
    *("share", "ci_low", "ci_high", "mean", "standard_deviation", "standardised_mean_difference"),
    *("first_quartile_days", "median_days", "third_quartile_days"),
)
PROFILE, PROFILED = "preference_profile", ("preference_group", "measure", "category")
#: Means and quartiles of fewer persons than so many times the minimum are values of single ones.
QUARTERS = 4
#: Ages, or years, that stand together or alone.
SPAN = re.compile(r"Under \d+|\d+(?: to \d+| and over)?")
POPULATIONS = ("crohns_disease", "biologic_exposed", "first_biologic_since")
FOUR = ("women_50_and_over", "men_50_and_over", "women_under_50", "men_under_50")
#: Covariates of which the mean is a share, and where the subgroups are divided by them.
YES_NO = {
    "male": ("sex", "male"),
    "prior_anti_tnf": ("prior_anti_tnf", "yes"),
    "steroid": (),
    "immunomodulator": (),
    "ileal": (),
}
SHORT = {"TNF": "anti_tnf", "IL": "anti_il12_23", "INT": "anti_integrin"}


def read(folder: Path) -> dict[str, Rows]:
    """Return the rows of each CSV file by its name without suffix."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found[path.stem] = list(csv.DictReader(file))
    return found


class Attack:
    """Counts, printed or not, and the equations between them.

    If counts are rounded, a printed one is known within the ends of what is rounded to it.
    """

    def __init__(self, files: Mapping[str, Rows], rounding: int = 1) -> None:
        self.files = files
        self.rounding = rounding
        self.printed: dict[Name, int] = {}
        self.hidden: set[Name] = set()
        self.derived: list[Name] = []
        #: Counts of rows that no file has, of which others tell sums.
        self.imagined: list[Name] = []
        self.equations: list[tuple[Name, list[Name]]] = []
        #: Parts of a whole that probably are parts of it: left out where they are not.
        self.guesses: list[tuple[Name, Name, Name]] = []
        #: Sums of counts times numbers that are not above zero.
        self.at_most_zero: list[dict[Name, float]] = []
        #: What else is told of a count: the least and the most that it may be.
        self.ends: dict[Name, tuple[float, float]] = {}
        for table, columns in COUNTS.items():
            for column, keys in columns.items():
                for row in files.get(table, []):
                    name = (table, column, *(row[key] for key in keys))
                    if row[column]:
                        self.printed[name] = int(row[column])
                    else:
                        self.hidden.add(name)
        self._strata_of_groups()
        self._imagine_groups()
        run = files["run"][0]
        for column in ("n_cohort", "n_scored"):
            if run[column]:
                self.printed["run", column] = int(run[column])
            else:
                self.hidden.add(("run", column))
        self._learn(run)
        attacker_groups.learn(self)
        attacker_persistence.learn(self)

    def _strata_of_groups(self) -> None:
        """Take the size of a stratum from the groups where the labels are not printed."""
        for row in self.files.get("preference_summary", []):
            name = ("subgroup_summary", "n_stratum", row["stratum"], row["stratum_value"])
            if name not in self.printed and name not in self.hidden:
                if row["n_stratum"]:
                    self.printed[name] = int(row["n_stratum"])
                else:
                    self.hidden.add(name)

    def _imagine_groups(self) -> None:
        """Think of the drugs last used by the groups that are left out of part of everybody."""
        table, columns = "current_treatment", COUNTS["current_treatment"]
        groups = self.values("preference_summary", "preference_group", stratum="all")
        for row in self.files.get(table, []):
            if row["population"] != "all" and row["preference_group"] == row["preferred"] == "all":
                for group, (column, keys) in product(groups, columns.items()):
                    own = {**row, "preference_group": group}
                    name = (table, column, *(own[key] for key in keys))
                    if not self.knows(name) and row["treatment"] == "last":
                        self.imagined.append(name)

    def knows(self, name: Name) -> bool:
        kinds = (self.printed, self.hidden, self.derived, self.imagined)
        return any(name in kind for kind in kinds)

    def is_sum(self, total: Name, members: Iterable[Name]) -> None:
        """Learn that a count is the sum of others; a row that no file has is nobody."""
        known = [each for each in members if self.knows(each)]
        if self.knows(total) and known:
            self.equations.append((total, known))

    def derive(self, name: Name, total: Name, part: Name) -> None:
        """Wonder how many of a count are not of another, which is part of it."""
        if self.knows(total) and self.knows(part):
            self.derived.append(name)
            self.equations.append((total, [part, name]))

    def guess(self, name: Name, total: Name, part: Name) -> None:
        """Wonder the same where the definitions nearly say that it is part of it."""
        if self.knows(total) and self.knows(part):
            self.guesses.append((name, total, part))

    def learn_bounds(self, bounds: Mapping[str, Any]) -> None:
        """Learn the bounds that the page prints of hidden counts, by table and row."""
        for table, frame in bounds.items():
            rows = self.files.get(table, [])
            for column, keys in COUNTS.get(table, {}).items():
                if f"{column}_low" not in frame:
                    continue
                pairs = zip(frame[f"{column}_low"], frame[f"{column}_high"], strict=True)
                for row, (low, high) in zip(rows, pairs, strict=True):
                    if not row[column] and str(low).isdigit():
                        name = (table, column, *(row[key] for key in keys))
                        self._narrow(name, float(low), float(high))

    def learn_trend(self, trend: Iterable[Mapping[str, Any]], own: int, minimum: int) -> None:
        """Learn from the rounded shares of this run in a trend over runs.

        They are rounded by the run's own minimum, and then by a greater one.
        """
        for row in trend:
            whole: Name = ("run", "n_scored")
            if row["measure"] == "preference_group":
                name: Name = ("preference_summary", "n_persons", "all", "all", row["item"])
            elif row["measure"] == "imputed":
                name = ("covariate_quality", "n", row["item"], "n_imputed")
            else:
                name = _with(row["item"], row["measure"])
                whole = ("prevalence", "n_population", row["item"], row["measure"])
            if not self.printed.get(whole) or not isinstance(row["share"], float):
                continue
            errors = [
                _step(n, own) + (_step(n, minimum) if minimum > own else 0)
                for n in self._ends(whole, minimum)
            ]
            ends = [
                (row["share"] + sign * max(errors) / 200) * n
                for n in self._ends(whole, minimum)
                for sign in (-1, 1)
            ]
            self._narrow(name, min(ends), max(ends))

    def _narrow(self, name: Name, low: float, high: float) -> None:
        if self.knows(name):
            before = self.ends.get(name, (0, np.inf))
            self.ends[name] = (max(before[0], low - 1e-6), min(before[1], high + 1e-6))

    def values(self, table: str, column: str, **keys: str) -> list[str]:
        rows = self.files.get(table, [])
        return list(
            dict.fromkeys(r[column] for r in rows if all(r[k] == v for k, v in keys.items()))
        )

    def strata(self, stratum: str) -> list[str]:
        """The values of a stratum, by label or, where labels are not printed, by group."""
        tables = ("subgroup_summary", "preference_summary")
        found = [self.values(table, "stratum_value", stratum=stratum) for table in tables]
        return list(dict.fromkeys(value for values in found for value in values))

    def _learn(self, run: Mapping[str, str]) -> None:
        self.audit = audit = json.loads(run["config_json"])["audit"]
        self.since = date.fromisoformat(audit["since"])
        self._attrition()
        self._subgroups()
        self._populations()
        self._treatment(is_index=audit["age_at"] == "index")
        self._covariates()
        self._histograms()
        self._labels(run["uncertainty"])
        self._groups()
        self._now()
        self._otherwise()
        self._years()
        self._parts_of_others(is_index=audit["age_at"] == "index")

    def add_up(self, name: Name, members: Iterable[Name]) -> Name:
        """Learn of a sum that is not printed."""
        known = [each for each in members if self.knows(each)]
        if known:
            self.derived.append(name)
            self.is_sum(name, known)
        return name

    def _parts_of_others(self, *, is_index: bool) -> None:
        """Who is counted in one place is counted in another too, by what the counts mean."""
        table = "subgroup_summary"

        def scored(stratum: str, value: str, label: str | None) -> Name:
            if label is None:
                return (table, "n_stratum", stratum, value)
            return (table, "n_persons", stratum, value, label)

        def given(population: str, rule: str, index_class: str, next_class: str) -> Name:
            key = (population, rule, index_class, next_class)
            return ("next_treatment", "n_persons", *key)

        def indexed(population: str, rule: str, index_class: str) -> Name:
            return ("next_treatment", "n_population", population, rule, index_class)

        for population in POPULATIONS:
            self.derive(
                ("?", "dead or of another age", population),
                ("?", "not scored", population),
                _with(population, "age_or_sex_unknown"),
            )
        self.derive(
            ("?", "not scored, not dead without a next"),
            ("?", "not scored", "first_biologic_since"),
            given("all", "first_biologic", "all", "none_died"),
        )
        steps = {row["reason"]: row["step"] for row in self.files.get("attrition", [])}
        dead = ("attrition", "n_excluded", steps.get("deceased", ""))
        for rule in ("first_biologic", "first_anti_tnf"):
            without_next = self.add_up(
                ("=", "dead", rule), [given(each, rule, "all", "none_died") for each in FOUR]
            )
            self.derive(("?", "dead elsewhere", rule), dead, without_next)
        bars = self._bars("crohns_disease")
        ages = [g for g in dict.fromkeys(g for g, _ in bars) if g != "unknown"]
        of_age = self.add_up(
            ("=", "left out from 20 to 84"),
            [
                ("?", "left out", group)
                for group in ages
                if lowest(group) >= 20 and not group.endswith("over")
            ],
        )
        unknown_sex = ("attrition", "n_excluded", steps.get("sex_unknown", ""))
        reasons = self.add_up(("=", "dead or of unknown sex"), [dead, unknown_sex])
        self.derive(("?", "dead or of unknown sex, another age"), reasons, of_age)
        groups = self.strata("age_group")
        old = [group for group in groups if group != "unknown" and lowest(group) >= 70]
        has_left_out = any(
            row["measure"] == "n_left_out" and row["n"] != "0"
            for row in self.files.get("covariate_quality", [])
        )
        for label in (None, *self.values(table, "subgroup")):
            name = label or "all"
            beyond = self.add_up(
                ("=", "from 70", name), [scored("age_group", group, label) for group in old]
            )
            outside = scored("within_trial_range", "no", label)
            self.derive(("?", "outside, under 70", name), outside, beyond)
            if not has_left_out:
                self.derive(
                    ("?", "imputed, of known range", name),
                    scored("imputed", "yes", label),
                    scored("within_trial_range", "unknown", label),
                )
        for population in ("all",) if is_index else ("all", *FOUR):
            after = ("?", "a first anti-TNF after another", population)
            self.derive(
                after,
                indexed(population, "first_anti_tnf", "all"),
                indexed(population, "first_biologic", "anti_tnf"),
            )
            right_after = self.add_up(
                ("=", "anti-TNF right after another", population),
                [
                    given(population, "first_biologic", each, "anti_tnf")
                    for each in ("anti_il12_23", "anti_integrin")
                ],
            )
            self.derive(("?", "anti-TNF later still", population), after, right_after)
        exposed = "biologic_exposed"
        self.derive(
            ("?", "exposed, no anti-TNF since"),
            ("prevalence", "n_population", exposed, "women_50_and_over"),
            indexed("all", "first_anti_tnf", "all"),
        )
        if not is_index:
            self.derive(
                ("?", "exposed women from 50, no anti-TNF since"),
                _with(exposed, "women_50_and_over"),
                indexed("women_50_and_over", "first_anti_tnf", "all"),
            )
        with_distance = self.add_up(
            ("=", "with a distance"), self.bins("trial_distance", "scored").values()
        )
        self.derive(("?", "something left out"), ("run", "n_scored"), with_distance)

    def _attrition(self) -> None:
        steps = self.values("attrition", "step")
        for before, step in pairwise(steps):
            self.is_sum(
                ("attrition", "n_persons", before),
                [("attrition", "n_persons", step), ("attrition", "n_excluded", step)],
            )
        if steps:
            self.is_sum(("run", "n_cohort"), [("attrition", "n_persons", steps[0])])
            self.is_sum(("run", "n_scored"), [("attrition", "n_persons", steps[-1])])

    def _subgroups(self) -> None:
        table = "subgroup_summary"
        labels = self.values(table, "subgroup")
        self.is_sum(("run", "n_scored"), [(table, "n_stratum", "all", "all")])
        for stratum in self.values(table, "stratum"):
            values = self.values(table, "stratum_value", stratum=stratum)
            for value in values:
                members = [(table, "n_persons", stratum, value, label) for label in labels]
                self.is_sum((table, "n_stratum", stratum, value), members)
            for label in labels:
                self.is_sum(
                    (table, "n_persons", "all", "all", label),
                    [(table, "n_persons", stratum, value, label) for value in values],
                )
            members = [(table, "n_stratum", stratum, value) for value in values]
            self.is_sum((table, "n_stratum", "all", "all"), members)
        for label in (None, *labels):
            self._women_and_men(label)

    def _women_and_men(self, label: str | None) -> None:
        def of(stratum: str, value: str) -> Name:
            if label is None:
                return ("subgroup_summary", "n_stratum", stratum, value)
            return ("subgroup_summary", "n_persons", stratum, value, label)

        women = of("women_50_and_over", "yes")
        if self.knows(women):
            self.derive(("?", "women under 50", str(label)), of("sex", "female"), women)
            self.is_sum(
                of("women_50_and_over", "no"),
                [of("sex", "male"), ("?", "women under 50", str(label))],
            )
        from_50 = self.add_up(
            ("=", "from 50", str(label)),
            [of("age_group", group) for group in self.strata("age_group") if is_from_50(group)],
        )
        self.derive(("?", "men from 50", str(label)), from_50, women)
        men = ("?", "men from 50", str(label))
        self.derive(("?", "men under 50", str(label)), of("sex", "male"), men)

    def _populations(self) -> None:
        measures = self.values("prevalence", "measure")
        for population in POPULATIONS:
            for measure in measures:
                n = ("prevalence", "n_population", population, measure)
                self.derive(("?", "not", population, measure), n, _with(population, measure))
                same = measures[0] if not measure.endswith("on_top") else "anti_tnf_alone_on_top"
                self.is_sum(n, [("prevalence", "n_population", population, same)])
            whole = ("prevalence", "n_population", population, "race_white")
            races = [measure for measure in measures if measure.startswith("race_")]
            self.is_sum(whole, [_with(population, race) for race in races])
            bars = self._bars(population)
            self.is_sum(whole, bars.values())
            women = [
                bar for (group, sex), bar in bars.items() if sex == "female" and is_from_50(group)
            ]
            self.is_sum(_with(population, "women_50_and_over"), women)
            unknown = [bar for key, bar in bars.items() if "unknown" in key]
            self.is_sum(_with(population, "age_or_sex_unknown"), unknown)
            scored = ("prevalence", "n_population", population, "anti_tnf_alone_on_top")
            self.derive(("?", "not scored", population), whole, scored)
        whole = ("prevalence", "n_population", "crohns_disease", "race_white")
        self.is_sum(("run", "n_cohort"), [whole])
        for outer, inner in (POPULATIONS[:2], POPULATIONS[1:]):
            for measure in measures:
                self.derive(
                    ("?", outer, "only", measure), _with(outer, measure), _with(inner, measure)
                )
                self.derive(
                    ("?", outer, "only", "n", measure),
                    ("prevalence", "n_population", outer, measure),
                    ("prevalence", "n_population", inner, measure),
                )
            for key, bar in self._bars(outer).items():
                self.derive(("?", outer, "only", *key), bar, self._bars(inner)[key])
        self._on_top()
        self._left_out()

    def _bars(self, population: str) -> dict[tuple[str, str], Name]:
        return {
            (r["age_group"], r["sex"]): (
                *("age_sex_pyramid", "n_persons"),
                *(population, r["age_group"], r["sex"]),
            )
            for r in self.files.get("age_sex_pyramid", [])
            if r["population"] == population
        }

    def _on_top(self) -> None:
        table = "subgroup_summary"
        labels = self.values(table, "subgroup")
        years = self.strata("first_biologic_year")
        since = [y for y in years if y != "none" and int(y.split()[0]) >= self.since.year]
        strata = {
            "crohns_disease": [("all", "all")],
            "biologic_exposed": [("first_biologic_year", y) for y in years if y != "none"],
        }
        if (self.since.month, self.since.day) == (1, 1):
            strata["first_biologic_since"] = [("first_biologic_year", y) for y in since]
        for population, values in strata.items():
            for short, key in SHORT.items():
                first = [label for label in labels if label.startswith(f"{short} >")]
                by_label = [
                    (table, "n_persons", *value, each) for value in values for each in first
                ]
                by_group: list[Name] = [
                    ("preference_summary", "n_persons", *value, f"{key}_alone") for value in values
                ]
                for members in (by_label, by_group):
                    if all(self.knows(each) for each in members):
                        self.is_sum(_with(population, f"{key}_alone_on_top"), members)
            self.is_sum(
                ("prevalence", "n_population", population, "anti_tnf_alone_on_top"),
                [(table, "n_stratum", *value) for value in values],
            )

    def _left_out(self) -> None:
        bars = self._bars("crohns_disease")
        scored = "subgroup_summary", "n_stratum"
        for group in dict.fromkeys(group for group, _ in bars):
            whole = ("=", "age", group)
            self.derived.append(whole)
            self.is_sum(whole, [bar for (g, _), bar in bars.items() if g == group])
            self.derive(("?", "left out", group), whole, (*scored, "age_group", group))
        for race in self.values("prevalence", "measure"):
            value = "unknown" if race == "race_unknown" else race
            self.derive(
                ("?", "left out", race), _with("crohns_disease", race), (*scored, "race", value)
            )
        self.derive(
            ("?", "left out", "women from 50"),
            _with("crohns_disease", "women_50_and_over"),
            (*scored, "women_50_and_over", "yes"),
        )
        reasons = {row["reason"]: row["step"] for row in self.files.get("attrition", [])}
        unknown = [bar for (group, _), bar in bars.items() if group == "unknown"]
        # One row alone stands for unknown age, unknown sex and both.
        if len(unknown) > 1:
            self.is_sum(
                ("attrition", "n_excluded", reasons.get("year_of_birth_unknown", "")), unknown
            )

    def _treatment(self, *, is_index: bool) -> None:
        table = "next_treatment"
        rules, classes = self.values(table, "index_rule"), self.values(table, "index_class")
        following = self.values(table, "next_class")
        for population, rule, index_class in product(("all", *FOUR), rules, classes):
            key = (population, rule, index_class)
            given = [(table, "n_persons", *key, each) for each in following]
            self.is_sum((table, "n_population", *key), given)
            self.is_sum(
                ("next_treatment_time", "n_persons", *key),
                [each for each in given if not each[-1].startswith("none_")],
            )
        for population, rule, each in product(("all", *FOUR), rules, following):
            members = [
                (table, "n_persons", population, rule, c, each) for c in classes if c != "all"
            ]
            self.is_sum((table, "n_persons", population, rule, "all", each), members)
        for rule, index_class, each in product(rules, classes, following):
            key = (rule, index_class, each)
            unknown = ("?", "unknown", *key)
            self.derived += [unknown] if rules else []
            members = [(table, "n_persons", population, *key) for population in FOUR]
            self.is_sum((table, "n_persons", "all", *key), [*members, unknown])
        for population, each in product(("all", *FOUR), following):
            self.derive(
                ("?", "second anti-TNF", population, each),
                (table, "n_persons", population, "first_anti_tnf", "anti_tnf", each),
                (table, "n_persons", population, "first_biologic", "anti_tnf", each),
            )
            preferred = self.values("preference_concordance", "preferred")
            if preferred:
                self.is_sum(
                    (table, "n_persons", population, "first_biologic", "all", each),
                    [
                        ("preference_concordance", "n_persons", population, p, each)
                        for p in preferred
                    ],
                )
        indexed = (table, "n_population", "all", "first_biologic", "all")
        self.is_sum(("prevalence", "n_population", "first_biologic_since", "race_white"), [indexed])
        if not is_index:
            bars = self._bars("first_biologic_since")
            for population in FOUR if bars else ():
                sex = "female" if population.startswith("women") else "male"
                members = [
                    bar
                    for (group, s), bar in bars.items()
                    if s == sex
                    and group != "unknown"
                    and is_from_50(group) == population.endswith("over")
                ]
                self.is_sum((table, "n_population", population, "first_biologic", "all"), members)

    def _covariates(self) -> None:
        quality = "covariate_quality"
        for covariate in self.values(quality, "covariate", measure="n_imputed"):
            states = [(quality, "n", covariate, f"n_{s}") for s in
                      ("observed", "computed", "absent", "imputed", "left_out")]  # fmt: skip
            self.is_sum(("run", "n_scored"), states)
            recorded = ("covariate_summary", "n_persons", covariate, "recorded")
            self.is_sum(recorded, states[:3])
            self.is_sum(("covariate_summary", "n_persons", covariate, "scored"), states[:4])
            self.is_sum(("imputation_sensitivity", "n_imputed", covariate), [states[3]])
            bins = self.bins("covariate", covariate)
            if bins:
                self.is_sum(recorded, bins.values())
        for covariate in self.values("imputation_sensitivity", "covariate"):
            for assumption in self.values(
                "imputation_sensitivity", "assumption", covariate=covariate
            ):
                self.derive(
                    ("?", "not changed", covariate, assumption),
                    ("imputation_sensitivity", "n_imputed", covariate),
                    ("imputation_sensitivity", "n_changed", covariate, assumption),
                )
            for part in covariate.split(" + ") if "+" in covariate else ():
                self.derive(
                    ("?", "imputed", part, "not", covariate),
                    ("imputation_sensitivity", "n_imputed", part),
                    ("imputation_sensitivity", "n_imputed", covariate),
                )
        self._yes_and_no()
        for quantity in self.values(quality, "covariate", measure="n_records"):
            usable = ("?", "usable", quantity)
            self.derived.append(usable)
            refused = [
                (quality, "n", quantity, f"n_rejected_{what}")
                for what in ("value", "unit", "limit")
            ]
            self.is_sum((quality, "n", quantity, "n_records"), [*refused, usable])

    def _yes_and_no(self) -> None:
        quality, scored = "covariate_quality", ("subgroup_summary", "n_stratum")
        for row in self.files.get("covariate_summary", []):
            if row["covariate"] in YES_NO and row["population"] == "recorded" and row["mean"]:
                yes = self._yes(row, row["covariate"])
                self.is_sum(yes, [(*scored, *YES_NO[row["covariate"]])])
                recorded = ("covariate_summary", "n_persons", row["covariate"], "recorded")
                self.derive(("?", "no", row["covariate"]), recorded, yes)
        for drug in ("prior_anti_tnf", "steroid", "immunomodulator"):
            self.is_sum(("yes", drug), [(quality, "n", drug, "n_observed")])
        self.is_sum(
            (*scored, "prior_anti_tnf", "yes"), [(quality, "n", "prior_anti_tnf", "n_observed")]
        )

    def error_of(self, mean: float) -> float:
        """Return how far a mean may be from the printed one: half of its last digit, and a bit."""
        digits = 3 if self.rounding > 1 else 4
        return 0.51 * 10.0 ** (math.floor(math.log10(abs(mean))) + 1 - digits) if mean else 0.0

    def _yes(self, row: Mapping[str, str], *names: str) -> Name:
        """Learn how many said yes: the mean of 0 and 1, as far as it has digits, times how many."""
        yes = ("yes", *names)
        n, mean = int(row["n_persons"]), float(row["mean"])
        if mean == 0:
            self.printed[yes] = 0
            return yes
        error = n * self.error_of(mean)
        below, above = self.rounding // 2, (self.rounding - 1) // 2
        self.hidden.add(yes)
        self._narrow(yes, math.ceil(n * mean - error) - below, math.floor(n * mean + error) + above)
        return yes

    def _histograms(self) -> None:
        scored = "subgroup_summary", "n_stratum"
        for measure in ("attributable_effect", "response_probability"):
            for category in self.values("histogram", "category", measure=measure):
                self.is_sum(("run", "n_scored"), self.bins(measure, category).values())
        everybody = self.bins("trial_distance", "scored")
        complete = self.bins("trial_distance", "nothing_imputed")
        for ends, each in everybody.items():
            if ends in complete:
                self.derive(("?", "imputed", *ends), each, complete[ends])
        groups = self.strata("age_group")
        before = float("-inf")
        for (_, high), each in self.bins("covariate", "age").items():
            members = [
                (*scored, "age_group", g) for g in groups if before <= lowest(g) < float(high)
            ]
            before = float(high)
            self.is_sum(each, members)

    def bins(self, measure: str, category: str) -> dict[tuple[str, str], Name]:
        return {
            (r["bin_low"], r["bin_high"]): (
                *("histogram", "n_persons", measure, category),
                *(r["bin_low"], r["bin_high"]),
            )
            for r in self.files.get("histogram", [])
            if (r["measure"], r["category"]) == (measure, category)
        }

    def _labels(self, uncertainty: str) -> None:
        table, pairs = "uncertainty_comparison", self.files.get("uncertainty_comparison", [])
        for label in self.values("subgroup_summary", "subgroup") if pairs else ():
            own = [
                (table, "n_persons", p["subgroup_bootstrap"], p["subgroup_analytic"])
                for p in pairs
                if p[f"subgroup_{uncertainty}"] == label
            ]
            self.is_sum(("subgroup_summary", "n_persons", "all", "all", label), own)
        for each, measure in product(
            ("bootstrap", "analytic"), self.values("label_check", "measure")
        ):
            checked = ("label_check", "n_population", each, measure)
            self.derive(
                ("?", "not", each, measure), checked, ("label_check", "n_persons", each, measure)
            )
            if measure == "best_response_elsewhere":
                self.is_sum(("run", "n_scored"), [checked])
            else:
                members = [
                    (table, "n_persons", p["subgroup_bootstrap"], p["subgroup_analytic"])
                    for p in pairs
                    if (" > " in p[f"subgroup_{each}"]) == (measure == "order_not_significant")
                ]
                self.is_sum(checked, members)

    def _groups(self) -> None:
        table = "preference_summary"
        groups = self.values(table, "preference_group", stratum="all")
        labels = self.values("subgroup_summary", "subgroup")

        def of(stratum: str, value: str, group: str) -> Name:
            return (table, "n_persons", stratum, value, group)

        for stratum in self.values(table, "stratum"):
            values = self.values(table, "stratum_value", stratum=stratum)
            for value in values:
                size = (table, "n_stratum", stratum, value)
                self.is_sum(("subgroup_summary", "n_stratum", stratum, value), [size])
                self.is_sum(size, [of(stratum, value, each) for each in (*groups, "all")])
                for group in groups:
                    own = [
                        ("subgroup_summary", "n_persons", stratum, value, label)
                        for label in labels
                        if group_of_label(label) == group
                    ]
                    if all(self.knows(each) for each in own):
                        self.is_sum(of(stratum, value, group), own)
            for group in groups if stratum != "all" else ():
                if all(self.knows(of(stratum, value, group)) for value in values):
                    self.is_sum(of("all", "all", group), [of(stratum, v, group) for v in values])
        for group in groups:
            women, total = of("women_50_and_over", "yes", group), of("all", "all", group)
            self.derive(("?", "women under 50", group), of("sex", "female", group), women)
            ages = self.values(table, "stratum_value", stratum="age_group")
            older = [of("age_group", each, group) for each in ages if is_from_50(each)]
            from_50 = self.add_up(("=", "from 50", group), older)
            self.derive(("?", "men from 50", group), from_50, women)
            self.derive(
                ("?", "men under 50", group), of("sex", "male", group), ("?", "men from 50", group)
            )
            self._profile(group, total)
        for population, category in product(
            ("scored", "recorded"),
            self.values("preference_profile", "category", measure="covariate"),
        ):
            whole = ("preference_profile", "n_persons", "all", "covariate", category, population)
            self.is_sum(("covariate_summary", "n_persons", category, population), [whole])
            self.is_sum(whole, [(*whole[:2], group, *whole[3:]) for group in groups])

    def _profile(self, group: str, total: Name) -> None:
        """Who of a group has a value, used or recorded, and what the mean of yes or no tells."""
        table = "preference_profile"
        for category in self.values(table, "category", measure="covariate"):
            used, recorded = (
                (table, "n_persons", group, "covariate", category, each)
                for each in ("scored", "recorded")
            )
            self.derive(("?", "imputed", category, group), used, recorded)
            self.derive(("?", "left out", category, group), total, used)
        for row in self.files.get(table, []):
            is_own = (row["preference_group"], row["population"]) == (group, "recorded")
            if is_own and row["category"] in YES_NO and row["mean"] and row["n_persons"]:
                yes = self._yes(row, row["category"], group)
                recorded = (table, "n_persons", group, "covariate", row["category"], "recorded")
                self.derive(("?", "no", row["category"], group), recorded, yes)
                if YES_NO[row["category"]]:
                    stratum = ("preference_summary", "n_persons", *YES_NO[row["category"]], group)
                    self.is_sum(yes, [stratum])
        for category in self.values(table, "category", measure="attributable_effect"):
            self.is_sum(
                total, [(table, "n_persons", group, "attributable_effect", category, "scored")]
            )

    def _now(self) -> None:
        """The drug in use and the one last used, by preference group."""
        table = "current_treatment"
        rows = self.files.get(table, [])
        classes = self.values(table, "drug_class")
        own = [(r["population"], r["preference_group"], r["preferred"]) for r in rows]
        keys = list(dict.fromkeys([*own, *((e[2], e[4], e[5]) for e in self.imagined)]))
        groups = [each for each in self.values(table, "preference_group") if each != "all"]
        tops = [each for each in self.values(table, "preferred") if each != "all"]

        def of(population: str, treatment: str, group: str, top: str, drug: str | None) -> Name:
            key = (population, treatment, group, top)
            if drug is None:
                return (table, "n_population", *key)
            return (table, "n_persons", *key, drug)

        for (population, group, top), treatment in product(keys, ("current", "last")):
            own = (population, treatment, group, top)
            self.is_sum(of(*own, None), [of(*own, each) for each in classes])
            for each in (*classes, None):
                if population != "all":
                    self.derive(
                        ("?", "not in", *own, str(each)),
                        of("all", treatment, group, top, each),
                        of(*own, each),
                    )
        for population, treatment, each in product(
            self.values(table, "population"), ("current", "last"), (*classes, None)
        ):
            by_group = [of(population, treatment, group, "all", each) for group in groups]
            by_top = [of(population, treatment, "shared_top", top, each) for top in tops]
            if all(self.knows(name) for name in by_group):
                self.is_sum(of(population, treatment, "all", "all", each), by_group)
            if by_top and all(self.knows(name) for name in by_top):
                self.is_sum(of(population, treatment, "shared_top", "all", each), by_top)
        for (population, group, top), each in product(keys, classes):
            self.is_sum(
                of(population, "last", group, top, None),
                [of(population, "current", group, top, None)],
            )
            if each != "none":
                self.derive(
                    ("?", "stopped", population, group, top, each),
                    of(population, "last", group, top, each),
                    of(population, "current", group, top, each),
                )
        for group in groups:
            self.is_sum(
                ("preference_summary", "n_persons", "all", "all", group),
                [of("all", "last", group, "all", None)],
            )
            self.is_sum(
                ("preference_summary", "n_persons", "women_50_and_over", "yes", group),
                [of("women_50_and_over", "last", group, "all", None)],
            )

    def _otherwise(self) -> None:
        """Who has one class alone on top, and is on it, on another one or on none."""
        table, now = "treated_otherwise", "current_treatment"
        populations, treatments = (self.values(table, each) for each in ("population", "treatment"))
        groups = [each for each in self.values(now, "preference_group") if each.endswith("_alone")]
        classes = self.values(now, "drug_class")
        for population, treatment in product(populations, treatments):
            own = (population, treatment)
            total = (table, "n_population", *own)
            if not self.knows(total):
                continue
            drugs = {
                each: (table, "n_persons", *own, each) for each in ("on_top", "another", "none")
            }
            self.is_sum(total, list(drugs.values()))
            self.is_sum(total, [(table, "n_population", population, "last")])
            found: dict[str, list[Name]] = {each: [] for each in (*drugs, "all")}
            for group in groups:
                found["all"].append((now, "n_population", *own, group, "all"))
                for each in classes:
                    is_top = f"{each}_alone" == group
                    word = "none" if each == "none" else "on_top" if is_top else "another"
                    found[word].append((now, "n_persons", *own, group, "all", each))
            for whole, members in ((total, found["all"]), *((drugs[e], found[e]) for e in drugs)):
                if members and all(self.knows(name) for name in members):
                    self.is_sum(whole, members)
            everybody = (now, "n_persons", *own, "all", "all")
            self.derive(("?", "none, not alone", *own), (*everybody, "none"), drugs["none"])
            rest = ("?", "used, not alone", *own)
            used = [(*everybody, each) for each in classes if each != "none"]
            if used and all(self.knows(name) for name in used):
                self.derived.append(rest)
                virtual = ("?", "used", *own)
                self.derived.append(virtual)
                self.is_sum(virtual, used)
                self.is_sum(virtual, [drugs["on_top"], drugs["another"], rest])
            for each, name in drugs.items():
                if population != "all":
                    self.derive(
                        ("?", "not in", *own, each),
                        ("treated_otherwise", "n_persons", "all", treatment, each),
                        name,
                    )
                if treatment == "current" and each != "none":
                    self.derive(
                        ("?", "stopped", population, each),
                        (table, "n_persons", population, "last", each),
                        name,
                    )
            if population != "all":
                self.derive(("?", "not in", *own), (table, "n_population", "all", treatment), total)

    def _years(self) -> None:
        """Women of 50 and over by calendar year."""
        table = "prevalence_by_year"
        for event, year in product(
            self.values(table, "event"), self.values(table, "calendar_year")
        ):
            total = (table, "n_population", event, year)
            measures = [
                (table, "n_persons", event, year, each) for each in self.values(table, "measure")
            ]
            if self.knows(total):
                others = ("?", "others in", event, year)
                self.derived.append(others)
                self.is_sum(total, [*measures, others])
            if event == "disease_record":
                self.derive(("?", "no record in", year), ("run", "n_cohort"), total)
        years = [
            (table, "n_population", "first_biologic", year)
            for year in self.values(table, "calendar_year", event="first_biologic")
        ]
        if all(self.knows(each) for each in years):
            self.is_sum(("prevalence", "n_population", "first_biologic_since", "race_white"), years)

    def truth(self, counts: Mapping[Name, int]) -> dict[Name, int]:
        """Return every count, those derived included; hold the truth to what the reader learnt."""
        known = (*self.printed, *self.hidden, *self.imagined)
        found = {name: counts[name] for name in known}
        names = {*found, *self.derived}
        for total, members in self.equations:
            unknown = [name for name in (total, *members) if name not in found]
            if len(unknown) == 1:
                rest = sum(found[name] for name in members if name in found)
                found[unknown[0]] = rest if unknown[0] == total else found[total] - rest
            assert found[total] == sum(found[member] for member in members), total
        assert names <= set(found), names - set(found)
        for name, total, part in self.guesses:
            if found[total] >= found[part]:
                found[name] = found[total] - found[part]
                self.equations.append((total, [part, name]))
        self.guesses = []
        return found

    def _ends(self, name: Name, minimum: int) -> tuple[float, float]:
        """Return the least and the most that a count may be."""
        low, high = self.ends.get(name, (0, np.inf))
        if name in self.printed:
            n, below = self.printed[name], self.rounding // 2
            if n == 0 or self.rounding == 1:
                return n, n
            return max(low, minimum, n - below), min(high, n + self.rounding - 1 - below)
        return max(low, 1 if name in self.hidden else 0), high

    def betrayed(self, counts: Mapping[Name, int], minimum: int) -> list[Name]:
        """Return the small counts of which the reader can tell that they are small."""
        truth = self.truth(counts)
        names = list(truth)
        place = {name: i for i, name in enumerate(names)}
        low, high = np.array([self._ends(name, minimum) for name in names], float).T
        true = np.array(list(truth.values()))
        assert not [n for n, is_in in zip(names, (low <= true) & (true <= high), strict=True)
                    if not is_in]  # fmt: skip
        sums = [(t, m) for t, m in self.equations if t not in m]
        matrix = _matrix(place, [{t: 1.0, **dict.fromkeys(m, -1.0)} for t, m in sums])
        others = _matrix(place, self.at_most_zero)
        assert not (others @ true > 1e-6).any()
        rules = [LinearConstraint(matrix, 0, 0)]
        rules += [LinearConstraint(others, -np.inf, 1e-6)] if self.at_most_zero else []
        open_ = {name for name in names if 0 < truth[name] < minimum}
        betrayed = []
        for name in sorted(open_):
            if name not in open_:
                continue
            aim = np.zeros(len(names))
            aim[place[name]] = -1
            # So much is enough: without a limit the greatest value may be without end.
            limited = high.copy()
            limited[place[name]] = min(high[place[name]], minimum)
            found = milp(
                aim,
                integrality=np.ones(len(names)),
                bounds=Bounds(low, limited),
                constraints=rules,
            )
            assert found.status == 0, found.message
            best = np.rint(found.x)
            assert not (matrix @ best).any()
            if best[place[name]] < minimum:
                betrayed.append(name)
            open_ -= {each for each in open_ if best[place[each]] >= minimum}
        return betrayed


def _step(n: float, minimum: int) -> int:
    """Return the percent in which a trend over so many persons is rounded; more if nobody knows."""
    return next((step for step in (1, 2, 5, 10) if n * step >= 200 * minimum), 20)


def _matrix(place: Mapping[Name, int], rows: list[dict[Name, float]]) -> sparse.csr_array:
    """Return the coefficients of each row by the places of its counts."""
    entries = [(i, place[name], value) for i, row in enumerate(rows) for name, value in row.items()]
    where = np.array([each[:2] for each in entries], int).reshape(-1, 2)
    values = [each[2] for each in entries]
    return sparse.csr_array((values, tuple(where.T)), (len(rows), len(place)))


def _with(population: str, measure: str) -> Name:
    return ("prevalence", "n_persons", population, measure)


def lowest(group: str) -> int:
    """The lowest age of a group."""
    return 0 if group.startswith("Under") else int(group.split(maxsplit=1)[0])


def highest(group: str) -> int:
    """The highest age of a group, or the last of several years."""
    words = group.split()
    if words[0] == "Under":
        return int(words[1]) - 1
    return 10**6 if words[-1] == "over" else int(words[-1])


def group_of_label(label: str) -> str:
    """The preference group of a label of the three classes."""
    first = label.partition(" > ")[0].strip("()").split(" = ")
    if len(first) == len(SHORT):
        return "no_preference"
    return f"{SHORT[first[0]]}_alone" if len(first) == 1 else "shared_top"


def is_from_50(group: str) -> bool:
    """Whether everybody of an age group is 50 or over."""
    return group != "unknown" and lowest(group) >= 50


def true_counts(
    tables: Mapping[str, list[dict[str, Any]]],
    n_cohort: int,
    n_scored: int,
    files: Mapping[str, Rows],
) -> dict[Name, int]:
    """Return the true count of whatever the files print or suppress."""
    counts: dict[Name, int] = {("run", "n_cohort"): n_cohort, ("run", "n_scored"): n_scored}
    for table, columns in COUNTS.items():
        for column, keys in columns.items():
            own: dict[Name, int] = {}
            for row in tables.get(table, []) if table != "histogram" else ():
                own[table, column, *(str(row[key]) for key in keys)] = int(row[column])
            counts |= own
            printed = {
                (table, column, *(row[key] for key in keys))
                for row in files.get(table, [])
                if table != "histogram"
            }
            for name in printed:
                # Another race stands for several of them where their own rows are gone.
                others = {
                    tuple(each if word == "race_other" else word for word in name)
                    for each in OTHER_RACES
                }
                has_joined = bool((others & own.keys()) - printed)
                if name not in own or table == "age_sex_pyramid" or has_joined:
                    found = [n for key, n in own.items() if is_merged(name, key, files)]
                    is_shared = table == "prevalence" and column == "n_population"
                    counts[name] = found[0] if is_shared else sum(found)
    for name, n in list(counts.items()):
        if name[:2] == ("preference_summary", "n_stratum"):
            counts["subgroup_summary", *name[1:]] = n
    for row in tables.get("preference_profile", []):
        if row["population"] == "recorded" and row["mean"] is not None:
            yes = round(row["mean"] * row["n_persons"])
            counts["yes", row["category"], row["preference_group"]] = yes
    for row in tables.get("covariate_summary", []):
        if row["population"] == "recorded" and row["mean"] is not None:
            counts["yes", row["covariate"]] = round(row["mean"] * row["n_persons"])
    for bar in files.get("histogram", []):
        low, high = float(bar["bin_low"]), float(bar["bin_high"])
        name = (bar["measure"], bar["category"], bar["bin_low"], bar["bin_high"])
        counts["histogram", "n_persons", *name] = sum(
            row["n_persons"]
            for row in tables["histogram"]
            if (row["measure"], row["category"]) == name[:2] and low <= row["bin_low"] < high
        )
    return counts | attacker_persistence.true_counts(tables)


OTHER_RACES = (
    *("race_american_indian_or_alaska_native", "race_native_hawaiian_or_other_pacific_islander"),
    "race_other",
)


def is_merged(printed: Name, true: Name, files: Mapping[str, Rows]) -> bool:
    """Whether a printed row holds the persons of a true one: ages, years, races and groups join."""
    table, printed, true = printed[0], printed[2:], true[2:]
    bars = files.get("age_sex_pyramid", [])
    n_unknown = sum(bar["sex"] == "unknown" for bar in bars)
    n_populations = len({bar["population"] for bar in bars})
    if "unknown" in true and table == "age_sex_pyramid":
        if n_unknown == n_populations:
            return printed == (true[0], "unknown", "unknown")
        return printed == true or (
            printed[0] == true[0] and printed[2] == true[2] and _holds(printed[1], true[1])
        )
    has_all_groups = table == "preference_summary" and printed[-1] == "all"
    n_words = len(printed) - has_all_groups
    return all(map(_holds, printed[:n_words], true[:n_words]))


def _holds(printed: str, true: str) -> bool:
    if printed == true:
        return True
    if printed == "race_other":
        return true in OTHER_RACES
    if printed == "shared_top":
        return " = " in true
    if not SPAN.fullmatch(printed) or not SPAN.fullmatch(true):
        return False
    return lowest(printed) <= lowest(true) and highest(true) <= highest(printed)


def rows_of_run(results: Path, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the results tables truly hold of a run."""
    tables = {}
    with duckdb.connect(str(results), read_only=True) as connection:
        connection.execute("USE omop_scorer")
        for table in (*COUNTS, attacker_persistence.CURVES):
            relation = connection.execute(f"FROM {table} WHERE run_id = {run_id}")
            columns = [each[0] for each in relation.description]
            tables[table] = [dict(zip(columns, row, strict=True)) for row in relation.fetchall()]
    return tables


def assert_nothing_leaks(
    files: Mapping[str, Rows],
    tables: Mapping[str, list[dict[str, Any]]],
    n_cohort: int,
    n_scored: int,
    minimum: int,
    *,
    rounding: int = 1,
    bounds: Mapping[str, Any] | None = None,
    trend: Iterable[Mapping[str, Any]] = (),
    own: int = 5,
) -> None:
    """Hold files to the truth, to the minimum, and to what a reader can recalculate.

    The reader also has the bounds that the page prints, and the shares of this run in a trend.
    `own` is the minimum that the run itself has.
    """
    attack = Attack(files, rounding)
    attack.learn_bounds(bounds or {})
    attack.learn_trend(trend, own, minimum)
    counts = true_counts(tables, n_cohort, n_scored, files)
    as_printed = {
        name: (counts[name] + rounding // 2) // rounding * rounding for name in attack.printed
    }
    assert as_printed == attack.printed
    assert not [name for name in attack.printed if 0 < counts[name] < minimum]
    assert not [name for name in attack.hidden if counts[name] == 0]
    for table, columns in COUNTS.items():
        for row in files.get(table, []):
            is_complete = all(row[column] for column in columns)
            told = [name for name in TELLING if row.get(name)]
            assert is_complete or not told, (table, row)
    for table, keys in (("covariate_summary", ("covariate",)), (PROFILE, PROFILED)):
        for row in files.get(table, []):
            name = (table, "n_persons", *(row[key] for key in keys), "recorded")
            if 0 < counts.get(name, 0) < QUARTERS * minimum:
                assert not [name for name in TELLING if row.get(name)], row
    for row in files.get("next_treatment_time", []):
        if int(row["n_persons"] or 0) < QUARTERS * minimum:
            assert not [name for name in TELLING if row.get(name)], row
    assert attack.betrayed(counts, minimum) == []
