-- Title: Scored patients by stratum and subgroup
-- Returns: one row per stratum, value and subgroup that occur together: preference_group, n_persons
-- Tables: work.patient_score, work.audit_person, work.patient_covariate
-- Window: age on the index date; first record of the disease and first biologic at any time up to it
-- Missing: unknown race and unknown trial range are separate values; the year is none without a first biologic, and the
--          class ruled out is none where the label has a preference
-- Parameters: none
WITH stratum AS (
  SELECT person_id, 'all' AS stratum, 'all' AS stratum_value FROM work.patient_score
  UNION ALL
  SELECT person_id, 'sex' AS stratum, sex AS stratum_value FROM work.audit_person
  UNION ALL
  SELECT person_id, 'age_group' AS stratum, age_group AS stratum_value FROM work.audit_person
  UNION ALL
  SELECT
    person_id, 'women_50_and_over' AS stratum,
    CASE WHEN NOT is_male AND age >= 50 THEN 'yes' ELSE 'no' END AS stratum_value
  FROM work.audit_person
  UNION ALL
  SELECT
    person_id, 'race' AS stratum, CASE WHEN race = 'race_unknown' THEN 'unknown' ELSE race END AS stratum_value
  FROM work.audit_person
  UNION ALL
  SELECT
    person_id, 'first_biologic_year' AS stratum,
    COALESCE(CAST(CAST(EXTRACT(YEAR FROM first_biologic_date) AS BIGINT) AS VARCHAR), 'none') AS stratum_value
  FROM work.audit_person
  UNION ALL
  SELECT
    person_id, 'first_record_year' AS stratum,
    CAST(CAST(EXTRACT(YEAR FROM first_record_date) AS BIGINT) AS VARCHAR) AS stratum_value
  FROM work.audit_person
  UNION ALL
  SELECT person_id, 'care_site' AS stratum, care_site AS stratum_value FROM work.audit_person
  UNION ALL
  SELECT
    person_id, 'race_sex_age' AS stratum,
    race || ', ' || sex || ', ' || CASE WHEN age >= 50 THEN '50 and over' ELSE 'under 50' END AS stratum_value
  FROM work.audit_person
  UNION ALL
  SELECT person_id, covariate AS stratum, CASE WHEN covariate_value = 1 THEN 'yes' ELSE 'no' END AS stratum_value
  FROM work.patient_covariate
  WHERE covariate = 'prior_anti_tnf'
  UNION ALL
  SELECT person_id, 'imputed' AS stratum, CASE WHEN n_imputed > 0 THEN 'yes' ELSE 'no' END AS stratum_value
  FROM work.patient_score
  UNION ALL
  SELECT
    person_id, 'within_trial_range' AS stratum,
    CASE WHEN within_trial_range THEN 'yes' WHEN NOT within_trial_range THEN 'no' ELSE 'unknown' END AS stratum_value
  FROM work.patient_score
  UNION ALL
  SELECT person_id, 'preference_group' AS stratum, preference_group AS stratum_value FROM work.patient_score
  UNION ALL
  SELECT person_id, 'ruled_out_class' AS stratum, COALESCE(ruled_out_class, 'none') AS stratum_value
  FROM work.patient_score
)

SELECT t.stratum, t.stratum_value, s.subgroup, s.preference_group, COUNT(*) AS n_persons
FROM stratum AS t
INNER JOIN work.patient_score AS s ON s.person_id = t.person_id
GROUP BY t.stratum, t.stratum_value, s.subgroup, s.preference_group
