-- Title: Patients scored in the latest run, by what a clinic may want to look at: one page of them
-- Returns: person_id, age, is_male, the label with its group, its worst class, and the classes and p-values of its
--          first three ranks; n_imputed, within_trial_range;
--          drug and drug_class in use; earlier_subgroup; place in the list from 1; n_found (patients in the whole list)
-- Tables: results.patient_subgroup, results.treatment_line, results.previous_patient_subgroup
-- Window: none
-- Missing: drug is NULL without a drug in use; earlier_subgroup is NULL if the run before did not score the person.
--          NULL for preference_group means every group, and FALSE for another filter that it does not apply
-- Parameters: run_id, preference_group, only_treated_otherwise, only_changed, only_known, only_within, n_skipped,
--             n_rows (of a page)
WITH in_use AS (
  SELECT
    person_id, drug, drug_class,
    ROW_NUMBER() OVER (
      PARTITION BY person_id
      ORDER BY last_start_date DESC NULLS LAST, line_number DESC NULLS LAST
    ) AS recency
  FROM results.treatment_line
  WHERE run_id = :run_id AND is_current
),

listed AS (
  SELECT
    s.person_id, s.age, s.is_male, s.subgroup, s.preference_group, s.ruled_out_class, s.first_class,
    s.second_class, s.third_class, s.p_first_second, s.p_second_third, s.p_first_third, s.n_imputed,
    s.within_trial_range, t.drug, t.drug_class, e.subgroup AS earlier_subgroup,
    ROW_NUMBER() OVER (ORDER BY s.person_id ASC NULLS LAST) AS place,
    COUNT(*) OVER () AS n_found
  FROM results.patient_subgroup AS s
  LEFT JOIN in_use AS t ON t.person_id = s.person_id AND t.recency = 1
  LEFT JOIN results.previous_patient_subgroup AS e ON e.person_id = s.person_id
  WHERE
    s.run_id = :run_id
    AND s.preference_group = COALESCE(CAST(:preference_group AS VARCHAR), s.preference_group)
    AND (
      NOT :only_treated_otherwise
      OR (s.preference_group = s.first_class || '_alone' AND t.drug_class <> s.first_class)
    )
    AND (NOT :only_changed OR e.subgroup <> s.subgroup)
    AND (NOT :only_known OR s.n_imputed = 0)
    AND (NOT :only_within OR s.within_trial_range)
)

SELECT l.*
FROM listed AS l
WHERE l.place > :n_skipped AND l.place <= :n_skipped + :n_rows
ORDER BY l.place
