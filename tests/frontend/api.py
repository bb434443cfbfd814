"""An API that answers from a table and remembers what it was asked: stands for `Client` in the tests of
callbacks."""

from __future__ import annotations

import asyncio
from typing import Any

from app.core.schemas import Problem
from frontend.client import ApiProblem

SILENT = Problem(title="Down", status=503, code="unreachable", detail="The computing side does not answer.")
GONE = Problem(title="Not found", status=404, code="not_found", detail="It is not here.")


class Api:
    """answers: per call a value, a function of the call's arguments, or a Problem, which is raised. down:
    every call is refused, as when nothing answers. calls: `(name, arguments, keywords)` in their order."""

    def __init__(self, down: bool = False, **answers: Any) -> None:
        self.down, self.answers = down, answers
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def asked(self, name: str) -> list[Any]:
        """The first argument of each call of that name."""
        return [arguments[0] for call, arguments, _ in self.calls if call == name]

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **keywords: Any) -> Any:
            await asyncio.sleep(0)
            self.calls.append((name, arguments, keywords))
            answer = SILENT if self.down else self.answers[name]
            if callable(answer):
                answer = answer(*arguments, **keywords)
            if isinstance(answer, Problem):
                raise ApiProblem(answer)
            return answer

        return call
