"""Made-up, fixed results to draw a report of: a cohort of 2,938 of whom 2,696 are scored.

Nobody's: the numbers are chosen to look like a health system's, and to try the page (counts that
are not shown, values at the edges, a label that nobody has).
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from scipy.stats import chi, norm
from statsmodels.stats.proportion import proportion_confint

from omop_scorer.disclosure.protected_run import ReportData
from omop_scorer.model.load import load_model
from omop_scorer.model.subgroups import label_set, preference_group
from omop_scorer.terms import CLASSES_USED, RACE_SETS, alone, preference_groups

MINIMUM = 5
CARD = load_model("crohns_srs_2025").card
CLASSES = [
    {"key": each.key, "label": each.label, "title": each.title, "drugs": list(each.drugs)}
    for each in CARD.classes
]
KEYS = [each["key"] for each in CLASSES]
LABELS = label_set([each["label"] for each in CLASSES])
AGE_GROUPS = (
    "Under 5",
    *(f"{low} to {low + 4}" for low in range(5, 85, 5)),
    "85 and over",
)
POPULATIONS = {"crohns_disease": 2938, "biologic_exposed": 1402, "first_biologic_since": 927}
AUDITED = {
    "all": 927,
    "women_50_and_over": 163,
    "men_50_and_over": 171,
    "women_under_50": 301,
    "men_under_50": 288,
}
NEXT = (*KEYS, "other_advanced", "none_died", "none_continuing", "none_stopped")
N_SCORED = 2696
#: Tables that have no rows if nobody is scored.
_WITHOUT_ROWS = ("subgroup_summary", "preference_summary", "uncertainty_comparison", "histogram")
#: Whole numbers of the tables that count nobody.
_NO_COUNTS = ("step", "calendar_year", "days")

RUN: dict[str, Any] = {
    "run_id": 2026010102300042,
    "as_of_date": date(2026, 1, 1),
    "started_at": datetime(2026, 1, 1, 2, 30, 0, tzinfo=UTC),
    "tool_version": "0.2.0",
    "engine": "duckdb",
    "model_id": "crohns_srs_2025",
    "model_sha256": "9f2c81d4" * 8,
    "config_sha256": "0b64a7e3" * 8,
    "concept_sets_sha256": "77d1f0c2" * 8,
    "uncertainty": "bootstrap",
    "cdm_source_name": "Riverside Health CDM",
    "cdm_version": "5.4",
    "cdm_release_date": date(2025, 12, 31),
    "vocabulary_version": "v5.0 29-AUG-25",
    "config_json": "{}",
    "n_cohort": 2938,
    "n_scored": N_SCORED,
    "completed_at": datetime(2026, 1, 1, 2, 31, 12, tzinfo=UTC),
    "message": "no concept of this site is named for cdai: it is imputed for every patient; "
    "concept sets without a record in the CDM: anti_tnf_other",
    "config": {
        "missing": "impute",
        "impute": "calculator",
        "cohort": {"age_minimum": 18, "age_maximum": 99},
        "audit": {"since": "2016-01-01", "age_at": "as_of", "continuing_days": 180},
        "covariates": {"cdai": {"concept_ids": []}},
        "report": {
            "title": "Crohn’s disease at Riverside",
            "department": "Gastroenterology",
            "contact": "crohns@riverside.example",
            "language": "en",
        },
    },
}


def share_out(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a total by weights into whole numbers (largest remainders)."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [math.floor(each) for each in exact]
    order = sorted(range(len(exact)), key=lambda i: counts[i] - exact[i])
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def with_shares(frame: pd.DataFrame, total: str) -> pd.DataFrame:
    """Add share and interval."""
    n, of = frame["n_persons"], frame[total]
    low, high = proportion_confint(n, of.where(of > 0, 1), method="wilson")
    frame["share"] = (n / of.where(of > 0)).astype("Float64")
    frame["ci_low"] = pd.Series(low).where(of > 0).astype("Float64")
    frame["ci_high"] = pd.Series(high).where(of > 0).astype("Float64")
    return frame


def suppressed(frame: pd.DataFrame) -> pd.DataFrame:
    """Hide counts from 1 to 4 with what belongs to them; stands in for the program's own."""
    counts = [name for name in frame if frame[name].dtype.kind == "i" and name not in _NO_COUNTS]
    for name in counts:
        frame[name] = frame[name].astype("Int64")
    for name in counts:
        small = frame[name].between(1, MINIMUM - 1)
        frame.loc[small, name] = pd.NA
        for other in ("share", "ci_low", "ci_high"):
            if other in frame:
                frame.loc[small, other] = pd.NA
    for name in frame:
        if frame[name].dtype.kind == "f":
            frame[name] = frame[name].astype("Float64")
    return frame


