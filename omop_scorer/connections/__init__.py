"""Connections to database servers: sessions, secrets, and errors in our words."""
