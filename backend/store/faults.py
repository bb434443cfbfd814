"""Faults of the surroundings (a locked or absent database, a full or read-only disk) as errors that a person
can act on.

Web process and workers share this table; any other exception is a bug and is left as it is. SQLAlchemy is
imported only for its own exceptions: workers do without it.
"""

from __future__ import annotations

import errno

from app.core.errors import EvidentError, NoSpace, StorageUnavailable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
UNREACHABLE = frozenset(
    {
        errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT,
        errno.EHOSTDOWN, errno.ENOTDIR, errno.EMFILE, errno.ENFILE,
    }
)  # fmt: skip
DISK_FULL_STATE = "53100"
"""PostgreSQL's code for a full disk."""


def fault_of(error: BaseException) -> EvidentError | None:
    """NoSpace or StorageUnavailable; None for an exception that is no such fault."""
    if isinstance(error, OSError):
        return _of_files(error.errno)
    if type(error).__module__.startswith("sqlalchemy"):
        return _of_database(error)
    return None


def _of_files(number: int | None) -> EvidentError | None:
    if number in FULL:
        return NoSpace("The data folder is full; delete old inputs or results, or give it more room.")
    if number in UNREACHABLE:
        return StorageUnavailable(
            "The data folder cannot be read or written at the moment; try again, and tell the operator if it stays.",
            code="data_folder_unavailable",
        )
    return None


def _of_database(error: BaseException) -> EvidentError | None:
    from sqlalchemy import exc

    if isinstance(error, exc.TimeoutError):  # no connection of the pool became free
        return _unavailable()
    if not isinstance(error, exc.DBAPIError):
        return None
    message = str(error.orig).lower()
    if "disk is full" in message or getattr(error.orig, "sqlstate", None) == DISK_FULL_STATE:
        return NoSpace(
            "The database has no room left; delete old inputs or results, or give its disk more room."
        )
    if "malformed" in message or "not a database" in message:
        return StorageUnavailable(
            "The database file is damaged; the operator must restore a copy of it.", code="database_damaged"
        )
    if isinstance(error, exc.OperationalError | exc.InterfaceError) or error.connection_invalidated:
        return _unavailable()
    return None


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable(
        "The database is locked or does not answer; nothing was lost, try again in a moment.",
        code="database_unavailable",
    )
