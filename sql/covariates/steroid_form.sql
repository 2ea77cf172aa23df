-- Title: Administration of each corticosteroid product, from its dose forms
-- Returns: one row per product that has a dose form: taken (oral, injected, local, unclassified)
-- Tables: work.drug_record, work.concept_link, work.concept_named, vocab.concept_relationship, work.concept_set
-- Window: none; only valid relationships
-- Missing: a mapped product without a dose form has those of the corticosteroids that it is mapped to; a product
--          without any has no row, and steroid_record then uses the route
-- Parameters: none
WITH product AS (
  SELECT DISTINCT product_concept_id AS concept_id FROM work.drug_record
  WHERE concept_set = 'systemic_corticosteroid'
),

described AS (
  SELECT concept_id AS product_concept_id, concept_id AS described_by, 0 AS is_mapped
  FROM product
  UNION ALL
  SELECT p.concept_id AS product_concept_id, l.leads_to AS described_by, 1 AS is_mapped
  FROM product AS p
  INNER JOIN work.concept_link AS l ON l.concept_id = p.concept_id AND l.n_steps > 0
  INNER JOIN work.concept_named AS n
    ON n.concept_id = l.leads_to AND n.concept_set = 'systemic_corticosteroid' AND NOT n.is_excluded
  LEFT JOIN work.concept_named AS own
    ON own.concept_id = p.concept_id AND own.concept_set = 'systemic_corticosteroid'
  WHERE own.concept_id IS NULL
),

form AS (
  SELECT
    d.product_concept_id,
    d.is_mapped,
    MAX(CASE WHEN s.concept_set = 'dose_form_oral' THEN 1 ELSE 0 END) AS is_oral,
    MAX(CASE WHEN s.concept_set = 'dose_form_injectable' THEN 1 ELSE 0 END) AS is_injectable,
    MAX(CASE WHEN s.concept_set = 'dose_form_local' THEN 1 ELSE 0 END) AS is_local
  FROM described AS d
  INNER JOIN vocab.concept_relationship AS r
    ON
      r.concept_id_1 = d.described_by
      AND r.relationship_id = 'RxNorm has dose form'
      AND TRIM(COALESCE(r.invalid_reason, '')) = ''
  LEFT JOIN work.concept_set AS s
    ON s.concept_id = r.concept_id_2 AND s.concept_set IN ('dose_form_oral', 'dose_form_injectable', 'dose_form_local')
  GROUP BY d.product_concept_id, d.is_mapped
),

nearest AS (
  SELECT product_concept_id, MIN(is_mapped) AS is_mapped
  FROM form
  GROUP BY product_concept_id
)

SELECT
  f.product_concept_id,
  CASE
    WHEN f.is_oral = 1 THEN 'oral'
    WHEN f.is_injectable = 1 THEN 'injected'
    WHEN f.is_local = 1 THEN 'local'
    ELSE 'unclassified'
  END AS taken
FROM form AS f
INNER JOIN nearest AS n ON n.product_concept_id = f.product_concept_id AND n.is_mapped = f.is_mapped
