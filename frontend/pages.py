"""The pages, found by looking: a page is a folder of this package (or a file) with a `PAGE`. There is no
list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from dash import Dash
from dash.development.base_component import Component

from frontend.client import Client


class Part(Protocol):
    """A module that wires callbacks of its page."""

    def register(self, app: Dash, client: Client) -> None:
        """Called once, when the dashboard is put together."""


@dataclass(frozen=True)
class Page:
    """path: in the address. name: in the navigation, ordered by `order`. layout: query of the address ->
    what is drawn at once."""

    path: str
    name: str
    layout: Callable[..., Component]
    parts: Sequence[Part]
    order: int


@cache
def pages() -> tuple[Page, ...]:
    """Every page, in the order of the navigation."""
    package = importlib.import_module("frontend")
    modules = [
        importlib.import_module(f"frontend.{info.name}") for info in pkgutil.iter_modules(package.__path__)
    ]
    return tuple(
        sorted((module.PAGE for module in modules if hasattr(module, "PAGE")), key=lambda page: page.order)
    )
