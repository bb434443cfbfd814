"""Models, methods and which fit together, from the catalogue that a worker computed: plain JSON, nothing is
computed here."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from app.core.cost import corrected
from app.core.errors import BadParameter, Busy, EvidentError, Incompatible, NotFound
from app.core.schemas import Catalogue, Fit, MethodInfo, ModelInfo
from app.core.text import plain_text
from backend.jobs.keys import canonical, job_key
from backend.store.runs import recent
from backend.tasks.gate import DETECTOR

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

    @cached_property
    def identity(self) -> str:
        """Part of job keys: sha256 over the model's whole description (weights, labels, card, ...)."""
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

    def require_target(self, target: int | None) -> None:
        """Raises BadParameter for a class that the model has not; None is the predicted one."""
        if target is not None and target >= len(self.info.labels):
            raise BadParameter(
                f"The class must be a whole number from 0 to {len(self.info.labels) - 1}.", field="target"
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
    """The result of `work`. Raises Busy (`starting`) while workers start."""
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
    """start: compute the description now if nobody has yet. Raises NotFound, ModelRejected, Busy while
    starting."""
    if not 1 <= len(key) <= 200 or not key.isprintable():
        raise NotFound(
            "There is no model of that name; choose one of the catalogue.",
            code="unknown_model",
            field="model",
        )
    description = await _soon(services.model(plain_text(key), start=start))
    last, known = services.known_models.get(key, (None, None))
    if known is None or last != description:
        info, fits = description
        known = KnownModel(ModelInfo(**info), {name: Fit(**fit) for name, fit in fits.items()})
        services.known_models[key] = description, known
    return known


async def expected_fits(services: Services, described: KnownModel) -> dict[str, Fit]:
    """Its fits with the seconds measured on what runs use, if they were, and corrected by what its last runs
    on this server took."""
    key, digest = described.info.key, described.info.digest
    if digest is None:
        return dict(described.fits)
    speed = await services.speed(key, digest)
    fits = {
        name: fit.model_copy(update={"seconds": speed.get(name, fit.seconds)})
        for name, fit in described.fits.items()
    }
    conditions = services.jobs.queue.conditions
    return corrected(fits, await services.store.run(recent, services.store, key, digest, conditions))


async def prediction_key(services: Services, request: dict[str, Any], predictor: KnownModel) -> str:
    """Job key of a prediction; for recordings it includes the weights of the cough detector, which judges
    them too."""
    identities = [predictor.identity]
    if "audio" in predictor.info.modalities:
        with suppress(EvidentError):
            identities.append((await model(services, DETECTOR)).identity)
    return job_key("prediction", request, canonical(identities))


async def method(services: Services, key: str) -> MethodInfo:
    """Raises NotFound with the nearest key, Busy while starting."""
    methods = {info["key"]: info for info in await _soon(services.methods())}
    if key in methods:
        return MethodInfo(**methods[key])
    near = difflib.get_close_matches(key[:100], methods, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(methods)}."
    raise NotFound(f"There is no method of that name. {hint}", code="unknown_method", field="method")
