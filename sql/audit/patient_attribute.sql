-- Title: Attributes of the scored patients that no other table of persons holds
-- Returns: one row per person: race, care_site_id, care_site_name, first_record_date (of the disease), current_drug,
--          current_class (class of the model, or other_advanced), is_exposed (TRUE with any treatment line)
-- Tables: work.patient_score, work.audit_person, work.last_treatment
-- Window: as in audit_person and last_treatment
-- Missing: race_unknown; care_site_id, care_site_name, current_drug and current_class are NULL
-- Parameters: none
SELECT
  s.person_id, a.race, a.care_site_id, a.care_site_name, a.first_record_date,
  CASE WHEN t.is_current THEN t.drug END AS current_drug,
  CASE WHEN t.is_current THEN t.drug_class END AS current_class,
  CASE WHEN t.person_id IS NULL THEN FALSE ELSE TRUE END AS is_exposed
FROM work.patient_score AS s
INNER JOIN work.audit_person AS a ON a.person_id = s.person_id
LEFT JOIN work.last_treatment AS t ON t.person_id = s.person_id
