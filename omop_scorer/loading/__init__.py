"""Loading a CDM from files into PostgreSQL."""
