-- Title: Further events of a batch of synthetic persons, for one table
-- Returns: one row per event: date, visit, concept, unit and quantity
-- Tables: drawn_person (of that table), visit, concept_menu (of that table)
-- Window: the days of a visit
-- Missing: events that a rule would read for a person of the cohort are left out
WITH event AS (
  SELECT *, UNNEST(RANGE(n_events)) + first_id AS event_id
  FROM drawn_person
),

number AS (
  SELECT *, HASH(XOR(CAST(event_id AS UBIGINT), salt)) AS bits
  FROM event
),

-- Early visits of a person get more events than late ones, so the number per visit varies.
drawn AS (
  SELECT
    event_id,
    bits,
    CAST(first_visit_id + FLOOR(n_visits * POW((bits & 1048575) / 1048576, 1.5)) AS INTEGER)
      AS visit_occurrence_id,
    CAST(FLOOR(POW(n_concepts + 1, ((bits >> 20) & 1048575) / 1048576)) AS INTEGER) AS concept_rank
  FROM number
)

SELECT
  CAST(e.event_id AS INTEGER) AS event_id,
  v.person_id,
  v.visit_occurrence_id,
  v.start_day + CAST((e.bits >> 56) % (v.nights + 1) AS INTEGER) AS event_day,
  v.second_of_day,
  m.concept_id,
  m.unit_concept_id,
  m.unit_source_value,
  m.source_value,
  m.lowest + (m.highest - m.lowest) * POW(((e.bits >> 40) & 65535) / 65536, 2) AS quantity
FROM drawn AS e
INNER JOIN visit AS v ON v.visit_occurrence_id = e.visit_occurrence_id
INNER JOIN concept_menu AS m ON m.concept_rank = e.concept_rank
WHERE NOT (v.is_cohort AND v.days_to_as_of - v.nights < m.quiet_days)
