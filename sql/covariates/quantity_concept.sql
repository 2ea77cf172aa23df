-- Title: Concepts of each measured quantity, by table
-- Returns: one row per quantity, table and concept, with lookback_days and minimum_age (years) of the quantity
-- Tables: work.quantity, work.quantity_set, work.concept_set
-- Window: none
-- Missing: a quantity whose concept sets are empty has no row, so no patient has a value
-- Parameters: none
SELECT DISTINCT q.quantity, s.source_table, c.concept_id, q.lookback_days, q.minimum_age
FROM work.quantity AS q
INNER JOIN work.quantity_set AS s ON s.quantity = q.quantity
INNER JOIN work.concept_set AS c ON c.concept_set = s.concept_set
