-- Title: Concepts that are mapped to the concepts of the concept sets, one step of a chain
-- Returns: one row per concept
-- Tables: vocab.concept, vocab.concept_relationship
-- Window: none
-- Missing: a concept to which nothing is mapped gives no row
-- Parameters: relationship_ids, target_concept_ids
SELECT
  concept_id, concept_name, domain_id, vocabulary_id, concept_class_id, standard_concept,
  concept_code, invalid_reason
FROM vocab.concept
WHERE
  concept_id IN (
    SELECT concept_id_1 FROM vocab.concept_relationship
    WHERE relationship_id IN (:relationship_ids) AND concept_id_2 IN (:target_concept_ids)
  )
