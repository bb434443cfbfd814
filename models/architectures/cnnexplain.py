"""The cough network with the user's own weights."""

from __future__ import annotations

from models.architectures import Architecture, register
from models.cnnexplain import DEFAULT_LAYER, PAPER, CnnExplain
from models.inputs.sound import SoundInput


@register
def cnnexplain() -> Architecture:
    return Architecture(
        key="cnnexplain", title="cnnexplain", build=CnnExplain, input=SoundInput(), labels=("class 0", "class 1"), paper=PAPER,
        default_layer=DEFAULT_LAYER,
    )  # fmt: skip
