"""Worklists are predicted in the background: a few cases at a time, behind everything that a person waits for.

Which cases have no answer yet stands in the table, so a server that was killed goes on where it was, and two servers of one
database do nothing twice: a prediction is a job with a key, and an answer is recorded once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from app.core.errors import Busy, EvidentError, NoSpace, NotFound, StorageUnavailable, where
from backend.api import lookup
from backend.store import cases as rows
from backend.store.cases import FAILED, UNDECIDED, WITHHELD, Answer, Unanswered

if TYPE_CHECKING:
    from backend.api.services import Services

log = logging.getLogger("evident")

AHEAD = 2
"""Cases that wait or run for each worker."""
LOOK = 30.0
"""Seconds between looks at the table, for lists that another server left behind; our own wake it at once."""
AGAIN = 2.0
"""Seconds until what could not be done is tried again."""
PATIENCE = 600.0
LANE: Final = "batch"
PRIORITY = -40
"""Under the rank of every prediction that somebody waits for."""


class Predicting:
    """The loop."""

    def __init__(self, services: Services) -> None:
        self.services = services

    async def run(self) -> None:
        """For ever. Faults of the surroundings are waited out."""
        asking: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                self.services.new_cases.clear()
                try:
                    wide = AHEAD * max(1, self.services.engine.capacity["compute"])
                    for each in await self._unanswered(wide - len(asking), asking):
                        asking[each.id] = asyncio.create_task(self._ask(each))
                except Exception as error:
                    log.warning("worklists could not be read; trying again: %s", where(error))
                    await asyncio.sleep(AGAIN)
                if asking:
                    await asyncio.wait(asking.values(), return_when=asyncio.FIRST_COMPLETED)
                    asking = {id: task for id, task in asking.items() if not task.done()}
                else:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.services.new_cases.wait(), LOOK)
        finally:
            for task in asking.values():
                task.cancel()
            await asyncio.gather(*asking.values(), return_exceptions=True)

    async def _unanswered(self, count: int, asking: Mapping[str, Any]) -> list[Unanswered]:
        if count <= 0:
            return []
        return await self.services.store.run(rows.unanswered, self.services.store, count, list(asking))

    async def _ask(self, each: Unanswered) -> None:
        """Has one case predicted and writes the answer down. What cannot be judged is answered `failed`, with the
        reason; faults of the surroundings leave it unanswered."""
        try:
            answer = await self._answer(each)
            await self.services.store.run(rows.record_answer, self.services.store, each.id, answer)
        except (Busy, NoSpace, StorageUnavailable) as error:
            log.warning("a case could not be predicted; trying again: %s", error.instance_code)
            await asyncio.sleep(AGAIN)
        except NotFound:  # deleted meanwhile
            pass
        except Exception as error:
            log.error("a case could not be predicted: %s", where(error))
            await asyncio.sleep(AGAIN)

    async def _answer(self, each: Unanswered) -> Answer:
        services = self.services
        try:
            model = await lookup.model(services, each.model)
            payload = await services.source(each.input, each.model)
            model.require_available()
            model.require_modality(payload.input.modality)
        except (Busy, NoSpace, StorageUnavailable):
            raise
        except EvidentError as error:
            return Answer(FAILED, problem=error.detail)
        asked = {"input": each.input, "model": each.model, "start": None}
        key = await lookup.prediction_key(services, asked, model)
        while True:
            title = f"Prediction by {model.info.title}"
            await services.jobs.submit(
                "prediction", payload.as_json(), key=key, title=title, lane=LANE, priority=PRIORITY
            )
            with suppress(NotFound):  # deleted in between: asked for again, unless its input went too
                row = await services.jobs.wait(key, PATIENCE)
                if row.result is not None:
                    return answer_of(row.result, key)
                if row.error is not None and row.error["code"] != "cancelled":
                    return Answer(FAILED, prediction=key, problem=row.error["detail"])
                await asyncio.sleep(AGAIN)


def answer_of(result: Mapping[str, Any], key: str) -> Answer:
    """What a list keeps of a prediction. The score is of the second of two classes, so that a list can be put in order by
    it, else of the class that the model names."""
    by_class = {entry["index"]: entry["probability"] for entry in result["classes"]}
    scored = 1 if set(by_class) == {0, 1} else result["top"]
    if result["gate"]["state"] == "abstain":
        return Answer(WITHHELD, prediction=key)
    says = UNDECIDED if result["undecided"] else str(result["top"])
    return Answer(says, by_class[scored], scored, key)
