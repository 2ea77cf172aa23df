-- Title: Persons of the cohort who also have a record of ulcerative colitis
-- Returns: one row: n_persons
-- Tables: work.cohort_member, cdm.condition_occurrence, work.concept_set
-- Window: any condition record up to the index date
-- Missing: nobody with such a record gives 0
-- Parameters: as_of_date
SELECT COUNT(DISTINCT m.person_id) AS n_persons
FROM work.cohort_member AS m
INNER JOIN cdm.condition_occurrence AS c ON c.person_id = m.person_id
INNER JOIN work.concept_set AS s ON s.concept_id = c.condition_concept_id AND s.concept_set = 'ulcerative_colitis'
WHERE c.condition_start_date <= :as_of_date
