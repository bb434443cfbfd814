"""The address of the Concepts page: what it asks for, and what of that is still there. Written by
assets/evident/dash/address.mjs.

`?model=KEY&input=ID,ID&concepts=REF,REF&layers=NAME,NAME&class=2&negatives=REF&shown=1&analysis=ID`. What is
left out is filled from the analysis, then from the page's own defaults. A part that is gone is said in words;
the rest is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.core.schemas import Concept, ConceptAnalysis, ModelInfo


@dataclass(frozen=True)
class Link:
    """None: the address does not say. target: "" is the predicted class. done: the analysis has a result.
    lost: what is gone, in words."""

    model: str | None = None
    inputs: tuple[str, ...] | None = None
    concepts: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None
    target: str | None = None
    negatives: str | None = None
    shown: int = 0
    analysis: str | None = None
    done: bool = False
    lost: tuple[str, ...] = field(default=())

    def filled(self, job: ConceptAnalysis) -> Link:
        """What the address leaves open, as the analysis had it."""
        request = job.request
        classes = request.classes or []
        then: dict[str, Any] = {
            "model": request.model,
            "inputs": tuple(entry if isinstance(entry, str) else entry.input for entry in request.inputs),
            "concepts": tuple(request.concepts),
            "layers": tuple(request.layers),
            "target": str(classes[0]) if len(classes) == 1 else "",
            "negatives": request.negatives,
        }
        return replace(
            self,
            done=job.state == "done",
            **{name: value for name, value in then.items() if getattr(self, name) is None},
        )

    def without(self, part: str, **changed: Any) -> Link:
        """A part is gone; `changed` takes it out."""
        return replace(self, lost=(*self.lost, part), **changed)

    def fitted(self, model: ModelInfo, concepts: Sequence[Concept]) -> Link:
        """Only what this model and today's library still have."""
        usable = {
            concept.ref for concept in concepts if concept.usable and concept.modality in model.modalities
        }
        layers = {layer.name for layer in model.layers}
        link = self
        if missing := [ref for ref in link.concepts or () if ref not in usable]:
            part = "a concept" if len(missing) == 1 else f"{len(missing)} concepts"
            link = link.without(
                f"{part} (deleted or changed since)", concepts=_present(link.concepts, usable)
            )
        if any(name not in layers for name in link.layers or ()):
            link = link.without("a layer", layers=_present(link.layers, layers) or None)
        if link.target and not (link.target.isdecimal() and int(link.target) < len(model.labels)):
            link = link.without("the class", target="")
        if link.negatives not in (None, "random", "photographs", "random_pictures", "random_rooms", *usable):
            link = link.without("the counter-examples", negatives="random")
        return link

    @property
    def words(self) -> str | None:
        """One sentence about what is gone."""
        if not self.lost:
            return None
        parts = ", ".join(self.lost[:-1]) + (" and " if self.lost[1:] else "") + self.lost[-1]
        again = " Press Run to make the analysis again." if "the analysis (deleted)" in self.lost else ""
        return f"This link names something that is no longer here: {parts}. Everything else is as the link says.{again}"


def read(query: Mapping[str, str]) -> Link:
    """Leniently: a bad part is left out."""
    shown = query.get("shown", "")
    return Link(
        model=query.get("model") or None,
        inputs=_list(query.get("input")),
        concepts=_list(query.get("concepts")),
        layers=_list(query.get("layers")) or None,
        target=query.get("class"),
        negatives=query.get("negatives") or None,
        shown=int(shown) if shown.isdecimal() and len(shown) < 4 else 0,
        analysis=query.get("analysis") or None,
    )


def _list(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(dict.fromkeys(part for part in text.split(",") if part))


def _present(names: tuple[str, ...] | None, there: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names or () if name in there)
