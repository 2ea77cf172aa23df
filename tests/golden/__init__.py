"""The SQL files as rendered for each dialect; `python -m tests.golden` writes them again."""
