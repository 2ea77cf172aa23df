"""The rules of the server: its users, its refusals, and its access log."""

import base64
import json
import re
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from omop_scorer.cli.main import app
from omop_scorer.errors import ConfigurationError
from omop_scorer.web.guard import host_name
from omop_scorer.web.server import hosts_of
from tests.support.command_line import Site, assert_refused
from tests.support.served import Reply, Served, served

TOKEN = "a1" * 32
OTHER_TOKEN = "b2" * 32
BEARER = {"Authorization": f"Bearer {TOKEN}"}

#: Pages of every kind; {id} is a patient who was scored.
PAGES = ("/", "/patients/{id}", "/api/patients/{id}", "/report", "/openapi.json", "/nowhere")


@pytest.fixture(scope="module")
def of_module(tmp_path_factory: pytest.TempPathFactory, answered: Path, made_up) -> Site:
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(answered, folder / "results.duckdb")
    site = Site(folder, made_up(), folder / "results.duckdb")
    # Ids that are in no page by chance.
    tables = ("patient_subgroup", "patient_covariate", "counterfactual", "treatment_line")
    site.write(*(f"UPDATE {each} SET person_id = person_id + 880000000" for each in tables))
    return site


@pytest.fixture(scope="module")
def persons(of_module: Site) -> list[int]:
    return [row[0] for row in of_module.rows("SELECT person_id FROM latest_score ORDER BY 1")]


@pytest.fixture(scope="module")
def server(of_module: Site) -> Iterator[Served]:
    with served(of_module) as found:
        yield found


def token_file(folder: Path, text: str | None = None, mode: int = 0o600) -> Path:
    path = folder / "tokens"
    path.unlink(missing_ok=True)
    path.write_text(f"# users\nanna {TOKEN}\nben {OTHER_TOKEN}\n" if text is None else text)
    path.chmod(mode)
    return path


# Replies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, "/patients/0", "/health", "/patients?person_id=x"])
def test_every_reply_is_kept_by_no_browser_and_in_no_frame(
    server: Served, persons: list[int], page: str
) -> None:
    reply = server.ask(page.format(id=persons[0]))
    policy = reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy.replace("style-src 'unsafe-inline'", "")
    assert ("style-src 'unsafe-inline'" in policy) == (page == "/report")
    assert "set-cookie" not in reply.headers
    assert "server" not in reply.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FOO"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_only_be_read(
    server: Served, persons: list[int], page: str, method: str
) -> None:
    before = len(server.log())
    reply = server.ask(page.format(id=persons[0]), method, {"Content-Type": "application/json"})
    assert reply.status == (404 if page == "/nowhere" else 405)
    assert str(persons[0]) not in reply.body
    assert len(server.log()) == before


def test_nothing_is_written_to_the_results(
    of_module: Site, server: Served, persons: list[int]
) -> None:
    before = of_module.fingerprint()
    for page in PAGES:
        server.ask(page.format(id=persons[0]))
    assert of_module.fingerprint() == before


# The Host header ----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:1", "[::1]:8765"])
def test_names_of_this_machine_are_served(server: Served, host: str) -> None:
    assert server.ask("/openapi.json", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:8765"),
        *("", "127.0.0.2", "0.0.0.0", "[::1", "[::ffff:127.0.0.1]", "localhost:80:80"),
        *("localhost@rebound.example", "localhost/", "localhost\tx", "localhost:x"),
    ],
)
def test_another_name_is_refused_before_anything_is_read(
    server: Served, persons: list[int], host: str
) -> None:
    before = len(server.log())
    reply = server.ask(f"/patients/{persons[0]}", headers={"Host": host})
    assert reply.status == 400
    assert str(persons[0]) not in reply.body
    assert len(server.log()) == before


@pytest.mark.parametrize(
    ("host", "header"),
    [("127.0.0.2", "127.0.0.2:8765"), ("2001:DB8:0::1", "[2001:db8::1]:8765"), ("A.example",) * 2],
)
def test_the_address_that_it_listens_on_is_served(host: str, header: str) -> None:
    assert host_name(header) in hosts_of(host, [])


def test_two_names_or_none_are_refused(server: Served, persons: list[int]) -> None:
    path = f"/patients/{persons[0]}".encode()
    two = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"
    none = b"GET " + path + b" HTTP/1.0\r\n\r\n"
    for content in (two, none):
        assert server.raw(content).startswith(b"HTTP/1.1 400")


