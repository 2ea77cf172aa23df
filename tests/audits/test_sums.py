"""Every audit sums to its population and writes known words only, on a made-up CDM."""

import re

import pytest

from omop_scorer import terms
from omop_scorer.model.subgroups import label_set
from omop_scorer.synthetic import write as synthetic
from tests.conftest import run_on, shipped_definitions


@pytest.fixture(scope="module", params=["as_of", "index"])
def outcome(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sums")
    # Some of the cohort are made not to be scored, and some have no known age or sex.
    synthetic.write(folder / "cdm.duckdb", 1500, 5, crohns_share=1)
    settings = {
        "as_of_date": synthetic.AS_OF,
        "covariates": {"cdai": {"concept_ids": synthetic.CDAI_CONCEPT_IDS}},
        "audit": {"age_at": request.param, "since": "2012-01-01"},
    }
    return run_on(folder / "cdm.duckdb", folder / "results.duckdb", settings)


@pytest.fixture(scope="module")
def ask(outcome):
    """Return a function that gives the one column of a query, or a dictionary by the columns."""

    def by_key(query):
        rows = outcome.rows(query.replace("FROM ", "FROM omop_scorer."))
        found = {row[:-1] if len(row) > 2 else row[0]: row[-1] for row in rows}
        assert rows
        assert len(found) == len(rows)
        return found

    return by_key


def test_the_made_up_population_is_worth_adding_up(outcome):
    counts = outcome.rows(
        "SELECT count(*) FILTER (WHERE n_persons > 0) FROM omop_scorer.next_treatment "
        "UNION ALL SELECT count(*) FILTER (WHERE n_persons > 0) FROM omop_scorer.prevalence "
        "UNION ALL SELECT count(DISTINCT preferred) FILTER (WHERE n_persons > 0) "
        "FROM omop_scorer.preference_concordance"
    )
    assert [n for (n,) in counts] >= [100, 20, 5]
    assert 0 < outcome.summary.n_scored < outcome.summary.n_cohort


def test_the_pyramid_sums_to_each_population_of_the_prevalence(outcome, ask):
    pyramid = ask("SELECT population, sum(n_persons) FROM age_sex_pyramid GROUP BY ALL")
    assert pyramid["crohns_disease"] == outcome.summary.n_cohort
    whole = ask(
        "SELECT DISTINCT population, n_population FROM prevalence "
        "WHERE measure NOT LIKE '%_alone_on_top'"
    )
    assert pyramid == whole
    assert pyramid["crohns_disease"] > pyramid["biologic_exposed"] > pyramid["first_biologic_since"]
    races = ask(
        "SELECT population, sum(n_persons) FROM prevalence WHERE measure LIKE 'race_%' GROUP BY ALL"
    )
    assert races == pyramid
    women = ask(
        "SELECT population, sum(n_persons) FROM age_sex_pyramid WHERE sex = 'female' "
        "AND age_group <> 'unknown' AND (age_group = '85 and over' "
        "OR TRY_CAST(left(age_group, 2) AS INTEGER) >= 50) GROUP BY ALL"
    )
    assert women == ask(
        "SELECT population, n_persons FROM prevalence WHERE measure = 'women_50_and_over'"
    )
    unknown = ask(
        "SELECT population, sum(n_persons) FROM age_sex_pyramid "
        "WHERE sex = 'unknown' OR age_group = 'unknown' GROUP BY ALL"
    )
    assert unknown == ask(
        "SELECT population, n_persons FROM prevalence WHERE measure = 'age_or_sex_unknown'"
    )


def test_labels_of_the_prevalence_are_of_the_scored(outcome, ask):
    scored = ask(
        "SELECT DISTINCT population, n_population FROM prevalence "
        "WHERE measure LIKE '%_alone_on_top'"
    )
    assert scored["crohns_disease"] == outcome.summary.n_scored
    on_top = ask(
        "SELECT measure, n_persons FROM prevalence "
        "WHERE population = 'crohns_disease' AND measure LIKE '%_alone_on_top'"
    )
    first = {"TNF": "anti_tnf", "IL": "anti_il12_23", "INT": "anti_integrin"}
    assert on_top == {
        f"{key}_alone_on_top": sum(
            n for label, n in outcome.summary.subgroups.items() if label.startswith(f"{name} >")
        )
        for name, key in first.items()
    }


def test_next_treatments_sum_to_the_indexed(ask):
    key = "population, index_rule, index_class"
    n_population = ask(f"SELECT DISTINCT {key}, n_population FROM next_treatment")
    assert ask(f"SELECT {key}, sum(n_persons) FROM next_treatment GROUP BY ALL") == n_population
    given = ask(
        f"SELECT {key}, sum(n_persons) FROM next_treatment "
        "WHERE next_class NOT LIKE 'none_%' GROUP BY ALL"
    )
    assert given == ask(f"SELECT {key}, n_persons FROM next_treatment_time")
    classes = ask(
        "SELECT population, index_rule, next_class, sum(n_persons) FROM next_treatment "
        "WHERE index_class <> 'all' GROUP BY ALL"
    )
    assert classes == ask(
        "SELECT population, index_rule, next_class, n_persons FROM next_treatment "
        "WHERE index_class = 'all'"
    )
    # Whose age or sex is unknown is in `all` alone.
    parts = ask(
        "SELECT index_rule, index_class, next_class, sum(n_persons) FROM next_treatment "
        "WHERE population <> 'all' GROUP BY ALL"
    )
    everybody = ask(
        "SELECT index_rule, index_class, next_class, n_persons FROM next_treatment "
        "WHERE population = 'all'"
    )
    assert all(n <= everybody[cell] for cell, n in parts.items())
    assert sum(parts.values()) < sum(everybody.values())


def test_those_indexed_on_the_first_biologic_are_those_of_the_prevalence(ask):
    indexed = ask(
        "SELECT DISTINCT population, n_population FROM next_treatment "
        "WHERE index_rule = 'first_biologic' AND index_class = 'all'"
    )
    since = ask(
        "SELECT DISTINCT population, n_population FROM prevalence WHERE measure = 'race_other'"
    )
    assert indexed["all"] == since["first_biologic_since"]


def test_concordance_sums_to_the_next_treatments(ask):
    assert ask(
        "SELECT population, next_class, sum(n_persons) FROM preference_concordance GROUP BY ALL"
    ) == ask(
        "SELECT population, next_class, n_persons FROM next_treatment "
        "WHERE index_rule = 'first_biologic' AND index_class = 'all'"
    )


def test_every_stratum_sums_to_the_scored(outcome, ask):
    strata = ask("SELECT stratum, sum(n_persons) FROM subgroup_summary GROUP BY ALL")
    assert len(strata) == 11
    assert set(strata.values()) == {outcome.summary.n_scored}
    values = ask("SELECT stratum, stratum_value, sum(n_persons) FROM subgroup_summary GROUP BY ALL")
    assert values == ask("SELECT DISTINCT stratum, stratum_value, n_stratum FROM subgroup_summary")
    labels = ask("SELECT stratum, subgroup, sum(n_persons) FROM subgroup_summary GROUP BY ALL")
    subgroups = outcome.summary.subgroups
    assert all(n == subgroups.get(label, 0) for (_, label), n in labels.items())


def test_groups_are_those_of_the_patients_and_of_the_labels(outcome, ask):
    groups = ask(
        "SELECT stratum, preference_group, sum(n_persons) FROM preference_summary GROUP BY ALL"
    )
    patients = ask("SELECT preference_group, count(*) FROM latest_score GROUP BY ALL")
    assert len(patients) >= 3
    assert sum(patients.values()) == outcome.summary.n_scored
    assert len(groups) == 5 * 10
    assert all(n == patients.get(group, 0) for (_, group), n in groups.items())
    labels = ask(
        "SELECT stratum, stratum_value, CASE WHEN subgroup NOT LIKE '%>%' THEN 'no_preference' "
        "WHEN subgroup LIKE '(%' THEN 'shared_top' ELSE subgroup[:2] END AS grp, sum(n_persons) "
        "FROM subgroup_summary WHERE stratum <> 'preference_group' GROUP BY ALL"
    )
    first = {"TN": "anti_tnf_alone", "IL": "anti_il12_23_alone", "IN": "anti_integrin_alone"}
    named = {(*key[:2], first.get(key[2], key[2])): n for key, n in labels.items()}
    assert named == ask(
        "SELECT stratum, stratum_value, preference_group, n_persons FROM preference_summary"
    )
    ruled_out = ask(
        "SELECT stratum_value, n_persons FROM preference_summary "
        "WHERE stratum = 'ruled_out_class' AND preference_group = 'no_preference'"
    )
    assert ruled_out == ask(
        "SELECT coalesce(ruled_out_class, 'none'), count(*) FROM latest_score "
        "WHERE preference_group = 'no_preference' GROUP BY ALL"
    )
    del ruled_out["none"]
    assert sum(ruled_out.values()) == outcome.summary.n_worst_class_ruled_out > 0


def test_the_treatment_in_use_is_that_of_the_lines(outcome, ask):
    key = "population, treatment, preference_group, preferred"
    n_of = ask(f"SELECT DISTINCT {key}, n_population FROM current_treatment")
    assert ask(f"SELECT {key}, sum(n_persons) FROM current_treatment GROUP BY ALL") == n_of
    patients = ask("SELECT preference_group, count(*) FROM latest_score GROUP BY ALL")
    assert n_of["all", "last", "all", "all"] == outcome.summary.n_scored
    for group in ("anti_tnf_alone", "anti_il12_23_alone", "shared_top", "no_preference"):
        assert n_of["all", "last", group, "all"] == patients.get(group, 0)
    alone = ask(
        "SELECT population, treatment, sum(n_persons) FROM current_treatment "
        "WHERE preference_group LIKE '%_alone' GROUP BY ALL"
    )
    each = "population, treatment"
    assert ask(f"SELECT {each}, sum(n_persons) FROM treated_otherwise GROUP BY ALL") == alone
    assert ask(f"SELECT DISTINCT {each}, n_population FROM treated_otherwise") == alone
    women = ask(
        "SELECT stratum_value, n_stratum FROM subgroup_summary "
        "WHERE stratum = 'women_50_and_over' AND subgroup = '(TNF = IL = INT)'"
    )
    assert n_of["women_50_and_over", "current", "all", "all"] == women["yes"]
    assert 0 < n_of["active_disease", "current", "all", "all"] < outcome.summary.n_scored
    in_use = ask(
        "SELECT drug_class, n_persons FROM current_treatment WHERE population = 'all' "
        "AND treatment = 'current' AND preference_group = 'all'"
    )
    # Whoever has a line in use is on one class.
    ((n_in_use,),) = outcome.rows(
        "SELECT count(DISTINCT person_id) FROM omop_scorer.latest_treatment_line "
        "JOIN omop_scorer.latest_score USING (person_id) WHERE is_current"
    )
    assert sum(n for drug_class, n in in_use.items() if drug_class != "none") == n_in_use > 20
    ((n_wrong,),) = outcome.rows(
        "SELECT count(*) FROM omop_scorer.treatment_line WHERE last_start_date < start_date "
        "OR last_exposure_date < last_start_date OR last_exposure_date > DATE '2026-01-01'"
    )
    assert n_wrong == 0


def test_index_treatments_are_the_persons_of_the_treatment_audits(outcome, ask):
    """The counts of three tables are counts of rows of this one, and nothing else is needed."""
    persons = (
        "(SELECT 'all' AS in_population, * FROM omop_scorer.index_treatment UNION ALL "
        "SELECT population, * FROM omop_scorer.index_treatment WHERE population IS NOT NULL)"
    )
    key = "in_population, index_rule, coalesce(drug_class, 'all')"
    by_class = (
        "GROUPING SETS ((in_population, index_rule{0}), (in_population, index_rule{0}, drug_class))"
    )

    def counted(query):
        return {row[:-1]: row[-1] for row in outcome.rows(query)}

    assert counted(
        f"SELECT {key}, next_class, count(*) FROM {persons} "
        f"GROUP BY {by_class.format(', next_class')}"
    ) == ask(
        "SELECT population, index_rule, index_class, next_class, n_persons FROM next_treatment "
        "WHERE n_persons > 0"
    )
    n_population = ask(
        "SELECT DISTINCT population, index_rule, index_class, n_population FROM next_treatment "
        "WHERE n_population > 0"
    )
    assert n_population == counted(
        f"SELECT {key}, count(*) FROM {persons} GROUP BY {by_class.format('')}"
    )
    assert len({(population, rule) for population, rule, _ in n_population}) == 5 * 2
    median = ask(
        "SELECT population, index_rule, index_class, median_days FROM next_treatment_time "
        "WHERE n_persons > 0"
    )
    assert median == counted(
        f"SELECT {key}, quantile_cont(days_to_next, 0.5) FROM {persons} "
        f"WHERE next_date IS NOT NULL GROUP BY {by_class.format('')}"
    )
    assert ask(
        "SELECT population, preferred, next_class, n_persons FROM preference_concordance "
        "WHERE n_persons > 0"
    ) == counted(
        f"SELECT in_population, preferred, next_class, count(*) FROM {persons} "
        "WHERE index_rule = 'first_biologic' GROUP BY ALL"
    )
    # Both drugs and both days are those of two lines, one right after the other.
    ((n, n_of_lines, n_next),) = outcome.rows(
        "SELECT count(*), count(a.drug), count(b.drug) FROM omop_scorer.index_treatment AS i "
        "LEFT JOIN omop_scorer.treatment_line AS a ON a.person_id = i.person_id "
        "AND (a.drug, a.drug_class, a.start_date) = (i.drug, i.drug_class, i.index_date) "
        "LEFT JOIN omop_scorer.treatment_line AS b ON b.person_id = i.person_id "
        "AND b.line_number = a.line_number + 1 AND (b.drug, b.drug_class, b.start_date, "
        "b.start_date - a.start_date) = (i.next_drug, i.next_class, i.next_date, i.days_to_next)"
    )
    ((n_with_next,),) = outcome.rows(
        "SELECT count(*) FROM omop_scorer.index_treatment WHERE next_drug IS NOT NULL"
    )
    assert n == n_of_lines > n_next == n_with_next > 100


def test_years_sum_to_the_first_biologics(ask):
    first = ask(
        "SELECT DISTINCT calendar_year, n_population FROM prevalence_by_year "
        "WHERE event = 'first_biologic'"
    )
    since = ask(
        "SELECT DISTINCT population, n_population FROM prevalence WHERE measure = 'race_other'"
    )
    assert sorted(first) == list(range(2012, max(first) + 1))
    assert sum(first.values()) == since["first_biologic_since"]


def test_a_trend_has_the_figures_of_every_complete_run(outcome, ask):
    found = ask("SELECT measure, item, n_persons FROM run_trend")
    assert found["scored", "all"] == outcome.summary.n_scored

    def items(measure):
        return {item: n for (each, item), n in found.items() if each == measure and n}

    groups = ask("SELECT preference_group, count(*) FROM latest_score GROUP BY ALL")
    assert items("preference_group") == groups
    assert items("subgroup") == outcome.summary.subgroups
    assert items("imputed") == ask(
        "SELECT covariate, n FROM covariate_quality WHERE measure = 'n_imputed' AND n > 0"
    )


def test_the_profile_of_a_group_is_that_of_its_patients(outcome, ask):
    key = "preference_group, measure, category, population"
    found = outcome.rows(
        f"SELECT {key}, n_persons, coalesce(mean, -1), coalesce(standard_deviation, -1) "
        "FROM omop_scorer.preference_profile"
    )
    assert len(found) == 6 * (9 * 2 + 3)
    values = (
        "SELECT person_id, 'covariate' AS measure, covariate AS category, population, "
        "covariate_value AS x FROM omop_scorer.patient_covariate, "
        "(VALUES ('scored'), ('recorded')) AS p(population) "
        "WHERE population = 'scored' OR status IN ('observed', 'computed', 'absent') UNION ALL "
        "SELECT person_id, 'attributable_effect', drug_class, 'scored', attributable_effect "
        "FROM omop_scorer.counterfactual"
    )
    counted = outcome.rows(
        "SELECT coalesce(preference_group, 'all'), measure, category, population, count(*), "
        f"favg(x), coalesce(stddev_samp(x), -1) FROM ({values}) "
        "JOIN omop_scorer.latest_score USING (person_id) "
        "GROUP BY GROUPING SETS ((measure, category, population), "
        "(preference_group, measure, category, population))"
    )
    expected = {row[:4]: row[4:] for row in counted}
    for *names, n, mean, deviation in found:
        assert (n, mean, deviation) == pytest.approx(
            expected.get(tuple(names), (0, -1, -1)), rel=1e-9, abs=1e-9
        ), names


def test_the_two_ways_of_uncertainty_sum_to_the_scored(outcome, ask):
    bootstrap = ask(
        "SELECT subgroup_bootstrap, sum(n_persons) FROM uncertainty_comparison GROUP BY ALL"
    )
    assert bootstrap == outcome.summary.subgroups
    equal, ordered = "worst_class_ruled_out", "order_not_significant"
    for uncertainty in ("bootstrap", "analytic"):
        labels = ask(
            f"SELECT subgroup_{uncertainty}, sum(n_persons) FROM uncertainty_comparison "
            "GROUP BY ALL"
        )
        n_of = ask(
            f"SELECT measure, n_population FROM label_check WHERE uncertainty = '{uncertainty}'"
        )
        assert n_of == {
            equal: labels["(TNF = IL = INT)"],
            ordered: outcome.summary.n_scored - labels["(TNF = IL = INT)"],
            "best_response_elsewhere": outcome.summary.n_scored,
        }
    ruled_out = ask("SELECT measure, n_persons FROM label_check WHERE uncertainty = 'bootstrap'")
    assert ruled_out[equal] == outcome.summary.n_worst_class_ruled_out


def test_states_of_a_covariate_sum_to_the_scored(outcome, ask):
    n_of = ask("SELECT covariate, measure, n FROM covariate_quality")
    covariates = ask(
        "SELECT covariate, n_persons FROM covariate_summary WHERE population = 'scored'"
    )
    assert set(covariates.values()) == {outcome.summary.n_scored}
    recorded = ask(
        "SELECT covariate, n_persons FROM covariate_summary WHERE population = 'recorded'"
    )
    imputed = ask("SELECT covariate, assumption, n_imputed FROM imputation_sensitivity")
    for covariate in covariates:
        states = {
            state: n_of[covariate, f"n_{state}"]
            for state in ("observed", "computed", "absent", "imputed", "left_out")
        }
        assert sum(states.values()) == outcome.summary.n_scored
        assert recorded[covariate] == states["observed"] + states["computed"] + states["absent"]
        of_covariate = {n for (name, _), n in imputed.items() if name == covariate}
        assert of_covariate <= {states["imputed"]}
    changed = ask("SELECT covariate, assumption, n_changed FROM imputation_sensitivity")
    assert all(n <= imputed[key] for key, n in changed.items())
    assert sum(changed.values()) > 0


def test_every_histogram_sums_to_those_it_is_of(outcome, ask):
    n_scored = outcome.summary.n_scored
    histograms = ask("SELECT measure, category, sum(n_persons) FROM histogram GROUP BY ALL")
    recorded = ask(
        "SELECT covariate, n_persons FROM covariate_summary WHERE population = 'recorded'"
    )
    imputed = ask(
        "SELECT stratum_value, n_stratum FROM subgroup_summary "
        "WHERE stratum = 'imputed' AND subgroup = '(TNF = IL = INT)'"
    )
    for drug_class in ("anti_tnf", "anti_il12_23", "anti_integrin"):
        assert histograms.pop(("attributable_effect", drug_class)) == n_scored
        assert histograms.pop(("response_probability", drug_class)) == n_scored
    assert histograms.pop(("trial_distance", "scored")) == n_scored
    assert histograms.pop(("trial_distance", "nothing_imputed")) == imputed["no"]
    assert {measure for measure, _ in histograms} == {"covariate"}
    assert len(histograms) >= 4
    assert all(n == recorded[name] for (_, name), n in histograms.items())


def test_cohorts_hold_those_the_audits_count(outcome, ask):
    name = "cohort_definition_name"
    sizes = ask(
        f"SELECT {name}, count(DISTINCT subject_id) FROM cohort_definition "
        f"LEFT JOIN omop_scorer.cohort USING (cohort_definition_id) GROUP BY ALL"
    )
    preference = {
        label.removeprefix("Preference "): n
        for label, n in sizes.items()
        if label.startswith("Preference ")
    }
    assert preference == ask(
        "SELECT subgroup, n_persons FROM subgroup_summary WHERE stratum = 'all'"
    )
    prevalence = ask(
        "SELECT DISTINCT population, n_population FROM prevalence WHERE measure = 'race_other'"
    )
    assert sizes["Whole cohort"] == outcome.summary.n_cohort
    assert sizes["Ever exposed to a biologic of the model"] == prevalence["biologic_exposed"]
    women = ask("SELECT measure, n_persons FROM prevalence WHERE population = 'crohns_disease'")
    assert sizes["Women of 50 and over"] == women["women_50_and_over"]
    by_age = ("Women of 50 and over", "Men of 50 and over", "Women under 50", "Men under 50")
    known = outcome.summary.n_cohort - women["age_or_sex_unknown"]
    assert sum(sizes[population] for population in by_age) == known


def test_coded_columns_hold_their_words_only(outcome):
    definitions = shipped_definitions()
    arrays = definitions.model.arrays
    keys, labels = ([getattr(each, name) for each in arrays.classes] for name in ("key", "label"))
    words = terms.coded_words(keys, label_set(labels), arrays.covariates)

    # What these columns may hold besides their words.
    def is_site_column(value):
        return value.startswith(terms.UNCASTABLE_PREFIX)

    def is_quantity_or_set(value):
        known = {*definitions.units.quantities, *definitions.concept_sets}
        return value.removeprefix("site_") in known

    def is_year(value):
        return re.fullmatch(r"(19|20)\d\d", value)

    def is_together(value):
        parts = value.split(terms.TOGETHER)
        return len(parts) > 1 and set(parts) <= set(arrays.covariates)

    exceptions = {
        ("covariate_quality", "measure"): is_site_column,
        ("covariate_quality", "covariate"): is_quantity_or_set,
        ("subgroup_summary", "stratum_value"): is_year,
        ("preference_summary", "stratum_value"): is_year,
        ("imputation_sensitivity", "covariate"): is_together,
    }
    for (table, column), known in words.items():
        rows = outcome.rows(f"SELECT DISTINCT {column} FROM omop_scorer.{table}")
        values = {value for (value,) in rows if value is not None}
        assert values, (table, column)
        is_allowed = exceptions.get((table, column), lambda _: False)
        other = {value for value in values - set(known) if not is_allowed(value)}
        assert other == set(), (table, column)
