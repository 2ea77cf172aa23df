-- Title: Concepts that each concept set names, includes and excludes, with their descendants
-- Returns: one row per concept set and concept: is_excluded (TRUE if any item excludes it)
-- Tables: work.concept_set_root, vocab.concept_ancestor
-- Window: none
-- Missing: a concept is its own descendant, with or without a row of its own in concept_ancestor
-- Parameters: none
WITH named AS (
  SELECT concept_set, concept_id, is_excluded
  FROM work.concept_set_root
  UNION ALL
  SELECT r.concept_set, a.descendant_concept_id AS concept_id, r.is_excluded
  FROM work.concept_set_root AS r
  INNER JOIN vocab.concept_ancestor AS a ON a.ancestor_concept_id = r.concept_id
  WHERE r.include_descendants
)

SELECT concept_set, concept_id, MAX(CASE WHEN is_excluded THEN 1 ELSE 0 END) = 1 AS is_excluded
FROM named
GROUP BY concept_set, concept_id
