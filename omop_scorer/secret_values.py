"""Secrets that the program has read. Wherever one would be said or stored, `***` replaces it.

A secret is found by its value, however it is written: percent-encoded, quoted or escaped.
"""

import re
from functools import cache

MASK = "***"
#: A shorter secret is replaced only as a whole word: `secret` in `secretary` gives nothing away.
_LONG = 8
#: A still shorter one only after a word such as `password`, or in a URL: `a` is in every sentence.
_WORD = 4
#: How else a character may be written: in SQL, JSON, Python, HTML or a connection string.
_WRITTEN = {
    "'": ("''", r"\\'", "&#0?39;", "&#x27;"),
    '"': ('""', r"\\\"", "&quot;", "&#34;"),
    "\\": (r"\\\\",),
    "&": ("&amp;", r"\\u0026"),
    "<": ("&lt;", r"\\u003c"),
    ">": ("&gt;", r"\\u003e"),
    " ": (r"\+", r"\\ "),
    "\t": (r"\\t",),
}
_SECRET_NAME = r"(?:pass(?:word|phrase|wd)?|pwd|secret|token|key)"

_secrets: set[str] = set()


def keep(secret: str | None) -> None:
    """Remember a secret; None and an empty text are none."""
    if secret:
        _secrets.add(secret)


def hide(text: str) -> str:
    """Return a text without the secrets that were remembered."""
    # A secret may be a part of another one, so the longest comes first.
    for secret in sorted(_secrets, key=lambda each: (-len(each), each)):
        text = _pattern(secret).sub(rf"\g<before>{MASK}", text)
    return text


@cache
def _pattern(secret: str) -> re.Pattern[str]:
    value = "".join(map(_spellings, secret))
    if len(secret) >= _LONG:
        return re.compile(f"(?P<before>){value}")
    if len(secret) >= _WORD:
        return re.compile(rf"(?P<before>(?<![\w.-])){value}(?![\w-]|\.\w)")
    named = rf"(?i:{_SECRET_NAME})[\"']?\s*[=:]\s*[\"']?"
    return re.compile(rf"(?P<before>{named}|://[^\s/:@]*:){value}(?!\w)")


def _spellings(character: str) -> str:
    """Return a pattern of one character of a secret, in every way of writing it."""
    ways = [re.escape(character), *_WRITTEN.get(character, ())]
    ways.append("".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")))
    if not character.isascii():
        ways.append(re.escape(character.encode("unicode_escape").decode("ascii")))
        units = character.encode("utf-16-be", "surrogatepass")
        ways.append("".join(rf"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)))
    first, *others = ways
    return f"(?:{first}|(?i:{'|'.join(others)}))"
