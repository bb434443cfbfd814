"""Explanation methods, one file each. The registry discovers every file here, the page draws its parameters
as a form, and the contract tests run it."""

from typing import Any

from app.core.registry import Registry
from backend.attribution.types import Method

METHODS: Registry[Method[Any]] = Registry("method", "backend.attribution.methods")
register = METHODS.register
