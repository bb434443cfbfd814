"""Models of one's own: a Python file that the operator names (`evident serve --models my_models.py`), never an upload.

A model is every public function of the file that calls `wrap` and can be called without arguments, and every
`Model` among the file's names; its key is that name. The file's folder is importable while the file is read and
while its functions run, as if Python had started it. Functions run under a fixed seed of torch.

A model's digest covers weights, input, labels and the text of every file of the user's that was imported, so that
an edit gives other results a new key. A process reads the file again when one of these files has changed.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import pickle
import stat
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from app.core.errors import EvidentError, ModelRejected
from app.core.settings import get_settings
from models.catalogue import MODELS
from models.model import Model
from models.trial import convolutional, is_memory, too_large_for_memory

MODULE = "_evident_own_models"
UNTITLED = "Your model"
VERSIONED = ("torch", "torchvision", "timm", "models")
"""Packages whose code is part of every job's key already."""
_lock = threading.RLock()


class OwnFault(ModelRejected):
    """A fault in the operator's file. detail: for anybody who asks; told: for the operator's terminal, with what
    Python said."""

    def __init__(self, detail: str, told: str = "") -> None:
        super().__init__(detail, code="own_models", field="model")
        self.told = told or detail

    def __reduce__(self) -> tuple[object, ...]:
        """Across processes without what Python said: it may quote the operator's files."""
        return (OwnFault, (self.detail,))


@dataclass
class _OwnFile:
    """The file as it was read. makers: name -> (line, function without arguments or model). helpers: modules of the
    user's that it imported. seen: fingerprints of all files, taken before they were read."""

    path: Path
    module: ModuleType
    makers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    seen: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return any(_fingerprint(path) != seen for path, seen in self.seen.items())

    def note_helpers(self, before: set[str]) -> None:
        """before: names of modules that were there before the file's code ran."""
        for name in set(sys.modules) - before - {MODULE}:
            file = _file_of(name)
            if file is not None and _is_users(file):
                self.helpers.add(name)
                self.seen.setdefault(file, _fingerprint(file))

    def forget(self) -> None:
        for name in (MODULE, *self.helpers):
            sys.modules.pop(name, None)


_read_files: dict[Path, _OwnFile] = {}
"""The file that this process has read, if any."""


def keys() -> list[str]:
    """Keys of the operator's models, in the file's order; none where no file was named. Raises OwnFault."""
    path = get_settings().models
    return [] if path is None else list(_read(path).makers)


def has(key: str) -> bool:
    """Whether a key is one of the operator's models. Raises OwnFault."""
    return get_settings().models is not None and ":" not in key and key not in MODELS and key in keys()


def state() -> tuple[object, ...]:
    """A value that changes when a file that the models are made of does. Raises OwnFault."""
    path = get_settings().models
    return () if path is None else tuple(sorted(_read(path).seen.items()))


def load(key: str, device: torch.device | str = "cpu") -> Model:
    """One of the operator's models. Raises OwnFault, ModelRejected."""
    path = get_settings().models
    assert path is not None
    with _lock:
        file = _read(path)
        line, maker = file.makers[key]
        before = set(sys.modules)
        with _as_started(path), _seeded(), _faults_of(path, line):
            model = maker if isinstance(maker, Model) else maker()
            if not isinstance(model, Model):
                raise ModelRejected(f"{key} must return models.wrap(...), not {type(model).__name__}.")
            convolutional(model)
        file.note_helpers(before)
    title = model.spec.title if model.spec.title != UNTITLED else key.replace("_", " ")
    spec = replace(
        model.spec, key=key, title=title, source=path.name, default_for=model.input.modalities
    )  # fmt: skip
    return Model(spec, model.module, _digest(model, file), device)


def check() -> list[str]:
    """Keys of the operator's models after each was built, twice where a function builds it. Raises OwnFault."""
    path = get_settings().models
    assert path is not None
    for key, (line, maker) in _read(path).makers.items():
        digest = load(key).digest
        if not isinstance(maker, Model) and load(key).digest != digest:
            raise OwnFault(
                f"{path.name}, line {line}: {key} has other weights whenever it is called, so no result would hold for the next one; "
                "load the weights from a file, or seed what draws them."
            )
    return keys()


def unpacked(path: Path, sha256: str) -> Any:
    """An object that `app.show` pickled in the user's own process. The bytes are unpickled only if they are those
    that were written: their sha256 comes from the file that the operator named. Raises ModelRejected."""
    folder = path.parent.stat()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        owner, data = os.fstat(file.fileno()).st_uid, file.read()
    private = not folder.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if owner != os.getuid() or folder.st_uid != os.getuid() or not private:
        raise ModelRejected("The folder of this network is not its owner's alone, so it is not opened.")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelRejected("The file of this network was changed after it was written, so it is not opened.")
    _let_import(data)
    return pickle.loads(data)  # noqa: S301  the user's own process wrote these bytes


# Reading the file


def _read(path: Path) -> _OwnFile:
    """The file, read again if it or a module that it imported has changed. Raises OwnFault."""
    with _lock:
        for other in [file for file in _read_files if file != path or _read_files[file].changed]:
            _read_files.pop(other).forget()
        if path not in _read_files:
            _read_files[path] = _imported(path)
        return _read_files[path]


