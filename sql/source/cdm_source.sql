-- Title: The release of the CDM
-- Returns: every row of cdm_source
-- Tables: cdm.cdm_source
-- Window: none
-- Missing: without a row the run cannot name the release
-- Parameters: none
SELECT cdm_source_name, cdm_version, cdm_release_date, cdm_version_concept_id, vocabulary_version
FROM cdm.cdm_source
