"""From trial data to a model card: read, clean, fit, test, validate and plan. No database."""
