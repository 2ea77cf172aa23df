"""The statements of `sql/source`, fitted to the tables of a site.

A statement selects columns of one table, filtered by bound lists, IS NULL and a subquery. This
small part of SQL is the same in every database, so sqlglot only quotes the names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product

from sqlglot import exp

from omop_scorer import sql
from omop_scorer.cdm.tables import SiteTable

#: Values in one list. Oracle takes 1,000 in a list, SQL Server 2,100 bound values in a statement.
LONGEST_LIST = 1_000

#: Ends of the names of columns that hold a number in a CDM. Other columns of a filter hold words.
_NUMBERS = ("concept_id", "person_id", "concept_id_1", "concept_id_2")

#: Mark of an alternative that the database cannot compare with what is asked for.
_INCOMPARABLE = "incomparable"

Ids = Mapping[str, Sequence[int] | Sequence[str] | date]
"""Lists and dates that a statement binds, by the name of the parameter."""


@dataclass(frozen=True)
class Statement:
    """A statement for the tables of one site.

    `types` gives the columns that it selects, in order, by lower-case name, with the type in which
    each one arrives. Nothing may change `tree`.
    """

    name: str
    tree: exp.Select
    types: Mapping[str, str]

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the lists and dates that are bound."""
        return frozenset(each.name for each in self.tree.find_all(exp.Placeholder))

    @property
    def is_wide(self) -> bool:
        """True if the table cannot be filtered by a list, so that more rows are returned."""
        return self.parameters < sql.find(f"source/{self.name}").parameters

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in lower case."""
        return tuple(self.types)


def fitted(name: str, tables: Mapping[str, SiteTable]) -> Statement:
    """Return a file of `sql/source` with the names of a site, quoted.

    Parameters
    ----------
    name
        Name of the file in `sql/source`.
    tables
        The site's tables by the CDM's name. A column that a table lacks is not selected.
    """
    (parsed,) = sql.find(f"source/{name}").statements()
    tree = parsed.copy()
    assert isinstance(tree, exp.Select)
    types = {}
    for select in list(tree.find_all(exp.Select)):
        found = _fit(select, tables)
        if select is tree:
            types = found
    return Statement(name, tree, types)


def _fit(select: exp.Select, tables: Mapping[str, SiteTable]) -> dict[str, str]:
    """Give one SELECT the names of the site, in place; return the types of its columns."""
    site = tables[select.args["from_"].this.name]
    assert site.table is not None
    select.args["from_"].this.replace(site.table.copy())
    types: dict[str, str] = {}
    kept = []
    for each in select.expressions:
        value = each.unalias()
        if isinstance(value, exp.Count):
            types[each.alias] = "BIGINT"
        elif isinstance(value, exp.Min | exp.Max):
            types[each.alias] = site.columns[value.this.name]
        elif value.name in site.columns:
            types[each.alias_or_name] = site.columns[value.name]
        else:
            continue
        kept.append(each)
    select.set("expressions", kept)
    _keep_comparable(select, site, tables)
    for column in select.find_all(exp.Column):
        if column.parent_select is select:
            column.set("this", exp.to_identifier(site.names[column.name], quoted=True))
    return types


def _keep_comparable(select: exp.Select, site: SiteTable, tables: Mapping[str, SiteTable]) -> None:
    """Drop the conditions on columns that the database cannot compare with what is asked for.

    An id that is kept as text may be written in several ways, so more rows are pulled instead.
    """
    kept: list[exp.Expr] = []
    for condition in _conditions(select):
        if isinstance(condition, exp.LTE):
            if condition.this.name in site.dated:
                kept.append(condition)
            elif condition.this.name in site.columns:
                _group_by(select, condition.this)
        elif (comparable := _comparable(condition, site, tables)) is not None:
            kept.append(comparable)
    _filter(select, kept)


def _conditions(select: exp.Select) -> list[exp.Expr]:
    """Return the conditions that every row must meet."""
    where = select.args.get("where")
    if where is None:
        return []
    return list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]


def _filter(select: exp.Select, conditions: list[exp.Expr]) -> None:
    filtered = exp.Where(this=exp.and_(*conditions, copy=False)) if conditions else None
    select.set("where", filtered)


def _comparable(
    condition: exp.Expr, site: SiteTable, tables: Mapping[str, SiteTable]
) -> exp.Expr | None:
    """Return a condition, or alternatives, without columns that the table lacks; None to drop it.

    Without its first alternative, a condition has no effect. `bound` decides about the others,
    which may have nothing to ask for.
    """
    condition = condition.unnest()
    first, *others = condition.flatten() if isinstance(condition, exp.Or) else [condition]
    if first.this.name not in site.columns or not _is_comparable(first, site, tables):
        return None
    present = [each for each in others if each.this.name in site.columns]
    for each in present:
        each.meta[_INCOMPARABLE] = not _is_comparable(each, site, tables)
    return exp.or_(first, *present, copy=False)


def _is_comparable(condition: exp.Expr, site: SiteTable, tables: Mapping[str, SiteTable]) -> bool:
    is_number = condition.this.name in site.numeric
    query = condition.args.get("query")
    if query is not None:
        inner = query.this
        other = tables[inner.args["from_"].this.name]
        # Texts may write one id in several ways, so only numbers are compared.
        return bool(is_number and inner.selects[0].name in other.numeric)
    return bool(is_number == condition.this.name.endswith(_NUMBERS))


def _group_by(select: exp.Select, column: exp.Column) -> None:
    """Count by date, where the database cannot compare dates."""
    for earliest in list(select.find_all(exp.Min)):
        earliest.replace(column.copy())
    select.args["group"].append("expressions", column.copy())


def bound(statement: Statement, ids: Ids) -> Iterator[tuple[exp.Select, dict[str, object]]]:
    """Yield the statement once per part of its lists, with every value bound by a name.

    A list without values gives no statement, because nothing can match it, or leaves the other
    alternatives. The list of a subquery is not divided, because a person may match two parts of it:
    a longer one than `LONGEST_LIST` becomes lists of literals. Records are counted for all concepts
    at once, where the list is longer than that.
    """
    whole = _asked(statement.tree, ids)
    if whole is None:
        return
    lists = _lists(whole)
    divided = [name for name, each in lists.items() if not _is_inner(each)]
    n_inner = max(1, len(lists) - len(divided))
    used = {each.name for each in whole.find_all(exp.Placeholder)}
    for parts in product(*(_divided(_listed(ids, name)) for name in divided)):
        given: dict[str, object] = {**ids, **dict(zip(divided, parts, strict=True))}
        values: dict[str, object] = {}
        tree = whole.copy()
        for name, condition in _lists(tree).items():
            most = LONGEST_LIST // n_inner if _is_inner(condition) else LONGEST_LIST
            values |= _bind(condition, name, _listed(given, name), most)
        values |= {name: ids[name] for name in used if isinstance(ids[name], date)}
        yield tree, values


def _asked(tree: exp.Select, ids: Ids) -> exp.Select | None:
    """Return a copy without conditions that ask for nothing or too much; None for no statement."""
    tree = tree.copy()
    is_count = len(tree.args["group"].expressions) == 1 if tree.args.get("group") else False
    for name, condition in _lists(tree).items():
        either = condition.parent
        if not ids[name]:
            if not isinstance(either, exp.Or):
                return None
            rest = either.right if either.left is condition else either.left
            nested = either.parent
            (nested if isinstance(nested, exp.Paren) else either).replace(rest)
        elif condition.meta.get(_INCOMPARABLE) or (
            is_count and len(_listed(ids, name)) > LONGEST_LIST
        ):
            _drop(condition)
    return tree


def _drop(condition: exp.Expr) -> None:
    """Remove the condition of a SELECT that holds an alternative, in place."""
    select = condition.parent_select
    assert isinstance(select, exp.Select)
    holders = [
        each
        for each in _conditions(select)
        if each is not condition and all(node is not condition for node in each.walk())
    ]
    _filter(select, holders)


def _is_inner(condition: exp.Expr) -> bool:
    return condition.find_ancestor(exp.Subquery) is not None


def _lists(tree: exp.Select) -> dict[str, exp.In]:
    """Return the conditions with a list to bind, by the name of the parameter."""
    return {
        each.expressions[0].name: each
        for each in tree.find_all(exp.In)
        if each.expressions and isinstance(each.expressions[0], exp.Placeholder)
    }


def _divided(whole: Sequence[object]) -> list[Sequence[object]]:
    return [whole[first : first + LONGEST_LIST] for first in range(0, len(whole), LONGEST_LIST)]


def _listed(ids: Mapping[str, object], name: str) -> Sequence[object]:
    found = ids[name]
    assert isinstance(found, Sequence)
    return found


def _bind(condition: exp.In, name: str, listed: Sequence[object], most: int) -> dict[str, object]:
    """Write a list into its condition, in place; return the values that are bound.

    A list of more than `most` values becomes literals.
    """
    if len(listed) > most:
        literals = [exp.Literal.number(int(str(value))) for value in listed]
        lists = [
            exp.In(this=condition.this.copy(), expressions=part) for part in _divided(literals)
        ]
        condition.replace(exp.paren(exp.or_(*lists)))
        return {}
    values = {f"{name}_{number}": value for number, value in enumerate(listed)}
    condition.set("expressions", [exp.Placeholder(this=each) for each in values])
    return values
