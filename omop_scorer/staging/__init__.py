"""The SQL files, run in order over a CDM."""
