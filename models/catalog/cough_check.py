"""Is this a cough at all? Drives the fit-for-use gate."""

from __future__ import annotations

from models.catalog import register
from models.cnnexplain import bundled
from models.spec import ModelSpec


@register
def cough_check() -> ModelSpec:
    return bundled("cough_check")
