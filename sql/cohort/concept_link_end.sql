-- Title: Ends of the chains of mappings: the members of the concept sets that are searched in clinical tables
-- Returns: one row per member: concept_id, leads_to (the same concept), n_steps 0
-- Tables: work.concept_named, work.searched_set
-- Window: none
-- Missing: a concept set of sexes, races, units, routes or dose forms follows no mapping
-- Parameters: none
SELECT DISTINCT n.concept_id, n.concept_id AS leads_to, CAST(0 AS INTEGER) AS n_steps
FROM work.concept_named AS n
INNER JOIN work.searched_set AS s ON s.concept_set = n.concept_set
WHERE NOT n.is_excluded
