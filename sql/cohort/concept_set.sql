-- Title: Members of every concept set: the included concepts without the excluded ones
-- Returns: one row per concept set and member: concept_set, concept_id
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

SELECT concept_set, concept_id
FROM named
GROUP BY concept_set, concept_id
HAVING MAX(CASE WHEN is_excluded THEN 1 ELSE 0 END) = 0