def attrition() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": [1, 2, 3, 4, 5],
            "reason": [
                "crohns_disease",
                "year_of_birth_unknown",
                "sex_unknown",
                "deceased",
                "age_out_of_range",
            ],
            "n_persons": [2938, 2938, 2921, 2842, 2696],
            "n_excluded": [0, 0, 17, 79, 146],
        }
    )


def quality() -> pd.DataFrame:
    states = {
        "cdai": (0, 0, 0, 2696, 0),
        "age": (2696, 0, 0, 0, 0),
        "bmi": (1709, 541, 0, 446, 0),
        "crp": (1187, 0, 0, 1509, 0),
        "prior_anti_tnf": (1011, 0, 1685, 0, 0),
        "male": (2696, 0, 0, 0, 0),
        "steroid": (402, 0, 2294, 0, 0),
        "immunomodulator": (633, 0, 2063, 0, 0),
        "ileal": (1322, 0, 0, 1374, 0),
    }
    rows = [
        (covariate, f"n_{status}", n)
        for covariate, counts in states.items()
        for status, n in zip(
            ("observed", "computed", "absent", "imputed", "left_out"), counts, strict=True
        )
    ]
    measured = {
        "crp": (4210, 14, 322, 3, 911, 804, 37, 0),
        "cdai": (0, 0, 0, 0, 0, 0, 0, 0),
        "bmi": (9034, 2, 0, 41, 0, 0, 0, 112),
        "body_weight": (8120, 1, 57, 12, 3310, 0, 4, 0),
        "body_height": (3018, 0, 21, 9, 1208, 0, 0, 0),
    }
    names = (
        *("records", "rejected_value", "rejected_unit", "rejected_limit", "converted"),
        *("censored", "unit_from_text", "unit_missing"),
    )
    rows += [
        (covariate, f"n_{name}", n)
        for covariate, counts in measured.items()
        for name, n in zip(names, counts, strict=True)
    ]
    rows += [
        ("steroid", f"n_{name}", n)
        for name, n in {
            "oral": 388,
            "injected": 17,
            "injected_one_day": 121,
            "local": 290,
            "unclassified": 12,
            "unclassified_persons": 9,
        }.items()
    ]
    rows += [
        ("crohns_disease", "n_with_ulcerative_colitis", 311),
        ("crohns_disease", "n_excluded_condition", 0),
        ("crohns_disease", "n_records_without_date", 6),
        ("crohns_disease", "n_deaths_without_date", 0),
        ("input", "measurement.measurement_date", 12),
    ]
    return pd.DataFrame(rows, columns=["covariate", "measure", "n"])


def summary() -> pd.DataFrame:
    base = {
        "TNF > (IL = INT)": 40.5,
        "(TNF = IL = INT)": 41.0,
        "(TNF = IL) > INT": 8.6,
        "IL > (TNF = INT)": 6.9,
        "TNF > INT > IL": 1.4,
        "(TNF = INT) > IL": 1.0,
        "IL > TNF > INT": 0.1,
        "IL > INT > TNF": 0.45,
    }
    older = base | {"TNF > (IL = INT)": 6, "IL > (TNF = INT)": 27, "(TNF = IL = INT)": 60}
    strata = {
        ("all", "all"): (2696, base),
        ("sex", "female"): (1402, base | {"IL > (TNF = INT)": 12.1}),
        ("sex", "male"): (1294, base | {"IL > (TNF = INT)": 1.2, "IL > INT > TNF": 0}),
        ("women_50_and_over", "yes"): (588, older),
        ("women_50_and_over", "no"): (2108, base | {"IL > (TNF = INT)": 1.0}),
        ("prior_anti_tnf", "yes"): (1011, base | {"TNF > (IL = INT)": 30}),
        ("prior_anti_tnf", "no"): (1685, base),
        ("imputed", "yes"): (2696, base),
        ("within_trial_range", "no"): (391, older),
        ("within_trial_range", "unknown"): (2305, base),
    }
    ages = share_out(2696, [1.2, 6, 8, 10, 10.5, 10.2, 8.6, 8.1, 7.8, 7.2, 6.8, 5.9, 4, 3, 2.7])
    for name, n in zip(AGE_GROUPS[3:], ages, strict=True):
        strata["age_group", name] = (n, older if AGE_GROUPS.index(name) > 9 else base)
    races = share_out(2696, [1810, 301, 140, 7, 3, 118, 317])
    for name, n in zip((*RACE_SETS, "unknown"), races, strict=True):
        strata["race", name] = (n, base)
    years = share_out(2696, [1405, *range(40, 240, 12)])
    for name, n in zip(("none", *map(str, range(2009, 2026))), years, strict=True):
        strata["first_biologic_year", name] = (n, base)
    rows = [
        (stratum, value, label, n, total)
        for (stratum, value), (total, weights) in strata.items()
        for label, n in zip(
            LABELS, share_out(total, [weights.get(each, 0) for each in LABELS]), strict=True
        )
    ]
    columns = ["stratum", "stratum_value", "subgroup", "n_persons", "n_stratum"]
    return with_shares(pd.DataFrame(rows, columns=columns), "n_stratum")


