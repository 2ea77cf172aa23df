"""URLs of database servers. Passwords are removed so that a URL can be printed and stored."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_POSTGRESQL = ("postgresql", "postgres")
#: A URL of SQLAlchemy: the dialect, and the driver if it is not the default one.
_SQLALCHEMY = re.compile(r"[a-z][a-z0-9_]*(\+[a-z0-9_]+)?")

#: Parts of the names of options that hold a secret. The path of a file with a key is none.
_SECRET_OPTIONS = re.compile(
    r"pass(?!file$)|pwd|secret|token|credential|private_?key|(api|access)_?key|scram_.*_key|"
    r"odbc_connect|init_command",
    re.IGNORECASE,
)
_PATH_OPTION = re.compile(r"(?!.*pass).*_path", re.IGNORECASE)


@dataclass(frozen=True)
class ServerUrl:
    """The parts of a server URL, without the password.

    `options` are libpq options, such as sslmode and sslrootcert.
    """

    host: str | None
    port: int | None
    database: str | None
    user: str | None
    options: dict[str, str]


def is_server(url: str) -> bool:
    """Return True if a URL is that of a database server, not a file or folder."""
    return "://" in url


def without_password(url: str) -> tuple[str, str | None]:
    """Split a server URL into a URL that is safe to show and the decoded password.

    Raises
    ------
    ValueError
        The URL is not valid. The message repeats no part of it: any part may be the password.
    """
    try:
        parts = _split(url)
        _ = parts.port
    except ValueError:
        raise ValueError(_malformed()) from None
    if not _SQLALCHEMY.fullmatch(parts.scheme) or parts.scheme == "jdbc":
        raise ValueError(
            "unknown kind of URL; allowed: a path, postgresql://..., or a URL of SQLAlchemy"
        )
    # If a password contains an unencoded / ? or #, the host ends there and the @ comes later.
    if parts.fragment or "@" in parts.path + parts.query:
        raise ValueError(_malformed())
    options = parse_qsl(parts.query, keep_blank_values=True)
    hosts = [parts.hostname or "", *(value for name, value in options if name == "host")]
    if not all(_can_be_looked_up(host) for each in hosts for host in unquote(each).split(",")):
        raise ValueError("its host is no name that a server can have; correct the URL")
    if any(_is_secret(name.strip()) for name, _ in options):
        raise ValueError("options after the question mark must not contain a password or secret")
    scheme = "postgresql" if parts.scheme in _POSTGRESQL else parts.scheme
    # After a semicolon URLs of JDBC and drivers of ODBC give further settings, and passwords. A
    # driver of ODBC also decodes one; in PostgreSQL an encoded one is part of a name.
    rest = url.replace(parts.password or "", "", 1)
    if ";" in (rest if scheme == "postgresql" else unquote(unquote(rest))):
        raise ValueError(_malformed())
    password = None if parts.password is None else unquote(parts.password)
    user = f"{parts.username}@" if parts.username else ""
    host_and_port = parts.netloc.rpartition("@")[2]
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{user}{host_and_port}{parts.path}{query}", password or None


def _can_be_looked_up(host: str) -> bool:
    """Return False for a name with an empty part, or with one of more than 63 characters."""
    try:
        host.encode("idna")
    except UnicodeError:
        return host.startswith("/")
    return True


def _split(url: str) -> SplitResult:
    """Split a URL. `urlsplit` knows no scheme with an underscore, such as that of Redshift."""
    scheme, mark, rest = url.partition("://")
    if "_" not in scheme:
        return urlsplit(url)
    parts = urlsplit(f"{scheme.replace('_', '-')}{mark}{rest}")
    return parts._replace(scheme=scheme.lower())


def _is_secret(option: str) -> bool:
    return bool(_SECRET_OPTIONS.search(option)) and not _PATH_OPTION.fullmatch(option)


def read_server(url: str) -> ServerUrl:
    """Split a URL that `without_password` has returned into its parts."""
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
        "not a valid server URL; write it as postgresql://user@host:5432/database, percent-encode "
        "every character of user and password that is not a letter or digit, or use password_file"
    )
