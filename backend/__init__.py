"""Computing and serving: methods, metrics, media decoding, jobs, store, HTTP routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.explainer import explain as explain

_LAZY = {"explain": "backend.explainer"}


def __getattr__(name: str) -> Any:
    """torch stays out of the web process: it is imported when it is first asked for."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(name)
