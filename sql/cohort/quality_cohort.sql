-- Title: Counts that limit the cohort: ulcerative colitis, exclusions, and records without a date
-- Returns: one row: n_with_ulcerative_colitis (excluded or not), n_excluded_condition, n_records_without_date
--          (of the disease, all persons), n_deaths_without_date (persons of the cohort)
-- Tables: work.disease, work.cohort_member, work.condition_record, cdm.death
-- Window: any condition record up to the as-of date
-- Missing: without such persons or records the count is 0
-- Parameters: as_of_date
WITH colitis AS (
  SELECT DISTINCT person_id
  FROM work.condition_record
  WHERE concept_set = 'ulcerative_colitis' AND is_used AND condition_start_date <= :as_of_date
),

undated AS (
  SELECT COUNT(*) AS n
  FROM work.condition_record
  WHERE concept_set = 'crohns_disease' AND is_used AND condition_start_date IS NULL
),

undated_death AS (
  SELECT COUNT(DISTINCT m.person_id) AS n
  FROM work.cohort_member AS m
  INNER JOIN cdm.death AS d ON d.person_id = m.person_id
  WHERE m.death_date IS NULL
),

counted AS (
  SELECT
    COUNT(c.person_id) AS n_with_ulcerative_colitis,
    COUNT(CASE WHEN d.is_excluded THEN 1 END) AS n_excluded_condition
  FROM work.disease AS d
  LEFT JOIN colitis AS c ON c.person_id = d.person_id
)

SELECT
  counted.n_with_ulcerative_colitis,
  counted.n_excluded_condition,
  undated.n AS n_records_without_date,
  undated_death.n AS n_deaths_without_date
FROM counted
CROSS JOIN undated
CROSS JOIN undated_death
