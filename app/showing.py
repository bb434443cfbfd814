"""`app.show`: the dashboard with a network of one's own, from Python or a notebook.

The server runs in a process of its own at a free port of this machine, and ends with the session. The network goes
there as a pickle that this process writes into a folder that is its owner's alone; a file of three lines beside it,
which is what `evident serve --models` is told, names the pickle's sha256 (docs/decisions.md says why that is safe).
"""

from __future__ import annotations

import atexit
import builtins
import copy
import hashlib
import json
import keyword
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from app.core.errors import InvalidInput, ModelRejected

if TYPE_CHECKING:
    from models import InputSpec, Model

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 600.0
POLL_SECONDS = 0.2
NOTEBOOKS = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "vscode-webview:")
"""Where notebooks are served from: these may show the page in a frame."""
FILE = '''"""Written by app.show: the network of the session that wrote it."""
from pathlib import Path

from models.own import unpacked

{key} = unpacked(Path(__file__).with_name("network.pickle"), "{sha256}")
'''
SERVE = """
import sys
sys.path.append({root!r})
from app import cli, showing
showing.end_with_session()
try:
    sys.exit(cli.main(["serve", *sys.argv[1:]]))
finally:
    showing.clean_up()
"""


_session_over = threading.Event()


class Shown:
    """A dashboard that runs. Also a context manager that stops it at its end."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], base: str) -> None:
        self.url = base
        self._base, self._folder, self._process = base, folder, process
        atexit.register(self._at_exit)

    def __repr__(self) -> str:
        state = "at" if self._process.poll() is None else "that was stopped, at"
        return f"Evident {state} {self.url}"

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server and deletes what it kept. May be called twice."""
        atexit.unregister(self._at_exit)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait(self) -> None:
        """Until the server ends, or Ctrl+C, which stops it."""
        with suppress(KeyboardInterrupt):
            self._process.wait()
        self.stop()

    def _at_exit(self) -> None:
        """A script in a terminal that has come to its end leaves the page open until Ctrl+C."""
        if sys.stdin is not None and sys.stdin.isatty() and not hasattr(sys, "ps1") and _shell() is None:
            print(f"The page stays open at {self.url} (Ctrl+C closes it)", file=sys.stderr)
            self.wait()
        self.stop()


def show(
    model: Any,
    inputs: str | Path | Sequence[Any] | None = None,
    labels: Sequence[str] | None = None,
    *,
    input: InputSpec | None = None,
    title: str | None = None,
    browser: bool = True,
) -> Shown:
    """Opens the dashboard with this network: in the notebook, else in the browser; returns the running server.

    model: what `models.wrap` returns, or a module with its `labels` and `input`. inputs: a folder (one folder of
    files a class, or files and labels.csv), or a list of files, pictures and arrays, for the gallery. title: how the
    network is listed. browser: outside a notebook, open the address in the browser as well as print it.

    Raises ModelRejected, InvalidInput: one sentence, before anything is started where it can be known.
    """
    wrapped = _wrapped(model, labels, input)
    folder = Path(tempfile.mkdtemp(prefix="evident-"))  # readable by its owner alone
    try:
        key, file = _written(wrapped, title, folder)
        shown = _started(file, _folder_of(inputs, folder), folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        _await(shown, "/healthz")
        opened = _first_input(shown) if inputs is not None else None
    except BaseException:
        shown.stop()
        raise
    shown.url = f"{shown.url}/?model={quote(key)}" + (f"&input={opened}" if opened else "")
    _display(shown, browser)
    return shown


def end_with_session() -> None:
    """In the server's process: ends it when the session that started it does."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):  # not sys.stdin, whose lock would be held when the process ends
            pass
        _session_over.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True, name="session-watch").start()


def clean_up() -> None:
    """In the server's process: deletes its folder, the working one, where the session was killed and cannot."""
    if _session_over.is_set():
        shutil.rmtree(Path.cwd(), ignore_errors=True)


# The network


def _wrapped(model: Any, labels: Sequence[str] | None, input: InputSpec | None) -> Model:
    import models

    if isinstance(model, models.Model):
        if labels is not None or input is not None:
            raise ModelRejected("A wrapped model has its labels and its input already; give it alone.")
        return model
    if labels is None or input is None:
        raise ModelRejected(
            "Give labels=[one name per output] and input=models.ImageInput(size=(224, 224)) or another input with the module."
        )
    return models.wrap(model, labels=labels, input=input)


def _written(model: Model, title: str | None, folder: Path) -> tuple[str, Path]:
    """Key of the model, and the file to name with `--models`. Raises ModelRejected."""
    from models.catalogue import MODELS
    from models.model import Model as Ready
    from models.own import UNTITLED
    from models.trial import convolutional

    convolutional(model)
    title = title or (model.spec.title if model.spec.title != UNTITLED else "My model")
    key = re.sub(r"\W+", "_", title.lower(), flags=re.ASCII).strip("_")
    if not key.isidentifier() or keyword.iskeyword(key) or hasattr(builtins, key) or key in MODELS:
        key = "my_model"
    module = model.module if model.device.type == "cpu" else copy.deepcopy(model.module).cpu()
    data = _pickled(Ready(replace(model.spec, title=title, build=_unbuilt), module, model.digest))
    (folder / "network.pickle").write_bytes(data)
    file = folder / f"{key}.py"
    file.write_text(FILE.format(key=key, sha256=hashlib.sha256(data).hexdigest()), encoding="utf-8")
    return key, file


def _unbuilt() -> Any:
    raise ModelRejected("A network of another session cannot be built again.")


def _pickled(model: Model) -> bytes:
    """With the code of classes that no installed package holds: cells of a notebook, files of the user's. Raises
    ModelRejected."""
    import cloudpickle

    from models.own import users_modules

    own = [module for module in users_modules() if module.__name__ != "__main__"]
    for module in own:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(model))
    except Exception as error:  # whatever the network holds: locks, files, generators
        raise ModelRejected(
            f"The network cannot be handed to another process ({type(error).__name__}: {str(error)[:200]}); define it in a file and use "
            "evident serve --models FILE."
        ) from error
    finally:
        for module in own:
            cloudpickle.unregister_pickle_by_value(module)


