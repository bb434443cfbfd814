"""Why there is no number."""

from __future__ import annotations


class Unmeasured(Exception):
    """Raised by a metric that has no value here. Its text is one plain sentence that says why."""
