-- Title: Views for readers: the COMPLETE run of the latest as-of date, then of the latest run_id; no withdrawn run
-- Returns: latest_run, one latest_ view for each table of a run, and run_trend, of every such run
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
  s.preference_group, s.ruled_out_class
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
INNER JOIN (
  SELECT run_id
  FROM results.scoring_run_status
  GROUP BY run_id
  HAVING
    MAX(CASE WHEN status = 'COMPLETE' THEN 1 ELSE 0 END) = 1
    AND MAX(CASE WHEN status = 'WITHDRAWN' THEN 1 ELSE 0 END) = 0
) AS p ON p.run_id = r.run_id;
