"""The header of a safetensors file: names and shapes, checked before anything else is read. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from app.core.errors import ModelRejected
from app.core.settings import get_settings

HOW_TO_CONVERT = (
    "Only safetensors files are taken, because other formats can run code when they are opened. In Python, where you trust the file: "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
)


WRAPPERS = {"module", "_orig_mod", "model", "net", "network"}
T = TypeVar("T")


@dataclass(frozen=True)
class Header:
    """shapes: of every tensor, by name. metadata: the file's own remarks."""

    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """Raises ModelRejected for what is no safetensors file within the limits."""
    size, limit = path.stat().st_size, get_settings().limits.model_header_bytes
    with path.open("rb") as file:
        start = file.read(8 + min(size, limit))
    return parse_header(check_header(start, size))


def parse_header(header: Mapping[str, Any]) -> Header:
    """What a header says. Raises ModelRejected for an entry that is no tensor."""
    metadata = header.get("__metadata__")
    shapes = {name: _shape(entry) for name, entry in header.items() if name != "__metadata__"}
    texts = metadata.items() if isinstance(metadata, dict) else ()
    return Header(shapes, {str(name): text for name, text in texts if isinstance(text, str)})


def _shape(entry: Any) -> tuple[int, ...]:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    if not isinstance(shape, list) or len(shape) > 16 or not all(type(n) is int and n >= 0 for n in shape):
        raise ModelRejected("The model file is damaged: its header cannot be read.", field="file")
    return tuple(shape)


def check_header(start: bytes, size: int) -> dict[str, Any]:
    """The header in the first bytes of a file of `size` bytes, within the limits. Raises ModelRejected."""
    limits = get_settings().limits
    length = int.from_bytes(start[:8], "little") if len(start) >= 8 else 0
    if _is_foreign(start):
        raise ModelRejected(
            f"This is not a safetensors file. {HOW_TO_CONVERT}", code="not_safetensors", field="file"
        )
    if length > limits.model_header_bytes and 8 + length <= size:
        raise ModelRejected(
            f"The header of the model file is larger than {limits.model_header_bytes // 1024} KiB.",
            field="file",
        )
    if not 2 <= length <= size - 8:
        raise ModelRejected(
            "The model file is damaged or cut off: its header does not fit its size.", field="file"
        )
    try:
        header = json.loads(start[8 : 8 + length])
    except (ValueError, RecursionError):
        raise ModelRejected("The model file is damaged: its header cannot be read.", field="file") from None
    if not isinstance(header, dict) or len(header) > limits.model_tensors + 1:
        raise ModelRejected(f"The model file must list at most {limits.model_tensors} tensors.", field="file")
    return header


def _is_foreign(start: bytes) -> bool:
    """Pickle (protocol 2 and up, or a text one), zip (torch.save, .pt2), HDF5 / ONNX and the like: no JSON
    brace after the length."""
    return len(start) < 9 or start[:2] == b"PK" or (start[0] == 0x80 and start[1] <= 5) or start[8:9] != b"{"


def brief(name: str) -> str:
    """A name from the file, short and printable."""
    return "".join(c if c.isalnum() or c in "._-" else "?" for c in name[:60])


def without_prefix(tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors without the first part of their names where a wrapper gave all of them the same: `module.` of
    DataParallel, `_orig_mod.` of torch.compile, `model.` of training frameworks."""
    for _ in range(3):
        prefix = next(iter(tensors), "").partition(".")[0] + "."
        if prefix[:-1] not in WRAPPERS or not all(name.startswith(prefix) for name in tensors):
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)
