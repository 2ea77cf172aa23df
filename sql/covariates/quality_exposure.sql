-- Title: Drug exposures of the cohort whose dates or supply cannot be right
-- Returns: one row: n_long_exposure (more than 366 days), n_reversed_exposure (end before start), n_negative_supply,
--          n_implausible_start (before 1900 or before birth), n_undated (without a start date)
-- Tables: work.drug_record, work.drug_set, work.concept_set, work.cohort_member, cdm.drug_exposure
-- Window: started on or before the index date, or without a start date
-- Missing: without such exposures the count is 0
-- Parameters: none
WITH drug AS (
  SELECT DISTINCT s.concept_id
  FROM work.concept_set AS s
  INNER JOIN work.drug_set AS d ON d.concept_set = s.concept_set
),

undated AS (
  SELECT COUNT(*) AS n
  FROM cdm.drug_exposure AS x
  INNER JOIN drug AS d ON d.concept_id = x.drug_concept_id
  INNER JOIN work.cohort_member AS m ON m.person_id = x.person_id
  WHERE x.drug_exposure_start_date IS NULL
),

counted AS (
  SELECT
    COUNT(CASE WHEN is_long = 1 THEN 1 END) AS n_long_exposure,
    COUNT(CASE WHEN is_reversed = 1 THEN 1 END) AS n_reversed_exposure,
    COUNT(CASE WHEN is_negative_supply = 1 THEN 1 END) AS n_negative_supply,
    COUNT(CASE WHEN is_implausible_start = 1 THEN 1 END) AS n_implausible_start
  FROM work.drug_record
  WHERE is_first_set = 1
)

SELECT
  counted.n_long_exposure,
  counted.n_reversed_exposure,
  counted.n_negative_supply,
  counted.n_implausible_start,
  undated.n AS n_undated
FROM counted
CROSS JOIN undated
