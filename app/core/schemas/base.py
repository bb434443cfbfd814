"""What all requests share, and how a request is refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Problem(BaseModel):
    """RFC 9457. `code` is stable; `detail` is one plain sentence: what is wrong, the limit, what to do."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    request_id: str | None = None


class Holder(BaseModel):
    """Something that was computed or cut from an input and also concerns others: a concept, an analysis, a
    map by way of a concept."""

    kind: str
    id: str
    name: str


class InUse(Problem):
    """The refusal to delete an input that others hold parts of; `?with=all` deletes those parts too."""

    holders: list[Holder]