# Hostile requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/patients/../../etc/passwd"),
        *("/patients/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/..%5c..%5cetc/passwd", "//etc/passwd"),
        *("/patients/1%00", "/patients/1;DROP", "/patients/1%20OR%201=1", "/patients/' OR ''='"),
        *("/patients/{{7*7}}", "/patients/%s", "/patients/9223372036854775808", "/patients/--1"),
        *("/patients/1e3", "/patients/0x1", "/patients/%D9%A1", "/templates/patient.js"),
        *("/api/patients/", "/patients/", "/static/../server.py", "/api/patients/1/../2"),
    ],
)
def test_what_is_no_page_is_not_found(server: Served, path: str) -> None:
    reply = server.raw(
        f"GET {path.replace(' ', '%20')} HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n".encode()
    ).decode()
    assert reply.startswith("HTTP/1.1 404")
    assert "root:" not in reply
    assert "Traceback" not in reply


@pytest.mark.parametrize("header", ["Content-Length: 20000", "Transfer-Encoding: chunked"])
def test_a_long_body_is_refused(server: Served, header: str) -> None:
    head = f"POST /api/score HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode()
    chunk = b" " * 20_000
    body = b"4e20\r\n" + chunk + b"\r\n0\r\n\r\n" if "chunked" in header else chunk
    assert server.raw(head + body).startswith(b"HTTP/1.1 413")


def test_a_body_as_long_as_allowed_is_read(server: Served) -> None:
    body = json.dumps({"age": 40, "sex": "male"}).ljust(16_384)
    assert len(body) == 16_384
    kind = {"Content-Type": "application/json"}
    assert server.ask("/api/score", "POST", kind, body).status == 200
    assert server.ask("/api/score", "POST", kind, f"{body} ").status == 413


def test_a_connection_without_a_request_is_closed(server: Served) -> None:
    """Otherwise clients without a token could hold every connection that the server allows."""
    begins = [b"", b"GET / HT", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    with ExitStack() as stack:
        found = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            for _ in begins
        ]
        for each, begin in zip(found, begins, strict=True):
            each.sendall(begin)
        assert found[2].recv(65_536).startswith(b"HTTP/1.1")
        # Neither a reply nor a byte of the next request gives more time.
        found[2].sendall(b"G")
        for each in found:
            while each.recv(65_536):
                pass
    assert server.ask("/openapi.json").status == 200


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /no HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /api/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /patients/1 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request_harms_nothing(server: Served, content: bytes) -> None:
    reply = server.raw(content)
    assert not reply or reply.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    assert server.ask("/openapi.json").status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "not JSON"),
        ("[]", "one object"),
        ("{", "not JSON"),
        ("[" * 5_000, "not JSON|one object"),
        ('{"age": NaN, "sex": "male"}', "not JSON"),
        ('{"age": 40, "age": 50, "sex": "male"}', "a name twice"),
        ('{"age": 1e999, "sex": "male"}', "age: not a number"),
        ('{"age": 123456789012345678901234567890, "sex": "male"}', "age: out of range"),
        ('{"age": "40", "sex": "male"}', "age: allowed: a number"),
        ('{"age": true, "sex": "male"}', "age: allowed: a number"),
        ('{"age": [40], "sex": "male"}', "age: allowed: a number"),
        ('{"age": 40, "sex": 1}', "sex: allowed: a word"),
        ('{"age": 40}', "sex: missing"),
        ('{"age": 40, "sex": null}', "sex: missing"),
        ('{"age": 40, "sex": "male", "person_name": "S3NTINEL"}', "unknown column"),
        ('{"age": 40, "sex": "male", "exclude": "anti_tnf"}', "exclude: allowed"),
        ('{"age": 40, "sex": "male", "exclude": ["S3NTINEL"]}', "exclude: allowed"),
        ('{"age": 40, "sex": "male", "uncertainty": "S3NTINEL"}', "uncertainty: allowed"),
        ('{"age": 40, "sex": "male", "crp": 123.456, "cdai": 98765.4}', "cdai: outside"),
    ],
)
def test_a_refused_patient_is_told_why_and_no_value(server: Served, body: str, said: str) -> None:
    reply = server.ask("/api/score", "POST", {"Content-Type": "application/json"}, body)
    assert reply.status == 422
    assert re.search(said, " ".join(reply.json["problems"]))
    for value in ("S3NTINEL", "person_name", "98765", "123456789", "123.456"):
        assert value not in reply.body


def test_another_content_type_is_refused(server: Served) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.ask("/api/score", "POST", form, "age=40&sex=male").status == 415
    assert server.ask("/api/score", "POST", {}, "{}").status == 415


# Who asks -----------------------------------------------------------------------------------------


def alike(replies: list[Reply]) -> bool:
    """Return True if replies have the same status, headers and body; their time does not count."""
    kept = [
        (each.status, {k: v for k, v in each.headers.items() if k != "date"}, each.body)
        for each in replies
    ]
    return all(each == kept[0] for each in kept)


