-- Title: Days from the index treatment to the next treatment
-- Returns: one row per population, index rule, index class and number of days: n_persons
-- Tables: work.index_member
-- Window: as in index_treatment
-- Missing: persons without a next treatment are not counted
-- Parameters: none
SELECT population, index_rule, index_class, days_to_next, COUNT(*) AS n_persons
FROM work.index_member
WHERE days_to_next IS NOT NULL
GROUP BY population, index_rule, index_class, days_to_next
ORDER BY population, index_rule, index_class, days_to_next
