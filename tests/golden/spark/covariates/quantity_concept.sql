/* Title: The concepts under which each measured quantity is recorded, by table */
/* Returns: one row per quantity, table and concept: with the window and the least age of the quantity */
/* Tables: work.quantity, work.quantity_set, work.concept_set */
/* Window: none */
/* Missing: a quantity whose concept sets are empty has no row, and is found for nobody */
/* Parameters: none */
SELECT DISTINCT
  q.quantity,
  s.source_table,
  c.concept_id,
  q.lookback_days,
  q.minimum_age
FROM work.quantity AS q
INNER JOIN work.quantity_set AS s
  ON s.quantity = q.quantity
INNER JOIN work.concept_set AS c
  ON c.concept_set = s.concept_set;
