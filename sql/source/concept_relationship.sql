-- Title: Dose forms of the corticosteroids on record
-- Returns: one row per product and dose form
-- Tables: vocab.concept_relationship
-- Window: none
-- Missing: a product without a dose form gives no row
-- Parameters: concept_ids, relationship_ids
SELECT concept_id_1, concept_id_2, relationship_id, invalid_reason
FROM vocab.concept_relationship
WHERE relationship_id IN (:relationship_ids) AND concept_id_1 IN (:concept_ids)
