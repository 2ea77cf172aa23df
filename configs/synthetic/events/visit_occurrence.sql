-- Title: Rows of visit_occurrence from the charts and from the further events, by date
-- Returns: one row per visit
-- Tables: chart, visit
-- Window: none
SELECT *
FROM chart
UNION ALL BY NAME
SELECT
  visit_occurrence_id,
  person_id,
  CASE WHEN nights > 0 THEN 9201 ELSE 9202 END AS visit_concept_id,
  start_day AS visit_start_date,
  start_day + nights AS visit_end_date,
  32817 AS visit_type_concept_id
FROM visit
ORDER BY visit_start_date, visit_occurrence_id
