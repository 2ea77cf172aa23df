"""The audits, one hand-worked table of cases each."""