def test_without_a_token_every_page_is_refused_in_the_same_words(
    of_module: Site, persons: list[int], tmp_path: Path
) -> None:
    options = ("--token-file", token_file(tmp_path))
    with served(of_module, *options) as server:
        pages = [page.format(id=persons[0]) for page in (*PAGES, "/patients/0", "/patients/x")]
        replies = [server.ask(page) for page in pages]
        assert alike(replies)
        assert replies[0].status == 401
        assert server.log() == [] or all(line["user"] != "" for line in server.log())
        assert server.ask("/health").status in (200, 503)
        found = server.ask(f"/patients/{persons[0]}", headers=BEARER)
        assert found.status == 200
        wrong = [server.ask(each, headers=BEARER) for each in ("/patients/0", "/patients/x", "/no")]
        assert alike(wrong)
        assert wrong[0].status == 404
        basic = base64.b64encode(f"anybody:{OTHER_TOKEN}".encode()).decode()
        assert server.ask("/", headers={"Authorization": f"Basic {basic}"}).status == 200
        users = [(line["user"], line["page"]) for line in server.log()]
        assert users[-3:] == [("anna", "patient"), ("anna", "patient"), ("ben", "list")]


@pytest.mark.parametrize(
    "value",
    [
        *("Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"),
        f"Bearer {TOKEN.upper()}",
        *(TOKEN, f"Digest {TOKEN}", "Basic !!!", "Basic " + base64.b64encode(b"anna").decode()),
        "Basic " + base64.b64encode(b"anna:").decode(),
        "Bearer anna",
    ],
)
def test_a_wrong_token_is_refused(tokens: Served, persons: list[int], value: str) -> None:
    reply = tokens.ask(f"/patients/{persons[0]}", headers={"Authorization": value})
    assert reply.status in (401, 429)
    assert str(persons[0]) not in reply.body


@pytest.fixture
def tokens(of_module: Site, tmp_path: Path) -> Iterator[Served]:
    with served(of_module, "--token-file", token_file(tmp_path)) as server:
        yield server


def test_two_tokens_are_refused(tokens: Served) -> None:
    line = f"Authorization: Bearer {TOKEN}\r\n"
    request = f"GET / HTTP/1.1\r\nHost: localhost\r\n{line}{line}Connection: close\r\n\r\n"
    assert tokens.raw(request.encode()).startswith(b"HTTP/1.1 401")


def test_after_ten_failed_tokens_the_right_one_has_to_wait_too(tokens: Served) -> None:
    wrong = {"Authorization": f"Bearer {'c3' * 32}"}
    assert tokens.ask("/openapi.json", headers=BEARER).status == 200
    assert [tokens.ask("/", headers=wrong).status for _ in range(12)] == [401] * 10 + [429] * 2
    reply = tokens.ask("/openapi.json", headers=BEARER)
    assert reply.status == 429
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert tokens.ask("/health").status in (200, 503)


def test_the_user_is_the_header_of_the_proxy(of_module: Site, persons: list[int]) -> None:
    page = f"/patients/{persons[0]}"
    with served(of_module, "--trusted-header", "X-Remote-User") as server:
        replies = [server.ask(each) for each in (page, "/patients/0", "/", "/report", "/no")]
        assert alike(replies)
        assert replies[0].status == 403
        for value in ("", "  ", "a" * 101, "two words"):
            assert server.ask(page, headers={"X-Remote-User": value}).status == 403
        line = "X-Remote-User: anna\r\nx-remote-user: ben\r\n"
        twice = f"GET {page} HTTP/1.1\r\nHost: localhost\r\n{line}Connection: close\r\n\r\n"
        assert server.raw(twice.encode()).startswith(b"HTTP/1.1 403")
        before = len(server.log())
        assert server.ask(page, headers={"X-REMOTE-USER": "anna@hospital"}).status == 200
        (line,) = server.log()[before:]
        assert line["user"] == "anna@hospital"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0"), "say who asks"),
        (("--host", "::"), "say who asks"),
        (("--host", "192.0.2.1"), "say who asks"),
        (("--host", "0.0.0.0", "--trusted-header", "X-User"), "say how browsers name it"),
        (("--trusted-header", "X User"), "letters, digits"),
        (("--trusted-header", "X-User", "--token-file", "{tokens}"), "not both"),
        (("--token-file", "{none}"), "cannot be read"),
        (("--token-file", "{folder}"), "cannot be read|plain file"),
        (("--allowed-host", "a b:c:d"), "not the name"),
    ],
)
def test_a_server_that_anybody_could_ask_does_not_start(
    site: Site, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    places = {
        "tokens": token_file(tmp_path),
        "none": tmp_path / "none",
        "folder": tmp_path,
    }
    given = [each.format_map(places) for each in arguments]
    assert_refused(site.run(*given, "--access-log", tmp_path / "log", command="serve"), 10, said)


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in list(sys.modules):
        if name in ("omop_scorer.web.server", "omop_scorer.web.app") or name.startswith(package):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'omop-scorer\[web\]'"):
        CliRunner().invoke(app, ["serve"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o620, "only this user can write"),
        (None, 0o602, "only this user can write"),
        ("", 0o600, "no token"),
        ("# none\n\n", 0o600, "no token"),
        (f"{TOKEN}\n", 0o600, "line 1"),
        ("anna short\n", 0o600, "line 1: .*32 characters"),
        (f"anna {TOKEN} x\n", 0o600, "line 1"),
        (f"anna {TOKEN}\nben {TOKEN}\n", 0o600, "line 2: the token of another line"),
    ],
)
def test_a_token_file_is_private_and_complete(
    site: Site, tmp_path: Path, text: str | None, mode: int, said: str
) -> None:
    path = token_file(tmp_path, text, mode)
    done = site.run("--token-file", path, "--access-log", tmp_path / "log", command="serve")
    assert_refused(done, 10, said)
    assert TOKEN not in done.stdout + done.stderr


