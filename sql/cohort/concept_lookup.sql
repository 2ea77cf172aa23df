-- Title: Concepts by which a record belongs to a concept set: its members, and concepts that are mapped to them
-- Returns: one row per concept set and concept: is_mapped (TRUE for a concept that only mappings lead into the set)
-- Tables: work.concept_named, work.concept_link, work.searched_set, vocab.concept
-- Window: none
-- Missing: a concept that is standard and valid counts only as a member; one that the vocabulary does not have is
--          not standard; a concept that the set excludes stays excluded
-- Parameters: none
SELECT concept_set, concept_id, FALSE AS is_mapped
FROM work.concept_named
WHERE NOT is_excluded
UNION ALL
SELECT DISTINCT n.concept_set, l.concept_id, TRUE AS is_mapped
FROM work.concept_link AS l
INNER JOIN work.concept_named AS n ON n.concept_id = l.leads_to AND NOT n.is_excluded
INNER JOIN work.searched_set AS s ON s.concept_set = n.concept_set
LEFT JOIN work.concept_named AS own ON own.concept_set = n.concept_set AND own.concept_id = l.concept_id
LEFT JOIN vocab.concept AS c ON c.concept_id = l.concept_id
WHERE
  l.n_steps > 0
  AND own.concept_id IS NULL
  AND (TRIM(COALESCE(c.standard_concept, '')) <> 'S' OR TRIM(COALESCE(c.invalid_reason, '')) <> '')
