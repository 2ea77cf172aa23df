"""The files of a site to start from: copies of the shipped ones, and a run file that names them."""

import json
import re
from pathlib import Path

from omop_scorer.errors import ConfigurationError
from omop_scorer.resources import shipped

_COPIED = ("units.yaml", "treatment_lines.yaml")
_CONCEPT_SETS = "concept_sets"


def write_starting_files(folder: Path, run_file: str, *, overwrite: bool) -> list[Path]:
    """Write run file, concept sets, units and treatment lines into a folder; return their paths.

    The run file names the others by absolute paths, so that a job may start in any folder.

    Raises
    ------
    ConfigurationError
        A file exists and `overwrite` is False (nothing is written), or cannot be written.
    """
    texts = _texts(folder, run_file)
    if (present := [str(path) for path in texts if path.exists()]) and not overwrite:
        raise ConfigurationError(
            *(f"{path}: exists already; nothing was written" for path in present),
            "name another folder, or replace the files with --overwrite",
        )
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from None
    return list(texts)


def _texts(folder: Path, run_file: str) -> dict[Path, str]:
    """Return the text of each file, by its path."""
    configs = shipped("configs")
    root = folder.resolve()
    values = {
        "concept_sets": root / _CONCEPT_SETS,
        "units": root / "units.yaml",
        "treatment_lines": root / "treatment_lines.yaml",
    }
    text = (configs / "nightly.yaml").read_text(encoding="utf-8")
    for key, path in values.items():
        text = _with_value(text, rf"^{key}: null", f"{key}: {_quoted(path)}")
    for name in ("cdm", "results"):
        shipped_url = rf"^  url: demo/{name}\.duckdb"
        text = _with_value(text, shipped_url, f"  url: {_quoted(root / f'{name}.duckdb')}")
    texts = {folder / run_file: text}
    for path in sorted((configs / _CONCEPT_SETS).glob("*.yaml")):
        texts[folder / _CONCEPT_SETS / path.name] = path.read_text(encoding="utf-8")
    for name in _COPIED:
        texts[folder / name] = (configs / name).read_text(encoding="utf-8")
    return texts


def _with_value(text: str, pattern: str, line: str) -> str:
    changed, n_changed = re.subn(pattern, lambda _: line, text, flags=re.MULTILINE)
    assert n_changed == 1, pattern
    return changed


def _quoted(path: Path) -> str:
    """Return a path as YAML: as it is, or in quotes if YAML could read it as something else."""
    text = str(path)
    return text if re.fullmatch(r"/[\w./-]*", text, re.ASCII) else json.dumps(text)
