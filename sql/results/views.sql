-- Title: Views for readers: the COMPLETE run of the latest as-of date, then of the latest run_id; no withdrawn run
-- Returns: latest_run; one latest_ view for each table of a run; and views of every such run, such as run_trend
-- Tables: the results tables
-- Window: none
-- Missing: before the first COMPLETE run the views are empty
-- Parameters: none
CREATE OR REPLACE VIEW results.latest_run AS
SELECT
  r.run_id, r.as_of_date, r.started_at, s.completed_at, s.n_cohort, s.n_scored, s.message, r.tool_version, r.engine,
  r.model_id, r.uncertainty, r.cdm_source_name, r.cdm_version, r.cdm_release_date, r.vocabulary_version,
  r.cdm_snapshot, r.cdm_last_date
FROM results.scoring_run AS r
INNER JOIN (
  SELECT run_id, recorded_at AS completed_at, n_cohort, n_scored, message
  FROM results.scoring_run_status
  WHERE status = 'COMPLETE'
) AS s ON s.run_id = r.run_id
LEFT JOIN (
  SELECT DISTINCT run_id
  FROM results.scoring_run_status
  WHERE status = 'WITHDRAWN'
) AS w ON w.run_id = r.run_id
WHERE w.run_id IS NULL
ORDER BY r.as_of_date DESC, r.run_id DESC
LIMIT 1;

CREATE OR REPLACE VIEW results.latest_attrition AS
SELECT t.* FROM results.attrition AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_patient_covariate AS
SELECT t.* FROM results.patient_covariate AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_covariate_input AS
SELECT t.* FROM results.covariate_input AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_patient_attribute AS
SELECT t.* FROM results.patient_attribute AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_counterfactual AS
SELECT t.* FROM results.counterfactual AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_treatment_line AS
SELECT t.* FROM results.treatment_line AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_index_treatment AS
SELECT t.* FROM results.index_treatment AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_concept_set_member AS
SELECT t.* FROM results.concept_set_member AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_covariate_quality AS
SELECT t.* FROM results.covariate_quality AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_subgroup_summary AS
SELECT t.* FROM results.subgroup_summary AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_preference_summary AS
SELECT t.* FROM results.preference_summary AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_prevalence AS
SELECT t.* FROM results.prevalence AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_age_sex_pyramid AS
SELECT t.* FROM results.age_sex_pyramid AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_next_treatment AS
SELECT t.* FROM results.next_treatment AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_next_treatment_time AS
SELECT t.* FROM results.next_treatment_time AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_preference_concordance AS
SELECT t.* FROM results.preference_concordance AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_current_treatment AS
SELECT t.* FROM results.current_treatment AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_treated_otherwise AS
SELECT t.* FROM results.treated_otherwise AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_prevalence_by_year AS
SELECT t.* FROM results.prevalence_by_year AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_persistence AS
SELECT t.* FROM results.persistence AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_persistence_mean AS
SELECT t.* FROM results.persistence_mean AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_uncertainty_comparison AS
SELECT t.* FROM results.uncertainty_comparison AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_label_check AS
SELECT t.* FROM results.label_check AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_imputation_sensitivity AS
SELECT t.* FROM results.imputation_sensitivity AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_covariate_summary AS
SELECT t.* FROM results.covariate_summary AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_preference_profile AS
SELECT t.* FROM results.preference_profile AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_histogram AS
SELECT t.* FROM results.histogram AS t INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_next_treatment_headline AS
SELECT
  c.run_id, c.population, c.index_rule, c.index_classes, c.denominator, c.n_not_anti_il12_23, c.n_population,
  CAST(c.n_not_anti_il12_23 AS DOUBLE) / CAST(NULLIF(c.n_population, 0) AS DOUBLE) AS share -- noqa: RF04
