"""Inputs go by themselves where a time is set for them (`EVIDENT_RETENTION_DAYS`), with everything made of them."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from app.core.errors import NotFound
from backend.api import deletion
from backend.api.routes.concepts import draw

if TYPE_CHECKING:
    from backend.api.services import Services

WHO = "retention"
AT_ONCE = 100
"""Inputs of one sweep: the next is a minute away."""
DAY = 86400.0


async def expire(services: Services) -> int:
    """Deletes the inputs whose time is over, the oldest first; how many. Bundled samples stay, and what a case holds,
    unless that is set; the case then keeps what people said."""
    settings = services.settings
    if settings.retention_days is None:
        return 0
    before = time.time() - settings.retention_days * DAY
    store = services.store
    due = await store.run(store.inputs_before, before, AT_ONCE, not settings.retention_cases)
    for id in due:
        with suppress(NotFound):  # another server or a person was quicker
            await _delete(services, id)
    return len(due)


async def _delete(services: Services, id: str) -> None:
    """Raises NotFound."""
    row = await services.store.run(services.store.input, id)
    affected = await deletion.dependents(services, id)
    for concept in await deletion.delete_input(services, id, affected):
        await draw(services, concept.digest)
    results = len(affected.own) + len(affected.shared)
    days = round((time.time() - row.created) / DAY, 2)
    await services.audit(WHO, "input.expire", id, results=results, days=days)