def groups() -> pd.DataFrame:
    """Return the labels of `summary` added up by preference group."""
    frame = summary()
    keys = {each["label"]: each["key"] for each in CLASSES}
    frame["preference_group"] = [preference_group(label, keys) for label in frame["subgroup"]]
    by = ["stratum", "stratum_value", "preference_group", "n_stratum"]
    found = frame.groupby(by, sort=False)["n_persons"].sum().reset_index()
    # Half of those without a preference have the last class ruled out.
    none = found.query("stratum == 'all' and preference_group == 'no_preference'")
    for value, share in (("anti_integrin", 0.45), ("none", 0.55)):
        n = none["n_persons"] * share
        row = none.assign(stratum="ruled_out_class", stratum_value=value, n_persons=n.astype(int))
        found = pd.concat([found, row], ignore_index=True)
    return with_shares(found, "n_stratum")


def profile() -> pd.DataFrame:
    """Return the covariates and effects of each preference group."""
    sizes = groups().query("stratum == 'all'").set_index("preference_group")["n_persons"]
    rows = []
    for i, group in enumerate(("all", *preference_groups(KEYS))):
        n = N_SCORED if group == "all" else int(sizes[group])
        means = {"age": 38 + 5 * i, "crp": 14 + 2 * i, "cdai": 290 + 4 * i, "bmi": 25 - i / 2}
        found = [("covariate", name, mean, mean / 3) for name, mean in means.items()]
        found += [("covariate", name, 0.3, 0.46) for name in ("male", "steroid")]
        found += [
            ("attributable_effect", key, 30.0 + 15 * (group == alone(key)) + j, 12.0)
            for j, key in enumerate(KEYS)
        ]
        for measure, category, mean, deviation in found:
            both = ("scored", "recorded") if measure == "covariate" else ("scored",)
            for population in both:
                known = n if population == "scored" or category in ("age", "male") else n // 2
                reach = 1.96 * deviation / math.sqrt(known) if known > 1 else None
                rows.append(
                    (group, measure, category, population, known, mean if known else None,
                     deviation if known > 1 else None, None if reach is None else mean - reach,
                     None if reach is None else mean + reach)
                )  # fmt: skip
    columns = ["preference_group", "measure", "category", "population", "n_persons", "mean"]
    return pd.DataFrame(rows, columns=[*columns, "standard_deviation", "ci_low", "ci_high"])


def current() -> pd.DataFrame:
    """Return the class in use and last used, by preference group."""
    sizes = groups().query("stratum == 'all'").set_index("preference_group")["n_persons"]
    weights = {"current": [22, 6, 7, 3, 62], "last": [40, 11, 12, 6, 31]}
    rows = []
    for population, part in (("all", 1.0), ("women_50_and_over", 0.2), ("active_disease", 0.1)):
        for treatment, shares in weights.items():
            drugs = (*KEYS, "other_advanced", "none")
            own = {g: share_out(int(n * part), shares) for g, n in sizes.items()}
            own = {"all": [sum(each) for each in zip(*own.values(), strict=True)]} | own
            rows += [
                (population, treatment, group, "all", drug_class, n, sum(counts))
                for group, counts in own.items()
                for drug_class, n in zip(drugs, counts, strict=True)
            ]
    columns = ["population", "treatment", "preference_group", "preferred", "drug_class"]
    frame = pd.DataFrame(rows, columns=[*columns, "n_persons", "n_population"])
    return with_shares(frame, "n_population")


