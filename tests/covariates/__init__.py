"""Spec tests: small tables of CDM rows and the values worked out by hand, rule by rule."""
