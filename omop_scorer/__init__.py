"""Scores of published treatment-effect models for the patients of an OMOP CDM."""

__version__ = "0.1.0"
