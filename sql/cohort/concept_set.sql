-- Title: Concepts that count for every concept set
-- Returns: one row per concept set and concept: concept_set, concept_id
-- Tables: work.concept_lookup
-- Window: none
-- Missing: with concept_mapping exact, a concept that is mapped to a member does not count
-- Parameters: follow (1: mapped concepts count)
SELECT concept_set, concept_id
FROM work.concept_lookup
WHERE NOT is_mapped OR :follow = 1
