"""A made-up CDM whose truth is known."""
