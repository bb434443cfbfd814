"""Explanation methods, one file each. A file dropped in here is discovered, drawn as a form, and run through the contract tests."""

from typing import Any

from app.registry import Registry
from backend.types import Method

METHODS: Registry[Method[Any]] = Registry("method", "backend.methods")
register = METHODS.register
