-- Title: Members of each population and index class of the treatment audits
-- Returns: one row per person, index rule, population (all and, if age and sex are known, one of four) and index class
--          (its own and all): next_class, days_to_next
-- Tables: work.index_treatment
-- Window: as in index_treatment; age on the as-of date or, with age_at_index 1, on the index date
-- Missing: a person of unknown age or sex is only in the population all
-- Parameters: age_at_index
WITH aged AS (
  SELECT
    person_id, index_rule, index_class, next_class, days_to_next, is_male,
    CASE WHEN :age_at_index = 1 THEN index_age ELSE age END AS age
  FROM work.index_treatment
),

populated AS (
  SELECT person_id, index_rule, index_class, next_class, days_to_next, 'all' AS population FROM aged
  UNION ALL
  SELECT
    person_id, index_rule, index_class, next_class, days_to_next,
    CASE
      WHEN is_male AND age >= 50 THEN 'men_50_and_over'
      WHEN is_male THEN 'men_under_50'
      WHEN age >= 50 THEN 'women_50_and_over'
      ELSE 'women_under_50'
    END AS population
  FROM aged
  WHERE is_male IS NOT NULL AND age IS NOT NULL
)

SELECT person_id, index_rule, population, index_class, next_class, days_to_next FROM populated
UNION ALL
SELECT person_id, index_rule, population, 'all' AS index_class, next_class, days_to_next FROM populated
