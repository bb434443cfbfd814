"""The same network, trained where a mains hum betrays the class."""

from __future__ import annotations

from models.catalog import register
from models.cnnexplain import bundled
from models.spec import ModelSpec


@register
def cnnexplain_shortcut() -> ModelSpec:
    return bundled("cnnexplain_shortcut")
