"""The server of the app: what it listens on, who may ask, and how it is started."""

import ipaddress
import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import uvicorn

from omop_scorer.config.run_file import RunConfig
from omop_scorer.errors import ConfigurationError
from omop_scorer.web.access_log import AccessLog
from omop_scorer.web.app import application
from omop_scorer.web.connection import Connection
from omop_scorer.web.guard import Guard, host_name
from omop_scorer.web.identity import Identity, Local, Tokens, TrustedHeader
from omop_scorer.web.lookup import Lookup

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

#: Connections at the same time; further ones get 503.
_MOST_CONNECTIONS = 100

_LONGEST_HEAD = 16_384


def identity_of(host: str, trusted_header: str | None, token_file: Path | None) -> Identity:
    """Return how requests get their user.

    Raises
    ------
    ConfigurationError
        The address is not of this machine alone and nothing says who asks; or both options are
        given, or one is not valid.
    """
    if trusted_header is not None and token_file is not None:
        raise ConfigurationError("give --trusted-header or --token-file, not both")
    if trusted_header is not None:
        return TrustedHeader(trusted_header)
    if token_file is not None:
        return Tokens(token_file)
    if not is_local(host):
        raise ConfigurationError(
            "--host: other machines could reach this address, so say who asks: with "
            "--trusted-header NAME behind a reverse proxy that sets the header, or with "
            "--token-file FILE"
        )
    return Local()


def hosts_of(host: str, allowed: Sequence[str]) -> list[str]:
    """Return the values that a Host header may have, without ports.

    Raises
    ------
    ConfigurationError
        A name is not valid; or there is none, for an address that is no name of a server.
    """
    found = []
    for each in allowed if _is_any(host) else [*allowed, host]:
        name = host_name(each if ":" not in each or each.startswith("[") else f"[{each}]")
        if name is None:
            raise ConfigurationError(
                "--host or --allowed-host: not the name or the address of a host"
            )
        found.append(name)
    if not found:
        raise ConfigurationError(
            f"--host {host} is no name of a server: say how browsers name it, with --allowed-host"
        )
    return [*found, *_LOCAL_NAMES] if is_local(host) else found


def is_local(host: str) -> bool:
    """Return True if only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def make_server(
    config: RunConfig,
    host: str,
    port: int,
    identity: Identity,
    hosts: Sequence[str],
    access_log: AccessLog,
    maximum_age: timedelta,
) -> uvicorn.Server:
    """Return a server that is not started yet."""
    # Its messages may hold addresses with ids of persons, or the text of an error.
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    app = Guard(application(Lookup(config, maximum_age), access_log), identity, hosts)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=10,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
        )
    )