FROM (
  SELECT
    t.run_id, t.population, t.index_rule, i.index_classes, d.denominator,
    CAST(SUM(CASE WHEN t.next_class = 'anti_il12_23' THEN 0 ELSE t.n_persons END) AS BIGINT) AS n_not_anti_il12_23,
    CAST(SUM(t.n_persons) AS BIGINT) AS n_population
  FROM results.latest_next_treatment AS t
  INNER JOIN (
    SELECT 'all' AS index_classes
    UNION ALL
    SELECT 'not_anti_il12_23' AS index_classes
  ) AS i ON i.index_classes = 'all' OR t.index_class <> 'anti_il12_23'
  INNER JOIN (
    SELECT 'indexed' AS denominator
    UNION ALL
    SELECT 'next_treatment' AS denominator
    UNION ALL
    SELECT 'next_of_model_classes' AS denominator
  ) AS d
    ON
      d.denominator = 'indexed'
      OR (d.denominator = 'next_treatment' AND t.next_class NOT IN ('none_died', 'none_continuing', 'none_stopped'))
      OR (
        d.denominator = 'next_of_model_classes'
        AND t.next_class NOT IN ('none_died', 'none_continuing', 'none_stopped', 'other_advanced')
      )
  WHERE t.index_class <> 'all'
  GROUP BY t.run_id, t.population, t.index_rule, i.index_classes, d.denominator
) AS c;

CREATE OR REPLACE VIEW results.cohort_definition AS
SELECT
  t.cohort_definition_id, t.cohort_definition_name, t.cohort_definition_description,
  CAST(0 AS BIGINT) AS definition_type_concept_id, CAST(NULL AS VARCHAR) AS cohort_definition_syntax,
  CAST(0 AS BIGINT) AS subject_concept_id, r.as_of_date AS cohort_initiation_date
FROM results.run_cohort_definition AS t
INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.cohort AS
SELECT t.cohort_definition_id, t.subject_id, t.cohort_start_date, t.cohort_end_date
FROM results.run_cohort AS t
INNER JOIN results.latest_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_score AS
SELECT
  s.run_id, s.person_id, s.subgroup, s.first_class, s.second_class, s.third_class,
  s.p_first_second, s.p_second_third, s.p_first_third, s.worst_class_ruled_out,
  s.placebo_effect, s.age, s.is_male, s.n_imputed, s.within_trial_range,
  c.anti_tnf_effect, c.anti_tnf_standard_error, c.anti_tnf_response_probability,
  c.anti_il12_23_effect, c.anti_il12_23_standard_error, c.anti_il12_23_response_probability,
  c.anti_integrin_effect, c.anti_integrin_standard_error, c.anti_integrin_response_probability,
  s.preference_group, s.ruled_out_class, s.subgroup_analytic
FROM results.patient_subgroup AS s
INNER JOIN (
  SELECT
    person_id,
    MAX(CASE WHEN drug_class = 'anti_tnf' THEN attributable_effect END) AS anti_tnf_effect,
    MAX(CASE WHEN drug_class = 'anti_tnf' THEN standard_error END) AS anti_tnf_standard_error,
    MAX(CASE WHEN drug_class = 'anti_tnf' THEN response_probability END) AS anti_tnf_response_probability,
    MAX(CASE WHEN drug_class = 'anti_il12_23' THEN attributable_effect END) AS anti_il12_23_effect,
    MAX(CASE WHEN drug_class = 'anti_il12_23' THEN standard_error END) AS anti_il12_23_standard_error,
    MAX(CASE WHEN drug_class = 'anti_il12_23' THEN response_probability END) AS anti_il12_23_response_probability,
    MAX(CASE WHEN drug_class = 'anti_integrin' THEN attributable_effect END) AS anti_integrin_effect,
    MAX(CASE WHEN drug_class = 'anti_integrin' THEN standard_error END) AS anti_integrin_standard_error,
    MAX(CASE WHEN drug_class = 'anti_integrin' THEN response_probability END) AS anti_integrin_response_probability
  FROM results.latest_counterfactual
  GROUP BY person_id
) AS c ON c.person_id = s.person_id
INNER JOIN results.latest_run AS r ON r.run_id = s.run_id;

