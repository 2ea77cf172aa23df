-- Title: Concepts that the items of the concept sets name, by id, by code or by name
-- Returns: one row per item and concept: concept_set, concept_id, include_descendants, is_excluded
-- Tables: work.concept_set_item, vocab.concept
-- Window: none
-- Missing: an id counts even if the vocabulary does not have it; an unknown code or name has no row
-- Parameters: none
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
    AND TRIM(c.standard_concept) = 'S'
WHERE i.concept_id IS NULL AND i.concept_code IS NULL
