"""Errors of SQLAlchemy and of its drivers, without the values that their texts may quote."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from omop_scorer.errors import OmopScorerError

#: Codes that name no value: of the SQL standard, of Oracle, of SQLite, and plain numbers.
_CODE = re.compile(r"(?=.*[0-9])[0-9A-Z]{5}|(ORA|DPY)-[0-9]+|SQLITE_[A-Z_]+")

_MYSQL = (
    r"1040|1203|"  # too many sessions
    r"1053|1927|200[236]|2013|2055|4031|"  # not running, stopping, or the connection is lost
    r"1205|1213|1412"  # a lock that is waited for too long, a deadlock, a table that was replaced
)
#: Codes of faults that pass by themselves, by SQLAlchemy's name of the dialect.
_TRANSIENT = {
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "oracle": r"ORA-(00018|00020|00060|01033|01034|03113|03114|03135|12170|12514|12537|12541)|"
    r"DPY-(4011|6005)",
    "sqlite": r"SQLITE_(BUSY|LOCKED).*",
}
#: The same in the SQL standard and its extensions: the connection, a time-out while it is made,
#: a conflict or deadlock, a server that stops or has too many sessions.
_TRANSIENT_STATE = r"08...|HYT0[01]|40001|40P01|57P0[123]|53300"

# What SQLAlchemy ignores it would log in the driver's words, values and all.
logging.getLogger("sqlalchemy").propagate = False
logging.getLogger("sqlalchemy").addHandler(logging.NullHandler())


@contextmanager
def errors_as(error_class: type[OmopScorerError], where: str, dialect: str) -> Iterator[None]:
    """Raise errors of SQLAlchemy and its drivers as ours, which say whether they may pass.

    Parameters
    ----------
    error_class
        Class of the error that is raised instead.
    where
        Location, for the message.
    dialect
        SQLAlchemy's name of the dialect.
    """
    try:
        yield
    except DBAPIError as error:
        ours = error_class(f"{where}: the database refused it ({kind(error.orig)})")
        ours.is_transient = error.connection_invalidated or is_transient(error.orig, dialect)
        raise ours from None
    except (SQLAlchemyError, TypeError) as error:
        # A driver raises TypeError for an option that it does not know.
        raise error_class(
            f"{where}: {type(error).__name__}; check the options of the URL"
        ) from None


def kind(error: BaseException | None) -> str:
    """Return the class of a driver's error, with its code."""
    return " ".join([type(error).__name__, *_codes(error)[:1]])


def is_transient(error: BaseException | None, dialect: str) -> bool:
    """Return True if a code of a driver's error is that of a fault that passes by itself."""
    patterns = (_TRANSIENT_STATE, _TRANSIENT.get(dialect, ""))
    return any(re.fullmatch(each, code) for code in _codes(error) for each in patterns)


def _codes(error: BaseException | None) -> list[str]:
    """Return the codes of an error, first the driver's own, then that of the SQL standard."""
    first = error.args[0] if error is not None and error.args else None
    names = ("sqlite_errorname", "sqlstate", "pgcode")
    codes = [getattr(first, "full_code", first), *(getattr(error, name, None) for name in names)]
    return [
        str(each)
        for each in codes
        if isinstance(each, int) or (isinstance(each, str) and _CODE.fullmatch(each))
    ]
