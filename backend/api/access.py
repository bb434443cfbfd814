"""Who is at the other end of a request: the user of a session, or the one that a trusted proxy names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from app.core.errors import BadParameter, NotSignedIn
from app.core.settings import Settings
from app.core.text import plain_text
from backend.store import users
from backend.store.users import NAME_LETTERS, Lifetime, User

if TYPE_CHECKING:
    from backend.api.services import Services

REQUIRED = b"evident-sign-in"
"""Header with which a dashboard that listens beyond its machine asks the API to be strict. It opens nothing,
so anybody may send it."""
COOKIE = "evident_session"


def cookie_name(scope: Scope) -> str:
    """Behind https no other host and no plain http can set a cookie of this name."""
    return f"__Host-{COOKIE}" if scope["scheme"] == "https" else COOKIE


def token_of(scope: Scope) -> str:
    """Token of the session that the request says it is part of; "" for none. Over https only the cookie that nobody else
    can set counts; it counts over http too, where the dashboard passes on whose request it answers."""
    names = [f"__Host-{COOKIE}"] + [COOKIE] * (scope["scheme"] != "https")
    jars = [cookie_parser(line) for line in Headers(scope=scope).getlist("cookie")]
    return next((jar[name] for name in names for jar in jars if name in jar), "")[:200]


def named_by_proxy(scope: Scope, settings: Settings) -> User | None:
    """The guard has taken the header out of every request that came by another way."""
    assert settings.user_header is not None
    raw = Headers(scope=scope).get(settings.user_header, "")
    try:
        name = plain_text(raw.encode("latin-1").decode("utf-8"), most=NAME_LETTERS * 2).strip()
    except (UnicodeError, BadParameter):
        return None
    return User(name, "admin" if name in settings.admins else "reviewer") if name else None


async def known_user(scope: Scope, services: Services, seen: bool = True) -> User | None:
    """Whoever the request comes from. seen: whether that is a sign of life. Raises StorageUnavailable."""
    settings, token = services.settings, token_of(scope)
    if settings.sign_in_by == "proxy":
        return named_by_proxy(scope, settings)
    if not token:
        return None
    lifetime = Lifetime.of(settings)
    return await services.store.run(users.user_of_session, services.store, token, lifetime, seen)


def not_signed_in(settings: Settings) -> NotSignedIn:
    if settings.sign_in_by == "proxy":
        return NotSignedIn("The proxy in front of this server did not say who you are; sign in there.")
    return NotSignedIn("Sign in first; nothing was done.")
