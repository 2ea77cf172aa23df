"""Spark engine, for a cluster or for one machine."""
