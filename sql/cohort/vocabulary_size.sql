-- Title: How many concepts the vocabulary knows
-- Returns: one row: n_concepts
-- Tables: vocab.concept
-- Window: none
-- Missing: no vocabulary gives 0
-- Parameters: none
SELECT COUNT(*) AS n_concepts FROM vocab.concept
