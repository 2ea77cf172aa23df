"""Identity of a results file or folder: one that was moved or replaced is not written to."""

from pathlib import Path

from omop_scorer.errors import ResultsError


class Identity:
    """The file or folder that a path named when the results were opened.

    Parameters
    ----------
    where
        Location as the run file gives it, for messages.
    path
        The file or folder, which exists.
    """

    def __init__(self, where: str, path: Path) -> None:
        # The run may not change the working directory, but the text of a message may be relative.
        self._where, self._path = where, path.absolute()
        self._found = self._look()

    def refuse_changed(self) -> None:
        """Fail if the path now names something else, or nothing.

        Raises
        ------
        ResultsError
        """
        if self._found is None or self._look() != self._found:
            raise ResultsError(
                f"{self._where}: it was moved, removed or replaced during the run, so nothing is "
                "published; put it back and start again"
            )

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
