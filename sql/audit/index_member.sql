-- Title: Members of each population and index class of the treatment audits
-- Returns: one row per person, index rule, population (all and, if age and sex are known, one of four) and index class
--          (its own and all): preferred, next_class, days_to_next
-- Tables: work.index_treatment
-- Window: as in index_treatment
-- Missing: a person of unknown age or sex is only in the population all
-- Parameters: none
WITH populated AS (
  SELECT person_id, index_rule, drug_class, preferred, next_class, days_to_next, 'all' AS population
  FROM work.index_treatment
  UNION ALL
  SELECT person_id, index_rule, drug_class, preferred, next_class, days_to_next, population
  FROM work.index_treatment
  WHERE population IS NOT NULL
)

SELECT person_id, index_rule, population, drug_class AS index_class, preferred, next_class, days_to_next FROM populated
UNION ALL
SELECT person_id, index_rule, population, 'all' AS index_class, preferred, next_class, days_to_next FROM populated
