"""Secrets that the program has read. Wherever one would be said or stored, `***` replaces it.

A secret is found by its value, however it is written: percent-encoded, quoted or escaped.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import unquote

MASK = "***"
#: A shorter secret, and one of letters alone, is replaced only as a whole word: a password
#: `postgres` is not meant by `postgresql`.
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
_NAMED = r"(?:pass(?:word|phrase|wd)?|pwd|secret|token|key)"

#: Variables of the environment that libraries read a secret from.
_VARIABLES = (
    *("PGPASSWORD", "MYSQL_PWD", "SNOWFLAKE_PASSWORD", "DATABRICKS_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET"),
)
#: Secrets within an address or a list of options.
_WITHIN = (
    re.compile(r"://[^\s/:@]*:([^\s/@]+)@"),
    re.compile(rf"[?&;,\s]{_NAMED}=([^\s?&;,]+)", re.IGNORECASE),
)

_secrets: set[str] = set()


def keep(secret: str | None) -> None:
    """Remember a secret; None and an empty text are none."""
    if secret:
        _secrets.add(secret)


def keep_within(text: str) -> None:
    """Remember the secrets of an address, such as the password of a URL."""
    for pattern in _WITHIN:
        for secret in pattern.findall(text):
            keep(secret)
            keep(unquote(secret))


def keep_environment(variables: Mapping[str, str]) -> None:
    """Remember the secrets that libraries read from variables of the environment."""
    for name in _VARIABLES:
        keep(variables.get(name))
    keep_within(variables.get("SPARK_REMOTE", ""))


def hide(text: str) -> str:
    """Return a text without the secrets that were remembered."""
    # A secret may be a part of another one, so the longest comes first.
    for secret in sorted(_secrets, key=lambda each: (-len(each), each)):
        text = _pattern(secret).sub(rf"\g<before>{MASK}", text)
    return text


def hide_within(value: Any) -> Any:
    """Return a JSON document in which every text has passed `hide`."""
    if isinstance(value, dict):
        return {key: hide_within(each) for key, each in value.items()}
    if isinstance(value, list):
        return [hide_within(each) for each in value]
    return hide(value) if isinstance(value, str) else value


@cache
def _pattern(secret: str) -> re.Pattern[str]:
    value = "".join(map(_spellings, secret))
    if len(secret) >= _LONG and not secret.isalpha():
        return re.compile(f"(?P<before>){value}")
    if len(secret) >= _WORD:
        return re.compile(
            rf"(?P<before>(?<![\w.-])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])){value}(?![\w-]|\.\w)"
        )
    named = rf"(?i:{_NAMED})[\"']?\s*[=:]\s*[\"']?"
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
