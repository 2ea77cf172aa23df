-- Title: The version of the vocabulary
-- Returns: the row of the vocabulary itself
-- Tables: vocab.vocabulary
-- Window: none
-- Missing: without a row the version comes from cdm_source
-- Parameters: none
SELECT vocabulary_id, vocabulary_version
FROM vocab.vocabulary
WHERE vocabulary_id IN ('None')
