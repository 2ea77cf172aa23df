-- Title: Median of each covariate among the patients with a value
-- Returns: one row per covariate: median_value (the mean of the middle two values if their number is even)
-- Tables: work.covariate, work.patient
-- Window: as for each covariate
-- Missing: a covariate without any value has no row
-- Parameters: none
WITH ranked AS (
  SELECT
    c.covariate, c.covariate_value,
    ROW_NUMBER()
      OVER (PARTITION BY c.covariate ORDER BY c.covariate_value ASC NULLS LAST, c.person_id ASC NULLS LAST)
      AS rank_of_value,
    COUNT(*) OVER (PARTITION BY c.covariate) AS n
  FROM work.covariate AS c
  INNER JOIN work.patient AS p ON p.person_id = c.person_id
)

SELECT covariate, (MIN(covariate_value) + MAX(covariate_value)) / 2 AS median_value
FROM ranked
WHERE 2 * rank_of_value BETWEEN n AND n + 2
GROUP BY covariate
