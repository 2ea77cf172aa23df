"""Patients in, scores and counts out. No database."""
