"""Explanation methods, one file each. A file dropped in here is discovered, drawn as a form, and run
through the contract tests."""

from typing import Any

from app.core.registry import Registry
from backend.attribution.types import Method

METHODS: Registry[Method[Any]] = Registry("method", "backend.attribution.methods")
register = METHODS.register
