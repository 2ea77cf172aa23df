"""Write the generated parts of the READMEs again, or name the files in which they are stale."""

import argparse
import sys

from tests.documentation.parts import ROOT, stale


def main() -> None:
    """Rewrite the READMEs; with --check leave them alone and exit with 1 if one is stale."""
    parser = argparse.ArgumentParser(prog="python -m tests.documentation", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check = parser.parse_args().check
    for path, text in (found := stale()).items():
        name = path.relative_to(ROOT)
        if is_check:
            sys.stderr.write(f"{name}: a generated part is stale; write it again with: make docs\n")
        else:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{name}: written\n")
    sys.exit(1 if is_check and found else 0)


if __name__ == "__main__":
    main()
