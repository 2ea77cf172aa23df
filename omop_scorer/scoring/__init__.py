"""Scores and counts of patients, computed without a database."""
