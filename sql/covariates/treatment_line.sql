-- Title: Treatment lines: the first exposure of each person of the cohort to each drug, and the latest one
-- Returns: one row per person and drug: line_number (1 is the earliest), drug, drug_class, start_date; last_start_date
--          (of the latest exposure), last_exposure_date (the last day that an exposure covers), is_current (it is at
--          most continuing_days before the index date)
-- Tables: work.drug_record, work.line_drug
-- Window: started on or before the index date; a later day that an exposure covers counts as the index date
-- Missing: a person without exposures has no row; other advanced therapies are lines of class other_advanced
-- Parameters: continuing_days
WITH exposed AS (
  SELECT
    r.person_id, r.index_date, d.drug, d.drug_class, d.drug_order,
    MIN(r.start_date) AS start_date,
    MAX(r.start_date) AS last_start_date,
    MAX(
      r.start_date + CAST(LEAST(r.n_days_after_start, DATE_DIFF('day', r.start_date, r.index_date)) AS INTEGER)
    ) AS last_exposure_date
  FROM work.drug_record AS r
  INNER JOIN work.line_drug AS d ON d.concept_set = r.concept_set
  GROUP BY r.person_id, r.index_date, d.drug, d.drug_class, d.drug_order
)

SELECT
  person_id,
  CAST(
    ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY start_date ASC NULLS LAST, drug_order ASC NULLS LAST) AS INTEGER
  )
    AS line_number,
  drug,
  drug_class,
  start_date,
  last_start_date,
  last_exposure_date,
  CASE WHEN DATE_DIFF('day', last_exposure_date, index_date) <= :continuing_days THEN TRUE ELSE FALSE END AS is_current
FROM exposed
