-- Title: Current corticosteroid exposures by administration
-- Returns: one row: number of exposures by administration, and number of persons with an unclassified one
-- Tables: work.steroid_record
-- Window: as in steroid_record
-- Missing: without exposures every count is 0
-- Parameters: none
SELECT
  COUNT(CASE WHEN taken = 'oral' THEN 1 END) AS n_oral,
  COUNT(CASE WHEN taken = 'injected' THEN 1 END) AS n_injected,
  COUNT(CASE WHEN taken = 'injected_one_day' THEN 1 END) AS n_injected_one_day,
  COUNT(CASE WHEN taken = 'local' THEN 1 END) AS n_local,
  COUNT(CASE WHEN taken = 'unclassified' THEN 1 END) AS n_unclassified,
  COUNT(DISTINCT CASE WHEN taken = 'unclassified' THEN person_id END) AS n_unclassified_persons
FROM work.steroid_record
