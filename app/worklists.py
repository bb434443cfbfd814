"""A folder of files into a worklist, by the API: that of a running server, or one in this process over a data folder.

Files go in a few at a time and join the list in parts, so that an import that was stopped at any moment goes on where it was when
it is asked for again: what is stored is not sent twice, and what is in the list stays the case it is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app import remote
from app.core.errors import Busy, EvidentError, InvalidInput, NotFound

if TYPE_CHECKING:
    import httpx

TOGETHER = 40
"""Files that join the list by one request; its body stays small."""
ABREAST = 4
"""Files sent at once."""
PATIENCE = 120.0
"""Seconds that a busy server is asked again for."""
NAME_LETTERS = 200
WORDS = {"image": "a picture", "audio": "a recording", "spectrogram": "a spectrogram"}
Report = Callable[[int, int], None]


class Refused(EvidentError):
    """What the API refused, in its words."""

    title = "Refused by the server"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail", "The server refused.")), code=problem.get("code"))
        self.answered = status


@dataclass(frozen=True)
class FileToAdd:
    path: Path
    name: str
    label: str | None = None


@dataclass
class Imported:
    """What came of an import. left_out: name and reason. same: files with the bytes of an earlier one."""

    worklist: dict[str, Any] = field(default_factory=dict)
    added: int = 0
    known: int = 0
    same: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)


def files_of(folder: Path, table: Path | None) -> tuple[list[FileToAdd], int]:
    """Files of a folder that may be inputs, and how many others lie there. table: a labels.csv; None takes the folder's own.
    Raises InvalidInput, NotFound."""
    from models.labelled import LABELS, family_of, labelled_files
    from models.media.sniff import EXTENSIONS

    def wanted_one(path: Path) -> bool:
        """By its bytes, or by its name: one that is called a recording and is none is named at the end."""
        known = family_of(path) in ("image", "audio", "array") or path.suffix.lower() in EXTENSIONS
        return known and not path.name.startswith(".")

    if not folder.is_dir():
        raise NotFound(
            "There is no such folder; give the path of a folder with recordings or pictures.", field="folder"
        )
    if table is not None and not table.is_file():
        raise NotFound("There is no such table; give --labels a CSV file.", field="labels")
    labelled = table is not None or (folder / LABELS).is_file()
    files = labelled_files(folder, table)
    wanted = [each for each in files if labelled or wanted_one(each.path)]
    if not wanted:
        raise InvalidInput("No file of this folder is a recording, a picture or an array.", field="folder")
    return [
        FileToAdd(each.path, plain_name(each.path, folder), (each.label or None) if labelled else None)
        for each in wanted
    ], len(files) - len(wanted)


def plain_name(path: Path, folder: Path) -> str:
    """From the folder on, in characters that any database and page can hold, its end where it is too long."""
    inside = path.resolve().is_relative_to(folder.resolve())
    name = str(path.resolve().relative_to(folder.resolve())) if inside else path.name
    shown = name.encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in shown)[-NAME_LETTERS:]


@asynccontextmanager
async def server_of(url: str | None, data: Path | None, who: str) -> AsyncIterator[httpx.AsyncClient]:
    """The API at an address, signed in where that is asked for, or one of this process over a data folder, with workers of
    its own. Raises InvalidInput, NotSignedIn, Busy."""
    import httpx

    headers = {"Evident-Reviewer": quote(who[:40])}
    if url is not None:
        base = f"{url.rstrip('/')}/api/v1"
        http = httpx.AsyncClient(base_url=base, headers=headers, timeout=130, trust_env=False)
        async with http as client, remote.signed_in(client, who):
            yield client
        return
    from app.core.settings import load_settings
    from backend.api import create_api
    from backend.api.services import Services

    services = Services(load_settings(**({} if data is None else {"data": data})))
    api = create_api(services)
    await services.start()
    try:
        transport = httpx.ASGITransport(app=api)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1/v1", headers=headers, timeout=130
        ) as client:
            yield client
    finally:
        await services.stop()


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    """JSON of an answer; a busy server is asked again. Raises Refused, NotSignedIn, Busy."""
    return (await answered(client, method, path, **more)).json()


async def answered(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> httpx.Response:
    """As `ask`, whatever the answer is made of."""
    import httpx

    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            answer = await client.request(method, path, **more)
        except httpx.TransportError:
            raise Busy(
                "The server does not answer; start it, or give its address with --server.", code="unreachable"
            ) from None
        if answer.is_success:
            return answer
        if answer.status_code == 401:
            raise remote.ended()
        if answer.status_code not in (429, 503) or loop.time() > deadline:
            problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
            raise Refused(answer.status_code, problem)
        await asyncio.sleep(min(5.0, float(answer.headers.get("retry-after", "1"))))


async def import_files(
    client: httpx.AsyncClient,
    files: Sequence[FileToAdd],
    model: str,
    title: str,
    report: Report,
    blind: bool | None = None,
) -> Imported:
    """Raises Refused for what concerns all of them (no such model, a full list), Busy."""
    takes = (await ask(client, "GET", f"/models/{quote(model, safe='')}"))["modalities"]
    done, sent = Imported(), set[str]()
    lanes = asyncio.Semaphore(ABREAST)
    ended = 0

    async def stored(file: FileToAdd) -> str | None:
        nonlocal ended
        async with lanes:
            try:
                return await _stored(client, file, takes)
            except OSError:
                done.left_out.append((file.name, "The file cannot be read from the disk."))
            except Refused as refusal:
                if refusal.answered not in (400, 408, 413, 415, 422):
                    raise
                done.left_out.append((file.name, refusal.detail))
            finally:
                ended += 1
                report(ended, len(files))
        return None

    for start in range(0, len(files), TOGETHER):
        part = files[start : start + TOGETHER]
        ids = await asyncio.gather(*(stored(file) for file in part))
        fresh: dict[str, FileToAdd] = {}
        for id, file in zip(ids, part, strict=True):
            if id is not None and (id in sent or id in fresh):
                done.same += 1
            elif id is not None:
                fresh[id] = file
        if not fresh:
            continue
        sent |= set(fresh)
        body = {
            "inputs": list(fresh),
            "model": model,
            "title": title,
            "names": {id: file.name for id, file in fresh.items()},
            "labels": {id: file.label for id, file in fresh.items() if file.label},
            "blind": blind,
        }
        answer = await ask(client, "POST", "/cases", json=body)
        done.worklist, done.added = answer["worklist"], done.added + answer["added"]
        done.known += len(fresh) - answer["added"]
    return done


async def _stored(client: httpx.AsyncClient, file: FileToAdd, takes: Sequence[str]) -> str:
    """Id of the input that a file is; it is sent unless it is there. Raises Refused."""
    data = await asyncio.to_thread(file.path.read_bytes)
    id = hashlib.sha256(data).hexdigest()
    try:
        told = await ask(client, "GET", f"/inputs/{id}")
    except Refused as refusal:
        if refusal.answered != 404:
            raise
        told = await ask(client, "POST", "/inputs", files={"file": ("file", data)})
    if told["modality"] not in takes:
        wanted = " or ".join(WORDS[kind] for kind in takes)
        raise Refused(
            422,
            {
                "detail": f"This is {WORDS[told['modality']]}; the model takes {wanted}.",
                "code": "wrong_modality",
            },
        )
    return str(told["id"])


async def until_predicted(client: httpx.AsyncClient, id: str, report: Report) -> None:
    """Waits until the model has answered the whole list."""
    while True:
        told = await ask(client, "GET", f"/worklists/{id}")
        report(told["predicted"], told["total"])
        if told["predicted"] >= told["total"]:
            return
        await asyncio.sleep(1.0)
