"""The files of docker/ fit together, and their commands and those of docker/README.md run.

No Docker engine is needed. Commands run as they are written, with the environment of their service;
only the locations of the server, the files and the role differ.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest
import yaml
from packaging.requirements import Requirement
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier
from typer.testing import CliRunner

from omop_scorer.cli.main import app
from tests.support import postgresql
from tests.support.command_line import PROGRAM, omop_scorer
from tests.support.psql import ROOT, psql_program

DOCKER = ROOT / "docker"
README = (DOCKER / "README.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
STEPS = ("synth", "load", "grants", "nightly", "report")
PASSWORD = "s3ntinel"
TOKEN = "t0ken" * 8
Instruction = tuple[str, str]


def dockerfile() -> list[list[Instruction]]:
    """Return the instructions of each stage of the Dockerfile."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    stages: list[list[Instruction]] = []
    for word, rest in lines:
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages


def test_the_image_is_built_from_what_it_copies(tmp_path: Path) -> None:
    build, _ = dockerfile()
    source = tmp_path / "source"
    source.mkdir()
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for word, rest in build:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                assert f"!{name}" in sent
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, source / target)
                else:
                    shutil.copy(ROOT / name, source / target)
    (command,) = [rest for word, rest in build if word == "RUN" and "pip wheel" in rest]
    wheel_command = command.partition("&&")[0].replace("/wheels", str(tmp_path / "wheels"))
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(wheel_command), "--no-build-isolation", "--quiet"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheels").iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    for folder in ("sql", "configs"):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        inside = tmp_path / "site" / "omop_scorer" / "_resources"
        assert files == {path.relative_to(inside) for path in (inside / folder).rglob("*.*")}


