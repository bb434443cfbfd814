"""Users, their passwords and sessions. A password is kept as its argon2id hash, a session as the sha256 of its token:
whoever reads the database can sign in as nobody."""

from __future__ import annotations

import hashlib
import secrets
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, cast

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, not_, select, true, update

from app.core.errors import BadParameter, Conflict, NotFound
from app.core.settings import Settings
from app.core.text import plain_text
from backend.store.database import Store
from backend.store.tables import sessions, users

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Role = Literal["reviewer", "admin"]
ROLES: tuple[Role, ...] = ("reviewer", "admin")
NAME_LETTERS, PASSWORD_LEAST, PASSWORD_MOST = 40, 10, 200
SEEN_SECONDS = 60.0
"""A session's last request is written down this often."""


@dataclass(frozen=True)
class User:
    """Who is signed in. one_time: with a password that holds only until they have chosen another."""

    name: str
    role: Role
    one_time: bool = False

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"


@dataclass(frozen=True)
class Lifetime:
    """Of sessions, in seconds: from sign-in, and without a request."""

    whole: float
    idle: float

    @classmethod
    def of(cls, settings: Settings) -> Lifetime:
        return cls(settings.session_hours * 3600, settings.idle_minutes * 60)


def key_of(name: str) -> str:
    """Two spellings of a name that look alike are one user's."""
    return unicodedata.normalize("NFKC", name).strip().casefold()[:80]


# Users


@dataclass(frozen=True)
class Account:
    """What there is to know of a user. created, signed_in: Unix seconds. sessions: that are open."""

    name: str
    role: Role
    active: bool
    one_time: bool
    created: float
    signed_in: float | None
    sessions: int

    @property
    def is_admin(self) -> bool:
        """Somebody who can be one now."""
        return self.active and self.role == "admin"


def add_user(store: Store, name: str, password: str, role: Role, one_time: bool = False) -> User:
    """Raises BadParameter, Conflict where there is one of that name."""
    name = checked_name(name)
    values = {"key": key_of(name), "name": name, "role": role, "created": time.time()}
    values |= {"active": True, "one_time": one_time}
    values["password"] = hashed(checked_password(password, name))
    with store.write() as connection:
        row = store.insert(users).values(values).on_conflict_do_nothing().returning(users.c.key)
        if connection.execute(row).first() is None:
            raise Conflict(
                "There is a user of that name already; choose another name.", code="user_exists", field="name"
            )
    return User(name, role, one_time)


def all_users(store: Store, lifetime: Lifetime | None = None) -> list[Account]:
    """By name. lifetime: of the sessions that count as open; None counts all that are kept."""
    alive = _alive(time.time(), lifetime) if lifetime else true()
    opened = select(func.count()).where(sessions.c.user == users.c.key, alive).scalar_subquery()
    columns = [users.c[name] for name in ("name", "role", "active", "one_time", "created", "signed_in")]
    statement = select(*columns, opened.label("sessions")).order_by(users.c.key)
    with store.engine.connect() as connection:
        return [Account(**row) for row in connection.execute(statement).mappings()]


def account(store: Store, name: str, lifetime: Lifetime | None = None) -> Account:
    """Raises NotFound."""
    for known in all_users(store, lifetime):
        if key_of(known.name) == key_of(name):
            return known
    raise _nobody()


def any_users(store: Store) -> bool:
    with store.engine.connect() as connection:
        return bool(connection.execute(select(func.count()).select_from(users)).scalar())


def remove_user(store: Store, name: str, keep_an_admin: bool = False) -> None:
    """With all sessions. Raises NotFound, Conflict."""
    with _changing(store, keep_an_admin) as connection:
        connection.execute(delete(sessions).where(sessions.c.user == key_of(name)))
        _one_of(connection.execute(delete(users).where(users.c.key == key_of(name))).rowcount)


def set_role(store: Store, name: str, role: Role, keep_an_admin: bool = False) -> None:
    """Holds from the next request on. Raises NotFound, Conflict."""
    with _changing(store, keep_an_admin) as connection:
        changed = update(users).where(users.c.key == key_of(name)).values(role=role)
        _one_of(connection.execute(changed).rowcount)


def set_active(store: Store, name: str, active: bool, keep_an_admin: bool = False) -> None:
    """Who is not active cannot sign in, and their sessions end. Raises NotFound, Conflict."""
    with _changing(store, keep_an_admin) as connection:
        changed = update(users).where(users.c.key == key_of(name)).values(active=active)
        _one_of(connection.execute(changed).rowcount)
        if not active:
            connection.execute(delete(sessions).where(sessions.c.user == key_of(name)))


def set_password(store: Store, name: str, password: str, but: str = "", one_time: bool = False) -> None:
    """Ends the user's sessions, except the one of the token `but`. Raises NotFound, BadParameter."""
    key, new = key_of(name), hashed(checked_password(password, name))
    with store.write() as connection:
        changed = update(users).where(users.c.key == key).values(password=new, one_time=one_time)
        _one_of(connection.execute(changed).rowcount)
        others = (sessions.c.user == key, sessions.c.token != digest(but))
        connection.execute(delete(sessions).where(*others))


