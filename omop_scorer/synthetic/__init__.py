"""Synthetic CDM whose correct results are known."""
