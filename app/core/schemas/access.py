"""Who is at the other end, who may be, and who did what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.core.schemas.base import Request

Role = Literal["reviewer", "admin"]
Password = Annotated[str, Field(max_length=1000)]


class Session(BaseModel):
    """sign_in: `off` (nobody signs in), `password`, or `proxy` (a proxy names its users). name: under which
    this client's deeds are written down; None where somebody has to sign in first. change_password: the password was for
    the first sign-in; nothing else is answered before another is chosen."""

    sign_in: Literal["off", "password", "proxy"]
    name: str | None
    role: Role | None
    change_password: bool = False


class SignInRequest(Request):
    name: Annotated[str, Field(max_length=200)]
    password: Password


class PasswordChange(Request):
    """present: the password of now."""

    present: Password
    new: Password


class UserRequest(Request):
    """password: left out for a one-time password, which comes with the answer."""

    name: Annotated[str, Field(max_length=200)]
    password: Password | None = None
    role: Role = "reviewer"


class UserChange(Request):
    """What is left out stays. Who is not active cannot sign in."""

    role: Role | None = None
    password: Password | None = None
    active: bool | None = None


class UserInfo(BaseModel):
    """one_time: a password of their own is still to be chosen. created, signed_in: Unix seconds; null: never.
    sessions: that are open."""

    name: str
    role: Role
    active: bool
    one_time: bool
    created: float
    signed_in: float | None
    sessions: int


class OneTimePassword(BaseModel):
    """Holds for signing in until its owner has chosen another. It is shown this once and kept as its hash alone."""

    password: str


class NewUser(UserInfo):
    """password: the one-time password; null where one was given."""

    password: str | None


class AuditEntry(BaseModel):
    """at: Unix seconds, UTC. action: what was done, as `input.delete`. object: to what, long ids and hashes by their
    first twelve characters. facts: versions, digests, counts."""

    id: int
    at: float
    who: str
    action: str
    object: str
    facts: dict[str, Any]


class AuditPage(BaseModel):
    """entries: newest first. total: of all that match. actions, people: what there is to filter by.
    retention_days: days after which inputs go by themselves; None: they stay until somebody deletes them."""

    entries: list[AuditEntry]
    total: int
    actions: list[str]
    people: list[str]
    retention_days: float | None
    retention_cases: bool
