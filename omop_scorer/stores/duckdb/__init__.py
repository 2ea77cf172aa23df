"""Results in a DuckDB file."""
