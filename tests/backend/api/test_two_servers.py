"""Two servers on one data folder, and what uploads leave when they are refused, cut off, killed, or find
the disk full."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.settings import Limits, Settings
from backend.api import create_api
from backend.api.services import Services
from backend.jobs.errands import PREFIX
from backend.jobs.owners import owner_name
from backend.store import InputRow
from backend.store.blobs import Blobs
from tests.models.media.encoders import image, picture


class Pair:
    """Two servers, each with its own decode worker, on one event loop."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.data = folder
        limits = Limits(jobs_per_client=3)
        settings = Settings(_env_file=None, data=folder, workers=1, limits=limits)
        self.services = [Services(settings, preload=False) for _ in range(2)]
        for one in self.services:
            self.run(one.start())
        self.clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(create_api(one), raise_app_exceptions=False),
                base_url="http://localhost/v1",
                timeout=120,
            )
            for one in self.services
        ]

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def left(self) -> tuple[list[str], list[str]]:
        """Files of the spool, and blobs that no row holds."""
        spool = [str(path) for path in (self.data / "spool").rglob("*")]
        store = self.services[0].store
        with store.engine.connect() as connection:
            held = set(connection.exec_driver_sql("SELECT sha FROM refs").scalars())
        files = [path.name for path in (self.data / "blobs").rglob("*") if path.is_file()]
        return spool, [name for name in files if name not in held]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("shared") / "data")
    yield made
    for one in made.services:
        made.run(one.stop())
    made.loop.close()


async def post(client: httpx.AsyncClient, data: bytes) -> httpx.Response:
    return await client.post("/inputs", files={"file": ("a.png", data)})


def test_equal_uploads_at_once_are_one_input(pair: Pair) -> None:
    async def flood() -> list[httpx.Response]:
        data = [image(picture(40, 50, seed=100 + n)) for n in range(3)]
        return await asyncio.gather(*(post(pair.clients[n % 2], data[n % 3]) for n in range(60)))

    async def sweeping() -> None:
        while True:
            for one in pair.services:
                await one.jobs.sweep()
                await one.store.run(one.store.clean)
            await asyncio.sleep(0.02)

    async def both() -> list[httpx.Response]:
        sweeper = asyncio.create_task(sweeping())
        answers = await flood()
        sweeper.cancel()
        return answers

    answers = pair.run(both())
    assert {answer.status_code for answer in answers} <= {200, 201}, [
        answer.text for answer in answers if answer.status_code > 201
    ]
    ids = {answer.json()["id"] for answer in answers}
    assert len(ids) == 3
    for id in ids:
        for client in pair.clients:
            assert pair.run(client.get(f"/inputs/{id}/preview.png")).status_code == 200
    assert pair.left() == ([], [])


def test_what_is_refused_as_busy_leaves_no_byte(pair: Pair) -> None:
    async def flood() -> list[httpx.Response]:
        return await asyncio.gather(
            *(post(pair.clients[0], image(picture(400, 500, seed=200 + n))) for n in range(12))
        )

    answers = pair.run(flood())
    assert {answer.status_code for answer in answers} == {201, 503}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 503} == {"busy"}
    assert pair.left() == ([], [])


def test_a_sender_who_goes_away_leaves_no_byte(pair: Pair) -> None:
    class Gone(Exception):
        pass

    async def half() -> AsyncIterator[bytes]:
        whole = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + image(
            picture(300, 400, seed=5)
        )
        yield whole[: len(whole) // 2]
        assert any(pair.left()[0]), "the first half has not arrived"
        raise Gone

    headers = {"content-type": "multipart/form-data; boundary=b"}
    pair.run(pair.clients[0].post("/inputs", content=half(), headers=headers))
    assert pair.left() == ([], [])


def test_a_request_that_is_cancelled_leaves_no_byte_and_others_keep_theirs(pair: Pair) -> None:
    data = image(picture(300, 400, seed=6))

    async def scenario() -> httpx.Response:
        first = asyncio.create_task(post(pair.clients[0], data))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(post(pair.clients[0], data))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second

    assert pair.run(scenario()).status_code in (200, 201)
    assert pair.left() == ([], [])


def test_a_full_disk_leaves_no_byte(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rows cannot be written, after the files were."""
    store, plain = pair.services[0].store, pair.services[0].store.hold

    def full(connection: Any, owner: str, blobs: dict[str, str]) -> None:
        plain(connection, owner, blobs)
        if owner.startswith("input:"):
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(store, "hold", full)
    assert pair.run(post(pair.clients[0], image(picture(40, 50, seed=7)))).status_code >= 500
    assert pair.left() == ([], [])


def test_what_killed_servers_left_is_swept_while_running_and_nothing_else(pair: Pair) -> None:
    spool = pair.data / "spool"
    child = subprocess.run(
        [sys.executable, "-c", "from backend.jobs.owners import owner_name; print(owner_name())"],
        capture_output=True,
        text=True,
        check=True,
    )
    dead = spool / f"{PREFIX}{child.stdout.strip().replace('/', '~')}~1~x"
    elsewhere = spool / f"{PREFIX}another-host~1~1~1~x"
    other = pair.services[1].jobs.errands.open()
    with other:
        for folder in (dead, elsewhere, spool / ("0" * 64)):
            (folder / "sent").mkdir(parents=True)
        loose = pair.services[0].blobs.put(b"placed, and then the server was killed")
        pair.run(pair.services[0].jobs.sweep())
        pair.services[0].store.clean()
        assert not dead.exists()
        assert not (spool / ("0" * 64)).exists()
        assert elsewhere.exists()
        assert (spool / other.id).exists()
        assert loose not in pair.services[0].blobs
    elsewhere.joinpath("sent").rmdir()
    elsewhere.rmdir()
    assert owner_name() in other.id.replace("~", "/")
    assert pair.left() == ([], [])


def test_a_blob_is_not_lost_between_one_server_letting_go_and_the_other_taking_hold(pair: Pair) -> None:
    """The same numbers come and go under two inputs, from two servers: whoever holds them finds them."""
    first, second = (one.store for one in pair.services)

    def work(store: Any, id: str, rounds: int) -> list[str]:
        lost = []
        for n in range(rounds):
            made = pair.data / "spool" / f"made-{id[:1]}-{n}"
            sha = Blobs(made).put(b"the same numbers")
            store.put_input(InputRow(id, "image", {}, {"canonical": sha}), made)
            if store.blobs.path(sha) is None:
                lost.append(sha)
            store.delete_input(id)
            pair.services[0].spool.remove(made.name)
        return lost

    async def both() -> list[list[str]]:
        return await asyncio.gather(
            asyncio.to_thread(work, first, "a" * 64, 60), asyncio.to_thread(work, second, "b" * 64, 60)
        )

    assert pair.run(both()) == [[], []]
    assert pair.left() == ([], [])
