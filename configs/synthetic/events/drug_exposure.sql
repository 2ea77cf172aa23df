-- Title: Rows of drug_exposure from the charts and from the further events, by date
-- Returns: one row per exposure; some rows of the charts occur twice
-- Tables: chart, event
-- Window: none
SELECT *
FROM chart
UNION ALL BY NAME
SELECT
  event_id AS drug_exposure_id,
  person_id,
  concept_id AS drug_concept_id,
  event_day AS drug_exposure_start_date,
  event_day + CAST(quantity AS INTEGER) - 1 AS drug_exposure_end_date,
  32817 AS drug_type_concept_id,
  CAST(quantity AS INTEGER) AS days_supply,
  visit_occurrence_id,
  source_value AS drug_source_value
FROM event
ORDER BY drug_exposure_start_date, drug_exposure_id
