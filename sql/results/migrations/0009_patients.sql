-- Title: The label by the analytic uncertainty, and the attributes of patients
-- Returns: patient_subgroup with subgroup_analytic; patient_attribute, empty
-- Tables: patient_subgroup, patient_attribute
-- Window: none
-- Missing: NULL for runs of earlier releases, which have no rows in the new table
-- Parameters: none
ALTER TABLE results.patient_subgroup ADD COLUMN subgroup_analytic VARCHAR;

CREATE TABLE results.patient_attribute (
  run_id BIGINT NOT NULL,
  person_id BIGINT NOT NULL,
  race VARCHAR NOT NULL,
  care_site_id BIGINT,
  care_site_name VARCHAR,
  first_record_date DATE NOT NULL,
  current_drug VARCHAR,
  current_class VARCHAR,
  is_exposed BOOLEAN NOT NULL
);