def otherwise(now: pd.DataFrame, keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Return the patients with one class alone on top, by whether they are on it."""
    own = {f"{key}_alone": key for key in keys}
    alone = now[now["preference_group"].isin(list(own))]
    used = [
        "none" if drug == "none" else "on_top" if drug == own[group] else "another"
        for group, drug in zip(alone["preference_group"], alone["drug_class"], strict=True)
    ]
    by = ["population", "treatment"]
    n = alone.assign(class_used=used).groupby([*by, "class_used"])["n_persons"].sum()
    rows = [
        (*key, word, n.get((*key, word), 0), sum(n.get((*key, each), 0) for each in CLASSES_USED))
        for key in alone[by].drop_duplicates().itertuples(index=False, name=None)
        for word in CLASSES_USED
    ]
    frame = pd.DataFrame(rows, columns=[*by, "class_used", "n_persons", "n_population"])
    return with_shares(frame, "n_population")


def years() -> pd.DataFrame:
    """Return women of 50 and over by calendar year."""
    rows = []
    for event, total in (("disease_record", 1400), ("first_biologic", 90)):
        for i, year in enumerate(range(2016, 2027)):
            n = 0 if year == 2026 else total + 11 * i
            rows.append((event, year, "women_50_and_over", round(n * (0.19 + i / 300)), n))
            rows.append((event, year, "age_or_sex_unknown", n // 150, n))
    columns = ["event", "calendar_year", "measure", "n_persons", "n_population"]
    return with_shares(pd.DataFrame(rows, columns=columns), "n_population")


def persistence() -> pd.DataFrame:
    """Return the share still on the index drug, by class, preference and days since the index."""
    rows = []
    curves = [(key, "all") for key in ("all", *KEYS)]
    curves += [("all", "preferred"), ("all", "others_preferred")]
    sizes = dict(zip(curves, (927, 612, 176, 139, 402, 204), strict=True))
    for j, curve in enumerate(curves):
        for days in range(0, 721, 30):
            share = math.exp(-days / (900 - 80 * j))
            stopped = round(sizes[curve] * (1 - share) * 0.8)
            left = max(sizes[curve] - stopped - days // 10, 0)
            ends = (share * 0.93, min(share * 1.05, 1.0)) if days else (None, None)
            rows.append(("all", "first_biologic", *curve, days, left, stopped, share, *ends))
    columns = ["population", "index_rule", "drug_class", "preference", "days", "n_at_risk"]
    return pd.DataFrame(rows, columns=[*columns, "n_stopped", "share", "ci_low", "ci_high"])


def persistence_mean() -> pd.DataFrame:
    """Return the mean days of the curves."""
    first = persistence().query("days == 0")
    rows = []
    for j, row in enumerate(first.itertuples()):
        days = float(470 - 20 * j)
        apart = (20.0, -9.0, 49.0, 0.177) if row.preference == "preferred" else (None,) * 4
        key = (row.population, row.index_rule, row.drug_class, row.preference, row.n_at_risk)
        rows.append((*key, days, days - 21, days + 21, *apart))
    columns = ["population", "index_rule", "drug_class", "preference", "n_persons", "mean_days"]
    columns += ["ci_low", "ci_high", "difference_days", "difference_ci_low", "difference_ci_high"]
    return pd.DataFrame(rows, columns=[*columns, "p_value"])


def prevalence() -> pd.DataFrame:
    rows = []
    women = {"crohns_disease": 651, "biologic_exposed": 262, "first_biologic_since": 163}
    scored = {"crohns_disease": 2696, "biologic_exposed": 1331, "first_biologic_since": 871}
    unknown = {"crohns_disease": 17, "biologic_exposed": 6, "first_biologic_since": 4}
    for name, total in POPULATIONS.items():
        rows += [(name, "women_50_and_over", women[name], total)]
        rows += [(name, "age_or_sex_unknown", unknown[name], total)]
        alone = share_out(scored[name], [42, 7.5, 0.02, 50.6])[:3]
        rows += [
            (name, f"{key}_alone_on_top", n, scored[name])
            for key, n in zip(KEYS, alone, strict=True)
        ]
        races = share_out(total, [1810, 301, 140, 7, 3, 118, 317])
        rows += [
            (name, race, n, total)
            for race, n in zip((*RACE_SETS, "race_unknown"), races, strict=True)
        ]
    columns = ["population", "measure", "n_persons", "n_population"]
    return with_shares(pd.DataFrame(rows, columns=columns), "n_population")


def pyramid() -> pd.DataFrame:
    female = [1, 4, 11, 30, 57, 94, 123, 130, 116, 92, 96, 85, 95, 80, 74, 62, 35, 39]
    male = [0, 5, 17, 35, 68, 94, 122, 111, 105, 85, 82, 74, 79, 72, 66, 55, 33, 29]
    rows = []
    for name, total in POPULATIONS.items():
        n_unknown = 17 if name == "crohns_disease" else 4
        counts = share_out(total - n_unknown, [*female, *male])
        for sex, values in (("female", counts[:18]), ("male", counts[18:]), ("unknown", [0] * 18)):
            rows += [
                (name, age, sex, n)
                for age, n in zip(
                    (*AGE_GROUPS, "unknown"),
                    (*values, n_unknown if sex == "unknown" else 0),
                    strict=True,
                )
            ]
    return pd.DataFrame(rows, columns=["population", "age_group", "sex", "n_persons"])


def next_treatment() -> pd.DataFrame:
    after = {
        "anti_tnf": [14, 17, 13, 6, 2, 36, 12],
        "anti_il12_23": [13, 0, 12, 9, 3, 47, 16],
        "anti_integrin": [15, 21, 1, 8, 3, 37, 15],
    }
    rows = []
    for rule in ("first_biologic", "first_anti_tnf"):
        for population, total in AUDITED.items():
            indexed = dict(zip(KEYS, share_out(total, [66, 19, 15]), strict=True))
            if rule == "first_anti_tnf":
                indexed = {"anti_tnf": indexed["anti_tnf"] + 30, "anti_il12_23": 0}
                indexed["anti_integrin"] = 0
            counts = {key: share_out(n, after[key]) for key, n in indexed.items()}
            counts = {"all": [sum(each) for each in zip(*counts.values(), strict=True)]} | counts
            rows += [
                (population, rule, index_class, next_class, n, sum(values))
                for index_class, values in counts.items()
                for next_class, n in zip(NEXT, values, strict=True)
            ]
    columns = ["population", "index_rule", "index_class", "next_class", "n_persons", "n_population"]
    return with_shares(pd.DataFrame(rows, columns=columns), "n_population")


def next_treatment_time() -> pd.DataFrame:
    treated = next_treatment()
    treated = treated[~treated["next_class"].str.startswith("none_")]
    keys = ["population", "index_rule", "index_class"]
    frame = treated.groupby(keys, sort=False)["n_persons"].sum().reset_index()
    for i, name in enumerate(("first_quartile_days", "median_days", "third_quartile_days")):
        days = [131.0 + 211.5 * i + 9 * (row % 4) for row in range(len(frame))]
        frame[name] = pd.Series(days).where(frame["n_persons"] > 0)
    return frame


def concordance() -> pd.DataFrame:
    preferred = {
        "anti_tnf": 350,
        "anti_il12_23": 60,
        "anti_tnf = anti_il12_23": 71,
        "anti_tnf = anti_integrin": 9,
        "no_preference": 391,
        "not_scored": 46,
    }
    rows = []
    treated = next_treatment().query("index_rule == 'first_biologic' and index_class == 'all'")
    for population, total in AUDITED.items():
        weights = treated.query("population == @population")["n_persons"].tolist()
        for name, n in zip(preferred, share_out(total, list(preferred.values())), strict=True):
            rows += [
                (population, name, next_class, count)
                for next_class, count in zip(NEXT, share_out(n, weights), strict=True)
            ]
    return pd.DataFrame(rows, columns=["population", "preferred", "next_class", "n_persons"])


def comparison() -> pd.DataFrame:
    rows = [
        ("(TNF = IL = INT)", "(TNF = IL = INT)", 1105),
        ("TNF > (IL = INT)", "(TNF = IL = INT)", 402),
        ("TNF > (IL = INT)", "TNF > (IL = INT)", 690),
        ("(TNF = IL) > INT", "(TNF = IL = INT)", 140),
        ("(TNF = IL) > INT", "(TNF = IL) > INT", 91),
        ("IL > (TNF = INT)", "(TNF = IL = INT)", 121),
        ("IL > (TNF = INT)", "IL > (TNF = INT)", 65),
        ("TNF > INT > IL", "TNF > (IL = INT)", 35),
        ("TNF > INT > IL", "TNF > INT > IL", 3),
        ("(TNF = INT) > IL", "(TNF = IL = INT)", 27),
        ("IL > TNF > INT", "IL > (TNF = INT)", 3),
        ("IL > INT > TNF", "(TNF = IL = INT)", 14),
    ]
    return pd.DataFrame(rows, columns=["subgroup_bootstrap", "subgroup_analytic", "n_persons"])


def label_check() -> pd.DataFrame:
    rows = [
        ("bootstrap", "worst_class_ruled_out", 512, 1105),
        ("bootstrap", "order_not_significant", 8, 1591),
        ("bootstrap", "best_response_elsewhere", 201, 2696),
        ("analytic", "worst_class_ruled_out", 390, 1809),
        ("analytic", "order_not_significant", 3, 887),
        ("analytic", "best_response_elsewhere", 187, 2696),
    ]
    return pd.DataFrame(rows, columns=["uncertainty", "measure", "n_persons", "n_population"])


def sensitivity() -> pd.DataFrame:
    changed = {
        "cdai": (2696, 258.0, 347.16, (301, 344, 612)),
        "bmi": (446, 20.54, 26.63, (3, 88, 41)),
        "crp": (1509, 3.76, 25.75, (88, 214, 161)),
        "ileal": (1374, 0.0, 1.0, (0, 190, 233)),
        "cdai + crp": (1509, None, None, (None, None, 420)),
    }
    rows = []
    for covariate, (n, low, high, counts) in changed.items():
        for assumption, value, count in zip(
            ("first_quartile", "third_quartile", "reduced_model"),
            (low, high, None),
            counts,
            strict=True,
        ):
            if count is not None:
                rows.append((covariate, assumption, value, n, count))
    columns = ["covariate", "assumption", "assumed_value", "n_imputed", "n_changed"]
    return pd.DataFrame(rows, columns=columns)


def covariate_summary() -> pd.DataFrame:
    trial = CARD.training_population
    deviations = {
        each.name: math.sqrt(trial.covariance[i][i]) for i, each in enumerate(CARD.covariates)
    }
    scored = {
        "cdai": (2696, 300.0, 0.0),
        "age": (2696, 46.1, 17.2),
        "bmi": (2696, 25.4, 5.8),
        "crp": (2696, 12.9, 21.0),
        "prior_anti_tnf": (2696, 0.375, 0.484),
        "male": (2696, 0.48, 0.4997),
        "steroid": (2696, 0.149, 0.356),
        "immunomodulator": (2696, 0.235, 0.424),
        "ileal": (2696, 0.371, 0.483),
    }
    recorded = scored | {
        "cdai": (0, None, None),
        "bmi": (2250, 26.5, 5.7),
        "crp": (1187, 16.6, 30.2),
        "ileal": (1322, 0.757, 0.429),
    }
    rows = []
    for name in scored:
        for population, values in (("scored", scored), ("recorded", recorded)):
            n, mean, deviation = values[name]
            difference = None
            if mean is not None and deviation is not None:
                pooled = math.sqrt((deviation**2 + deviations[name] ** 2) / 2)
                difference = (mean - trial.mean[name]) / pooled
            rows.append(
                (
                    *(name, population, n, mean, deviation),
                    *(trial.mean[name], deviations[name], difference),
                )
            )
    columns = [
        *("covariate", "population", "n_persons", "mean", "standard_deviation", "trial_mean"),
        *("trial_standard_deviation", "standardised_mean_difference"),
    ]
    return pd.DataFrame(rows, columns=columns)


def _bins(name: str, total: int, centre: float, spread: float, width: float) -> list[Any]:
    first = math.floor((centre - 3.4 * spread) / width)
    lows = [width * (first + i) for i in range(math.ceil(6.8 * spread / width) + 1)]
    weights = [
        norm.cdf(low + width, centre, spread) - norm.cdf(low, centre, spread) for low in lows
    ]
    counts = share_out(total, weights)
    return [
        (*name.split("/"), low, low + width, n, None)
        for low, n in zip(lows, counts, strict=True)
        if n
    ]


def histogram() -> pd.DataFrame:
    rows = [
        *_bins("attributable_effect/anti_tnf", N_SCORED, 42, 22, 10),
        *_bins("attributable_effect/anti_il12_23", N_SCORED, 34, 18, 10),
        *_bins("attributable_effect/anti_integrin", N_SCORED, 18, 9, 10),
        *_bins("response_probability/anti_tnf", N_SCORED, 0.52, 0.08, 0.05),
        *_bins("response_probability/anti_il12_23", N_SCORED, 0.48, 0.07, 0.05),
        *_bins("response_probability/anti_integrin", N_SCORED, 0.41, 0.04, 0.05),
    ]
    rows += [row for row in _bins("covariate/age", N_SCORED, 46, 17, 5) if row[2] >= 15]
    rows += _bins("covariate/bmi", 2250, 26.5, 5.7, 2)
    rows += [
        ("covariate", "crp", 5.0 * i, 5.0 * i + 5, n, None)
        for i, n in enumerate(
            [501, 190, 121, 84, 66, 51, 38, 31, 24, 19, 14, 11, 9, 7, 6, 5, 4, 2, 1, 1]
        )
    ]
    for category, total, spread in (("scored", N_SCORED, 0.9), ("nothing_imputed", 0, 1.2)):
        lows = [0.5 * i for i in range(14)]
        weights = [chi.cdf((low + 0.5) / spread, 9) - chi.cdf(low / spread, 9) for low in lows]
        rows += [
            ("trial_distance", category, low, low + 0.5, n, chi.cdf(low + 0.5, 9) - chi.cdf(low, 9))
            for low, n in zip(lows, share_out(total, weights), strict=True)
            if n
        ]
    columns = ["measure", "category", "bin_low", "bin_high", "n_persons", "expected_share"]
    return pd.DataFrame(rows, columns=columns)


def change() -> dict[str, Any]:
    flows = [
        ("TNF > (IL = INT)", "(TNF = IL = INT)", 9),
        ("(TNF = IL = INT)", "TNF > (IL = INT)", 7),
        ("(TNF = IL = INT)", "IL > (TNF = INT)", None),
        ("(TNF = IL) > INT", "(TNF = IL = INT)", None),
    ]
    causes = [("crp", 11), ("age", 6), ("ileal", None), ("bmi", None)]
    return {
        "previous_run_id": 2025123102300017,
        "previous_as_of_date": date(2025, 12, 31),
        "n_in": 12,
        "n_out": 6,
        "n_changed": 21,
        "causes": pd.DataFrame(causes, columns=["cause", "n_persons"]).astype(
            {"n_persons": "Int64"}
        ),
        "flows": pd.DataFrame(flows, columns=["from", "to", "n_persons"]).astype(
            {"n_persons": "Int64"}
        ),
    }


def trend() -> pd.DataFrame:
    """Return rounded shares over the runs of a year."""
    moving = {
        ("preference_group", "anti_tnf_alone"): [0.40, 0.40, 0.41, 0.41, 0.42, 0.42],
        ("preference_group", "anti_il12_23_alone"): [0.07, 0.07, None, 0.07, 0.07, 0.08],
        ("preference_group", "no_preference"): [0.43, 0.43, 0.42, 0.42, 0.41, 0.41],
        ("women_50_and_over", "crohns_disease"): [0.21, 0.21, 0.22, 0.22, 0.22, 0.22],
        ("imputed", "cdai"): [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    }
    rows = [
        (date(2025, 7 + i, 28), measure, item, share)
        for (measure, item), shares in moving.items()
        for i, share in enumerate(shares)
    ]
    frame = pd.DataFrame(rows, columns=["as_of_date", "measure", "item", "share"])
    return frame.astype({"share": "Float64"})


def tables() -> dict[str, pd.DataFrame]:
    made = {
        "attrition": attrition(),
        "covariate_quality": quality(),
        "subgroup_summary": summary(),
        "preference_summary": groups(),
        "preference_profile": profile(),
        "current_treatment": current(),
        "treated_otherwise": otherwise(current()),
        "prevalence_by_year": years(),
        "persistence": persistence(),
        "persistence_mean": persistence_mean(),
        "prevalence": prevalence(),
        "age_sex_pyramid": pyramid(),
        "next_treatment": next_treatment(),
        "next_treatment_time": next_treatment_time(),
        "preference_concordance": concordance(),
        "uncertainty_comparison": comparison(),
        "label_check": label_check(),
        "imputation_sensitivity": sensitivity(),
        "covariate_summary": covariate_summary(),
        "histogram": histogram(),
    }
    return {name: suppressed(frame) for name, frame in made.items()}


def of_classes(n: int) -> ReportData:
    """Return a report of a card of the site with n classes, as the results tables have it."""
    letters = "ABCDE"[:n]
    keys = [f"class_{letter.lower()}" for letter in letters]
    classes = [
        {"key": key, "label": letter, "title": f"class {letter} agents", "drugs": []}
        for key, letter in zip(keys, letters, strict=True)
    ]
    by_label = dict(zip(letters, keys, strict=True))
    labels = label_set(letters)
    counts = share_out(N_SCORED, [1 + i % 7 for i in range(len(labels))])
    rows = [("all", "all", label, m, N_SCORED) for label, m in zip(labels, counts, strict=True)]
    columns = ["stratum", "stratum_value", "subgroup", "n_persons", "n_stratum"]
    own = pd.DataFrame(rows, columns=columns)
    own["preference_group"] = [preference_group(label, by_label) for label in labels]
    sizes = own.groupby("preference_group", sort=False)["n_persons"].sum()
    now = [
        ("all", treatment, group, "all", drug_class, m, sum(found))
        for treatment in ("current", "last")
        for group in ("all", *sizes.index)
        for found in [share_out(int(sizes.get(group, N_SCORED)), [5, *range(1, n + 2)])]
        for drug_class, m in zip((*keys, "other_advanced", "none"), found, strict=True)
    ]
    names = ["population", "treatment", "preference_group", "preferred", "drug_class"]
    bins = [row for key in keys for row in _bins(f"attributable_effect/{key}", N_SCORED, 30, 9, 5)]
    profiles = [
        (group, "attributable_effect", key, "scored", 100, 30.0 + i, 9.0, 28.0 + i, 32.0 + i)
        for group in preference_groups(keys)
        for i, key in enumerate(keys)
    ]
    measures = ["preference_group", "measure", "category", "population", "n_persons", "mean"]
    treated = pd.DataFrame(now, columns=[*names, "n_persons", "n_population"])
    made = {
        "attrition": attrition(),
        "subgroup_summary": with_shares(own[columns].copy(), "n_stratum"),
        "preference_summary": with_shares(
            own.groupby(["stratum", "stratum_value", "preference_group", "n_stratum"], sort=False)[
                "n_persons"
            ]
            .sum()
            .reset_index(),
            "n_stratum",
        ),
        "current_treatment": with_shares(treated, "n_population"),
        "treated_otherwise": otherwise(treated, keys),
        "preference_profile": pd.DataFrame(
            profiles, columns=[*measures, "standard_deviation", "ci_low", "ci_high"]
        ),
        "histogram": pd.DataFrame(
            bins,
            columns=["measure", "category", "bin_low", "bin_high", "n_persons", "expected_share"],
        ),
    }
    run = RUN | {"model_id": "a_card_of_the_site"}
    return ReportData(run, classes, MINIMUM, {name: suppressed(f) for name, f in made.items()})


def realistic() -> ReportData:
    """Return a report of a site like a health system's."""
    return ReportData(RUN, CLASSES, MINIMUM, tables(), change(), trend=trend())


def only(*names: str) -> ReportData:
    """Return the report of a run that has these tables and no other."""
    made = tables()
    return ReportData(RUN, CLASSES, MINIMUM, {name: made[name] for name in names})


def all_hidden() -> ReportData:
    """Return a report in which every count and share is suppressed, as of one patient."""
    hidden = tables()
    for frame in hidden.values():
        for name in frame:
            if str(frame[name].dtype) in ("Int64", "Float64") and not name.startswith(
                ("bin_", "trial_", "assumed_", *_NO_COUNTS)
            ):
                frame[name] = pd.array([pd.NA] * len(frame), frame[name].dtype)
    run = RUN | {"n_cohort": None, "n_scored": None, "message": None}
    return ReportData(run, CLASSES, MINIMUM, hidden)


def nobody() -> ReportData:
    """Return the report of a run that found no patient: grids of zeros, and empty tables."""
    empty = tables()
    for name, frame in empty.items():
        counts = [
            each for each in frame if str(frame[each].dtype) == "Int64" and each not in _NO_COUNTS
        ]
        frame[counts] = 0
        for each in (
            *("share", "ci_low", "ci_high", "mean", "standard_deviation"),
            *("standardised_mean_difference", "first_quartile_days", "median_days"),
            "third_quartile_days",
        ):
            if each in frame:
                frame[each] = pd.array([pd.NA] * len(frame), "Float64")
        if name in (
            "subgroup_summary",
            "preference_summary",
            "uncertainty_comparison",
            "histogram",
        ):
            empty[name] = frame.iloc[:0]
    run = RUN | {"n_cohort": 0, "n_scored": 0, "message": None}
    return ReportData(run, CLASSES, MINIMUM, empty)
