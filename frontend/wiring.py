"""From a function to a Dash callback. A page's functions stand at module level, take named values and can be
called in a test as they are:

    async def show(client, asked, trigger): ...
    wire(app, client, show, output=Output(...), inputs={"asked": Input(...)})

`client` is the API; `trigger`, if the function has such a parameter, is what started it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from dash import Dash, Input, Output, State, ctx

from frontend.client import Client


@dataclass(frozen=True)
class Trigger:
    """The component that started a callback. id: its id, a dict where it is one of many; None when the
    page was opened."""

    id: str | dict[str, str] | None = None
    value: Any = None

    @property
    def pressed(self) -> bool:
        """A button of a list was pressed: its arrival on the page starts callbacks too, with nothing in
        it."""
        return isinstance(self.id, dict) and bool(self.value)

    def of(self, name: str) -> str:
        """One field of a patterned id."""
        assert isinstance(self.id, dict)
        return self.id[name]


def wire(
    app: Dash,
    client: Client,
    function: Callable[..., Awaitable[Any]],
    *,
    output: Output | Mapping[str, Output],
    inputs: Mapping[str, Input],
    state: Mapping[str, State] | None = None,
    running: Sequence[tuple[Output, Any, Any]] | None = None,
    prevent_initial_call: bool | str = False,
) -> None:
    """Registers `function(client, **inputs, **state)`; with a mapping of outputs it returns a mapping of
    the same names."""
    wants_trigger = "trigger" in inspect.signature(function).parameters

    @wraps(function)
    async def callback(**values: Any) -> Any:
        if wants_trigger:
            values["trigger"] = Trigger(
                ctx.triggered_id, ctx.triggered[0]["value"] if ctx.triggered else None
            )
        return await function(client, **values)

    app.callback(
        output=output,
        inputs=dict(inputs),
        state=dict(state or {}),
        running=running,
        prevent_initial_call=prevent_initial_call,
    )(callback)
