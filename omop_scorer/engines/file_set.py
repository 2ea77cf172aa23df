"""The files that a run reads, fixed when it begins and compared at its end.

A load that replaces files during a run would mix two states of the CDM, and no query would fail.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from omop_scorer.errors import CdmError, ConnectionFailedError, OmopScorerError
from omop_scorer.texts.characters import is_utf_8, one_line


@dataclass(frozen=True)
class FileState:
    """A file, or the target of a symbolic link, as it was when it was listed."""

    target: Path
    n_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class _Listing:
    home: str
    list_files: Callable[[], Iterable[Path]]
    states: Mapping[Path, FileState]


class FileSet:
    """Files of the CDM, by the table that they belong to. The first listing of a table counts."""

    def __init__(self) -> None:
        self._listings: dict[tuple[str, str], _Listing] = {}

    def fix(
        self, home: str, table: str, list_files: Callable[[], Iterable[Path]]
    ) -> Mapping[Path, FileState]:
        """Return the files of a table as they were when this was first called for it.

        Parameters
        ----------
        home
            Key of the run file and its value, for messages.
        table
            Name of the table; empty for a file that holds all tables.
        list_files
            Lists the files now.

        Raises
        ------
        CdmError
            A file cannot be read, or its name is not UTF-8.
        """
        key = (home, table)
        if key not in self._listings:
            states = _states(home, list_files())
            for path, state in states.items():
                # A file of all tables is opened by its name, other files where links lead to.
                _refuse_other_encoding(home, path, state.target if table else path)
            self._listings[key] = _Listing(home, list_files, states)
        return self._listings[key].states

    def refuse_changes(self) -> None:
        """Check that every listing gives the same files, sizes, times and targets as at first.

        Raises
        ------
        CdmError
            The message names a file that differs.
        """
        for listing in self._listings.values():
            try:
                now = _states(listing.home, listing.list_files())
            except (CdmError, ConnectionFailedError) as error:
                raise CdmError(f"{error}; it could be read when the run began") from None
            for path in sorted({*listing.states, *now}):
                before, after = listing.states.get(path), now.get(path)
                if before != after:
                    raise CdmError(
                        f"{listing.home}: {path} {_change(before, after)} during the run, which "
                        "may therefore have read two states of the CDM; start again when nothing "
                        "writes to it"
                    )


def _states(home: str, paths: Iterable[Path]) -> dict[Path, FileState]:
    states = {}
    with file_errors_as(CdmError, home):
        for path in paths:
            found = path.stat()
            states[path] = FileState(path.resolve(), found.st_size, found.st_mtime_ns)
    return states


def _refuse_other_encoding(home: str, path: Path, target: Path) -> None:
    """Check that a name can be given to every library that reads files."""
    if not is_utf_8(str(path)):
        raise CdmError(one_line(f"{home}: the name {path} is not UTF-8; rename the file or folder"))
    if not is_utf_8(str(target)):
        raise CdmError(
            one_line(
                f"{home}: {path} leads to {target}, a name that is not UTF-8; rename that file or "
                "folder"
            )
        )


def _change(before: FileState | None, after: FileState | None) -> str:
    if before is None:
        return "appeared"
    if after is None:
        return "was removed"
    return "was replaced" if before.target != after.target else "was changed"


@contextmanager
def file_errors_as(kind: type[OmopScorerError], where: str) -> Iterator[None]:
    """Raise errors of the file system as errors of the given class, naming the file."""
    try:
        yield
    except OSError as error:
        raise kind(
            f"{where}: {error.filename} cannot be read ({error.strerror}); see that it is there "
            "and that the user of the job may read it"
        ) from None


def entries(folder: Path, label: str, kind: type[OmopScorerError]) -> list[Path]:
    """Return what a folder holds, in order of names.

    Raises
    ------
    OmopScorerError
        The folder cannot be read: an error of the class `kind`.
    """
    with file_errors_as(kind, label):
        return sorted(folder.iterdir())
