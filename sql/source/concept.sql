-- Title: Concepts that the concept sets give, and their descendants
-- Returns: one row per concept
-- Tables: vocab.concept
-- Window: none
-- Missing: an id that the vocabulary does not have gives no row
-- Parameters: concept_ids
SELECT
  concept_id, concept_name, domain_id, vocabulary_id, concept_class_id, standard_concept,
  concept_code, invalid_reason
FROM vocab.concept
WHERE concept_id IN (:concept_ids)
