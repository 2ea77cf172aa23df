"""PostgreSQL engine."""
