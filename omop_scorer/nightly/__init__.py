"""The nightly job: preflight, run, dry run, retries and reconciliation."""
