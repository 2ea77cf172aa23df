"""Load of a CDM from files into PostgreSQL."""
