"""The operator's own file of models: what is a model, faults in words with their line, and digests that cover all
it is made of."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import models
from app.core.errors import ModelRejected, NotFound
from app.core.settings import get_settings
from models import own

NET = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        return self.head(F.relu(self.second(x)).mean((2, 3)))
"""
FILE = """
import models
from nets import Net

SIZE = models.ImageInput(size=(24, 32))

def helper(scale):
    return models.wrap(Net(), labels=["a", "b"], input=SIZE)

def main():
    raise SystemExit("only called by hand")

def my_net():
    return models.wrap(Net(), labels=["a", "b"], input=SIZE)

ready_made = models.wrap(Net(3), labels=["a", "b", "c"], input=SIZE, title="Ready made")
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the operator's file, and names it as `--models` does."""
    path = tmp_path / "my_models.py"
    (tmp_path / "nets.py").write_text(NET)
    monkeypatch.setenv("EVIDENT_MODELS", str(path))
    get_settings.cache_clear()

    def written(text: str) -> Path:
        path.write_text(text)
        return path

    yield written
    monkeypatch.delenv("EVIDENT_MODELS")
    get_settings.cache_clear()
    while own._read_files:
        own._read_files.popitem()[1].forget()


def test_functions_that_wrap_and_wrapped_models_are_models(write: Write) -> None:
    write(FILE)
    assert own.check() == ["my_net", "ready_made"]
    net, ready = models.load("my_net"), models.load("ready_made")
    assert (net.key, net.spec.title, net.labels) == ("my_net", "my net", ("a", "b"))
    assert (ready.spec.title, ready.spec.source) == ("Ready made", "my_models.py")
    assert net.predict(torch.zeros(1, 3, 24, 32)).shape == (1, 2)
    assert net.spec.default_for == ("image",)


def test_functions_that_share_a_helper_are_models_and_the_helper_is_none(write: Write) -> None:
    shared = """
def _made(labels):
    return models.wrap(Net(len(labels)), labels=labels, input=SIZE)

def _named(*labels):
    return _made(list(labels))

def two():
    return _made(["a", "b"])

def three():
    return _named("a", "b", "c")

def other():
    return print()
"""
    write(FILE.replace("def main", shared + "\ndef main"))
    assert own.check() == ["two", "three", "my_net", "ready_made"]
    assert models.load("three").labels == ("a", "b", "c")


def test_bundled_models_are_there_beside_a_file_that_cannot_be_read(write: Write) -> None:
    write("import models\n1 / 0\n")
    assert models.load("shapes").key == "shapes"
    with pytest.raises(own.OwnFault, match="line 2"):
        models.load("my_net")


def test_unknown_names_are_not_found(write: Write) -> None:
    write(FILE)
    with pytest.raises(NotFound):
        models.load("helper")


def test_every_edit_changes_the_digest(write: Write, tmp_path: Path) -> None:
    """Of the file, of a module it imports, and of nothing at all."""
    write(FILE)
    digests = [models.load("my_net").digest, models.load("my_net").digest]
    states = [own.state()]
    (tmp_path / "nets.py").write_text(NET.replace("F.relu(self.first(x))", "F.gelu(self.first(x))"))
    digests.append(models.load("my_net").digest)
    states.append(own.state())
    write(FILE.replace('["a", "b"]', '["b", "a"]'))
    digests.append(models.load("my_net").digest)
    states.append(own.state())
    assert digests[0] == digests[1]
    assert len(set(digests)) == len(set(states)) == 3
    assert models.load("my_net").labels == ("b", "a")


def test_the_edited_code_is_what_runs(write: Write, tmp_path: Path) -> None:
    """Two edits of one length within a second: Python's compiled copies could not tell them apart."""
    write(FILE)
    x = torch.ones(1, 3, 24, 32)
    before = models.load("my_net").logits(x)
    (tmp_path / "nets.py").write_text(NET.replace("relu(self.first", "tanh(self.first"))
    after = models.load("my_net").logits(x)
    assert not torch.equal(before, after)


