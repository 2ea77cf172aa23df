"""Markdown tables."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text(value: object) -> str:
    """Return plain text as a cell: nothing in it is read as HTML or as the end of the cell."""
    return str(value).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def code(value: object) -> str:
    """Return a name or a value in the type of code; nothing for an empty one."""
    shown = str(value).replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def codes(values: Iterable[object]) -> str:
    """Return several, with commas between."""
    return ", ".join(code(value) for value in values)
