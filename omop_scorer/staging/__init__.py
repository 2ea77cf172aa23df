"""The steps that run the SQL files in order over a CDM."""