CREATE OR REPLACE VIEW results.complete_run AS
SELECT r.run_id, r.as_of_date, r.started_at
FROM results.scoring_run AS r
INNER JOIN (
  SELECT run_id
  FROM results.scoring_run_status
  GROUP BY run_id
  HAVING
    MAX(CASE WHEN status = 'COMPLETE' THEN 1 ELSE 0 END) = 1
    AND MAX(CASE WHEN status = 'WITHDRAWN' THEN 1 ELSE 0 END) = 0
) AS s ON s.run_id = r.run_id;

CREATE OR REPLACE VIEW results.run_trend AS
SELECT
  r.run_id, r.as_of_date, r.model_id, r.model_sha256, r.uncertainty, t.measure, t.item, t.n_persons, t.n_population
FROM results.scoring_run AS r
INNER JOIN (
  SELECT run_id, 'scored' AS measure, 'all' AS item, n_scored AS n_persons, n_cohort AS n_population
  FROM results.scoring_run_status
  WHERE status = 'COMPLETE'
  UNION ALL
  SELECT run_id, 'preference_group' AS measure, preference_group AS item, n_persons, n_stratum AS n_population
  FROM results.preference_summary
  WHERE stratum = 'all'
  UNION ALL
  SELECT run_id, 'subgroup' AS measure, subgroup AS item, n_persons, n_stratum AS n_population
  FROM results.subgroup_summary
  WHERE stratum = 'all'
  UNION ALL
  SELECT run_id, measure, population AS item, n_persons, n_population
  FROM results.prevalence
  WHERE measure = 'women_50_and_over'
  UNION ALL
  SELECT q.run_id, 'imputed' AS measure, q.covariate AS item, q.n AS n_persons, s.n_scored AS n_population
  FROM results.covariate_quality AS q
  INNER JOIN results.scoring_run_status AS s ON s.run_id = q.run_id AND s.status = 'COMPLETE'
  WHERE q.measure = 'n_imputed'
) AS t ON t.run_id = r.run_id
INNER JOIN results.complete_run AS p ON p.run_id = r.run_id;

CREATE OR REPLACE VIEW results.previous_run AS
SELECT r.run_id, r.as_of_date, r.started_at
FROM results.complete_run AS r
ORDER BY r.as_of_date DESC, r.run_id DESC
LIMIT 1 OFFSET 1;

CREATE OR REPLACE VIEW results.previous_patient_subgroup AS
SELECT t.* FROM results.patient_subgroup AS t INNER JOIN results.previous_run AS r ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_patient AS
SELECT
  s.run_id, r.as_of_date, s.person_id, s.age, CASE WHEN s.is_male THEN 'male' ELSE 'female' END AS sex, a.race,
  a.care_site_id, a.care_site_name, a.first_record_date, v.cdai, v.cdai_status, v.age_status, v.bmi, v.bmi_status,
  v.crp, v.crp_status, v.prior_anti_tnf, v.prior_anti_tnf_status, v.male, v.male_status, v.steroid, v.steroid_status,
  v.immunomodulator, v.immunomodulator_status, v.ileal, v.ileal_status, s.n_imputed,
  s.anti_tnf_effect, s.anti_il12_23_effect, s.anti_integrin_effect,
  s.subgroup, s.subgroup_analytic, s.preference_group, s.ruled_out_class, a.current_drug, a.current_class,
  a.is_exposed, s.within_trial_range, b.subgroup AS previous_subgroup,
  CASE WHEN b.subgroup <> s.subgroup THEN TRUE WHEN b.subgroup = s.subgroup THEN FALSE END AS is_changed
