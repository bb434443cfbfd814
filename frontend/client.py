"""The dashboard's side of the HTTP contract: asks the API, answers with the wire schemas, and turns every
refusal into one exception.

Calls go through the ASGI application the dashboard is mounted on: in one process straight into the API, in
the split set-up into the proxy that passes `/api` on. No port, no address and no second event loop is needed,
and nothing can wait for itself because every caller is `async`.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
from pydantic import TypeAdapter

from app.core.logs import quiet_libraries
from app.core.schemas import (
    Catalogue,
    Concept,
    ConceptAnalysis,
    ConceptAnalysisRequest,
    EvaluationAdvice,
    Explanation,
    ExplanationRequest,
    Fit,
    Input,
    ModelInfo,
    Prediction,
    PredictionRequest,
    Problem,
    PublishedNames,
    Sample,
)

API = "/api/v1"
STARTING = 60.0
"""Seconds to wait for a catalogue that the first worker is still building."""
PREDICTING = 120.0
"""Seconds to wait for a prediction that could not be answered at once."""


class ApiProblem(Exception):
    """A refusal of the API or its silence, in words a person can act on."""

    def __init__(self, problem: Problem, retry_after: float = 1.0) -> None:
        super().__init__(problem.detail)
        self.problem, self.retry_after = problem, retry_after

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def gone(self) -> bool:
        """What was asked for is not there (any more); told from an API that is busy or silent."""
        return self.problem.status == 404


def silent(detail: str) -> ApiProblem:
    """The API gave no answer at all."""
    return ApiProblem(
        Problem(title="No answer from the server", status=503, code="unreachable", detail=detail)
    )


def href(path: str) -> str:
    """Address the browser uses for a path below the API prefix."""
    return f"{API}/{path.removeprefix(API).lstrip('/')}"


class Client:
    """Asynchronous calls. `transport` is made per call, so that one client serves any event loop and can
    carry the visitor's address. visitor: headers that say who asks, for the request under way."""

    def __init__(
        self,
        transport: Callable[[], httpx.AsyncBaseTransport],
        host: str = "127.0.0.1",
        visitor: Callable[[], dict[str, str]] = dict,
    ) -> None:
        quiet_libraries()
        self._transport, self._base, self._visitor = transport, f"http://{host}{API}", visitor

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; raises ApiProblem for everything that is not a success."""
        try:
            async with httpx.AsyncClient(
                transport=self._transport(), headers=self._visitor(), trust_env=False, timeout=130
            ) as client:
                answer = await client.request(method, f"{self._base}{path}", **options)
        except httpx.HTTPError:
            raise silent(
                "The computing side does not answer. It may be restarting; try again in a moment."
            ) from None
        if answer.is_success:
            return answer
        raise _problem(answer)

    async def _get(self, path: str, kind: type[Any] | TypeAdapter[Any], **options: Any) -> Any:
        return _read(await self._call("GET", path, **options), kind)

    async def catalogue(self, patience: float = STARTING) -> Catalogue:
        """Models and methods; waits while the first worker is still reading the models."""
        catalogue: Catalogue = await self._started("/catalogue", Catalogue, patience)
        return catalogue

    async def _started(self, path: str, kind: type[Any], patience: float = STARTING) -> Any:
        """`_get`, again while a worker is still looking at what was asked for, `patience` seconds of pauses long."""
        while True:
            try:
                return await self._get(path, kind)
            except ApiProblem as refusal:
                if refusal.code != "starting" or patience <= 0:
                    raise
                pause = min(max(refusal.retry_after, 0.1), 2.0)
                patience -= pause
                await asyncio.sleep(pause)

    async def limits(self) -> dict[str, Any]:
        return (await self._call("GET", "/limits")).json()

    async def samples(self) -> list[Sample]:
        return await self._get("/samples", TypeAdapter(list[Sample]))

    async def input(self, key: str) -> Input:
        return await self._get(f"/inputs/{quote(key, safe='')}", Input)

    async def delete_input(self, key: str, everything: bool = False) -> None:
        """everything: also what it is part of; without it the server refuses (`in_use`) and says what that
        is."""
        await self._call(
            "DELETE", f"/inputs/{quote(key, safe='')}", params={"with": "all" if everything else "own"}
        )

    async def model(self, key: str) -> ModelInfo:
        """One model, listed or not; waits while a worker is still looking at it."""
        model: ModelInfo = await self._started(f"/models/{quote(key, safe=':')}", ModelInfo)
        return model

    async def published(self, query: str) -> PublishedNames:
        """Networks of timm and torchvision by name."""
        return await self._get("/hub", PublishedNames, params={"query": query, "limit": 5})

    async def delete_model(self, key: str) -> None:
        await self._call("DELETE", f"/models/{quote(key, safe=':')}")

    async def fits(self, model: str) -> dict[str, Fit]:
        """Which methods fit the model, and what they are expected to cost."""
        return await self._get(f"/models/{quote(model, safe=':')}/compatibility", TypeAdapter(dict[str, Fit]))

    async def advice(self, model: str) -> EvaluationAdvice | None:
        """What the newest study of the model says about the methods."""
        return await self._get(
            "/evaluations/advice", TypeAdapter(EvaluationAdvice | None), params={"model": model}
        )

    async def choices(self, name: str, modality: str | None = None) -> list[tuple[str, str]]:
        """A list that a schema offers choices from: (value, label). Entries for the other kind of input
        are left out."""
        entries = (await self._call("GET", f"/{quote(name, safe='')}")).json()
        kind = None if modality is None else modality == "image"
        fitting = [
            entry
            for entry in entries
            if kind is None or "modality" not in entry or (entry["modality"] == "image") is kind
        ]
        return [(entry.get("ref") or entry["id"], entry.get("name") or entry["id"]) for entry in fitting]

    async def predict(self, request: PredictionRequest, patience: float = PREDICTING) -> Prediction:
        """The model's scores. A prediction that takes long is answered as a job first and asked for until
        it is there."""
        answer = await self._call("POST", "/predictions", json=request.model_dump())
        while "classes" not in (body := answer.json()):
            if body.get("state") in {"failed", "cancelled"}:
                raise ApiProblem(
                    Problem.model_validate(body.get("error") or _unexplained(answer.status_code))
                )
            if patience <= 0:
                raise silent("The prediction takes unusually long. Try again in a moment.")
            patience -= 0.5
            await asyncio.sleep(0.5)
            answer = await self._call("GET", f"/predictions/{body['id']}")
        return Prediction.model_validate(body)

    async def explain(self, request: ExplanationRequest) -> Explanation:
        return _read(await self._call("POST", "/explanations", json=request.model_dump()), Explanation)

    async def values(self, key: str) -> np.ndarray:
        """The map itself, float32 `[H, W]`."""
        return await self._array(f"/explanations/{quote(key, safe='')}/values.npy")

    async def array(self, key: str, name: str) -> np.ndarray:
        """What the method kept beside the map under a name that the record lists."""
        return await self._array(f"/explanations/{quote(key, safe='')}/arrays/{quote(name, safe='')}.npy")

    async def _array(self, path: str) -> np.ndarray:
        answer = await self._call("GET", path)
        array: np.ndarray = np.load(io.BytesIO(answer.content), allow_pickle=False)
        return array

    async def explanation(self, key: str) -> Explanation:
        return await self._get(f"/explanations/{quote(key, safe='')}", Explanation)

    async def concepts(self) -> list[Concept]:
        """Built-in ones first."""
        return await self._get("/concepts", TypeAdapter(list[Concept]))

    async def change_concept(self, key: str, name: str | None = None, remove: Sequence[int] = ()) -> Concept:
        """Another name, or examples taken out by number."""
        return _read(
            await self._call(
                "PUT", f"/concepts/{quote(key, safe='')}", json={"name": name, "remove": list(remove)}
            ),
            Concept,
        )

    async def delete_concept(self, key: str) -> None:
        await self._call("DELETE", f"/concepts/{quote(key, safe='')}")

    async def analyse(self, request: ConceptAnalysisRequest) -> ConceptAnalysis:
        return _read(
            await self._call("POST", "/concept-analyses", json=request.model_dump(mode="json")),
            ConceptAnalysis,
        )

    async def analysis(self, key: str) -> ConceptAnalysis:
        return await self._get(f"/concept-analyses/{quote(key, safe='')}", ConceptAnalysis)

    async def internals(self, key: str) -> dict[str, Any]:
        """A study of all filters of a layer, as the API answers it."""
        answer: dict[str, Any] = (await self._call("GET", f"/internals/{quote(key, safe='')}")).json()
        return answer

    async def internals_array(self, key: str, name: str) -> np.ndarray:
        """One of its arrays."""
        return await self._array(f"/internals/{quote(key, safe='')}/{quote(name, safe='')}.npy")


def _read(answer: httpx.Response, kind: type[Any] | TypeAdapter[Any]) -> Any:
    adapter = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
    return adapter.validate_json(answer.content)


def _problem(answer: httpx.Response) -> ApiProblem:
    """The problem document of an answer; one that is none (a proxy's page) becomes a plain sentence."""
    try:
        problem = Problem.model_validate(answer.json())
    except ValueError:
        problem = Problem.model_validate(_unexplained(answer.status_code))
    try:
        retry = float(answer.headers.get("retry-after", 1))
    except ValueError:
        retry = 1.0
    return ApiProblem(problem, retry)


def _unexplained(status: int) -> dict[str, Any]:
    return {
        "title": "Something went wrong",
        "status": status,
        "code": "unexplained",
        "detail": "The server could not answer this. Nothing was lost; try again, and tell the operator if it stays.",
    }


async def catalogue_with(client: Client, key: str | None) -> Catalogue:
    """The catalogue; a model that is still being looked at is waited for where the address names it."""
    catalogue = await client.catalogue()
    waiting = any(absent.reason is None for absent in catalogue.absent)
    if key and waiting and key not in {model.key for model in catalogue.models}:
        with suppress(ApiProblem):  # whoever needs it says what is wrong
            await client.model(key)
            catalogue = await client.catalogue()
    return catalogue
