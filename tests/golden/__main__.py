"""Write the golden diffs again, after an intended change of SQL or of sqlglot."""

from tests.golden import DIALECTS, differences, golden_path

for dialect in DIALECTS:
    golden_path(dialect).write_text(differences(dialect), encoding="utf-8")