FROM results.latest_score AS s
INNER JOIN results.latest_run AS r ON r.run_id = s.run_id
LEFT JOIN (
  SELECT
    person_id,
    MAX(CASE WHEN covariate = 'cdai' THEN covariate_value END) AS cdai,
    MAX(CASE WHEN covariate = 'cdai' THEN status END) AS cdai_status,
    MAX(CASE WHEN covariate = 'age' THEN status END) AS age_status,
    MAX(CASE WHEN covariate = 'bmi' THEN covariate_value END) AS bmi,
    MAX(CASE WHEN covariate = 'bmi' THEN status END) AS bmi_status,
    MAX(CASE WHEN covariate = 'crp' THEN covariate_value END) AS crp,
    MAX(CASE WHEN covariate = 'crp' THEN status END) AS crp_status,
    MAX(CASE WHEN covariate = 'prior_anti_tnf' THEN covariate_value END) AS prior_anti_tnf,
    MAX(CASE WHEN covariate = 'prior_anti_tnf' THEN status END) AS prior_anti_tnf_status,
    MAX(CASE WHEN covariate = 'male' THEN covariate_value END) AS male,
    MAX(CASE WHEN covariate = 'male' THEN status END) AS male_status,
    MAX(CASE WHEN covariate = 'steroid' THEN covariate_value END) AS steroid,
    MAX(CASE WHEN covariate = 'steroid' THEN status END) AS steroid_status,
    MAX(CASE WHEN covariate = 'immunomodulator' THEN covariate_value END) AS immunomodulator,
    MAX(CASE WHEN covariate = 'immunomodulator' THEN status END) AS immunomodulator_status,
    MAX(CASE WHEN covariate = 'ileal' THEN covariate_value END) AS ileal,
    MAX(CASE WHEN covariate = 'ileal' THEN status END) AS ileal_status
  FROM results.latest_patient_covariate
  GROUP BY person_id
) AS v ON v.person_id = s.person_id
LEFT JOIN results.latest_patient_attribute AS a ON a.person_id = s.person_id
LEFT JOIN results.previous_patient_subgroup AS b ON b.person_id = s.person_id;

CREATE OR REPLACE VIEW results.subgroup_change AS
WITH changed AS (
  SELECT
    e.run_id AS earlier_run_id, l.run_id AS later_run_id, l.person_id,
    e.subgroup AS earlier_subgroup, l.subgroup AS later_subgroup
  FROM results.previous_run AS p
  INNER JOIN results.patient_subgroup AS e ON e.run_id = p.run_id
  INNER JOIN results.patient_subgroup AS l ON l.person_id = e.person_id AND l.subgroup <> e.subgroup
  INNER JOIN results.latest_run AS r ON r.run_id = l.run_id
),

earlier AS (
  SELECT v.person_id, v.covariate, v.covariate_value, v.status
  FROM results.patient_covariate AS v
  INNER JOIN changed AS c ON c.earlier_run_id = v.run_id AND c.person_id = v.person_id
),

later AS (
  SELECT v.person_id, v.covariate, v.covariate_value, v.status
  FROM results.patient_covariate AS v
  INNER JOIN changed AS c ON c.later_run_id = v.run_id AND c.person_id = v.person_id
),

differing AS (
  SELECT
    COALESCE(e.person_id, l.person_id) AS person_id, COALESCE(e.covariate, l.covariate) AS covariate,
    e.covariate_value AS earlier_value, e.status AS earlier_status,
    l.covariate_value AS later_value, l.status AS later_status
  FROM earlier AS e
  FULL OUTER JOIN later AS l ON l.person_id = e.person_id AND l.covariate = e.covariate
  WHERE
    e.person_id IS NULL
    OR l.person_id IS NULL
    OR l.covariate_value IS DISTINCT FROM e.covariate_value
)

SELECT
  c.earlier_run_id, c.later_run_id, c.person_id, c.earlier_subgroup, c.later_subgroup,
  d.covariate, d.earlier_value, d.later_value, d.earlier_status, d.later_status
FROM changed AS c
LEFT JOIN differing AS d ON d.person_id = c.person_id;

