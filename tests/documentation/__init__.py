"""The parts of the folder READMEs that are made from the configuration and the specifications.

`python -m tests.documentation` writes them again; with `--check` it names the files that are stale.
"""
