-- Title: Rows of observation from the charts and from the further events, by date
-- Returns: one row per observation; some rows of the charts occur twice
-- Tables: chart, event
-- Window: none
SELECT *
FROM chart
UNION ALL BY NAME
SELECT
  event_id AS observation_id,
  person_id,
  concept_id AS observation_concept_id,
  event_day AS observation_date,
  32817 AS observation_type_concept_id,
  visit_occurrence_id,
  source_value AS observation_source_value
FROM event
ORDER BY observation_date, observation_id
