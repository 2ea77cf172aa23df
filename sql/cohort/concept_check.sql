-- Title: Vocabulary status of every concept id that the concept sets include
-- Returns: one row per set and id: is_known, is_standard, is_invalid (0, 1), domain_id,
--          n_below (descendants besides itself; NULL if descendants are not included), n_records (of itself
--          and, if included, of its descendants, and of concepts mapped to them; NULL for sets that are not searched
--          in clinical tables)
-- Tables: work.concept_set_item, work.concept_set_member, work.concept_link, vocab.concept, vocab.concept_ancestor
-- Window: records up to the as-of date
-- Missing: an id that the vocabulary does not contain has is_known 0
-- Parameters: none
WITH item AS (
  SELECT
    concept_set, concept_id, MAX(CASE WHEN include_descendants THEN 1 ELSE 0 END) AS wants_descendants
  FROM work.concept_set_item
  WHERE concept_id IS NOT NULL AND NOT is_excluded
  GROUP BY concept_set, concept_id
),

below AS (
  SELECT a.ancestor_concept_id, COUNT(DISTINCT a.descendant_concept_id) AS n_below
  FROM vocab.concept_ancestor AS a
  INNER JOIN (SELECT DISTINCT concept_id FROM item) AS i ON i.concept_id = a.ancestor_concept_id
  WHERE a.descendant_concept_id <> a.ancestor_concept_id
  GROUP BY a.ancestor_concept_id
),

reach AS (
  SELECT concept_set, concept_id AS given_id, concept_id AS reached_id FROM item
  UNION
  SELECT i.concept_set, i.concept_id AS given_id, a.descendant_concept_id AS reached_id
  FROM item AS i
  INNER JOIN vocab.concept_ancestor AS a ON a.ancestor_concept_id = i.concept_id AND i.wants_descendants = 1
),

with_mapped AS (
  SELECT concept_set, given_id, reached_id FROM reach
  UNION
  SELECT r.concept_set, r.given_id, l.concept_id AS reached_id
  FROM reach AS r
  INNER JOIN work.concept_link AS l ON l.leads_to = r.reached_id
),

counted AS (
  SELECT r.concept_set, r.given_id, SUM(m.n_records) AS n_records
  FROM with_mapped AS r
  INNER JOIN work.concept_set_member AS m ON m.concept_set = r.concept_set AND m.concept_id = r.reached_id
  GROUP BY r.concept_set, r.given_id
)

SELECT
  i.concept_set,
  i.concept_id,
  CASE WHEN c.concept_id IS NULL THEN 0 ELSE 1 END AS is_known,
  CASE WHEN TRIM(c.standard_concept) = 'S' THEN 1 ELSE 0 END AS is_standard,
  CASE WHEN TRIM(COALESCE(c.invalid_reason, '')) = '' THEN 0 ELSE 1 END AS is_invalid,
  c.domain_id,
  CASE WHEN i.wants_descendants = 1 THEN COALESCE(b.n_below, 0) END AS n_below,
  CAST(n.n_records AS BIGINT) AS n_records
FROM item AS i
LEFT JOIN vocab.concept AS c ON c.concept_id = i.concept_id
LEFT JOIN below AS b ON b.ancestor_concept_id = i.concept_id
LEFT JOIN counted AS n ON n.concept_set = i.concept_set AND n.given_id = i.concept_id
ORDER BY i.concept_set, i.concept_id
