"""The Content-Security-Policy of a page: its own style and scripts, known by their hashes."""

import base64
import hashlib
from collections.abc import Iterable

from omop_scorer.report.charts.bars import CLASS_COLOURS


def content_policy(style: str, scripts: Iterable[str], form_action: str = "'none'") -> str:
    """Return the Content-Security-Policy of a page: its style and scripts, and nothing else."""
    hashes = " ".join(map(_hash, scripts)) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(style)}; "
        f"img-src data:; base-uri 'none'; form-action {form_action}"
    )


def class_colours() -> str:
    """Return the colours of the drug classes as a style."""
    names = (f"--class-{i}: {colour};" for i, colour in enumerate(CLASS_COLOURS))
    return f":root {{ {' '.join(names)} }}\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
