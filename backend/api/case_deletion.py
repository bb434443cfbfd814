"""Lists and cases go with all that was said of them, by those who may delete them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.core.errors import Forbidden
from app.core.schemas import CasesDeleted
from backend.api import deletion
from backend.store import cases as rows
from backend.store.cases import WorklistRow
from backend.store.users import User, key_of

if TYPE_CHECKING:
    from backend.api.services import Services


def may_delete(row: WorklistRow, user: User | None) -> bool:
    """With a list the verdicts of everybody go: where people sign in, its maker and admins may. user: None where nobody signs in."""
    if user is None or user.is_admin:
        return True
    return row.maker is not None and key_of(row.maker) == key_of(user.name)


async def _check_may_delete(services: Services, worklist: str, user: User | None) -> None:
    """Raises NotFound, Forbidden."""
    row = await services.store.run(rows.worklist, services.store, worklist)
    if not may_delete(row, user):
        made_by = f", {row.maker}," if row.maker else ""
        raise Forbidden(
            f"With it goes what everybody said of it: only who made this list{made_by} or an admin may delete it or a case of it; ask one of them.",
            code="not_the_maker",
        )


async def delete_worklist(
    services: Services, id: str, reviewer: str, user: User | None, inputs: bool
) -> CasesDeleted:
    """The list with all that was said. inputs: also those that no other list has, first, so that one that was interrupted can
    be asked for again. Raises NotFound, Forbidden."""
    await _check_may_delete(services, id, user)
    held = await services.store.run(rows.inputs_of_worklist, services.store, id)
    went, kept = await _delete_inputs(services, held, id) if inputs else (0, 0)
    count = await services.store.run(rows.delete_worklist, services.store, id)
    return await _deleted(
        services, reviewer, "worklist", id, CasesDeleted(cases=count, inputs=went, inputs_kept=kept)
    )


async def delete_case(
    services: Services, id: str, reviewer: str, user: User | None, inputs: bool
) -> CasesDeleted:
    """Raises NotFound, Forbidden."""
    row = await services.store.run(rows.case_of, services.store, id)
    await _check_may_delete(services, row.worklist, user)
    went, kept = await _delete_inputs(services, [row.input], row.worklist) if inputs else (0, 0)
    await services.store.run(rows.delete_case, services.store, id)
    return await _deleted(
        services, reviewer, "case", id, CasesDeleted(cases=1, inputs=went, inputs_kept=kept)
    )


async def _delete_inputs(services: Services, ids: Sequence[str], worklist: str) -> tuple[int, int]:
    """How many went, and how many are somebody else's too and stay."""
    here = await services.store.run(rows.modalities, services.store, ids)
    others = await services.store.run(rows.in_other_lists, services.store, here, worklist)
    went = await deletion.delete_inputs(services, [id for id in here if id not in others])
    return went, len(here) - went


async def _deleted(
    services: Services, reviewer: str, what: str, id: str, outcome: CasesDeleted
) -> CasesDeleted:
    await services.store.run(services.store.scrub)
    await services.audit(reviewer, f"{what}.delete", id, cases=outcome.cases, inputs=outcome.inputs)
    return outcome
