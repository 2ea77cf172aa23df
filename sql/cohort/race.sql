-- Title: Concepts of each race
-- Returns: one row per concept: concept_set, the first in the order of race_set if a site lists a concept twice
-- Tables: work.race_set, work.concept_set
-- Window: none
-- Missing: a concept in no set has no row, so the race is unknown
-- Parameters: none
WITH first_set AS (
  SELECT s.concept_id, MIN(r.display_order) AS display_order
  FROM work.concept_set AS s
  INNER JOIN work.race_set AS r ON r.concept_set = s.concept_set
  GROUP BY s.concept_id
)

SELECT f.concept_id, r.concept_set
FROM first_set AS f
INNER JOIN work.race_set AS r ON r.display_order = f.display_order
