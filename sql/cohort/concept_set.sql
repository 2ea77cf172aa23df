-- Title: Members of every concept set: included concepts minus excluded concepts
-- Returns: one row per concept set and member: concept_set, concept_id
-- Tables: work.concept_set_item, vocab.concept, vocab.concept_ancestor
-- Window: none
-- Missing: a concept is its own descendant, with or without the self-row; an id counts even if the vocabulary
--          does not contain it; a code or name that the vocabulary does not contain gives no row
-- Parameters: none
WITH identified AS (
  SELECT concept_set, concept_id, include_descendants, is_excluded
  FROM work.concept_set_item
  WHERE concept_id IS NOT NULL
  UNION ALL
  SELECT i.concept_set, c.concept_id, i.include_descendants, i.is_excluded
  FROM work.concept_set_item AS i
  INNER JOIN vocab.concept AS c ON c.vocabulary_id = i.vocabulary_id AND c.concept_code = i.concept_code
  WHERE i.concept_id IS NULL
  UNION ALL
  SELECT i.concept_set, c.concept_id, i.include_descendants, i.is_excluded
  FROM work.concept_set_item AS i
  INNER JOIN vocab.concept AS c
    ON
      c.vocabulary_id = i.vocabulary_id
      AND c.concept_class_id = i.concept_class_id
      AND LOWER(c.concept_name) = LOWER(i.concept_name)
      AND c.standard_concept = 'S'
  WHERE i.concept_id IS NULL AND i.concept_code IS NULL
),

named AS (
  SELECT concept_set, concept_id, is_excluded
  FROM identified
  UNION ALL
  SELECT i.concept_set, a.descendant_concept_id AS concept_id, i.is_excluded
  FROM identified AS i
  INNER JOIN vocab.concept_ancestor AS a ON a.ancestor_concept_id = i.concept_id
  WHERE i.include_descendants
)

SELECT concept_set, concept_id
FROM named
GROUP BY concept_set, concept_id
HAVING MAX(CASE WHEN is_excluded THEN 1 ELSE 0 END) = 0
