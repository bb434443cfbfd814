"""The client against canned answers: right requests out, wire schemas or one plain exception back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from app.core.schemas import AbsentModel, ExplanationRequest, PredictionRequest
from frontend.client import ApiProblem, Client, catalogue_with, href
from tests.frontend import canned
from tests.frontend.waiting import run

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> Client:
    return Client(lambda: httpx.MockTransport(answer))


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {
        "title": "No",
        "status": status,
        "code": code,
        "detail": "One plain sentence.",
        "request_id": "r-1",
    }
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json", **headers})


def test_the_catalogue_is_waited_for_while_the_first_worker_reads_the_models():
    answers = iter(
        [problem(503, "starting", **{"Retry-After": "0.1"})] * 2
        + [httpx.Response(200, content=canned.CATALOGUE.model_dump_json(by_alias=True))]
    )
    catalogue = run(client(lambda _: next(answers)).catalogue())
    assert catalogue == canned.CATALOGUE


def test_a_model_of_the_address_is_waited_for_while_it_is_looked_at():
    """Its page said that there is no such model while a worker was still describing it."""
    mine = canned.CATALOGUE.models[0].model_copy(update={"key": "fresh"})
    waiting = canned.CATALOGUE.model_copy(update={"absent": [AbsentModel(name="fresh", own=True)]})
    ready = canned.CATALOGUE.model_copy(update={"models": [mine]})
    listed = iter([waiting, ready])
    looked_at = iter([problem(503, "starting", **{"Retry-After": "0.1"}), mine])

    def answer(request: httpx.Request) -> httpx.Response:
        said = next(listed if request.url.path.endswith("/catalogue") else looked_at)
        return (
            said
            if isinstance(said, httpx.Response)
            else httpx.Response(200, content=said.model_dump_json(by_alias=True))
        )

    assert run(catalogue_with(client(answer), "fresh")) == ready
    assert next(looked_at, None) is None
    listed = iter([waiting])
    assert run(catalogue_with(client(answer), None)) == waiting


def test_patience_ends():
    with pytest.raises(ApiProblem) as refused:
        run(client(lambda _: problem(503, "starting", **{"Retry-After": "0.1"})).catalogue(patience=0.15))
    assert refused.value.code == "starting"


def test_another_refusal_is_not_waited_for():
    asked = []
    with pytest.raises(ApiProblem):
        run(client(lambda request: asked.append(request) or problem(503, "busy")).catalogue())
    assert len(asked) == 1


def test_a_problem_keeps_its_words_and_its_id():
    with pytest.raises(ApiProblem) as refused:
        run(
            client(lambda _: problem(422, "too_expensive")).explain(
                ExplanationRequest(input="a", model="b", method="lime")
            )
        )
    assert (refused.value.code, refused.value.problem.detail, refused.value.problem.request_id) == (
        "too_expensive",
        "One plain sentence.",
        "r-1",
    )


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[]", b""])
def test_an_answer_that_is_no_problem_document_becomes_a_sentence(body):
    with pytest.raises(ApiProblem) as refused:
        run(client(lambda _: httpx.Response(502, content=body)).samples())
    assert refused.value.code == "unexplained"
    assert "try again" in refused.value.problem.detail


def test_silence_is_told_from_refusal():
    def silence(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiProblem) as refused:
        run(client(silence).limits())
    assert refused.value.code == "unreachable"


def test_requests_carry_exactly_the_wire_schema():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.path, json.loads(request.content)))
        return httpx.Response(202, content=canned.explanation(wanted).model_dump_json())

    wanted = ExplanationRequest(
        input="a", model="b", method="lime", target=1, params={"n_samples": 64}, seed=3
    )
    explanation = run(client(answer).explain(wanted))
    assert seen == [("POST", "/api/v1/explanations", wanted.model_dump())]
    assert explanation.request == wanted


def test_a_slow_prediction_is_asked_for_until_it_is_there():
    job = {"id": "j1", "kind": "prediction", "state": "running", "created": "now"}
    done = canned.prediction().model_dump_json()
    answers = iter(
        [httpx.Response(202, json=job), httpx.Response(200, json=job), httpx.Response(200, content=done)]
    )
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(f"{request.method} {request.url.path}")
        return next(answers)

    assert run(client(answer).predict(PredictionRequest(input="a", model="b"))) == canned.prediction()
    assert paths == ["POST /api/v1/predictions", "GET /api/v1/predictions/j1", "GET /api/v1/predictions/j1"]


def test_a_prediction_that_failed_says_why():
    error = {
        "title": "Stopped",
        "status": 500,
        "code": "out_of_memory",
        "detail": "It needed more memory than a worker may use.",
    }
    job = {"id": "j1", "kind": "prediction", "state": "failed", "created": "now", "error": error}
    with pytest.raises(ApiProblem) as refused:
        run(client(lambda _: httpx.Response(202, json=job)).predict(PredictionRequest(input="a", model="b")))
    assert refused.value.code == "out_of_memory"


def test_keys_are_quoted_and_model_names_keep_their_colon():
    paths = []
    answer = httpx.Response(200, content=canned.CATALOGUE.models[0].model_dump_json())
    run(client(lambda request: paths.append(request.url.raw_path) or answer).model("timm:resnet18"))
    with pytest.raises(ApiProblem):
        run(
            client(lambda request: paths.append(request.url.raw_path) or problem(404, "not_found")).input(
                "../x?y"
            )
        )
    assert paths == [b"/api/v1/models/timm:resnet18", b"/api/v1/inputs/..%2Fx%3Fy"]


def test_browser_addresses():
    assert (
        href("/inputs/a/preview.png")
        == href("/api/v1/inputs/a/preview.png")
        == "/api/v1/inputs/a/preview.png"
    )


def test_choices_leave_out_the_other_kind_of_input():
    entries = [
        {"id": "striped", "ref": "striped", "name": "Striped", "modality": "image"},
        {"id": "u1", "ref": "u1@ab", "name": "Hum", "modality": "audio"},
    ]
    asked = client(lambda _: httpx.Response(200, json=entries))
    assert run(asked.choices("concepts", "image")) == [("striped", "Striped")]
    assert run(asked.choices("concepts", "spectrogram")) == [("u1@ab", "Hum")]
    assert run(asked.choices("concepts")) == [("striped", "Striped"), ("u1@ab", "Hum")]


def test_a_map_is_read_without_pickle():
    def stored(array: np.ndarray) -> httpx.Response:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=True)
        return httpx.Response(200, content=buffer.getvalue())

    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(run(client(lambda _: stored(values)).values("a")), values)
    with pytest.raises(ValueError, match="allow_pickle"):
        run(client(lambda _: stored(np.array([{"a": 1}], dtype=object))).values("a"))


def test_who_asks_goes_along_with_every_request():
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("cookie"), request.headers.get("evident-reviewer")))
        return httpx.Response(200, json=[])

    visitors = iter([{"cookie": "a=1", "evident-reviewer": "Ann"}, {}])
    asking = Client(lambda: httpx.MockTransport(answer), visitor=lambda: next(visitors))
    run(asking.samples())
    run(asking.samples())
    assert seen == [("a=1", "Ann"), (None, None)]
