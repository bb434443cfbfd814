"""Every route that writes leaves a line in the log of who did what, under the name of whoever asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import select

from app import __version__
from backend.store.tables import audit
from tests.backend.api.conftest import Running, explain, finished
from tests.backend.api.test_faults import writing
from tests.backend.api.test_routes import WEIGHTS
from tests.backend.api.walk import tables

Deed = tuple[str, str]
SEED = 4711
READS = {
    ("POST", "/v1/hub/recognise"),
    ("POST", "/v1/hub/labels"),
    ("POST", "/v1/evaluations/price"),
    ("POST", "/v1/evaluations/labels"),
}
ELSEWHERE = {
    ("POST", "/v1/session"): "tests/app/web/test_sessions.py: people sign in there",
    ("DELETE", "/v1/session"): "tests/app/web/test_sessions.py",
    ("PUT", "/v1/session/password"): "tests/app/web/test_sessions.py",
    ("POST", "/v1/users"): "tests/app/web/test_managing.py: who is managed, and by whom",
    ("PATCH", "/v1/users/{name}"): "tests/app/web/test_managing.py",
    ("DELETE", "/v1/users/{name}"): "tests/app/web/test_managing.py",
    ("POST", "/v1/users/{name}/password"): "tests/app/web/test_managing.py",
    ("DELETE", "/v1/users/{name}/sessions"): "tests/app/web/test_managing.py",
    ("POST", "/v1/cases/{id}/events"): "stands in the history of the case, with who and when",
}
STARTED = {
    "/v1/predictions": "prediction",
    "/v1/explanations": "explanation",
    "/v1/concept-analyses": "concept_analysis",
    "/v1/lens": "lens",
    "/v1/internals": "internals",
    "/v1/ablations": "ablation",
    "/v1/spots": "spot",
    "/v1/maximisations": "maximisation",
    "/v1/whatifs": "whatif",
    "/v1/verifications": "verification",
    "/v1/similar": "similar",
    "/v1/stress": "stress",
    "/v1/checks": "checks",
    "/v1/sanity": "sanity",
    "/v1/evaluations": "evaluation",
}
"""Kind of the job that a POST starts."""
NO_DELETE = {"/v1/predictions"}


class Doing:
    """Asks under the name of the deed, so that its line is told from those of other tests."""

    def __init__(self, client: httpx.Client, server: Running) -> None:
        self.client, self.store = client, server.services.store
        self.actions: dict[Deed, set[str]] = {}

    def do(self, deed: Deed, ask: Callable[[], httpx.Response]) -> Any:
        """The answer as JSON; its lines are kept."""
        name = f"{deed[0]} {deed[1].removeprefix('/v1/')}"[:40]
        self.client.headers["Evident-Reviewer"] = quote(name)
        answer = ask()
        del self.client.headers["Evident-Reviewer"]
        assert answer.is_success, (deed, answer.text)
        with self.store.engine.connect() as connection:
            rows = connection.execute(select(audit).where(audit.c.who == name)).all()
        assert all(row.facts["evident"] == __version__ for row in rows)
        self.actions[deed] = {row.action for row in rows}
        return answer.json() if answer.content else None

    def path(self, method: str, pattern: str, path: str, **body: Any) -> Any:
        return self.do((method, pattern), lambda: self.client.request(method, path, **body))


def test_every_route_that_writes_is_written_down(client: httpx.Client, server: Running, photo: str) -> None:
    doing = Doing(client, server)
    expected = _jobs(doing, photo) | _things(doing, photo)
    every = {key for key in tables() if key[0] != "GET"}
    assert set(doing.actions) == every - READS - set(ELSEWHERE)
    missing = {deed: doing.actions[deed] for deed in expected if not doing.actions[deed] & expected[deed]}
    assert missing == {}


def _jobs(doing: Doing, photo: str) -> dict[Deed, set[str]]:
    """Each kind of job is started, and stopped or deleted."""
    client, expected = doing.client, {}
    asked = writing(client, photo, SEED)
    known = finished(client, explain(client, photo, seed=SEED + 1).json()["id"])["id"]
    asked["POST", "/v1/checks"] = lambda: client.post("/checks", json={"explanation": known})
    sanity = {"model": "tiny", "method": "ramp", "params": {"n_samples": 977}}
    asked["POST", "/v1/sanity"] = lambda: client.post("/sanity", json=sanity)
    for path, kind in STARTED.items():
        id = doing.do(("POST", path), asked["POST", path])["id"]
        expected["POST", path] = {f"{kind}.start"}
        if path not in NO_DELETE:
            address = f"{path}/{{id}}"
            doing.path("DELETE", address, f"{path.removeprefix('/v1')}/{id}")
            expected["DELETE", address] = {f"{kind}.stop", f"{kind}.delete"}
    id = explain(client, photo, seed=SEED + 2).json()["id"]
    doing.path("DELETE", "/v1/jobs/{id}", f"/jobs/{id}")
    return expected | {("DELETE", "/v1/jobs/{id}"): {"explanation.stop", "explanation.delete"}}


def _things(doing: Doing, photo: str) -> dict[Deed, set[str]]:
    """What people make, change and delete."""
    client = doing.client
    asked = writing(client, photo, SEED)
    other = doing.do(("POST", "/v1/inputs"), asked["POST", "/v1/inputs"])["id"]
    concept = doing.do(("POST", "/v1/concepts"), asked["POST", "/v1/concepts"])["id"]
    brought = doing.do(("POST", "/v1/concepts/import"), asked["POST", "/v1/concepts/import"])
    doing.path("PUT", "/v1/concepts/{id}", f"/concepts/{concept}", json={"name": "y"})
    more = {"examples": [{"input": other}]}
    doing.path("POST", "/v1/concepts/{id}/examples", f"/concepts/{concept}/examples", json=more)
    doing.path("DELETE", "/v1/concepts/{id}", f"/concepts/{concept}")
    client.delete(f"/concepts/{brought['id']}")
    region = {"boxes": [[2, 9, 2, 9]]}
    doing.path("PUT", "/v1/inputs/{id}/region", f"/inputs/{photo}/region", json=region)
    doing.path("DELETE", "/v1/inputs/{id}/region", f"/inputs/{photo}/region")
    body = {"inputs": [photo], "model": "tiny", "title": "Written down"}
    added = doing.path("POST", "/v1/cases", "/cases", json=body)
    case, listed = added["cases"][0]["id"], added["worklist"]["id"]
    reading = {"stage": "before", "reading": 0}
    doing.path("PUT", "/v1/cases/{id}/verdict", f"/cases/{case}/verdict", json=reading)
    client.headers["Evident-Reviewer"] = "POST cases/{id}/reveal"  # who reveals has judged before
    client.put(f"/cases/{case}/verdict", json=reading)
    doing.path("POST", "/v1/cases/{id}/reveal", f"/cases/{case}/reveal")
    doing.path("PATCH", "/v1/worklists/{id}", f"/worklists/{listed}", json={"title": "x"})
    doing.path("DELETE", "/v1/cases/{id}", f"/cases/{case}")
    doing.path("DELETE", "/v1/worklists/{id}", f"/worklists/{listed}")
    doing.path("DELETE", "/v1/inputs/{id}", f"/inputs/{photo}?with=all")
    model = {
        "files": {"weights": ("w.safetensors", WEIGHTS.read_bytes())},
        "data": {
            "architecture": "shapes",
            "labels": json.dumps(["who", "did", "what", "when"]),
            "title": "Written down",
        },
    }
    key = doing.path("POST", "/v1/models", "/models", **model)["key"]
    doing.path("DELETE", "/v1/models/{key}", f"/models/{key}")
    return {
        ("POST", "/v1/inputs"): {"input.upload"},
        ("POST", "/v1/concepts"): {"concept.create"},
        ("POST", "/v1/concepts/import"): {"concept.create"},
        ("PUT", "/v1/concepts/{id}"): {"concept.change"},
        ("POST", "/v1/concepts/{id}/examples"): {"concept.change"},
        ("DELETE", "/v1/concepts/{id}"): {"concept.delete"},
        ("PUT", "/v1/inputs/{id}/region"): {"region.change"},
        ("DELETE", "/v1/inputs/{id}/region"): {"region.delete"},
        ("POST", "/v1/cases"): {"case.create"},
        ("PUT", "/v1/cases/{id}/verdict"): {"verdict.record"},
        ("POST", "/v1/cases/{id}/reveal"): {"model.reveal"},
        ("PATCH", "/v1/worklists/{id}"): {"worklist.rename"},
        ("DELETE", "/v1/cases/{id}"): {"case.delete"},
        ("DELETE", "/v1/worklists/{id}"): {"worklist.delete"},
        ("DELETE", "/v1/inputs/{id}"): {"input.delete"},
        ("POST", "/v1/models"): {"model.upload"},
        ("DELETE", "/v1/models/{key}"): {"model.delete"},
    }