# The inputs


def _folder_of(inputs: str | Path | Sequence[Any] | None, folder: Path) -> Path | None:
    """A folder for `--inputs`: the one that is named, or a new one with the files and arrays of a list."""
    if inputs is None:
        return None
    if isinstance(inputs, str | Path):
        path = Path(inputs).expanduser().resolve()
        if not path.exists():
            raise InvalidInput(f"There is no file or folder {path}.", field="inputs")
        if path.is_dir():
            return path
        inputs = [path]
    made = folder / "inputs"
    made.mkdir()
    for number, one in enumerate(inputs):
        _write_input(one, made, f"{number:03d}")
    return made


def _write_input(one: Any, folder: Path, name: str) -> None:
    import numpy as np
    from PIL import Image

    if isinstance(one, str | Path):
        path = Path(one).expanduser()
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.", field="inputs")
        shutil.copy(path, folder / f"{name}_{path.name}")
    elif isinstance(one, Image.Image):
        one.convert("RGB").save(folder / f"{name}.png")
    elif isinstance(one, tuple) and len(one) == 2:
        import soundfile

        soundfile.write(folder / f"{name}.wav", np.asarray(one[0], np.float32), int(one[1]), subtype="FLOAT")
    else:
        values = np.asarray(one.detach().cpu() if hasattr(one, "detach") else one)
        if values.dtype == np.uint8 and values.ndim == 3:
            Image.fromarray(values).convert("RGB").save(folder / f"{name}.png")
        elif values.ndim == 2 or (values.ndim == 3 and values.shape[0] == 1):
            np.save(folder / f"{name}.npy", values.astype(np.float32))
        else:
            raise InvalidInput(
                "An input must be a file, a PIL image, bytes of a picture [H, W, 3], a table of numbers [H, W], or (waveform, rate).",
                field="inputs",
            )


# The server


def _started(file: Path, inputs: Path | None, folder: Path) -> Shown:
    port = _free_port()
    arguments = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--data",
        str(folder / "data"),
        "--models",
        str(file),
    ]
    arguments += ["--inputs", str(inputs)] if inputs is not None else []
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("EVIDENT_DATABASE", "EVIDENT_API_URL", "EVIDENT_SIGN_IN", "EVIDENT_USER_HEADER")
    }
    environment |= {"EVIDENT_ENGINE": "local", "EVIDENT_ALLOWED_HOSTS": "127.0.0.1,localhost"}
    if _notebook():
        environment["EVIDENT_FRAME_ANCESTORS"] = ",".join(NOTEBOOKS)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE.format(root=str(ROOT)), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl+C in the session is not for the server
        )
    return Shown(folder, process, f"http://127.0.0.1:{port}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(shown: Shown, path: str, enough: Callable[[Any], bool] = lambda answer: True) -> Any:
    """The answer, once there is one that is enough. Raises ModelRejected: what the server said as it refused to start."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(shown._base + path, timeout=START_SECONDS) as answer:  # noqa: S310  our own
                told = json.load(answer)
            if enough(told) or time.monotonic() > deadline:
                return told
            time.sleep(POLL_SECONDS)
        except (urllib.error.URLError, OSError):
            if shown._process.poll() is not None:
                raise ModelRejected(_last_words(shown._folder)) from None
            if time.monotonic() > deadline:
                raise ModelRejected(f"The server did not answer within {START_SECONDS:.0f} s.") from None
            time.sleep(POLL_SECONDS)


def _last_words(folder: Path) -> str:
    lines = (folder / "server.log").read_text("utf-8", "replace").splitlines()
    said = [line.removeprefix("evident: ") for line in lines if line.startswith("evident: ")]
    return (
        said[-1]
        if said
        else "The server ended as it started: " + (lines[-1] if lines else "it said nothing.")
    )


def _first_input(shown: Shown) -> str | None:
    """Id of the first of the user's inputs, which are listed once the models that they are for have been looked at."""

    def looked_at(catalogue: Any) -> bool:
        return not any(model["own"] and model["reason"] is None for model in catalogue["absent"])

    _await(shown, "/api/v1/catalogue", looked_at)
    samples = _await(shown, "/api/v1/samples")
    return next((sample["input"] for sample in samples if sample["group"] == "own"), None)


# Where it is shown


def _shell() -> Any:
    """IPython's shell, where it runs."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _notebook() -> bool:
    return hasattr(_shell(), "kernel")


def _display(shown: Shown, browser: bool) -> None:
    if _notebook():
        from IPython.display import IFrame, display

        display(IFrame(shown.url, width="100%", height=900))
        return
    print(shown, flush=True)
    if browser:
        webbrowser.open(shown.url)
