-- Title: Mappings to the concepts of the concept sets, one step of a chain
-- Returns: one row per concept and concept that it is mapped to or replaced by
-- Tables: vocab.concept_relationship
-- Window: none; the rules leave out what is not valid
-- Missing: a concept to which nothing is mapped gives no row
-- Parameters: concept_ids, relationship_ids
SELECT concept_id_1, concept_id_2, relationship_id, invalid_reason
FROM vocab.concept_relationship
WHERE relationship_id IN (:relationship_ids) AND concept_id_2 IN (:concept_ids)