def test_the_image_pins_every_package_and_runs_without_root() -> None:
    lines = (DOCKER / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"]["web"]):
        requirement = Requirement(text)
        assert pinned[requirement.name] in requirement.specifier, text
    build, final = dockerfile()
    bases = {rest.split()[0] for word, rest in (build[0], final[0])}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", *bases)
    ((_, user),) = [line for line in final if line[0] == "USER"]
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", user)
    assert ("ENTRYPOINT", '["omop-scorer"]') in final


def test_services_are_confined_and_hold_no_secret() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not re.fullmatch(r"[^:]+|.*:latest", service["image"]), name
        assert (
            "omop-scorer:" in service["image"]
            or "unprivileged" in service["image"]
            or (service["user"] == "postgres")
        )
        for other, how in service.get("depends_on", {}).items():
            one_shot = "restart" not in SERVICES[other]
            expected = "service_completed_successfully" if one_shot else "service_healthy"
            assert how["condition"] == expected, (name, other)
            assert one_shot or "healthcheck" in SERVICES[other]
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or value.startswith("/run/secrets/"), (name, key)
    assert COMPOSE["networks"]["warehouse"] == {"internal": True}
    assert SERVICES["web"]["networks"] == ["web"]
    assert SERVICES["web"]["volumes"] == ["report:/usr/share/nginx/html:ro"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    for secret in COMPOSE["secrets"].values():
        assert str(Path("docker", Path(secret["file"]).parent)) + "/" in ignored


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return what stands for the places of the containers: folders, the server, the role."""
    database = postgresql.database()
    role = f"docker_{os.getpid()}"
    admin, session = conninfo_to_dict(database).get("password"), postgresql.session()
    rest = database.partition("://")[2].rpartition("@")[2]
    for folder in ("data", "log", "report", "secrets"):
        (tmp_path / folder).mkdir()
    secrets = tmp_path / "secrets"
    (secrets / "admin_password").write_text(f"{admin or 'none needed'}\n")
    (secrets / "scorer_password").write_text(PASSWORD + "\n")
    (secrets / "reader_password").write_text(PASSWORD + "\n")
    (secrets / "patients_tokens").write_text(f"me {TOKEN}\n")
    yield {
        "/data": str(tmp_path / "data"),
        "/report": str(tmp_path / "report"),
        "/log": str(tmp_path / "log"),
        "/run/secrets": str(secrets),
        "/docker/grants.sql": str(DOCKER / "grants.sql"),
        "/etc/omop-scorer/nightly.yaml": str(tmp_path / "nightly.yaml"),
        "postgres@database:5432/omop": f"{quote(session.info.user)}@{rest}",
        "omop_scorer@database:5432/omop": f"{role}@{rest}",
        "role=omop_scorer": f"role={role}",
        "password omop_scorer": f"password {role}",
        "omop_reader": f"{role}_reader",
        "omop_reader@database:5432/omop": f"{role}_reader@{rest}",
        "0.0.0.0": "127.0.0.1",
        "loader=postgres": f"loader={session.info.user}",
        "10000": "300",
    }
    for name in (f"{role}_reader", role):
        if session.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchall():
            session.execute(SQL("DROP OWNED BY {} CASCADE").format(Identifier(name)))
            session.execute(SQL("DROP ROLE {}").format(Identifier(name)))
    session.execute("DROP SCHEMA IF EXISTS cdm CASCADE")
    session.execute("DROP SCHEMA IF EXISTS omop_scorer CASCADE")


def put(text: str, places: dict[str, str]) -> str:
    """Return a text with each place of a container replaced by what stands for it."""
    names = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
    return re.sub(names, lambda found: places[found[0]], text)


def start(service: dict[str, Any], places: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command of a service as compose does, without a terminal."""
    words = [*service.get("entrypoint", ["omop-scorer"]), *service["command"]]
    words = [put(word.replace("$$", "$"), places) for word in words]
    environment = {str(k): str(v) for k, v in service.get("environment", {}).items()}
    if "PGHOST" in environment:
        info = postgresql.session().info
        assert set(environment) == {"PGHOST", "PGPORT", "PGUSER", "PGDATABASE"}
        environment = {"PGHOST": info.host, "PGPORT": str(info.port)}
        environment |= {"PGUSER": info.user, "PGDATABASE": info.dbname}
        # The default of the server of compose.yaml; that of PostgreSQL 13 is md5.
        environment["PGOPTIONS"] = "-c password_encryption=scram-sha-256"
    programs = [str(PROGRAM.parent), str(Path(psql_program()).parent), "/usr/bin", "/bin"]
    environment |= {"PATH": os.pathsep.join(programs), "HOME": places["/data"]}
    return subprocess.run(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        start_new_session=True,
    )


def test_every_command_of_the_compose_file_runs_in_its_order(places: dict[str, str]) -> None:
    order = list(SERVICES)
    assert [name for name in order if "command" in SERVICES[name]] == [*STEPS, "patients"]
    for name, service in SERVICES.items():
        assert all(
            order.index(other) < order.index(name) for other in service.get("depends_on", {})
        )
    shipped = (DOCKER / "nightly.yaml").read_text(encoding="utf-8")
    Path(places["/etc/omop-scorer/nightly.yaml"]).write_text(put(shipped, places))
    said = ""
    for name in STEPS:
        done = start(SERVICES[name], places)
        assert done.returncode == 0, (name, done.stderr)
        said += done.stdout + done.stderr
    assert PASSWORD not in said
    assert "</html>" in Path(places["/report"], "index.html").read_text(encoding="utf-8")
    role = places["role=omop_scorer"].removeprefix("role=")
    session = postgresql.session()
    ((verifier,),) = session.execute(
        "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [role]
    ).fetchall()
    assert is_verified(verifier, PASSWORD)
    ((owner,),) = session.execute(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'omop_scorer'"
    ).fetchall()
    assert owner == role
    ((n_known,),) = session.execute(
        "SELECT COUNT(*) FROM omop_scorer.latest_patient_covariate "
        "WHERE covariate = 'cdai' AND status = 'observed'"
    ).fetchall()
    assert_patients_are_served(places)
    assert n_known > 0  # the night and the concepts of the run file are those of the made-up CDM


def assert_patients_are_served(places: dict[str, str]) -> None:
    """Start the service `patients`, and look at a patient with its token and without."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [put(word, places) for word in SERVICES["patients"]["command"]]
    process = subprocess.Popen([PROGRAM, *words, "--port", str(port)], stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        assert process.poll() is None, process.communicate()
        (row,) = (
            postgresql.session()
            .execute("SELECT MIN(person_id) FROM omop_scorer.latest_score")
            .fetchall()
        )
        page = Request(f"http://127.0.0.1:{port}/patients/{row[0]}")
        with pytest.raises(HTTPError, match="401"):
            urlopen(page)
        page.add_header("Authorization", f"Bearer {TOKEN}")
        with urlopen(page) as reply:
            assert f"Patient {row[0]}" in reply.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    (line,) = Path(places["/log"], "access.log").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["user"] == "me"


def is_verified(verifier: str, password: str) -> bool:
    """Tell whether a password is that of a SCRAM verifier (RFC 5803), as a login would."""
    head, keys = verifier.removeprefix("SCRAM-SHA-256$").split("$")
    rounds, salt = head.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return base64.b64decode(keys.split(":")[0]) == stored


def scheduled() -> dict[str, list[str]]:
    """Return the command lines of the files for schedulers."""
    unit = (DOCKER / "omop-scorer.service").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^ExecStart=\S+ (.*)$", unit, flags=re.MULTILINE)
    job = yaml.safe_load((DOCKER / "kubernetes.yaml").read_text(encoding="utf-8"))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {"systemd": shlex.split(line), "kubernetes": container["args"]}


@pytest.mark.parametrize("scheduler", ["systemd", "kubernetes"])
def test_a_scheduler_starts_a_run_that_reads_its_run_file(scheduler: str, tmp_path: Path) -> None:
    words = scheduled()[scheduler]
    shutil.copy(DOCKER / "nightly.yaml", tmp_path)
    here = {"/etc/omop-scorer/nightly.yaml": str(tmp_path / "nightly.yaml"), "%d": str(tmp_path)}
    done = CliRunner().invoke(app, [put(word, here) for word in words])
    # The options and the file are read; the first thing that is missing is the password's file.
    assert done.exit_code == 10, done.stderr
    (line,) = done.stderr.splitlines()
    folder = tmp_path if scheduler == "systemd" else "/run/secrets"
    assert f"password_file {folder}/" in json.loads(line)["message"]


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    for unit in ("omop-scorer.service", "omop-scorer.timer"):
        text = (DOCKER / unit).read_text(encoding="utf-8")
        (tmp_path / unit).write_text(text.replace("/opt/omop-scorer/bin/omop-scorer", str(PROGRAM)))
    done = subprocess.run(
        [analyze, "verify", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "omop-scorer" not in done.stderr


def shown(program: str) -> list[list[str]]:
    """Return the words of each command line of the README that starts a program."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE))
    schedule = r"(?:\d+ +\d+ \* \* \*  )?"
    lines = re.findall(rf"^{schedule}({program} .*)$", blocks, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def test_every_file_is_described() -> None:
    files = {path.name for path in DOCKER.iterdir() if path.is_file()} - {"README.md"}
    first_table = README.partition("Contents:")[0]
    assert set(re.findall(r"\]\(([\w.-]+)\)", first_table)) == files


def test_cron_starts_commands_that_exist(tmp_path: Path) -> None:
    lines = shown("/opt/omop-scorer/bin/omop-scorer")
    assert [words[1] for words in lines] == ["run", "status"]
    here = {"/etc/omop-scorer/nightly.yaml": str(tmp_path / "nightly.yaml")}
    for words in lines:
        n_arguments = next(i for i, word in enumerate(words) if ">" in word)
        finished = omop_scorer(*(put(word, here) for word in words[1:n_arguments]))
        # The options are read; the first thing that is missing is the run file.
        assert finished.returncode == 10, finished.stderr
        assert f"{tmp_path}/nightly.yaml: cannot be read" in finished.stderr


def test_compose_commands_name_services_and_profiles_of_the_file() -> None:
    commands = shown("docker compose")
    assert len(commands) == 3
    for words in commands:
        assert words[2:4] == ["-f", "docker/compose.yaml"]
        assert words[-1] in SERVICES
        if "--profile" in words:
            profile = words[words.index("--profile") + 1]
            assert any(profile in service.get("profiles", []) for service in SERVICES.values())
    described = re.findall(
        r"^\| (`.+`) \| .+ \|$", README.partition("| service |")[2], re.MULTILINE
    )
    assert re.findall(r"`(\w+)`", " ".join(described)) == list(SERVICES)


def test_secrets_of_the_compose_file_are_those_that_the_readme_creates() -> None:
    (names,) = re.findall(
        r"^for name in (.+); do .* docker/secrets/\$\{name\}_password", README, re.M
    )
    files = {f"./secrets/{name}_password" for name in names.split()}
    files |= {f"./secrets/{name}" for name in re.findall(r"> docker/secrets/(\w+)$", README, re.M)}
    assert files == {secret["file"] for secret in COMPOSE["secrets"].values()}


def test_the_grants_are_given_variables_that_the_script_knows() -> None:
    (script, _) = shown("psql")
    given = {word.partition("=")[0] for word in script if "=" in word}
    known = re.findall(r"^-- (\w+) {2,}", (DOCKER / "grants.sql").read_text("utf-8"), re.MULTILINE)
    assert given
    assert given < set(known)


def test_kubernetes_objects_have_the_names_that_the_readme_creates() -> None:
    job = yaml.safe_load((DOCKER / "kubernetes.yaml").read_text(encoding="utf-8"))
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    created = {tuple(words[2:-2]): words[-2] for words in shown("kubectl create")}
    assert created["configmap",] == volumes["configuration"]["configMap"]["name"]
    assert created["secret", "generic"] == volumes["password"]["secret"]["secretName"]
    (container,) = pod["containers"]
    (mounted,) = [x["mountPath"] for x in container["volumeMounts"] if x["name"] == "password"]
    assert f"`{mounted}/password`" in README
