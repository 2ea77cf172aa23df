"""The statements of `sql/source`, fitted to the tables of a site.

A statement selects columns of one table, filtered by bound lists and by a subquery. This small part
of SQL is the same in every database, so sqlglot only quotes the names.
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
_NUMBERS = ("concept_id", "person_id", "concept_id_1")

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
    where = select.args.get("where")
    if where is None:
        return
    kept: list[exp.Expr] = []
    for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        name = condition.this.name
        if name not in site.columns:
            continue
        if isinstance(condition, exp.LTE):
            if name in site.dated:
                kept.append(condition)
            else:
                _group_by(select, condition.this)
            continue
        is_number = name in site.numeric
        query = condition.args.get("query")
        if query is not None:
            inner = query.this
            other = tables[inner.args["from_"].this.name]
            # Texts may write one id in several ways, so only numbers are compared.
            is_wanted = is_number and inner.selects[0].name in other.numeric
        else:
            is_wanted = is_number == name.endswith(_NUMBERS)
        if is_wanted:
            kept.append(condition)
    select.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)


def _group_by(select: exp.Select, column: exp.Column) -> None:
    """Count by date, where the database cannot compare dates."""
    for earliest in list(select.find_all(exp.Min)):
        earliest.replace(column.copy())
    select.args["group"].append("expressions", column.copy())


def bound(statement: Statement, ids: Ids) -> Iterator[tuple[exp.Select, dict[str, object]]]:
    """Yield the statement once per part of its lists, with every value bound by a name.

    A list without values gives no statement, because nothing can match it. The list of a subquery
    is not divided, because a person may match two parts of it: a longer one than `LONGEST_LIST`
    becomes lists of literals.
    """
    used = {each.name for each in statement.tree.find_all(exp.Placeholder)}
    if any(not isinstance(ids[name], date) and not ids[name] for name in used):
        return
    lists = _lists(statement.tree)
    divided = [name for name, each in lists.items() if not each.find_ancestor(exp.Subquery)]
    for parts in product(*(_divided(_listed(ids, name)) for name in divided)):
        given: dict[str, object] = {**ids, **dict(zip(divided, parts, strict=True))}
        values: dict[str, object] = {}
        tree = statement.tree.copy()
        for name, condition in _lists(tree).items():
            values |= _bind(condition, name, _listed(given, name))
        values |= {name: ids[name] for name in used if isinstance(ids[name], date)}
        yield tree, values


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


def _bind(condition: exp.In, name: str, listed: Sequence[object]) -> dict[str, object]:
    """Write a list into its condition, in place; return the values that are bound."""
    if len(listed) > LONGEST_LIST:
        literals = [exp.Literal.number(int(str(value))) for value in listed]
        lists = [
            exp.In(this=condition.this.copy(), expressions=part) for part in _divided(literals)
        ]
        condition.replace(exp.paren(exp.or_(*lists)))
        return {}
    values = {f"{name}_{number}": value for number, value in enumerate(listed)}
    condition.set("expressions", [exp.Placeholder(this=each) for each in values])
    return values
