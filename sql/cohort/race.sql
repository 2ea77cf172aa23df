-- Title: The concepts of each race
-- Returns: one row per concept: concept_set, the first by name where a site lists a concept twice
-- Tables: work.race_set, work.concept_set
-- Window: none
-- Missing: a concept of no set has no row: the race counts as unknown
-- Parameters: none
SELECT s.concept_id, MIN(s.concept_set) AS concept_set
FROM work.concept_set AS s
INNER JOIN work.race_set AS r ON r.concept_set = s.concept_set
GROUP BY s.concept_id
