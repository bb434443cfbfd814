"""The cough network on generated sounds, whose evidence is known."""

from __future__ import annotations

from models.catalog import register
from models.cnnexplain import bundled
from models.spec import ModelSpec


@register
def cnnexplain_synthetic() -> ModelSpec:
    return bundled("cnnexplain_synthetic")
