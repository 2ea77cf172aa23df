-- Title: Measured records that belong to a concept set by a mapping or by their source concept
-- Returns: one row per concept set with such records: n_records, n_persons, n_not_used (records without a standard
--          concept, which no rule uses)
-- Tables: cdm.measurement, cdm.observation, work.cohort_member, work.quantity_set, work.concept_lookup
-- Window: records up to the as-of date, of the persons of the cohort
-- Missing: a set without such records has no row; the program writes zeros
-- Parameters: as_of_date
WITH searched AS (
  SELECT DISTINCT l.concept_set, q.source_table, l.concept_id, l.is_mapped
  FROM work.concept_lookup AS l
  INNER JOIN work.quantity_set AS q ON q.concept_set = l.concept_set
),

record AS (
  SELECT s.concept_set, r.person_id, 0 AS is_by_source
  FROM cdm.measurement AS r
  INNER JOIN searched AS s
    ON s.concept_id = r.measurement_concept_id AND s.source_table = 'measurement' AND s.is_mapped
  INNER JOIN work.cohort_member AS m ON m.person_id = r.person_id
  WHERE r.measurement_date <= :as_of_date
  UNION ALL
  SELECT s.concept_set, r.person_id, 1 AS is_by_source
  FROM cdm.measurement AS r
  INNER JOIN searched AS s ON s.concept_id = r.measurement_source_concept_id AND s.source_table = 'measurement'
  INNER JOIN work.cohort_member AS m ON m.person_id = r.person_id
  WHERE
    (r.measurement_concept_id = 0 OR r.measurement_concept_id IS NULL)
    AND r.measurement_source_concept_id <> 0
    AND r.measurement_date <= :as_of_date
  UNION ALL
  SELECT s.concept_set, r.person_id, 0 AS is_by_source
  FROM cdm.observation AS r
  INNER JOIN searched AS s
    ON s.concept_id = r.observation_concept_id AND s.source_table = 'observation' AND s.is_mapped
  INNER JOIN work.cohort_member AS m ON m.person_id = r.person_id
  WHERE r.observation_date <= :as_of_date
  UNION ALL
  SELECT s.concept_set, r.person_id, 1 AS is_by_source
  FROM cdm.observation AS r
  INNER JOIN searched AS s ON s.concept_id = r.observation_source_concept_id AND s.source_table = 'observation'
  INNER JOIN work.cohort_member AS m ON m.person_id = r.person_id
  WHERE
    (r.observation_concept_id = 0 OR r.observation_concept_id IS NULL)
    AND r.observation_source_concept_id <> 0
    AND r.observation_date <= :as_of_date
)

SELECT
  concept_set,
  COUNT(*) AS n_records,
  COUNT(DISTINCT person_id) AS n_persons,
  CAST(SUM(is_by_source) AS BIGINT) AS n_not_used
FROM record
GROUP BY concept_set