WRAP = "import models\nfrom torch import nn\nimport torch\n\ndef my_net():\n    net = {}\n    return models.wrap(net, labels=['a', 'b'], input=models.ImageInput(size=(16, 16)))\n"
SMALL = "nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("import models\ndef f(:\n", 2, "SyntaxError"),
        ("import models\n\nimport not_there_at_all\n", 3, "No module named 'not_there_at_all'"),
        ("import models\nprint(undefined)\n", 2, "name 'undefined' is not defined"),
        ("import models\n\nraise SystemExit(3)\n", 3, "SystemExit: 3"),
        ("import models\n\ndef net(size):\n    return models.wrap(size)\n", 1, "holds no model"),
        ("x = 1\n", 1, "holds no model"),
        (WRAP.format("1 / 0"), 6, "ZeroDivisionError: division by zero"),
        (WRAP.format("nn.Conv2d(3, 2, 3)"), 7, "returns a tensor [1, 2, 14, 14]"),
        (WRAP.format("nn.Sequential(nn.Conv2d(1, 2, 3))"), 7, "expected input[1, 3, 16, 16] to have 1 channels"),
        (WRAP.format("nn.Sequential(nn.Flatten(), nn.Linear(768, 2))"), 5, "not a convolutional one"),
        (WRAP.format(SMALL.replace("(4, 2)", "(4, 3)")), 7, "3 outputs but 2 labels"),
        (WRAP.format(f"{SMALL}; nn.init.constant_(net[0].weight, float('nan'))"), 7, "not finite"),
        (WRAP.format(f"{SMALL}; torch.empty(1 << 50)"), 6, "more memory than there is"),
        (WRAP.format(f"{SMALL}; nn.init.constant_(net[0].bias, __import__('random').random())"), 5, "other weights whenever"),
        (WRAP.format(SMALL).replace("my_net", "shapes"), 5, "shapes is the name of a model that came with the program"),
        (WRAP.format(SMALL).replace("return ", ""), 5, "my_net must return models.wrap(...), not NoneType"),
    ],
)  # fmt: skip
def test_a_fault_is_one_sentence_with_file_and_line(write: Write, text: str, line: int, words: str) -> None:
    write(text)
    with pytest.raises(own.OwnFault) as caught:
        own.check()
    assert f"my_models.py, line {line}: " in caught.value.told + " "
    assert words in caught.value.told
    assert "\n" not in caught.value.told


def test_what_python_said_is_for_the_terminal_alone(write: Write) -> None:
    write("import models\nraise ValueError('the password is 1234')\n")
    with pytest.raises(own.OwnFault) as caught:
        own.keys()
    assert caught.value.detail == "my_models.py, line 2: ValueError."
    assert "1234" in caught.value.told


class Trap:
    """Runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def packed(folder: Path, value: object) -> tuple[Path, str]:
    folder.mkdir(mode=0o700)
    path, data = folder / "network.pickle", pickle.dumps(value)
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def test_only_the_bytes_that_were_written_are_unpickled(tmp_path: Path) -> None:
    path, sha = packed(tmp_path / "own", {"a": 1})
    assert own.unpacked(path, sha) == {"a": 1}
    mark = tmp_path / "ran"
    other, _ = packed(tmp_path / "other", Trap(mark))
    path.write_bytes(other.read_bytes())
    with pytest.raises(ModelRejected, match="changed after it was written"):
        own.unpacked(path, sha)
    assert not mark.exists()


def test_a_folder_that_others_can_enter_is_not_trusted(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path, sha = packed(tmp_path / "own", Trap(mark))
    for mode in (0o755, 0o770, 0o701):
        path.parent.chmod(mode)
        with pytest.raises(ModelRejected, match="not its owner's alone"):
            own.unpacked(path, sha)
    path.parent.chmod(0o700)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(OSError):
        own.unpacked(path, sha)
    assert not mark.exists()
