-- Title: Descendants of the concepts that the concept sets give with descendants
-- Returns: one row per ancestor and descendant
-- Tables: vocab.concept_ancestor
-- Window: none
-- Missing: a concept without descendants gives no row, and counts by its own id
-- Parameters: concept_ids
SELECT ancestor_concept_id, descendant_concept_id
FROM vocab.concept_ancestor
WHERE ancestor_concept_id IN (:concept_ids)
