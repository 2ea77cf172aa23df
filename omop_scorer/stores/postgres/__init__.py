"""Results in a PostgreSQL database."""
