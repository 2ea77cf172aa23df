-- Title: The concepts of each race
-- Returns: one row per concept: concept_set, the first in the order of race_set where a site lists a concept twice
-- Tables: work.race_set, work.concept_set
-- Window: none
-- Missing: a concept of no set has no row: the race counts as unknown
-- Parameters: none
WITH first_set AS (
  SELECT s.concept_id, MIN(r.place) AS place
  FROM work.concept_set AS s
  INNER JOIN work.race_set AS r ON r.concept_set = s.concept_set
  GROUP BY s.concept_id
)

SELECT f.concept_id, r.concept_set
FROM first_set AS f
INNER JOIN work.race_set AS r ON r.place = f.place
