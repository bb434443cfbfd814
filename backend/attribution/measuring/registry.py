"""The metrics there are, by key. They are discovered in backend/attribution/metrics, which imports this module."""

from __future__ import annotations

from typing import Any

from app.core.registry import Registry
from backend.attribution.measuring.types import Metric

METRICS: Registry[Metric[Any]] = Registry("metric", "backend.attribution.metrics")
register = METRICS.register
