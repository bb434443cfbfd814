"""What our own study of the fused map's paper found, below every study of one's own."""

from __future__ import annotations

from dash.development.base_component import Component

from frontend.ui import common


def fused_map() -> Component:
    """Text and picture of docs/fused.md (`evident fused`)."""
    return common.experiment(
        "Is the product of Grad-CAM and LRP better than its factors, as its paper says?",
        "Measured on 389 inputs: generated coughs and shapes whose evidence is known, photographs with boxes through two networks, and real coughs. Sparser than both parents: holds everywhere. "
        "Better at finding the evidence than at least one of them: holds on the four sets where a region is known, though on photographs a blob in the middle of the picture does better than all three. "
        "Steadier under noise: holds on three sets, does not hold on photographs through SqueezeNet. More faithful: shown on one set of five, undecided on the others. "
        "Changing with the class: holds on one set, does not hold on four, partly because sparse maps share their zeros. "
        "Press the preset above, and the claim is judged on your own inputs.",
        "fused.png",
        "Differences between the product and each parent with their intervals, for five metrics on five sets of inputs",
    )
