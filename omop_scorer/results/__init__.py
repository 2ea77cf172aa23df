"""The results schema: migration, runs, history and health."""
