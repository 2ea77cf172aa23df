/* Title: How many days went by from the index treatment to the next */
/* Returns: one row per population, index rule, index class and number of days: n_persons */
/* Tables: work.index_member */
/* Window: that of index_treatment */
/* Missing: persons without a next treatment are not counted */
/* Parameters: none */
SELECT
  population,
  index_rule,
  index_class,
  days_to_next,
  COUNT(*) AS n_persons
FROM work.index_member
WHERE
  NOT days_to_next IS NULL
GROUP BY
  population,
  index_rule,
  index_class,
  days_to_next
ORDER BY
  population NULLS LAST,
  index_rule NULLS LAST,
  index_class NULLS LAST,
  days_to_next NULLS LAST;
