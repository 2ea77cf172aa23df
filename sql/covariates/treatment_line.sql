-- Title: Treatment lines: the first exposure of each person of the cohort to each drug
-- Returns: one row per person and drug: line_number (1 is the earliest), drug, drug_class, start_date
-- Tables: work.drug_record, work.line_drug
-- Window: started on or before the index date
-- Missing: a person without exposures has no row; other advanced therapies are lines of class other_advanced
-- Parameters: none
WITH first_exposure AS (
  SELECT r.person_id, d.drug, d.drug_class, d.drug_order, MIN(r.start_date) AS start_date
  FROM work.drug_record AS r
  INNER JOIN work.line_drug AS d ON d.concept_set = r.concept_set
  GROUP BY r.person_id, d.drug, d.drug_class, d.drug_order
)

SELECT
  person_id,
  CAST(
    ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY start_date ASC NULLS LAST, drug_order ASC NULLS LAST) AS INTEGER
  )
    AS line_number,
  drug,
  drug_class,
  start_date
FROM first_exposure
