-- Title: Concepts from which one more mapping leads to a member of a concept set
-- Returns: one row per concept and member that it leads to: n_steps (mappings on the shortest chain)
-- Tables: work.concept_link, vocab.concept_relationship
-- Window: none; only valid relationships
-- Missing: a concept without such a relationship has no row; a pair that is known has no second row, so a circle ends
-- Parameters: n_steps (mappings of the chains to which one is added)
SELECT DISTINCT r.concept_id_1 AS concept_id, l.leads_to, CAST(l.n_steps + 1 AS INTEGER) AS n_steps
FROM work.concept_link AS l
INNER JOIN vocab.concept_relationship AS r
  ON
    r.concept_id_2 = l.concept_id
    AND r.relationship_id IN ('Maps to', 'Concept replaced by')
    AND TRIM(COALESCE(r.invalid_reason, '')) = ''
LEFT JOIN work.concept_link AS k ON k.concept_id = r.concept_id_1 AND k.leads_to = l.leads_to
WHERE l.n_steps = :n_steps AND r.concept_id_1 <> 0 AND k.concept_id IS NULL
