"""URLs of database servers: what may be said of one, and the password in it, kept apart."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

_SCHEMES = ("postgresql", "postgres")

_SECRET_OPTIONS = (
    *("password", "sslpassword", "oauth_client_secret"),
    *("scram_client_key", "scram_server_key"),
)


@dataclass(frozen=True)
class ServerUrl:
    """A server's URL in parts, without any password.

    `options` are those of libpq, such as sslmode and sslrootcert.
    """

    host: str | None
    port: int | None
    database: str | None
    user: str | None
    options: dict[str, str]


def is_server(url: str) -> bool:
    """Tell whether a URL names a database server rather than a file or folder."""
    return "://" in url


def without_password(url: str) -> tuple[str, str | None]:
    """Return a server's URL as it may be shown, and its password, decoded.

    Raises
    ------
    ValueError
        It is no such URL; the message repeats nothing of it, for any part may be the password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(_malformed()) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("not a URL that is known; allowed: a path, or postgresql://...")
    # An unencoded / ? or # in a password ends the host too early: what follows holds the @.
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(_malformed())
    options = parse_qsl(parts.query, keep_blank_values=True)
    if any(name in _SECRET_OPTIONS for name, _ in options):
        raise ValueError("a password does not belong among the options after the question mark")
    password = None if parts.password is None else unquote(parts.password)
    user = f"{parts.username}@" if parts.username else ""
    place = parts.netloc.rpartition("@")[2]
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{user}{place}{parts.path}{query}", password or None


def read_server(url: str) -> ServerUrl:
    """Take apart a URL that `without_password` has returned."""
    parts = urlsplit(url)
    return ServerUrl(
        host=unquote(parts.hostname) if parts.hostname else None,
        port=parts.port,
        database=unquote(parts.path.removeprefix("/")) or None,
        user=unquote(parts.username) if parts.username else None,
        options=dict(parse_qsl(parts.query, keep_blank_values=True)),
    )


def _malformed() -> str:
    return (
        "not a URL of a server; write postgresql://user@host:5432/database, and percent-encode "
        "what is not a letter or digit in user and password (or give the password in a file)"
    )
