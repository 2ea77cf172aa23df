/* Title: What readers see: the COMPLETE run of the latest as-of date, then of the latest run_id */
/* Returns: latest_run, and one latest_ view for each table of a run */
/* Tables: the results tables */
/* Window: none */
/* Missing: before the first COMPLETE run the views are empty */
/* Parameters: none */
CREATE OR REPLACE VIEW results.latest_run AS
SELECT
  r.run_id,
  r.as_of_date,
  r.started_at,
  s.completed_at,
  s.n_cohort,
  s.n_scored,
  s.message,
  r.tool_version,
  r.engine,
  r.model_id,
  r.uncertainty,
  r.cdm_source_name,
  r.cdm_version,
  r.cdm_release_date,
  r.vocabulary_version
FROM results.scoring_run AS r
INNER JOIN (
  SELECT
    run_id,
    recorded_at AS completed_at,
    n_cohort,
    n_scored,
    message
  FROM results.scoring_run_status
  WHERE
    status = 'COMPLETE'
) AS s
  ON s.run_id = r.run_id
ORDER BY
  r.as_of_date DESC,
  r.run_id DESC
LIMIT 1;

CREATE OR REPLACE VIEW results.latest_attrition AS
SELECT
  t.*
FROM results.attrition AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_patient_covariate AS
SELECT
  t.*
FROM results.patient_covariate AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_counterfactual AS
SELECT
  t.*
FROM results.counterfactual AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_treatment_line AS
SELECT
  t.*
FROM results.treatment_line AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_concept_set_member AS
SELECT
  t.*
FROM results.concept_set_member AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_covariate_quality AS
SELECT
  t.*
FROM results.covariate_quality AS t
INNER JOIN results.latest_run AS r
  ON r.run_id = t.run_id;

CREATE OR REPLACE VIEW results.latest_score AS
SELECT
  s.run_id,
  s.person_id,
  s.subgroup,
  s.first_class,
  s.second_class,
  s.third_class,
  s.p_first_second,
  s.p_second_third,
  s.p_first_third,
  s.worst_class_ruled_out,
  s.placebo_effect,
  s.age,
  s.is_male,
  s.n_imputed,
  s.within_trial_range,
  c.anti_tnf_effect,
  c.anti_tnf_standard_error,
  c.anti_tnf_response_probability,
  c.anti_il12_23_effect,
  c.anti_il12_23_standard_error,
  c.anti_il12_23_response_probability,
  c.anti_integrin_effect,
  c.anti_integrin_standard_error,
  c.anti_integrin_response_probability
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
  GROUP BY
    person_id
) AS c
  ON c.person_id = s.person_id
INNER JOIN results.latest_run AS r
  ON r.run_id = s.run_id;
