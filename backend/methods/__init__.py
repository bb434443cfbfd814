"""Explanation methods, one file each. A file dropped in here is discovered, drawn as a form, and run through the contract tests."""

from app.registry import Registry
from backend.types import Method

METHODS: Registry[Method] = Registry("method", "backend.methods")  # type: ignore[type-arg]
register = METHODS.register
