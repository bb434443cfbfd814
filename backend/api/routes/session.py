"""Routes: sign in, sign out, who is signed in, another password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.core.errors import BadParameter, Conflict, NotSignedIn
from app.core.schemas import PasswordChange, Session, SignInRequest
from app.core.settings import SignIn
from backend.api.access import cookie_name, token_of
from backend.api.http.context import Address, Backend, Reviewer, SignedIn
from backend.api.http.strict import StrictRoute
from backend.store import attempts, users
from backend.store.users import User

router = APIRouter(tags=["access"], route_class=StrictRoute)


@router.get("/session")
async def session(request: Request, user: SignedIn, reviewer: Reviewer) -> Session:
    """Whether people sign in here, and who this client is. Asked by everybody."""
    by = _sign_in(request)
    if by == "off":
        return Session(sign_in="off", name=reviewer, role="admin")
    return Session(sign_in=by, name=None, role=None) if user is None else _session_of(user, by)


@router.post("/session")
async def sign_in(
    body: SignInRequest, request: Request, response: Response, services: Backend, address: Address
) -> Session:
    """Starts a session, whose cookie comes with the answer; one that the client had ends. 401 for a wrong name and for a
    wrong password alike, 429 with Retry-After for too many attempts."""
    _by_password(request)
    key = users.key_of(body.name)
    await services.store.run(attempts.begin, services.store, address, key)
    async with services.hashing:
        user = await services.store.run(users.user_with_password, services.store, body.name, body.password)
    if user is None:
        await services.audit("", "session.refused", "")
        raise NotSignedIn("Name or password is wrong.", code="wrong_password")
    await services.store.run(attempts.succeeded, services.store, address, key)
    await services.store.run(users.close_session, services.store, token_of(request.scope))
    token = await services.store.run(users.open_session, services.store, user)
    await services.audit(user.name, "session.open", "")
    _set_cookie(request, response, token, round(services.settings.session_hours * 3600))
    return _session_of(user, "password")


@router.delete("/session", status_code=204)
async def sign_out(request: Request, response: Response, services: Backend, user: SignedIn) -> None:
    """Ends the session; harmless without one."""
    await services.store.run(users.close_session, services.store, token_of(request.scope))
    if user is not None:
        await services.audit(user.name, "session.close", "")
    _set_cookie(request, response, "", 0)


@router.put("/session/password", status_code=204)
async def change_password(
    body: PasswordChange, request: Request, services: Backend, address: Address, user: SignedIn
) -> None:
    """Another password for whoever is signed in; their other sessions end."""
    _by_password(request)
    if user is None:
        raise NotSignedIn("Sign in first; nothing was done.")
    await _check(services, address, user, body.present)
    if user.one_time and users.key_of(body.new) == users.key_of(body.present):
        raise BadParameter(
            "Choose another password than the one you were given.", code="bad_password", field="new"
        )
    async with services.hashing:
        await services.store.run(
            users.set_password, services.store, user.name, body.new, token_of(request.scope)
        )
    await services.audit(user.name, "password.change", user.name)


async def _check(services: Backend, address: str, user: User, password: str) -> None:
    """Raises TooManyAttempts, and Conflict: 401 would say that nobody is signed in."""
    key = users.key_of(user.name)
    await services.store.run(attempts.begin, services.store, address, key)
    async with services.hashing:
        same = await services.store.run(users.user_with_password, services.store, user.name, password)
    if same is None:
        raise Conflict("The present password is wrong.", code="wrong_password", field="present")
    await services.store.run(attempts.succeeded, services.store, address, key)


def _session_of(user: User, by: SignIn) -> Session:
    return Session(sign_in=by, name=user.name, role=user.role, change_password=user.one_time)


def _sign_in(request: Request) -> SignIn:
    """As the entrance found it: a dashboard may ask for more than this server's own settings."""
    by: SignIn = request.scope.get("state", {}).get("sign_in", "off")
    return by


def _by_password(request: Request) -> None:
    """Raises Conflict."""
    by = _sign_in(request)
    if by == "proxy":
        raise Conflict("Users are signed in by the proxy in front of this server.", code="sign_in_elsewhere")
    if by == "off":
        raise Conflict("Nobody signs in here; the page can be used as it is.", code="sign_in_off")


def _set_cookie(request: Request, response: Response, token: str, seconds: int) -> None:
    response.set_cookie(
        cookie_name(request.scope),
        token,
        max_age=seconds,
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
