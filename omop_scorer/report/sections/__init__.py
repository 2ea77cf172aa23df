"""The sections of the report, one module for each question that a reader asks."""
