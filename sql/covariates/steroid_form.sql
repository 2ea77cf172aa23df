-- Title: Administration of each corticosteroid product, from its dose forms
-- Returns: one row per product that has a dose form: taken (oral, injected, local, unclassified)
-- Tables: work.drug_record, vocab.concept_relationship, work.concept_set
-- Window: none; only valid relationships
-- Missing: a product without a dose form has no row; steroid_record then uses the route
-- Parameters: none
WITH product AS (
  SELECT DISTINCT drug_concept_id FROM work.drug_record
  WHERE concept_set = 'systemic_corticosteroid'
),

form AS (
  SELECT
    p.drug_concept_id,
    MAX(CASE WHEN s.concept_set = 'dose_form_oral' THEN 1 ELSE 0 END) AS is_oral,
    MAX(CASE WHEN s.concept_set = 'dose_form_injectable' THEN 1 ELSE 0 END) AS is_injectable,
    MAX(CASE WHEN s.concept_set = 'dose_form_local' THEN 1 ELSE 0 END) AS is_local
  FROM product AS p
  INNER JOIN vocab.concept_relationship AS r
    ON
      r.concept_id_1 = p.drug_concept_id
      AND r.relationship_id = 'RxNorm has dose form'
      AND COALESCE(r.invalid_reason, '') = ''
  LEFT JOIN work.concept_set AS s
    ON s.concept_id = r.concept_id_2 AND s.concept_set IN ('dose_form_oral', 'dose_form_injectable', 'dose_form_local')
  GROUP BY p.drug_concept_id
)

SELECT
  drug_concept_id,
  CASE
    WHEN is_oral = 1 THEN 'oral'
    WHEN is_injectable = 1 THEN 'injected'
    WHEN is_local = 1 THEN 'local'
    ELSE 'unclassified'
  END AS taken
FROM form
