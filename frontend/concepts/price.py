"""What an analysis will cost, said before it runs."""

from __future__ import annotations

from dash import ALL, Dash, Input, Output

from app.core.schemas import Fit
from frontend.client import ApiProblem, Client
from frontend.concepts.choice import Inputs
from frontend.ui import words
from frontend.wiring import wire

METHOD = "visual_tcav"
EXAMPLES, COUNTERS = 40, 100
"""Examples of a built-in concept, and counter-examples."""
PER_LAYER = 2.0
"""Erasing and its controls take about as long as the maps of so many inputs."""


def register(app: Dash, client: Client) -> None:
    """Follows the choices."""
    wire(
        app,
        client,
        price,
        output=Output("concept-price", "children"),
        prevent_initial_call=True,
        inputs={
            "model": Input("concept-model-store", "data"),
            "inputs": Input("concept-inputs", "data"),
            "layers": Input("concept-layers", "value"),
            "ticks": Input({"type": "concept-tick", "ref": ALL}, "checked"),
        },
    )


async def price(
    client: Client, model: str | None, inputs: Inputs, layers: list[str] | None, ticks: list[bool]
) -> str:
    """`4 concepts × 3 layers × 1 input: about 3 s`; empty while something is missing."""
    counts = sum(map(bool, ticks)), len(layers or ()), len(inputs)
    if not model or not all(counts):
        return ""
    try:
        fit = (await client.fits(model)).get(METHOD)
    except ApiProblem:
        fit = None
    what = " × ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for count, name in zip(counts, ("concept", "layer", "input"), strict=True)
    )
    seconds = estimate(fit, *counts) if fit else None
    return what if seconds is None else f"{what}: about {words.seconds(seconds)}"


def estimate(fit: Fit, concepts: int, layers: int, inputs: int) -> float | None:
    """Seconds, from those of one concept map. Where its passes hold the examples too, these are run once for all
    layers; where they come with the program, not at all."""
    passes = fit.forwards + fit.backwards
    if fit.seconds is None or not passes:
        return None
    examples = EXAMPLES + COUNTERS
    own = fit.forwards > examples
    work = layers * (passes - examples * own) * (inputs + PER_LAYER)
    return fit.seconds / passes * (work + own * (EXAMPLES * concepts + COUNTERS))
