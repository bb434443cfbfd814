"""Inputs whose time is over go with everything made of them, without being asked; what is held stays."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from backend.api import retention
from backend.store.tables import audit, inputs
from tests.backend.api.conftest import CANARY, Running, finished, send
from tests.backend.api.test_gone import WORD, marked, places_of
from tests.models.media.encoders import image, picture


def age(server: Running, days: float, *ids: str) -> None:
    with server.services.store.write() as connection:
        connection.execute(
            update(inputs).where(inputs.c.id.in_(ids)).values(created=time.time() - days * 86400)
        )


def sweep(server: Running) -> int:
    """As the server does every minute, in its own loop."""
    loop = server.services._background[0].get_loop()
    [expire] = [act for act in server.services.sweeps if act.func is retention.expire]
    return asyncio.run_coroutine_threadsafe(expire(), loop).result(60)


@pytest.fixture
def thirty_days(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.services.settings, "retention_days", 30.0)


def new(client: httpx.Client, seed: int) -> str:
    return str(send(client, image(picture(seed=seed))).json()["id"])


@pytest.mark.usefixtures("thirty_days")
def test_an_old_input_goes_with_everything_made_of_it(client: httpx.Client, server: Running) -> None:
    assert client.get("/limits").json()["retention_days"] == 30.0
    old = str(send(client, marked(901), name=f"{CANARY}.png").json()["id"])
    young, again = new(client, 902), new(client, 903)
    made = client.post("/explanations", json={"input": old, "model": "tiny", "method": "ramp"}).json()["id"]
    finished(client, made)
    concept = client.post("/concepts", json={"name": CANARY, "examples": [{"input": old}]}).json()
    assert client.get(f"/concepts/{concept['id']}/examples/0.png").status_code == 200
    assert places_of(server.data, WORD)
    age(server, 30.1, old, again)
    age(server, 29.9, young)
    new(client, 903)  # uploaded again: its time begins anew
    samples = {sample["input"] for sample in client.get("/samples").json()}
    age(server, 300, *samples)
    assert sweep(server) == 1
    for path in (f"/inputs/{old}", f"/explanations/{made}", f"/concepts/{concept['id']}"):
        assert client.get(path).status_code == 404
    assert places_of(server.data, WORD, CANARY.encode(), old.encode(), made.encode()) == []
    for id in (young, again, *samples):
        assert client.get(f"/inputs/{id}").status_code == 200
    with server.services.store.engine.connect() as connection:
        entry = connection.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one()
    assert (entry.who, entry.action, entry.object) == ("retention", "input.expire", old[:12])
    assert entry.facts["days"] == 30.1
    assert sweep(server) == 0


@pytest.mark.usefixtures("thirty_days")
def test_what_a_case_holds_stays_unless_that_is_set(
    client: httpx.Client, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = new(client, 904)
    made = client.post("/cases", json={"inputs": [id], "model": "tiny", "title": "Held", "blind": False})
    assert made.status_code == 201, made.text
    age(server, 31, id)
    assert sweep(server) == 0
    assert client.get(f"/inputs/{id}").status_code == 200
    monkeypatch.setattr(server.services.settings, "retention_cases", True)
    assert sweep(server) == 1
    assert client.get(f"/inputs/{id}").status_code == 404
    case: dict[str, Any] = client.get(f"/cases/{made.json()['cases'][0]['id']}").json()
    assert case["gone"] is True
    assert client.delete(f"/worklists/{made.json()['worklist']['id']}").status_code in (200, 204)


def test_without_a_time_nothing_goes(client: httpx.Client, server: Running) -> None:
    id = new(client, 905)
    age(server, 10_000, id)
    assert client.get("/limits").json()["retention_days"] is None
    assert sweep(server) == 0
    assert client.get(f"/inputs/{id}").status_code == 200
