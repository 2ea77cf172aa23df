"""Charts of the population report."""
