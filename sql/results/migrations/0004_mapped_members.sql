-- Title: Members of a concept set by mapping, and members that are no longer valid
-- Returns: concept_set_member with the columns is_mapped and is_invalid
-- Tables: concept_set_member
-- Window: none
-- Missing: NULL for runs of earlier releases
-- Parameters: none
ALTER TABLE results.concept_set_member ADD COLUMN is_mapped BOOLEAN;
ALTER TABLE results.concept_set_member ADD COLUMN is_invalid BOOLEAN;