def test_tokens_that_others_can_read_are_a_warning(of_module: Site, tmp_path: Path) -> None:
    for mode, is_said in ((0o600, False), (0o444, True)):
        with served(of_module, "--token-file", token_file(tmp_path, mode=mode)) as server:
            _, said = server.stop()
        assert ("let other users of this machine read the tokens" in said) == is_said


# The access log -----------------------------------------------------------------------------------


def test_every_look_is_written_down(of_module: Site, server: Served, persons: list[int]) -> None:
    before = len(server.log())
    first, *_ = persons
    server.ask("/")
    server.ask(f"/patients/{first}")
    server.ask(f"/api/patients/{first}")
    server.ask("/patients/-5")
    server.ask(f"/patients?person_id={first}")
    server.ask("/report")
    lines = server.log()[before:]
    assert [(line["page"], line["outcome"]) for line in lines] == [
        *(("list", "shown"), ("patient", "shown"), ("api", "shown"), ("patient", "not found"))
    ]
    assert [line["person_ids"] for line in lines[1:]] == [[first], [first], [-5]]
    listed = re.findall(r'href="/patients/(\d+)"', server.ask("/").body)
    assert lines[0]["person_ids"] == [int(each) for each in listed] == persons[:50]
    ((run_id,),) = of_module.rows("SELECT run_id FROM latest_run")
    assert {line["run_id"] for line in lines} == {run_id}
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$", e["time"]) for e in lines)
    assert stat.S_IMODE(server.access_log.stat().st_mode) == 0o600


def test_no_other_log_names_a_person(site: Site) -> None:
    ((person,),) = site.rows("SELECT MAX(person_id) FROM latest_score")
    site.write(f"UPDATE patient_subgroup SET person_id = 987654321 WHERE person_id = {person}")
    with served(site) as server:
        for page in ("/patients/987654321", "/api/patients/987654321", "/"):
            assert server.ask(page).status in (200, 500)
        server.ask("/patients/987654321", "POST")
        server.ask("/patients?person_id=987654321")
        code, said = server.stop()
    assert code in (0, 143)
    assert "987654321" not in said
    assert "987654321" in server.access_log.read_text()


def test_without_the_log_nothing_is_shown(site: Site) -> None:
    ((person,),) = site.rows("SELECT MAX(person_id) FROM latest_score")
    with served(site) as server:
        assert server.ask(f"/patients/{person}").status == 200
        # A rotation: the lines after it are in the new file.
        server.access_log.rename(server.access_log.with_suffix(".1"))
        assert server.ask(f"/patients/{person}").status == 200
        assert len(server.log()) == 1
        # A folder in the place of the log cannot be written.
        server.access_log.unlink()
        server.access_log.mkdir()
        reply = server.ask(f"/patients/{person}")
        assert reply.status == 500
        assert str(person) not in reply.body


@pytest.mark.parametrize("kind", ["readable", "link", "folder", "no folder"])
def test_a_log_that_others_could_read_is_refused(site: Site, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "looks.log"
    match kind:
        case "readable":
            path.touch(0o644)
            path.chmod(0o644)
        case "link":
            (tmp_path / "there").touch(0o600)
            path.symlink_to(tmp_path / "there")
        case "folder":
            path.mkdir()
        case "no folder":
            path = tmp_path / "none" / "looks.log"
    done = site.run("--access-log", path, command="serve")
    assert_refused(done, 10, "--access-log")


def test_a_taken_port_is_named(site: Site) -> None:
    with served(site) as server:
        done = site.run("--port", server.port, "--access-log", site.folder / "b", command="serve")
    assert_refused(done, 11, "cannot listen there", "choose another")
