-- Title: Concepts that the concept sets give by vocabulary and code
-- Returns: one row per concept of the vocabularies with one of the codes
-- Tables: vocab.concept
-- Window: none
-- Missing: a code that the vocabulary does not have gives no row
-- Parameters: vocabulary_ids, concept_codes
SELECT
  concept_id, concept_name, domain_id, vocabulary_id, concept_class_id, standard_concept,
  concept_code, invalid_reason
FROM vocab.concept
WHERE vocabulary_id IN (:vocabulary_ids) AND concept_code IN (:concept_codes)
