"""cnnexplain, so that uploaded weights may claim to be one."""

from __future__ import annotations

from models.architectures import Architecture, register
from models.cnnexplain import DEFAULT_LAYER, CnnExplain
from models.inputs.sound import SoundInput


@register
def cnnexplain() -> Architecture:
    return Architecture(
        key="cnnexplain",
        title="cnnexplain (cough spectrograms)",
        build=CnnExplain,
        input=SoundInput(),
        labels=("negative", "positive"),
        paper="arXiv 2207.12958",
        default_layer=DEFAULT_LAYER,
    )
