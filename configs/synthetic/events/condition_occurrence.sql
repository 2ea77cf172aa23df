-- Title: Rows of condition_occurrence from the charts and from the further events, by date
-- Returns: one row per condition; some rows of the charts occur twice
-- Tables: chart, event
-- Window: none
SELECT *
FROM chart
UNION ALL BY NAME
SELECT
  event_id AS condition_occurrence_id,
  person_id,
  concept_id AS condition_concept_id,
  event_day AS condition_start_date,
  32817 AS condition_type_concept_id,
  visit_occurrence_id,
  source_value AS condition_source_value
FROM event
ORDER BY condition_start_date, condition_occurrence_id
