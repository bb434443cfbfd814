"""Covid-19 from real coughs: a demonstration, with the controls that show how little it means."""

from __future__ import annotations

from models.catalog import register
from models.cnnexplain import bundled
from models.spec import ModelSpec


@register
def cnnexplain() -> ModelSpec:
    return bundled("cnnexplain")
