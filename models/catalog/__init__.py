"""Bundled models, one file each: a function that returns its ModelSpec, decorated by `@register`. A new file is discovered."""

from app.core.registry import Registry
from models.spec import ModelSpec

MODELS: Registry[ModelSpec] = Registry("model", "models.catalog")
register = MODELS.register
