"""Texts that are said: visible characters only, and no secret."""
