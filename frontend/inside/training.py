"""The half of the Inside page that shows a training: how each layer came to decide, epoch by epoch.

The strip holds the switch and the widget's controls; the widget `training` (assets/evident/inside/training) asks for the
recordings, follows one whose training goes on, and tells the address: `?view=training&run=KEY&epoch=7`.
"""

from __future__ import annotations

from collections.abc import Mapping

from dash import Dash, html
from dash.development.base_component import Component

from frontend.client import Client
from frontend.ui import common
from frontend.ui.common import aria, widget

BAR = "training-bar"


def view(query: Mapping[str, str], switch: Component) -> Component:
    """query: the address. switch: between the page's two halves, to stand first in the strip."""
    epoch = query.get("epoch", "")
    others = {name: value for name, value in query.items() if name not in ("view", "run", "epoch", "asked")}
    return html.Div(
        [
            html.Section(
                [switch, html.Div(id=BAR, className="ev-training-strip")],
                className="ev-card ev-inside-strip",
                **aria(label="Recording and epoch"),
            ),
            widget(
                "training",
                bar=BAR,
                run=query.get("run", ""),
                epoch=epoch if epoch.isdecimal() and len(epoch) < 10 else "",
                shown=others,
                store="inside-shown",
            ),
            rivals(),
        ],
        className="ev-inside",
    )


def rivals() -> Component:
    """The journal's comparison of networks (docs/inside.md, `evident journal`)."""
    return common.experiment(
        "Is a small network easier to explain? cnnexplain against MobileNetV2",
        "Both were trained three times on generated coughs, where the evidence is a wheeze at a known place, and both are right in 99 of 100. Of the small "
        "network's Guided Grad-CAM 80 % lie on the wheeze, of MobileNetV2's 26 %; of integrated gradients 69 % and 7 %. Its maps are also tighter and more alike within the class. "
        "Class specificity shows next to no difference; under noise only integrated gradients differ. Deletion and insertion say nothing here: cells silenced in any order leave the answer nearly as it is. "
        "MobileNetV2 started from scratch here, in the journal it was pre-trained.",
        "journal.png",
        "Both networks' values of eight measures with their intervals, for Guided Grad-CAM and integrated gradients",
    )


def register(app: Dash, client: Client) -> None:
    """Nothing: everything is asked for and drawn by the widget."""
