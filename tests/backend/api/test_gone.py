"""Refused and deleted means gone: no byte, no name, no id in the data folder; no value of a visitor's in a
log; nobody else's name shown."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx
import numpy as np
import pytest

from app.core.errors import NotDecodable
from app.core.settings import Limits
from backend.jobs.client import Client
from backend.jobs.errands import Errands
from backend.jobs.spool import Spool
from backend.jobs.workers.process import execute
from backend.jobs.workers.protocol import WorkerConfig
from backend.store.blobs import Blobs
from backend.store.bundle import read_bundle
from tests.backend.api.conftest import CANARY, Running, archive, finished, send
from tests.models.media.encoders import image, npy, picture

WORD = b"EVIDENTLY-SECRET-PIXELS"


def marked(seed: int) -> bytes:
    """A picture with a word in its pixels, which its decoded numbers hold as plain bytes."""
    array = picture(48, 64, seed=seed)
    array.reshape(-1)[: len(WORD)] = np.frombuffer(WORD, np.uint8)
    return image(array)


def places_of(folder: Path, *words: bytes) -> list[str]:
    """Files of the data folder whose name or bytes hold one of the words. A file or folder that goes meanwhile
    holds none."""

    def holds(path: Path) -> bool:
        try:
            content = str(path).encode() + path.read_bytes()
        except FileNotFoundError:
            return False
        return any(word in content for word in words)

    files = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return [str(path) for path in files if path.is_file() and holds(path)]


@pytest.fixture
def marked_input(client: httpx.Client) -> str:
    answer = send(client, marked(1), name=f"{CANARY}.png")
    assert answer.status_code == 201
    assert answer.json()["name"] == f"{CANARY}.png"
    return str(answer.json()["id"])


def test_after_a_deletion_no_byte_of_name_id_or_content_is_left(
    client: httpx.Client, server: Running, marked_input: str
) -> None:
    id = marked_input
    assert places_of(server.data, WORD)
    assert client.post("/predictions", json={"input": id, "model": "tiny"}).status_code == 200
    explanation = client.post("/explanations", json={"input": id, "model": "tiny", "method": "ramp"}).json()[
        "id"
    ]
    finished(client, explanation)
    other = send(client, image(picture(48, 64, seed=2))).json()["id"]
    concept = client.post(
        "/concepts",
        json={"name": "Corner", "examples": [{"input": id, "box": [0, 0, 20, 20]}, {"input": other}]},
    ).json()
    assert client.get(f"/concepts/{concept['id']}/examples/0.png").status_code == 200
    analysis = client.post(
        "/concept-analyses",
        json={"model": "tiny", "inputs": [id, other], "concepts": [concept["ref"]], "layers": ["0"]},
    ).json()
    assert "id" in analysis, analysis

    refused = client.delete(f"/inputs/{id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert [(one["kind"], one["name"]) for one in refused.json()["holders"]] == [
        ("concept", "Corner"),
        ("concept_analysis", "Concept analysis"),
    ]
    assert client.get(f"/inputs/{id}").status_code == 200

    assert client.delete(f"/inputs/{id}", params={"with": "all"}).status_code == 204
    assert places_of(server.data, WORD, CANARY.encode(), id.encode(), concept["ref"].encode()) == []
    assert client.get(f"/concepts/{concept['id']}").json()["count"] == 1
    assert client.get(f"/inputs/{other}").status_code == 200
    for path in (f"/inputs/{id}", f"/explanations/{explanation}", f"/concept-analyses/{analysis['id']}"):
        assert client.get(path).status_code == 404
    assert client.delete(f"/concepts/{concept['id']}").status_code == 204


def test_a_deleted_concept_takes_the_pictures_of_its_examples_along(
    client: httpx.Client, server: Running, marked_input: str
) -> None:
    concept = client.post("/concepts", json={"name": CANARY, "examples": [{"input": marked_input}]}).json()
    assert client.get(f"/concepts/{concept['id']}/examples/0.png").status_code == 200
    assert client.delete(f"/concepts/{concept['id']}").status_code == 204
    assert places_of(server.data, CANARY.encode(), concept["ref"].encode(), concept["id"].encode()) == []
    assert client.delete(f"/inputs/{marked_input}").status_code == 204


def test_nothing_can_be_asked_about_an_input_that_was_deleted_meanwhile(
    client: httpx.Client, server: Running, marked_input: str
) -> None:
    """A request that read the input before the deletion and writes its job after it."""
    queue = server.services.jobs.queue
    payload = {"input": {"id": marked_input}}
    assert client.delete(f"/inputs/{marked_input}").status_code == 204
    with pytest.raises(Exception, match="upload it again"):
        queue.submit(
            "f" * 64,
            "explanation",
            lane="interactive",
            rank=0,
            payload=payload,
            title="",
            client=Client("me"),
        )
    assert places_of(server.data, marked_input.encode()) == []


def test_a_name_is_shown_to_its_sender_only(client: httpx.Client) -> None:
    data = marked(3)
    first = send(client, data, name=f"{CANARY} of Ann.png").json()
    second = send(client, data, name="holiday.png").json()
    assert (first["id"], first["name"], second["name"]) == (
        second["id"],
        f"{CANARY} of Ann.png",
        "holiday.png",
    )
    for path in (f"/inputs/{first['id']}", "/jobs", "/samples", "/concepts"):
        assert CANARY not in client.get(path).text
    client.delete(f"/inputs/{first['id']}")


def held(server: Running) -> tuple[set[str], list[Path]]:
    """Blobs, and what lies in the spool, once the strips of concepts that are drawn in the background are
    done."""
    deadline = time.monotonic() + 60
    while list((server.data / "spool").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    spool = [path for path in (server.data / "spool").rglob("*") if path.is_file()]
    return {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}, spool


BOMBS = {
    "one entry": archive([{"file": "a"}], {"a": b"\0" * 50_000_000}),
    "the same entry many times": archive([{"file": "a"}] * 400, {"a": b"\0" * 4_000_000}),
    "many entries": archive([{"file": "a"}], {str(number): b"" for number in range(2_000)} | {"a": b""}),
    "a second example that is no picture": archive(
        [{"file": "a"}, {"file": "b"}], {"a": marked(4), "b": b"GIF89a and nothing"}
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_zip_is_never_opened_in_the_web_process(
    client: httpx.Client, server: Running, monkeypatch: pytest.MonkeyPatch, bomb: str
) -> None:
    before = held(server)

    def opened(*_: Any, **__: Any) -> None:
        raise AssertionError("a zip was opened in the web process")

    monkeypatch.setattr(zipfile.ZipFile, "__init__", opened)
    answer = client.post("/concepts/import", files={"file": ("c.zip", BOMBS[bomb])})
    assert answer.status_code in (413, 415, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert held(server) == before


def test_a_zip_is_made_elsewhere_too(
    client: httpx.Client, server: Running, monkeypatch: pytest.MonkeyPatch, marked_input: str
) -> None:
    concept = client.post("/concepts", json={"name": "Carried", "examples": [{"input": marked_input}]}).json()
    plain = zipfile.ZipFile.__init__
    monkeypatch.setattr(zipfile.ZipFile, "__init__", None)
    answer = client.get(f"/concepts/{concept['id']}/export.zip")
    monkeypatch.setattr(zipfile.ZipFile, "__init__", plain)
    assert json.loads(zipfile.ZipFile(io.BytesIO(answer.content)).read("concept.json"))["name"] == "Carried"
    assert held(server)[1] == []
    assert client.delete(f"/inputs/{marked_input}", params={"with": "all"}).status_code == 204


def test_a_refused_model_leaves_no_byte(
    client: httpx.Client, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.numpy import save

    monkeypatch.setattr("backend.api.routes.models.WAIT", 120.0)  # an answer of 202 is no refusal yet
    before = held(server)
    weights = save({"nothing.like.it": np.zeros(1000, np.float32)})
    fields = {"architecture": "timm:resnet18", "labels": "yes\nno"}
    answer = client.post("/models", files={"weights": (f"{CANARY}.safetensors", weights)}, data=fields)
    assert 400 <= answer.status_code < 500, answer.text
    assert held(server) == before
    assert places_of(server.data, CANARY.encode()) == []


def test_a_deleted_concept_takes_along_what_its_import_brought(client: httpx.Client, server: Running) -> None:
    """Nobody knows the ids of inputs that came in a zip; those that somebody uploads too stay."""
    first, second = marked(6), image(picture(48, 64, seed=7))
    bundle = archive([{"file": "a"}, {"file": "b"}], {"a": first, "b": second})
    concepts = [
        client.post("/concepts/import", files={"file": ("c.zip", bundle)}).json()["id"] for _ in range(2)
    ]
    assert client.delete(f"/concepts/{concepts[0]}").status_code == 204
    assert places_of(server.data, WORD)  # the other import has it still
    uploaded = send(client, second).json()["id"]
    changed = client.put(f"/concepts/{concepts[1]}", json={"remove": [0]})
    assert changed.status_code == 200
    assert places_of(server.data, WORD) == []
    assert client.delete(f"/concepts/{concepts[1]}").status_code == 204
    assert client.get(f"/inputs/{uploaded}").status_code == 200
    assert client.delete(f"/inputs/{uploaded}").status_code == 204


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_entry_is_a_damaged_concept(packing: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as zipped:
        zipped.writestr("concept.json", json.dumps({"format": "evident-concept-1", "examples": [1] * 99}))
    data = bytearray(buffer.getvalue())
    for place in range(54, 70):
        data[place] ^= 0x5A
    with pytest.raises(NotDecodable, match="not an exported concept"):
        read_bundle(bytes(data), Limits())


def test_a_box_of_endless_numbers_is_a_damaged_concept() -> None:
    box = [0, 0, int("1" * 400), 5]
    with pytest.raises(NotDecodable, match="not an exported concept"):
        read_bundle(archive([{"file": "a", "box": box}], {"a": b"x"}), Limits())


def test_what_a_worker_writes_after_a_refusal_goes_when_it_ends(tmp_path: Path) -> None:
    """A request is given up while the decode worker, which knows nothing of it yet, still writes."""
    spool, future = Spool(tmp_path / "spool"), Future[Any]()
    future.set_running_or_notify_cancel()

    class Engine:
        capacity: ClassVar = {"decode": 1}

        def submit(self, *_: Any) -> Future[Any]:
            return future

        def cancel(self, _: str) -> None:
            pass

    errands = Errands(cast(Any, Engine()), spool, Limits(), "host/1/2")

    async def refused() -> str:
        with errands.open() as errand:
            running = asyncio.create_task(errands.run(errand, "decode", {}, "me"))
            await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return errand.id

    made = spool.made(asyncio.run(refused()))
    Blobs(made).put(WORD)
    assert places_of(tmp_path, WORD)
    future.set_result(None)
    assert places_of(tmp_path, WORD) == []


def test_folders_are_their_owners_alone(server: Running, marked_input: str, client: httpx.Client) -> None:
    for path in (server.data, *server.data.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    client.delete(f"/inputs/{marked_input}")


def test_deleted_rows_are_overwritten_not_only_unlinked(server: Running) -> None:
    with sqlite3.connect(server.settings.data / "evident.db") as connection:
        assert connection.execute(
            "SELECT count(*) FROM jobs WHERE kind IN ('decode', 'unpack', 'pack')"
        ).fetchone() == (0,)
    with server.services.store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


# Logs


@pytest.fixture
def everything_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The root logger at DEBUG, as a curious operator sets it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def test_no_value_of_a_visitor_is_logged(
    client: httpx.Client, server: Running, everything_logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = send(client, marked(5), name=f"{CANARY}.png").json()["id"]
    send(client, npy(np.zeros((2, 2), np.float32)), name=f"{CANARY}.npy", **{"as": CANARY})
    client.post("/inputs", files={CANARY: (CANARY, b"x" * 100)})
    client.post(
        "/inputs", content=CANARY, headers={"content-type": f"multipart/form-data; boundary={CANARY}"}
    )
    concept = client.post("/concepts", json={"name": CANARY, "examples": [{"input": sent}]}).json()["id"]
    client.put(f"/concepts/{concept}", json={"name": f"{CANARY}2"})
    client.get(f"/concepts/{CANARY}")
    client.get(f"/models/{CANARY}")
    client.post(
        "/explanations", json={"input": sent, "model": "tiny", "method": "ramp", "params": {"word": CANARY}}
    )
    client.post("/explanations", content=f'{{"{CANARY}": ')

    def broken(*_: Any) -> None:
        raise RuntimeError(f"a bug that quotes {CANARY} and {sent}")

    with monkeypatch.context() as patch:
        patch.setattr(server.services.store, "input", broken)
        assert client.get(f"/inputs/{sent}").status_code == 500
    assert client.delete(f"/inputs/{sent}", params={"with": "all"}).status_code == 204
    said = everything_logged.getvalue()
    assert "RuntimeError" in said  # the listener hears
    assert CANARY not in said
    assert sent not in said


def test_a_failing_worker_logs_no_value_either(tmp_path: Path, everything_logged: io.StringIO) -> None:
    import tests.backend.toys  # noqa: F401

    config = WorkerConfig(tmp_path)
    Spool(tmp_path / "spool").open("a")
    with pytest.raises(Exception, match="fault in the program"):
        execute(config, "toy_wrong", {"bug": True, "quote": CANARY}, "a", "interactive")
    assert "job failed" in everything_logged.getvalue()
    assert CANARY not in everything_logged.getvalue()
