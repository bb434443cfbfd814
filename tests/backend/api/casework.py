"""A worklist of pictures, and two people who say what they see."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import httpx

from tests.backend.api.conftest import upload
from tests.models.media.encoders import image, picture

ANNA, BEN = {"Evident-Reviewer": "Anna"}, {"Evident-Reviewer": quote("Bén")}


def photos(client: httpx.Client, count: int, first: int = 900) -> list[str]:
    return [upload(client, image(picture(seed=first + number))) for number in range(count)]


def worklist(client: httpx.Client, inputs: list[str], **more: Any) -> dict[str, Any]:
    body = {"inputs": inputs, "model": "tiny", "title": f"List {time.time_ns()}", **more}
    answer = client.post("/cases", json=body, headers=ANNA)
    assert answer.status_code == 201, answer.text
    return answer.json()


def predicted(client: httpx.Client, id: str) -> dict[str, Any]:
    """The list once the model has answered all of it."""
    deadline = time.monotonic() + 60
    while True:
        told = client.get(f"/worklists/{id}").json()
        if told["predicted"] == told["total"]:
            return told
        assert time.monotonic() < deadline
        time.sleep(0.05)


def said(
    client: httpx.Client, id: str, who: dict[str, str], stage: str = "before", **more: Any
) -> httpx.Response:
    return client.put(f"/cases/{id}/verdict", json={"stage": stage, **more}, headers=who)
