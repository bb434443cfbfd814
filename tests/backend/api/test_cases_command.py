"""`evident cases`: a folder becomes a worklist, once, whatever happens in between."""

from __future__ import annotations

import asyncio
import csv
import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app import worklists
from app.cli import main
from app.core.errors import InvalidInput, NotFound
from app.worklists import files_of, import_files
from tests.backend.api.conftest import PLAIN, Running
from tests.models.media.encoders import image, picture, sndfile, tone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, one of them twice, a cut one, one that only says it is one, a recording, a text; and a table of the first two."""
    place = tmp_path / "teaching"
    (place / "sub").mkdir(parents=True)
    for number in range(5):
        (place / f"{number}.png").write_bytes(image(picture(seed=2000 + number)))
    (place / "sub" / "again.png").write_bytes((place / "0.png").read_bytes())
    (place / "cut.png").write_bytes((place / "1.png").read_bytes()[:60])
    (place / "named.jpg").write_text("no picture")
    (place / "sound.flac").write_bytes(sndfile(tone(0.5).astype(np.float32)))
    (place / "notes.txt").write_text("a text")
    return place


class Dies(httpx.AsyncBaseTransport):
    """A connection that breaks after so many requests, as when the import is killed: what was sent has arrived."""

    def __init__(self, requests: int) -> None:
        self.left, self.inner = requests, httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return await self.inner.handle_async_request(request)


def brought(server: Running, folder: Path, title: str, dies_after: int | None = None) -> Any:
    async def work() -> Any:
        transport = None if dies_after is None else Dies(dies_after)
        async with httpx.AsyncClient(base_url=server.api, timeout=60, transport=transport) as client:
            files, _ = files_of(folder, None)
            return await import_files(client, files, "tiny", title, lambda done, total: None)

    return asyncio.run(work())


def members(server: Running, id: str) -> list[tuple[int, str]]:
    page = httpx.get(f"{server.api}/cases", params={"worklist": id}, verify=PLAIN).json()
    return [(each["number"], each["name"]) for each in page["cases"]]


def test_what_cannot_be_read_is_named_and_the_rest_is_there(server: Running, folder: Path) -> None:
    files, others = files_of(folder, None)
    assert (len(files), others) == (9, 1), "the text is passed over"
    done = brought(server, folder, "Teaching")
    assert (done.added, done.known, done.same) == (5, 0, 1)
    assert {name for name, _ in done.left_out} == {"cut.png", "named.jpg", "sound.flac"}
    reasons = dict(done.left_out)
    assert reasons["sound.flac"] == "This is a recording; the model takes a picture."
    assert all(reasons.values())
    names = [name for _, name in members(server, done.worklist["id"])]
    assert names == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    again = brought(server, folder, "Teaching")
    assert (again.added, again.known, again.worklist["id"]) == (0, 5, done.worklist["id"])


@pytest.mark.parametrize("requests", [3, 9, 14])
def test_an_import_that_was_killed_goes_on(
    server: Running, folder: Path, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same list, nothing twice, nothing lost, whenever it happened."""
    monkeypatch.setattr(worklists, "TOGETHER", 2)
    title = f"Killed {requests}"
    with pytest.raises(KeyboardInterrupt):
        brought(server, folder, title, requests)
    done = brought(server, folder, title)
    assert done.added + done.known == 5
    there = members(server, done.worklist["id"])
    assert sorted(there) == [(number + 1, f"{number}.png") for number in range(5)]
    same = [
        each for each in httpx.get(f"{server.api}/worklists", verify=PLAIN).json() if each["title"] == title
    ]
    assert len(same) == 1


def test_the_table_gives_labels_and_its_own_files(
    server: Running, folder: Path, capsys: Any, tmp_path: Path
) -> None:
    """By the command, against a server; what was said comes out again as a table."""
    table = tmp_path / "labels.csv"
    table.write_text("file,label,sex\nteaching/1.png,positive,f\n0.png,negative,m\n")
    words = ["--server", server.base, "--name", "Zoë"]
    assert (
        main(
            [
                "cases",
                "import",
                str(folder),
                "--labels",
                str(table),
                "--model",
                "tiny",
                "--title",
                "T",
                *words,
            ]
        )
        == 0
    )
    assert "T: 2 cases of 2 files, 2 new, for Tiny." in capsys.readouterr().out
    assert main(["cases", "list", *words]) == 0
    assert "T " in capsys.readouterr().out
    assert main(["cases", "export", "T", *words]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["name"], row["label"]) for row in rows] == [("1.png", ""), ("0.png", "")], (
        "hidden until judged"
    )
    assert main(["cases", "export", "T", "--data", str(server.data), "--out", str(tmp_path / "out.csv")]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8-sig"))))
    assert [row["label"] for row in rows] == ["positive", "negative"], (
        "nothing is hidden from whoever has the data"
    )
    assert main(["cases", "import", str(folder), "--model", "tiny", "--title", "U", *words]) == 1
    assert "cut.png: " in capsys.readouterr().out


def test_refused_imports(tmp_path: Path, capsys: Any) -> None:
    """One sentence each."""
    with pytest.raises(NotFound):
        files_of(tmp_path / "none", None)
    with pytest.raises(InvalidInput):
        files_of(tmp_path, None)
    (tmp_path / "labels.csv").write_text("file,label\nmissing.wav,x\n")
    with pytest.raises(InvalidInput, match="line 2"):
        files_of(tmp_path, None)
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "a.png").write_bytes(image(picture()))
    assert main(["cases", "import", str(tmp_path), "--server", "http://127.0.0.1:9"]) == 2
    assert "does not answer" in capsys.readouterr().err
    assert main(["cases", "list", "--data", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()
