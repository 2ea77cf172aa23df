-- Title: Standard concepts of the classes in which the concept sets look for names
-- Returns: one row per standard concept of these classes; the names are compared in the run
-- Tables: vocab.concept
-- Window: none
-- Missing: a class that the vocabulary does not have gives no row
-- Parameters: vocabulary_ids, concept_class_ids
SELECT
  concept_id, concept_name, domain_id, vocabulary_id, concept_class_id, standard_concept,
  concept_code, invalid_reason
FROM vocab.concept
WHERE
  vocabulary_id IN (:vocabulary_ids) AND concept_class_id IN (:concept_class_ids)
  AND standard_concept IN ('S')