def one_time_password() -> str:
    """To be read out and typed once: 80 random bits, without letters that look alike."""
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(16))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


@contextmanager
def _changing(store: Store, keep_an_admin: bool) -> Iterator[Connection]:
    """A transaction that is undone with Conflict where it would leave no admin that can sign in, also when two are at it at
    the same moment."""
    admins = select(users.c.key).where(users.c.role == "admin", users.c.active)
    with store.write() as connection:
        before = connection.execute(admins.order_by(users.c.key).with_for_update()).all()
        yield connection
        if keep_an_admin and before and not connection.execute(admins).all():
            raise Conflict("This is the last admin; make somebody else one first.", code="last_admin")


def _one_of(rows: int) -> None:
    """Raises NotFound."""
    if not rows:
        raise _nobody()


def user_with_password(store: Store, name: str, password: str) -> User | None:
    """None for a wrong password, an unknown name, and who is not active, after the same work."""
    with store.engine.connect() as connection:
        row = connection.execute(select(users).where(users.c.key == key_of(name))).first()
    matches = _verify(row.password if row else _decoy(), password)
    return User(row.name, cast(Role, row.role), row.one_time) if row and row.active and matches else None


def checked_name(name: str) -> str:
    """Raises BadParameter."""
    name = plain_text(name, field="name").strip()
    if not 1 <= len(name) <= NAME_LETTERS or not key_of(name):
        raise BadParameter(
            f"A user's name has 1 to {NAME_LETTERS} characters.", code="bad_name", field="name"
        )
    return name


def checked_password(password: str, name: str) -> str:
    """Raises BadParameter."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST or key_of(password) == key_of(name):
        raise BadParameter(
            f"A password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters and is not the name.",
            code="bad_password",
            field="password",
        )
    return password


def _nobody() -> NotFound:
    return NotFound("There is no user of that name.", code="unknown_user", field="name")


# Passwords


@cache
def _hasher() -> PasswordHasher:
    """The parameters that OWASP recommends for argon2id: 19 MiB, so that a burst of sign-ins stays small."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hashed(password: str) -> str:
    return _hasher().hash(unicodedata.normalize("NFKC", password))


@cache
def _decoy() -> str:
    """What an unknown name is compared with."""
    return hashed(secrets.token_urlsafe())


def _verify(hash: str, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return _hasher().verify(hash, unicodedata.normalize("NFKC", password))
    except (Argon2Error, InvalidHashError):
        return False


# Sessions


def digest(token: str) -> str:
    """What a token is kept as. It is 256 random bits: a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def open_session(store: Store, user: User) -> str:
    """A new token, never one that somebody brought."""
    token, now = secrets.token_urlsafe(32), time.time()
    values = {"token": digest(token), "user": key_of(user.name), "created": now, "seen": now}
    with store.write() as connection:
        connection.execute(insert(sessions).values(values))
        connection.execute(update(users).where(users.c.key == key_of(user.name)).values(signed_in=now))
    return token


def user_of_session(store: Store, token: str, lifetime: Lifetime, seen: bool = True) -> User | None:
    """Whose session it is; None once it has ended. seen: whether this is a sign of life."""
    key, now = digest(token), time.time()
    statement = (
        select(users.c.name, users.c.role, users.c.one_time, sessions.c.seen)
        .join(sessions, sessions.c.user == users.c.key)
        .where(sessions.c.token == key, users.c.active, _alive(now, lifetime))
    )
    with store.engine.connect() as connection:
        row = connection.execute(statement).first()
    if row is None:
        return None
    if seen and now - row.seen > min(SEEN_SECONDS, lifetime.idle / 2):
        with store.write() as connection:
            connection.execute(update(sessions).where(sessions.c.token == key).values(seen=now))
    return User(row.name, cast(Role, row.role), row.one_time)


def close_session(store: Store, token: str) -> None:
    with store.write() as connection:
        connection.execute(delete(sessions).where(sessions.c.token == digest(token)))


def close_sessions(store: Store, name: str) -> int:
    """All of a user's; how many. Raises NotFound."""
    with store.write() as connection:
        _one_of(len(connection.execute(select(users.c.key).where(users.c.key == key_of(name))).all()))
        return connection.execute(delete(sessions).where(sessions.c.user == key_of(name))).rowcount


def forget_ended(store: Store, lifetime: Lifetime) -> int:
    """Deletes the sessions that have ended by themselves."""
    with store.write() as connection:
        return connection.execute(delete(sessions).where(not_(_alive(time.time(), lifetime)))).rowcount


def _alive(now: float, lifetime: Lifetime) -> ColumnElement[bool]:
    return and_(sessions.c.created > now - lifetime.whole, sessions.c.seen > now - lifetime.idle)
