-- Title: Condition and drug records that belong to a concept set by a mapping or by their source concept
-- Returns: one row per concept set with such records: n_records, n_persons
-- Tables: work.condition_record, work.exposure, work.cohort_member
-- Window: records up to the as-of date, of the persons of the cohort; those of the disease itself of all persons
-- Missing: a set without such records has no row; the program writes zeros
-- Parameters: as_of_date
WITH record AS (
  SELECT c.concept_set, c.person_id
  FROM work.condition_record AS c
  LEFT JOIN work.cohort_member AS m ON m.person_id = c.person_id
  WHERE
    c.is_mapped
    AND c.condition_start_date <= :as_of_date
    AND c.person_id IS NOT NULL
    AND (c.concept_set = 'crohns_disease' OR m.person_id IS NOT NULL)
  UNION ALL
  SELECT concept_set, person_id
  FROM work.exposure
  WHERE is_mapped
)

SELECT concept_set, COUNT(*) AS n_records, COUNT(DISTINCT person_id) AS n_persons
FROM record
GROUP BY concept_set
