/* Title: The median of each covariate among the patients for whom it was found */
/* Returns: one row per covariate: median_value (the mean of the middle two when their number is even) */
/* Tables: work.covariate, work.patient */
/* Window: that of each covariate */
/* Missing: a covariate found for nobody has no row */
/* Parameters: none */
WITH ranked AS (
  SELECT
    c.covariate,
    c.covariate_value,
    ROW_NUMBER() OVER (
      PARTITION BY c.covariate
      ORDER BY c.covariate_value ASC NULLS LAST, c.person_id ASC NULLS LAST
    ) AS place,
    COUNT(*) OVER (PARTITION BY c.covariate) AS n
  FROM work.covariate AS c
  INNER JOIN work.patient AS p
    ON p.person_id = c.person_id
)
SELECT
  covariate,
  (
    MIN(covariate_value) + MAX(covariate_value)
  ) / 2 AS median_value
FROM ranked
WHERE
  2 * place BETWEEN n AND n + 2
GROUP BY
  covariate;
