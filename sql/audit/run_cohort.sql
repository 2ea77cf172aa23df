-- Title: Populations and subgroups of a run as OHDSI cohorts
-- Returns: one row per cohort and person: cohort_definition_id, subject_id, cohort_start_date, cohort_end_date
-- Tables: work.audit_cohort, work.audit_population, work.audit_person, work.patient_score
-- Window: both dates are the as-of date
-- Missing: a person of unknown age or sex is in none of the four populations of age and sex
-- Parameters: as_of_date
WITH member AS (
  SELECT population AS cohort_key, person_id FROM work.audit_population
  UNION ALL
  SELECT
    CASE
      WHEN is_male AND age >= 50 THEN 'men_50_and_over'
      WHEN is_male THEN 'men_under_50'
      WHEN age >= 50 THEN 'women_50_and_over'
      ELSE 'women_under_50'
    END AS cohort_key,
    person_id
  FROM work.audit_person
  WHERE is_male IS NOT NULL AND age IS NOT NULL
  UNION ALL
  SELECT subgroup AS cohort_key, person_id FROM work.patient_score
)

SELECT
  c.cohort_definition_id,
  m.person_id AS subject_id,
  CAST(:as_of_date AS DATE) AS cohort_start_date,
  CAST(:as_of_date AS DATE) AS cohort_end_date
FROM member AS m
INNER JOIN work.audit_cohort AS c ON c.cohort_key = m.cohort_key
