"""Computing and serving: methods, metrics, media decoding, jobs, store, HTTP routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.concepts.attribution import concept_attribution as concept_attribution
    from backend.concepts.vectors import concept_vector as concept_vector
    from backend.explainer import explain as explain

_LAZY = {
    "explain": "backend.explainer",
    "concept_vector": "backend.concepts.vectors",
    "concept_attribution": "backend.concepts.attribution",
}


def __getattr__(name: str) -> Any:
    """torch stays out of the web process: it is imported when it is first asked for."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(name)
