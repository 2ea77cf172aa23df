"""Results in tables of a Spark catalog."""
