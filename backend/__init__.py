"""Computing and serving: attribution, rendering, jobs, store, HTTP routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.attribution.concepts.attribution import concept_attribution as concept_attribution
    from backend.attribution.concepts.vectors import concept_vector as concept_vector
    from backend.attribution.explain import explain as explain
    from backend.attribution.internals.analysis import look_inside as look_inside
    from backend.attribution.internals.lens import fit_lens as fit_lens
    from backend.attribution.internals.recorder import Recorder as Recorder
    from backend.attribution.measuring.controls import controls as controls
    from backend.attribution.measuring.evaluate import evaluate as evaluate
    from backend.attribution.measuring.evaluate import evaluate_all as evaluate_all

_LAZY = {
    "explain": "backend.attribution.explain",
    "evaluate": "backend.attribution.measuring.evaluate",
    "evaluate_all": "backend.attribution.measuring.evaluate",
    "controls": "backend.attribution.measuring.controls",
    "look_inside": "backend.attribution.internals.analysis",
    "fit_lens": "backend.attribution.internals.lens",
    "concept_vector": "backend.attribution.concepts.vectors",
    "concept_attribution": "backend.attribution.concepts.attribution",
    "Recorder": "backend.attribution.internals.recorder",
}


def __getattr__(name: str) -> Any:
    """torch stays out of the web process: it is imported when it is first asked for."""
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(name)
