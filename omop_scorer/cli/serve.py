"""Command that serves the patients of the latest run in a hospital's network."""

import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from omop_scorer.cli.results import ConfigOption, MaximumAgeOption, SetOption, results_config
from omop_scorer.errors import (
    ConfigurationError,
    ConnectionFailedError,
    LockHeldError,
    OmopScorerError,
)

if TYPE_CHECKING:
    from omop_scorer.config.run_file import RunConfig


def serve(
    config: ConfigOption = None,
    settings: SetOption = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on. Any other than this machine's own needs --trusted-header "
            "or --token-file.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8765,
    trusted_header: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Header in which the reverse proxy writes the name of the user. Only the proxy "
            "may reach the port.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with a line NAME TOKEN per user. Let only the user of the server read it.",
            show_default=False,
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Name by which browsers call the server; may be repeated. Others are refused.",
            show_default=False,
        ),
    ] = None,
    access_log: Annotated[
        Path,
        typer.Option(metavar="FILE", help="File for who looked at which patient, and when."),
    ] = Path("access.log"),
    max_age_hours: MaximumAgeOption = 26,
) -> None:
    """Serve the patients of the latest run to browsers.

    Needs omop-scorer[web]. It serves a work list, a page per patient, the report, /health, and
    answers in JSON (/openapi.json), read-only and from the results alone. Every look at a patient
    is written to the access log.
    """
    try:
        from omop_scorer.web.server import hosts_of, identity_of, make_server  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("starlette", "uvicorn", "anyio", "h11"):
            raise
        raise ConfigurationError(
            f"serve needs the package {package}, which is not installed; install it with: "
            "pip install 'omop-scorer[web]'"
        ) from None
    from omop_scorer.web.access_log import AccessLog  # noqa: PLC0415

    read = results_config(config, settings)
    identity = identity_of(host, trusted_header, token_file)
    hosts = hosts_of(host, allowed_host or [])
    log = AccessLog(access_log)
    maximum_age = timedelta(hours=max_age_hours)
    server = make_server(read, host, port, identity, hosts, log, maximum_age)
    for warning in _warnings(read):
        typer.echo(f"warning: {warning}", err=True)
    if identity.others_may_read:
        typer.echo(
            f"warning: the rights of {token_file} let other users of this machine read the tokens, "
            "unless its folder keeps them out; mode 600 does not",
            err=True,
        )
    with _listening(host, port) as opened:
        typer.echo(f"serving on http://{f'[{host}]' if ':' in host else host}:{port}/", err=True)
        server.run(sockets=[opened])


def _warnings(config: "RunConfig") -> Sequence[str]:
    """Return what is wrong with the results now; the server starts before the first night too."""
    from omop_scorer.stores import open_results  # noqa: PLC0415

    is_export = False
    problems: list[str] = []
    try:
        # A run that is writing is no fault.
        with suppress(LockHeldError), open_results(config.connections) as reader:
            is_export = reader.is_export
    except OmopScorerError as error:
        problems += [f"no page can be shown yet: {problem}" for problem in error.problems]
    if config.connections.store == "duckdb" and not is_export:
        problems.append(
            "a run waits while a page reads its DuckDB file; serve a copy: name one under export "
            "in the run file, and start serve with --set results.url=COPY"
        )
    return problems


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConnectionFailedError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror}; choose another"
        ) from None