def _imported(path: Path) -> _OwnFile:
    spec = importlib.util.spec_from_loader(MODULE, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    file = _OwnFile(path, module, seen={path: _fingerprint(path)})
    before = set(sys.modules)
    sys.modules[MODULE] = module
    try:
        with _as_started(path), _seeded(), _faults_of(path, 1):
            text = path.read_bytes()
            _let_import(text)
            code = compile(text, str(path), "exec", dont_inherit=True)
            exec(code, vars(module))  # noqa: S102  the operator named it on his command line
            file.makers = _makers(ast.parse(text), module)
            if not file.makers:
                raise ModelRejected(
                    "The file holds no model: write a function without arguments that returns models.wrap(...)."
                )
    except BaseException:
        file.note_helpers(before)
        file.forget()
        raise
    file.note_helpers(before)
    return file


def _let_import(text: bytes) -> None:
    """Where torchvision was built for another torch its import fails unless it is helped."""
    if b"timm" in text or b"torchvision" in text:
        from models import hub

        hub.ensure_operations()


def _makers(tree: ast.Module, module: ModuleType) -> dict[str, tuple[int, Any]]:
    """What gives a model, by name. Raises ModelRejected for a name that is taken."""
    makers: dict[str, tuple[int, Any]] = {}
    wrapping = _wrapping(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in wrapping and _is_maker(node):
            makers[node.name] = (node.lineno, vars(module).get(node.name))
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            name = target.id if isinstance(target, ast.Name) else "_"
            if not name.startswith("_") and isinstance(vars(module).get(name), Model):
                makers[name] = (node.lineno, vars(module)[name])
    for name, (line, _) in makers.items():
        if name in MODELS:
            raise OwnFault(
                f"{Path(str(module.__file__)).name}, line {line}: {name} is the name of a model that came with the program; "
                "choose another."
            )
    return makers


def _wrapping(tree: ast.Module) -> set[str]:
    """Functions of the file that call `wrap`, or another function of the file that does."""
    calls = {
        function.name: {
            getattr(node.func, "attr", getattr(node.func, "id", ""))
            for node in ast.walk(function)
            if isinstance(node, ast.Call)
        }
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
    }
    wrapping: set[str] = set()
    while more := {name for name in calls if calls[name] & {"wrap", *wrapping}} - wrapping:
        wrapping |= more
    return wrapping


def _is_maker(function: ast.FunctionDef) -> bool:
    """Whether it is offered under its name, and needs no arguments."""
    spec = function.args
    needed = len(spec.posonlyargs) + len(spec.args) - len(spec.defaults)
    needed += sum(default is None for default in spec.kw_defaults)
    return needed == 0 and not function.name.startswith("_")


@contextmanager
def _as_started(path: Path) -> Iterator[None]:
    """The file's folder comes first where modules are looked for; our own packages are imported already. Compiled
    copies are not written: a second edit within a second would be taken for the first."""
    folder, writes = str(path.parent), sys.dont_write_bytecode
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        with suppress(ValueError):
            sys.path.remove(folder)


@contextmanager
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@contextmanager
def _faults_of(path: Path, line: int) -> Iterator[None]:
    """Whatever the file's code raises becomes one sentence with its file and line. line: where nothing better is
    known."""
    try:
        yield
    except OwnFault:
        raise
    except (Exception, SystemExit) as error:
        raise _fault(error, path, line) from error


def _fault(error: BaseException, path: Path, line: int) -> OwnFault:
    name = path.name
    if isinstance(error, SyntaxError) and error.lineno and error.filename:
        name, line = Path(error.filename).name, error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.lineno and Path(frame.filename) == path:
                line = frame.lineno
    if is_memory(error) and not isinstance(error, EvidentError):
        error = too_large_for_memory()
    if isinstance(error, EvidentError):
        cause = error.__cause__
        because = f" ({_said(cause)})" if cause is not None and not isinstance(cause, EvidentError) else ""
        return OwnFault(
            f"{name}, line {line}: {error.detail}", f"{name}, line {line}: {error.detail}{because}"
        )
    return OwnFault(f"{name}, line {line}: {type(error).__name__}.", f"{name}, line {line}: {_said(error)}")


def _said(error: BaseException) -> str:
    """`ValueError: the first line of what it says`, at most 200 letters."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200]}" if first else type(error).__name__


# What a model is made of


def _digest(model: Model, file: _OwnFile) -> str:
    """sha256 over weights, labels, input and the files that the model is made of, hex."""
    parts: list[Any] = [model.digest, model.labels, model.spec.temperature, model.spec.default_layer]
    parts += [type(model.input).__qualname__, model.input.describe(), dict(model.spec.card)]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=repr).encode())
    files = {path: path.name for path in file.seen}
    for part in (*model.module.modules(), model.input):
        of_class = _file_of(type(part).__module__)
        if of_class is not None and type(part).__module__.partition(".")[0] not in VERSIONED:
            files[of_class] = type(part).__module__
    for path in sorted(files, key=lambda path: (files[path], str(path))):
        with suppress(OSError):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _file_of(module: str) -> Path | None:
    """The Python file of a module that is imported; None for built-in ones and for the program itself."""
    name = getattr(sys.modules.get(module), "__file__", None) if module != "__main__" else None
    return Path(name) if name is not None and name.endswith(".py") else None


def _is_users(file: Path) -> bool:
    """Whether a file belongs to nobody's installed package: not Python's, not a library's, not ours."""
    installed = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    ours = Path(__file__).resolve().parents[1]
    inside = any(file.is_relative_to(folder) for folder in installed)
    ours_too = any(file.is_relative_to(ours / name) for name in ("app", "backend", "frontend", "models"))
    return not inside and not ours_too


def users_modules() -> list[ModuleType]:
    """Imported modules that belong to no installed package."""
    files = {name: _file_of(name) for name in list(sys.modules)}
    return [sys.modules[name] for name, file in files.items() if file is not None and _is_users(file)]


def _fingerprint(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino
