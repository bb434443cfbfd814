"""JSON bodies read strictly: standard numbers only, no duplicate names, plain text only, bounded depth."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.params import Form
from fastapi.routing import APIRoute

from app.core.errors import BadParameter, EvidentError, UnsupportedType
from app.core.text import plain_text


class BadSyntax(EvidentError):
    code, status, title = "bad_json", 400, "The request could not be read"


_NOT_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[^][{}"]+', re.DOTALL)
"""The parts of a JSON text that are no brackets."""


def loads(body: bytes, depth: int, lines: bool = False) -> Any:
    """Standard JSON (RFC 8259). lines: texts may have line ends. Raises BadSyntax for broken text, BadParameter for what is readable but
    refused."""
    _check_depth(body, depth)
    try:
        text = body.decode("utf-8")
        return _plain(
            json.loads(
                text,
                parse_constant=_refuse_constant,
                parse_float=_finite,
                parse_int=_integer,
                object_pairs_hook=_unique,
            ),
            lines,
        )
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise BadSyntax("The body is not valid JSON in UTF-8; check its syntax.") from None
    except RecursionError:
        raise _too_deep(depth) from None


def _too_deep(depth: int) -> BadParameter:
    return BadParameter(f"The body is nested more than {depth} levels deep; flatten it.", code="too_deep")


def _check_depth(body: bytes, depth: int) -> None:
    """Before parsing: a parser that recurses is itself at the mercy of deep nesting."""
    level = 0
    for mark in _NOT_BRACKETS.sub(b"", body):
        level += 1 if mark in b"[{" else -1
        if level > depth:
            raise _too_deep(depth)


def _refuse_constant(_name: str) -> Any:
    raise BadSyntax("NaN and Infinity are not JSON numbers; send finite numbers only.", code="not_finite")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BadParameter("A number is too large to be represented; send a smaller one.", code="not_finite")
    return number


def _integer(text: str) -> int:
    if len(text) > 40:
        raise BadParameter("A number has too many digits; send a smaller one.", code="not_finite")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    merged = dict(pairs)
    if len(merged) != len(pairs):
        raise BadSyntax("A name appears twice in the same object; keep one of them.", code="duplicate_name")
    return merged


def _plain(value: Any, lines: bool = False) -> Any:
    """Applies `plain_text` to every text in the value, names of fields included."""
    if isinstance(value, str):
        return plain_text(value, lines=lines)
    if isinstance(value, dict):
        return _unique([(plain_text(name), _plain(part, lines)) for name, part in value.items()])
    if isinstance(value, list):
        return [_plain(part, lines) for part in value]
    return value


class _Parsed(Request):
    """A request whose body was read strictly beforehand: FastAPI would turn our errors into a bare 400."""

    content: Any = None

    async def json(self) -> Any:
        return self.content


class StrictRoute(APIRoute):
    """Routes with a JSON body take `application/json` only and read it strictly."""

    lines: ClassVar[bool] = False
    """Whether texts in the body may have several lines."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_json = self.body_field is not None and not isinstance(self.body_field.field_info, Form)

        async def handle(request: Request) -> Response:
            if takes_json:
                kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
                if kind != "application/json":
                    raise UnsupportedType("Send the body as application/json.")
                request = _Parsed(request.scope, request.receive)
                body = await request.body()
                depth = request.app.state.services.settings.limits.json_depth
                request.content = loads(body, depth, self.lines) if body else None
            return await handler(request)

        return handle


class LinedRoute(StrictRoute):
    """The same for bodies in which people write more than a line."""

    lines = True
