"""The README: its commands run and print what it shows; its links, commands and codes exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from omop_scorer import __version__
from omop_scorer.cli.main import app
from omop_scorer.errors import OmopScorerError
from tests.support.command_line import Finished, environment
from tests.support.forked import Forked

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Homepage"]
COMMANDS = typer.main.get_command(app).commands
TEXTS = [
    ROOT / "README.md",
    ROOT / "docker" / "README.md",
    ROOT / ".github" / "CONTRIBUTING.md",
    ROOT / ".github" / "SECURITY.md",
]


def test_it_has_at_most_200_lines() -> None:
    assert len(README.splitlines()) <= 200


def test_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    printed = ""
    n_shown = 0
    for language, text in BLOCKS:
        if language == "yaml":
            (tmp_path / "nightly.yaml").write_text(text, encoding="utf-8")
        elif language == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                cwd=tmp_path,
                env=wide(),
                capture_output=True,
                text=True,
                check=False,
            )
            printed = output_of(done)
        elif language == "text":
            assert re.search(pattern_of(text), printed, flags=re.MULTILINE), (text, printed)
            n_shown += 1
        for line in text.splitlines() if language == "sh" else []:
            if line.startswith("omop-scorer "):
                printed = output_of(Forked(shlex.split(line)[1:], wide(), tmp_path).finish())
    assert n_shown >= 5
    assert "</html>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def wide() -> dict[str, str]:
    """Return the environment of a terminal that is wide enough for the README."""
    return environment() | {"COLUMNS": "100"}


def output_of(done: Finished) -> str:
    assert done.returncode == 0, (done.args, done.stderr)
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def pattern_of(shown: str) -> str:
    """Return a pattern of successive lines, where a line `...` means any number of lines."""
    lines = [r"(?:.*\n)*?" if x == "..." else re.escape(f"{x}\n") for x in shown.splitlines()]
    return f"^{''.join(lines)}"


def test_it_installs_as_written(tmp_path: Path) -> None:
    """The commands run in a copy of the checkout; what they would download is linked instead."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("omop_scorer", "sql", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    installed = tmp_path / "installed"
    installed.mkdir()
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match(r"pip\b|_*(editable_impl_)?omop_scorer", package.name):
            (installed / package.name).symlink_to(package)
    (script,) = (text for language, text in BLOCKS if "pip install ." in text)
    done = subprocess.run(
        ["/bin/sh", "-euc", f"{script}\ncommand -v omop-scorer\nomop-scorer --version"],
        cwd=tmp_path,
        env={
            "HOME": str(tmp_path),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(installed),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_DEPS": "1",
            "PIP_NO_INDEX": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[-2:] == [str(tmp_path / ".venv" / "bin" / "omop-scorer"), __version__]


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for path in TEXTS:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`)make ([a-z]+)", text, flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), (path, target)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in script
    assert "make check" in script


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_is_listed(name: str) -> None:
    assert re.search(rf"^\|.*`omop-scorer {name}`.* \| .+ \|$", README, flags=re.MULTILINE)
    command = COMMANDS[name]
    assert command.help
    assert all(each.help for each in command.params if each.name != "help"), name


def test_no_other_command_is_listed() -> None:
    assert set(re.findall(r"`omop-scorer ([a-z-]+)`", README)) == set(COMMANDS)


def codes_of(base: type[OmopScorerError]) -> set[int]:
    return {base.exit_code}.union(*map(codes_of, base.__subclasses__()))


@pytest.mark.parametrize("path", TEXTS[:2], ids=lambda path: path.parent.name)
def test_exit_codes_are_those_of_the_program(path: Path) -> None:
    listed = re.findall(r"\| (\d+(?:, \d+)*) (?=\|)", path.read_text(encoding="utf-8"))
    codes = [int(code) for cell in listed for code in cell.split(", ")]
    of_a_shell = {0, 2, 129, 130, 143}  # success, usage, SIGHUP, SIGINT and SIGTERM
    assert sorted(codes) == sorted(codes_of(OmopScorerError) | of_a_shell)


def slug(heading: str) -> str:
    """Return the anchor that GitHub and PyPI give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> list[str]:
    return [slug(x) for x in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)]


def assert_leads_somewhere(target: str, page: Path) -> None:
    """Hold a link, relative or to the repository, to a file and a heading that exist."""
    raw = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/")
    for start in (f"{REPOSITORY}/blob/main/", f"{raw}/main/"):
        if target.startswith(start):
            target = os.path.relpath(ROOT / target.removeprefix(start), page.parent)
    if target.startswith(("http://", "https://")):
        return
    name, _, anchor = target.partition("#")
    path = page.parent / name if name else page
    assert path.exists(), (page, target)
    assert not anchor or anchor in anchors(path), (page, target)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    assert targets
    for target in targets:
        assert_leads_somewhere(target, path)


def test_links_work_on_pypi_too() -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", README):
        assert target.startswith("https://"), target
    for url in PROJECT["urls"].values():
        assert_leads_somewhere(url, ROOT / "README.md")


def test_the_picture_is_small() -> None:
    (picture,) = re.findall(r"^!\[.+\]\(.*/main/(.+)\)$", README, flags=re.MULTILINE)
    content = (ROOT / picture).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 300_000


def test_the_citation_names_this_version_and_the_paper_of_the_models() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    card = yaml.safe_load((ROOT / "configs/models/crohns_srs_2025.yaml").read_text("utf-8"))
    assert citation["version"] == __version__
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == REPOSITORY
    assert citation["preferred-citation"]["doi"] == card["sources"][0]["doi"]
    assert citation["preferred-citation"]["doi"] in README
