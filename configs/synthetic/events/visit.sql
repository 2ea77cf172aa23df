-- Title: Visits of a batch of synthetic persons
-- Returns: one row per visit: first day, time of day (seconds), nights, and days from the first day to the
--          as-of date
-- Tables: drawn_person (of visit_occurrence)
-- Window: the person's history, with more visits in recent than in early years
WITH visit AS (
  SELECT *, UNNEST(RANGE(n_events)) + first_id AS visit_occurrence_id
  FROM drawn_person
),

-- The salt is part of the hashed number, so that each seed and each table draws other visits.
number AS (
  SELECT *, HASH(XOR(CAST(visit_occurrence_id AS UBIGINT), salt)) AS bits
  FROM visit
),

dated AS (
  SELECT
    *, CAST(FLOOR(history_days * POW((bits & 1048575) / 1048576, 1.5)) AS INTEGER) AS days_before,
    CASE WHEN (bits >> 20) & 1023 < 100 THEN 1 + (bits >> 30) % 8 ELSE 0 END AS nights
  FROM number
)

SELECT
  CAST(visit_occurrence_id AS INTEGER) AS visit_occurrence_id,
  person_id,
  is_cohort,
  last_day - days_before AS start_day,
  CAST(28800 + (bits >> 40) % 36000 AS BIGINT) AS second_of_day,
  CAST(LEAST(nights, days_before) AS INTEGER) AS nights,
  days_back + days_before AS days_to_as_of
FROM dated
