"""A model card and its arithmetic. No database, and nothing of one disease."""
