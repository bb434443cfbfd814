"""What is known without computing: models, methods, and which fit together. Built by a worker, read here
as plain JSON."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from app.core.errors import Busy, EvidentError, Incompatible, NotFound
from app.core.schemas import Catalogue, Fit, MethodInfo, ModelInfo
from app.core.text import plain_text
from backend.jobs.keys import canonical, job_key
from backend.tasks.prediction import DETECTOR

if TYPE_CHECKING:
    from backend.api.services import Services

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds to wait for a worker that is still looking at a model; the browser asks again."""


@dataclass(frozen=True)
class KnownModel:
    """A model with the methods that fit it."""

    info: ModelInfo
    fits: Mapping[str, Fit]

    @property
    def identity(self) -> str:
        """For job keys: sha256 over weights, labels, preprocessing and card (calibration), everything said
        about the model."""
        return hashlib.sha256(canonical(self.info.model_dump(mode="json")).encode()).hexdigest()

    def require_modality(self, modality: str) -> None:
        """Raises Incompatible."""
        if modality not in self.info.modalities:
            words = {"image": "pictures", "audio": "sound", "spectrogram": "spectrograms"}
            takes = " or ".join(words[name] for name in self.info.modalities)
            raise Incompatible(
                f"This model takes {takes}; choose a model that fits the input.",
                code="wrong_modality",
                field="model",
            )

    def require_available(self) -> None:
        """Raises Incompatible when its weights are not at hand."""
        if not self.info.available:
            raise Incompatible(
                self.info.reason or "This model's weights are not on this machine.",
                code="unavailable",
                field="model",
            )


async def _soon(work: Coroutine[Any, Any, T]) -> T:
    """The answer, or 503 with Retry-After while workers start."""
    try:
        return await asyncio.wait_for(work, PATIENCE)
    except TimeoutError:
        raise _starting() from None
    except EvidentError as error:
        if error.instance_code == "not_ready":
            raise _starting() from None
        raise


def _starting() -> Busy:
    return Busy("The server is still getting its models ready; try again in a moment.", code="starting")


async def catalogue(services: Services) -> Catalogue:
    """Models (bundled, at hand, uploaded, fetched) and methods. Starts nothing. Raises Busy while
    starting."""
    return Catalogue(**await _soon(services.catalogue(start=False)))


async def model(services: Services, key: str, start: bool = False) -> KnownModel:
    """start: whether it may be looked at now, when it was not before. Raises NotFound, ModelRejected, Busy
    while starting."""
    if not 1 <= len(key) <= 200 or not key.isprintable():
        raise NotFound(
            "There is no model of that name; choose one of the catalogue.",
            code="unknown_model",
            field="model",
        )
    info, fits = await _soon(services.model(plain_text(key), start=start))
    return KnownModel(ModelInfo(**info), {name: Fit(**fit) for name, fit in fits.items()})


async def prediction_key(services: Services, asked: dict[str, Any], by: KnownModel) -> str:
    """Key of a prediction. Recordings are judged by the cough detector too: its weights are part of it."""
    judges = [by.identity]
    if "audio" in by.info.modalities:
        with suppress(EvidentError):
            judges.append((await model(services, DETECTOR)).identity)
    return job_key("prediction", asked, canonical(judges))


async def method(services: Services, key: str) -> MethodInfo:
    """Raises NotFound with the nearest key, Busy while starting."""
    methods = {info.key: info for info in (await catalogue(services)).methods}
    if key in methods:
        return methods[key]
    near = difflib.get_close_matches(key[:100], methods, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(methods)}."
    raise NotFound(f"There is no method of that name. {hint}", code="unknown_method", field="method")
