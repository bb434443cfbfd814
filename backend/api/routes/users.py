"""Routes: who may sign in. For admins, where people sign in with a password."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.core.errors import Conflict
from app.core.schemas import NewUser, OneTimePassword, UserChange, UserInfo, UserRequest
from backend.api.http.context import ADMIN, Backend, Reviewer
from backend.api.http.strict import StrictRoute
from backend.store import users as rows

router = APIRouter(tags=["access"], route_class=StrictRoute, dependencies=[ADMIN])


@router.get("/users")
async def users(services: Backend) -> list[UserInfo]:
    """By name."""
    lifetime = rows.Lifetime.of(services.settings)
    known = await services.store.run(rows.all_users, services.store, lifetime)
    return [UserInfo(**vars(account)) for account in known]


@router.post("/users", status_code=201)
async def add(body: UserRequest, request: Request, services: Backend, reviewer: Reviewer) -> NewUser:
    """Without a password a one-time password is made: at the first sign-in its owner chooses another. 409 where there is
    a user of that name."""
    _where_people_sign_in(request)
    one_time = body.password is None
    password = rows.one_time_password() if body.password is None else body.password
    async with services.hashing:
        user = await services.store.run(
            rows.add_user, services.store, body.name, password, body.role, one_time
        )
    await services.audit(
        reviewer, "user.add", user.name, role=user.role, **({"one_time": True} if one_time else {})
    )
    added = await _account(services, user.name)
    return NewUser(**vars(added), password=password if one_time else None)


@router.patch("/users/{name}")
async def change(
    name: str, body: UserChange, request: Request, services: Backend, reviewer: Reviewer
) -> UserInfo:
    """Another role, from the next request on; another password, which ends all sessions; or whether the user is active.
    The last active admin stays one (409)."""
    _where_people_sign_in(request)
    user = await _account(services, name)
    if body.role is not None:
        await services.store.run(rows.set_role, services.store, name, body.role, True)
        await services.audit(reviewer, "user.role", user.name, role=body.role)
    if body.active is not None:
        await services.store.run(rows.set_active, services.store, name, body.active, True)
        await services.audit(reviewer, "user.activate" if body.active else "user.deactivate", user.name)
    if body.password is not None:
        async with services.hashing:
            await services.store.run(rows.set_password, services.store, name, body.password)
        await services.audit(reviewer, "user.password", user.name)
    return UserInfo(**vars(await _account(services, name)))


@router.post("/users/{name}/password")
async def reset(name: str, request: Request, services: Backend, reviewer: Reviewer) -> OneTimePassword:
    """A new one-time password, in place of the one that was; all sessions end."""
    _where_people_sign_in(request)
    user, password = await _account(services, name), rows.one_time_password()
    async with services.hashing:
        await services.store.run(rows.set_password, services.store, name, password, one_time=True)
    await services.audit(reviewer, "user.password", user.name, one_time=True)
    return OneTimePassword(password=password)


@router.delete("/users/{name}/sessions", status_code=204)
async def sign_out_everywhere(name: str, request: Request, services: Backend, reviewer: Reviewer) -> None:
    """Ends all sessions of a user, and the event streams they opened."""
    _where_people_sign_in(request)
    user = await _account(services, name)
    count = await services.store.run(rows.close_sessions, services.store, name)
    await services.audit(reviewer, "user.sign_out", user.name, sessions=count)


@router.delete("/users/{name}", status_code=204)
async def remove(name: str, request: Request, services: Backend, reviewer: Reviewer) -> None:
    """Ends all sessions. What the user did stays in the audit log. The last active admin stays (409)."""
    _where_people_sign_in(request)
    user = await _account(services, name)
    await services.store.run(rows.remove_user, services.store, name, True)
    await services.audit(reviewer, "user.remove", user.name)


async def _account(services: Backend, name: str) -> rows.Account:
    """Raises NotFound."""
    return await services.store.run(rows.account, services.store, name, rows.Lifetime.of(services.settings))


def _where_people_sign_in(request: Request) -> None:
    """Raises Conflict."""
    if request.scope.get("state", {}).get("sign_in", "off") != "password":
        raise Conflict(
            "Nobody signs in here with a password; the command evident users prepares for it.",
            code="sign_in_off",
        )
