"""Evident: settings, errors and wire schemas (`core`), the ASGI application (`web`), the command line
(`commands`); and `show`, the dashboard with a network of one's own from Python or a notebook."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports `show` at first use; everything else that imports this package has no use for it."""
    if name == "show":
        import importlib

        return importlib.import_module("app.showing").show
    raise AttributeError(f"module 'app' has no attribute {name!r}")