CREATE OR REPLACE VIEW results.label_history AS
WITH labelled AS (
  SELECT
    s.person_id, s.run_id, r.as_of_date, s.subgroup, s.first_class, s.second_class, s.third_class, s.p_first_second,
    s.p_second_third, s.p_first_third, r.model_sha256, r.uncertainty,
    LAG(s.run_id) OVER (PARTITION BY s.person_id ORDER BY r.as_of_date, s.run_id) AS earlier_run_id,
    LAG(s.subgroup) OVER (PARTITION BY s.person_id ORDER BY r.as_of_date, s.run_id) AS earlier_subgroup,
    LAG(r.model_sha256) OVER (PARTITION BY s.person_id ORDER BY r.as_of_date, s.run_id) AS earlier_model_sha256,
    LAG(r.uncertainty) OVER (PARTITION BY s.person_id ORDER BY r.as_of_date, s.run_id) AS earlier_uncertainty
  FROM results.patient_subgroup AS s
  INNER JOIN results.scoring_run AS r ON r.run_id = s.run_id
  INNER JOIN results.complete_run AS p ON p.run_id = r.run_id
),

numbered AS (
  SELECT
    *,
    SUM(CASE WHEN earlier_subgroup = subgroup THEN 0 ELSE 1 END) OVER (
      PARTITION BY person_id ORDER BY as_of_date, run_id
    ) AS label_number,
    ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY as_of_date, run_id) AS run_number
  FROM labelled
),

placed AS (
  SELECT
    *,
    MIN(run_number) OVER (PARTITION BY person_id, label_number) AS first_number,
    MAX(run_number) OVER (PARTITION BY person_id, label_number) AS last_number
  FROM numbered
)

SELECT
  person_id, CAST(label_number AS INT) AS label_number, MIN(subgroup) AS subgroup,
  MAX(CASE WHEN run_number = first_number THEN run_id END) AS first_run_id,
  MIN(as_of_date) AS first_as_of_date, MAX(as_of_date) AS last_as_of_date, CAST(COUNT(*) AS INT) AS n_runs,
  MAX(CASE WHEN run_number = first_number THEN earlier_run_id END) AS earlier_run_id,
  MAX(CASE WHEN run_number = first_number THEN earlier_subgroup END) AS earlier_subgroup,
  MAX(CASE
    WHEN run_number <> first_number OR earlier_run_id IS NULL THEN 0
    WHEN model_sha256 = earlier_model_sha256 AND uncertainty = earlier_uncertainty THEN 0
    ELSE 1
  END) = 1 AS has_other_model,
  MAX(CASE WHEN run_number = last_number THEN first_class END) AS first_class,
  MAX(CASE WHEN run_number = last_number THEN second_class END) AS second_class,
  MAX(CASE WHEN run_number = last_number THEN third_class END) AS third_class,
  MAX(CASE WHEN run_number = last_number THEN p_first_second END) AS p_first_second,
  MAX(CASE WHEN run_number = last_number THEN p_second_third END) AS p_second_third,
  MAX(CASE WHEN run_number = last_number THEN p_first_third END) AS p_first_third
FROM placed
GROUP BY person_id, label_number;

CREATE OR REPLACE VIEW results.label_change AS
SELECT
  h.person_id, h.label_number, v.covariate,
  MAX(CASE WHEN v.run_id = h.earlier_run_id THEN v.covariate_value END) AS earlier_value,
  MAX(CASE WHEN v.run_id = h.first_run_id THEN v.covariate_value END) AS later_value,
  MAX(CASE WHEN v.run_id = h.earlier_run_id THEN v.status END) AS earlier_status,
  MAX(CASE WHEN v.run_id = h.first_run_id THEN v.status END) AS later_status
FROM results.label_history AS h
INNER JOIN results.patient_covariate AS v
  ON v.person_id = h.person_id AND v.run_id IN (h.earlier_run_id, h.first_run_id)
WHERE h.earlier_run_id IS NOT NULL
GROUP BY h.person_id, h.label_number, v.covariate
HAVING
  COUNT(*) = 1
  OR MAX(CASE WHEN v.run_id = h.earlier_run_id THEN v.covariate_value END)
  IS DISTINCT FROM MAX(CASE WHEN v.run_id = h.first_run_id THEN v.covariate_value END);
