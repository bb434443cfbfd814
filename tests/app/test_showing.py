"""`app.show` from a script and from a notebook: the README's example on a real server, what is refused before one is
started, and what is handed over."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from email.message import Message
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import app
import models
from app import showing
from app.core.errors import EvidentError
from tests import tiny

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
SIZE = models.ImageInput(size=(tiny.SIZE, tiny.SIZE))


def example() -> str:
    (code,) = [
        block for block in re.findall(r"^```python\n(.*?)^```$", README, re.S | re.M) if "app.show" in block
    ]
    return code


def notebook(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """As in a cell: IPython with a kernel. Returns what is displayed."""
    shown: list[tuple[str, dict[str, object]]] = []
    display = ModuleType("IPython.display")
    display.IFrame = lambda url, **options: (url, options)  # type: ignore[attr-defined]
    display.display = shown.append  # type: ignore[attr-defined]
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shown


@pytest.mark.slow
def test_readmes_example_runs_in_a_script_and_again_in_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVIDENT_WORKERS", "1")
    opened: list[str] = []
    monkeypatch.setattr(showing.webbrowser, "open", opened.append)
    names: dict[str, object] = {}
    exec(compile(example(), "README.md", "exec"), names)
    first = names["page"]
    assert isinstance(first, showing.Shown)
    try:
        assert opened == [first.url]
        assert first.url in capsys.readouterr().out
        assert first.url.partition("?")[2] == "model=cats_and_dogs"
        headers = headers_of(first)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "x-frame-options" in headers
    finally:
        first.stop()  # before the second starts: what a server computes after its start would slow that down
    cell = notebook(monkeypatch)
    size = models.ImageInput(size=(64, 64))
    pictures = [np.full((64, 64, 3), level, np.uint8) for level in (40, 200)]
    second = app.show(names["net"], labels=["cat", "dog"], input=size, inputs=pictures)  # type: ignore[arg-type]
    try:
        assert opened == [first.url]
        assert cell == [(second.url, {"width": "100%", "height": 900})]
        assert re.fullmatch(r"model=my_model&input=\w+", second.url.partition("?")[2])
        headers = headers_of(second)
        assert "frame-ancestors http://localhost:*" in headers["content-security-policy"]
        assert "x-frame-options" not in headers
    finally:
        second.stop()
    for page in (first, second):
        assert page._process.poll() == 0
        assert not page._folder.exists()
        page.stop()


def headers_of(page: showing.Shown) -> Message:
    with urllib.request.urlopen(page.url) as answer:
        return answer.headers


def test_a_killed_session_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its end of the pipe closes whatever killed it: the server ends and deletes the folder."""
    folder = tmp_path / "evident-x"
    folder.mkdir()
    code = showing.SERVE.format(root=str(ROOT))
    command = [sys.executable, "-P", "-c", code, "--part", "ui", "--port", str(showing._free_port())]
    env = {**os.environ, "EVIDENT_API_URL": "http://127.0.0.1:9"}
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        assert server.stdin
        assert "starting" in server.stderr.readline()
        assert folder.exists()
        server.stdin.close()
        assert server.wait(60) == 0
    assert not folder.exists()


class Locked(nn.Module):
    """Holds what cannot go to another process."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.log = tiny.Plain(), Path(os.devnull).open("w")  # noqa: SIM115

    def __deepcopy__(self, memo: object) -> Locked:
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: app.show(tiny.Plain()), "Give labels="),
        (lambda: app.show(tiny.build("plain"), labels=["a"]), "has its labels"),
        (lambda: app.show(nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)), labels=["a", "b"], input=SIZE), "not a convolutional"),
        (lambda: app.show(Locked(), labels=["a", "b", "c"], input=SIZE), "cannot be handed to another process"),
        (lambda: app.show(tiny.build("plain"), inputs="/not/there"), "no file or folder /not/there"),
        (lambda: app.show(tiny.build("plain"), inputs=[np.zeros((2, 3, 4, 5))]), "An input must be"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_before_a_server_starts(call, words, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(showing.subprocess, "Popen", lambda *_, **__: pytest.fail("a server was started"))
    with pytest.raises(EvidentError) as caught:
        call()
    assert words in caught.value.detail


def test_a_server_that_refuses_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDENT_WORKERS", "none")
    with pytest.raises(EvidentError, match="workers"):
        app.show(tiny.build("plain"))


LOAD = "import sys, models, torch; m = models.load(sys.argv[1]); torch.save((m.module(torch.load(sys.argv[2])), m.labels, m.default_layer), sys.argv[3])"


@pytest.mark.parametrize("name", ["functional", "softmax"])
def test_a_class_of_the_session_computes_the_same_elsewhere(name: str, tmp_path: Path) -> None:
    """In a process that cannot import it, with the edits that wrapping made (named steps, a softmax taken off)."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(CELL, names)
    net = names["Functional" if name == "functional" else "Probabilities"]()  # type: ignore[operator]
    model = models.wrap(net, labels=["a", "b"], input=SIZE)
    folder = tmp_path / "own"
    folder.mkdir(mode=0o700)
    key, file = showing._written(model, "Two kinds!", folder)
    assert key == "two_kinds"
    x = tiny.picture()
    torch.save(x, tmp_path / "x.pt")
    environment = {**os.environ, "EVIDENT_MODELS": str(file), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-c", LOAD, key, str(tmp_path / "x.pt"), str(tmp_path / "out.pt")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    out, labels, layer = torch.load(tmp_path / "out.pt")
    torch.testing.assert_close(out, model.module(x))
    assert (labels, layer) == (("a", "b"), model.default_layer)


CELL = """
import torch
from torch import nn
from torch.nn import functional as F

class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        x = F.relu(self.second(F.max_pool2d(F.relu(self.first(x)), 2)))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))

class Probabilities(Functional):
    def forward(self, x):
        return F.softmax(super().forward(x), dim=1)
"""


def test_inputs_of_a_session_become_files(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"x")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (8, 9, 3), dtype=np.uint8)
    given = [
        tmp_path / "cat.png",
        Image.fromarray(picture),
        picture,
        rng.random((8, 9)),
        torch.rand(1, 8, 9),
        (rng.random(800), 8000),
    ]
    folder = showing._folder_of(given, tmp_path)
    assert folder is not None
    assert [path.name for path in sorted(folder.iterdir())] == [
        "000_cat.png",
        "001.png",
        "002.png",
        "003.npy",
        "004.npy",
        "005.wav",
    ]
    assert np.array_equal(np.asarray(Image.open(folder / "002.png")), picture)
    assert showing._folder_of(tmp_path, tmp_path) == tmp_path


@pytest.mark.parametrize(
    "origin", ["*", "javascript:alert(1)", "http://a b", "'self'", "http://x; script-src *"]
)
def test_a_frame_needs_an_origin(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core.settings import load_settings

    with pytest.raises(EvidentError, match="frame_ancestors"):
        load_settings(frame_ancestors=(origin,))
