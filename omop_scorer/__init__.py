"""Nightly scoring of the patients of an OMOP CDM with published treatment-effect models."""

__version__ = "0.1.0"
