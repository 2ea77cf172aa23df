"""Identities between counts, as the columns `sums_over` and `part_of` of the data model say them.

The language is described in `sql/README.md`. A declaration that nobody can read is an error of the
specification, so it raises at once.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property

from omop_scorer import terms
from omop_scorer.data_model import ResultsColumn, data_model

#: Stands in place of a target for counts that no other count is linked with.
NOTHING = "nothing"

_FORM = re.compile(
    r"(?:if (?P<condition>\w+) ?)?"
    r"(?P<summed>\w+(?:, \w+)*)? ?"
    r"(?:of (?P<source>~\w+|\w+\.\w+) ?)?"
    r"(?:where (?P<where>.+?) ?)?"
    r"-> (?P<target>[~\w.]*)(?:\[(?P<keys>[^\]]*)\])?"
    r"(?: leaving (?P<rest>~\w+)(?:\[(?P<rest_keys>[^\]]*)\])?)?"
)
_RULE = re.compile(r"\((?P<rule>[a-z ]+)\)")


@dataclass(frozen=True)
class Words:
    """Words of a key column that a condition lets through."""

    patterns: tuple[str, ...]
    is_negated: bool = False

    def hold(self, word: str) -> bool:
        """Return True if a word meets the condition."""
        found = any(fnmatchcase(word, pattern) for pattern in self.patterns)
        return found != self.is_negated


@dataclass(frozen=True)
class Target:
    """A cell: `table.column`, or `~name` for one that no table holds, and the words of its keys.

    A word that begins with $ is that of another key of the same row.
    """

    name: str
    keys: Mapping[str, str]

    @property
    def is_virtual(self) -> bool:
        """True if no table holds the cell."""
        return self.name.startswith("~")


@dataclass(frozen=True)
class Declaration:
    """Rows of `source` that differ in `summed` alone add up to `target`, or are part of it."""

    table: str
    """The table that declares it."""
    source: str
    is_part: bool
    condition: str | None
    summed: tuple[str, ...]
    where: Mapping[str, Words]
    target: Target | None
    rest: Target | None

    @cached_property
    def needs(self) -> frozenset[str]:
        """The counts and virtual cells that must be known: the source, and what it is part of.

        The virtual total of a sum is made by the sum.
        """
        if self.is_part and self.target is not None and self.target.is_virtual:
            return frozenset((self.source, self.target.name))
        return frozenset((self.source,))

    @cached_property
    def makes(self) -> frozenset[str]:
        """The virtual cells that it may make: the total of a sum, and the rest of a part."""
        total = None if self.is_part else self.target
        return frozenset(each.name for each in (total, self.rest) if each and each.is_virtual)


@cache
def declarations() -> tuple[Declaration, ...]:
    """Return every declaration of the data model: sums first, each in the order of the file."""
    return tuple(
        _declaration(column, text, is_part=is_part)
        for is_part in (False, True)
        for column in _columns()
        for text in _texts(column.part_of if is_part else column.sums_over)
        if not _RULE.fullmatch(text) and text != NOTHING
    )


@cache
def rules() -> tuple[str, ...]:
    """Return the names of the rules in code that the data model calls for, in its order."""
    found = (
        match["rule"]
        for column in _columns()
        for text in _texts(column.sums_over)
        if (match := _RULE.fullmatch(text))
    )
    return tuple(dict.fromkeys(found))


def undeclared() -> Iterator[str]:
    """Yield the counts for which the data model declares nothing, as table and column."""
    targets = {each.target.name for each in declarations() if each.target is not None}
    for column in _columns():
        name = f"{column.table_name}.{column.column_name}"
        if not column.sums_over and not column.part_of and name not in targets:
            yield name


def words_named(table: str, key: str) -> tuple[Words, ...] | None:
    """Return the conditions that name words of a key column, and the words of its targets.

    None means that no declaration names one, so each word of the column is treated alike.
    """
    found: list[Words] = []
    for each in declarations():
        if each.table == table:
            if key in each.summed:
                found.append(each.where.get(key, Words(("*",))))
            elif key in each.where and not each.where[key].is_negated:
                found.append(each.where[key])
        if each.target is not None and each.target.name.startswith(f"{table}."):
            word = each.target.keys.get(key, "$")
            if not word.startswith("$"):
                found.append(Words((word,)))
    return tuple(found) if found else None


def needed_rows(column: ResultsColumn) -> tuple[Mapping[str, Words], ...]:
    """Return the conditions under which rows of a count are hidden last; {} holds for all."""
    if column.protect_last == "Yes":
        return ({},)
    return tuple(_where(text) for text in _texts(column.protect_last))


def _columns() -> Iterator[ResultsColumn]:
    for columns in data_model().values():
        yield from (each for each in columns if each.is_count)


def _texts(text: str) -> list[str]:
    return [each for each in text.split("; ") if each]


def _declaration(column: ResultsColumn, text: str, *, is_part: bool) -> Declaration:
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{column.table_name}.{column.column_name}: cannot be read: {text}")
    target = _target(column.table_name, found["target"], found["keys"], column.column_name)
    rest = _target(column.table_name, found["rest"], found["rest_keys"], column.column_name)
    return Declaration(
        column.table_name,
        found["source"] or f"{column.table_name}.{column.column_name}",
        is_part,
        found["condition"],
        tuple((found["summed"] or "").split(", ")) if found["summed"] else (),
        _where(found["where"] or ""),
        target,
        rest,
    )


def _target(table: str, name: str | None, keys: str | None, column: str) -> Target | None:
    """Return a target: `[key=word]` alone is the same column, a bare name another of the table."""
    if name is None or name == NOTHING:
        return None
    name = name or column
    found = {}
    for each in (keys or "").split(", ") if keys else ():
        key, _, word = each.partition("=")
        found[key] = word or f"${key}"
    full = name if name.startswith("~") or "." in name else f"{table}.{name}"
    return Target(full, found)


def _where(text: str) -> dict[str, Words]:
    found = {}
    for each in text.split(", ") if text else ():
        key, _, words = each.partition("=")
        patterns = words.removeprefix("!").split("|")
        named = [each for pattern in patterns for each in _words(pattern)]
        found[key] = Words(tuple(named), words.startswith("!"))
    return found


def _words(pattern: str) -> tuple[str, ...]:
    """Return a pattern, or the words that `terms` lists under the name after an @."""
    return tuple(getattr(terms, pattern[1:])) if pattern.startswith("@") else (pattern,)
