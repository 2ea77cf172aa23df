"""Commands, and the tables that they print."""
