-- Title: Number of concepts in the vocabulary
-- Returns: one row: n_concepts
-- Tables: vocab.concept
-- Window: none
-- Missing: without a vocabulary the count is 0
-- Parameters: none
SELECT COUNT(*) AS n_concepts FROM vocab.concept
