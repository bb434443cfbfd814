"""Reading and checking safetensors files. Nothing in a file can run, and no network is built before the header
is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from torch import Tensor, nn

from app.core.errors import ModelRejected, NotFound, TooLarge, WeightsUnavailable
from app.core.settings import get_settings

SHOWN = 3
"""Number of differences between a file and its architecture that an error names."""
HOW_TO_CONVERT = (
    "Only safetensors files are taken, because other formats can run code when they are opened. In Python, where you trust the file: "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')."
)


def read(path: Path, missing: type[NotFound] | type[WeightsUnavailable]) -> bytes:
    """A whole safetensors file, its header checked first. Raises `missing`, TooLarge, ModelRejected."""
    if not path.is_file():
        raise missing("The file with the weights is not there.", field="model")
    limits = get_settings().limits
    size = path.stat().st_size
    if size > limits.model_bytes:
        raise TooLarge(
            f"The model file is larger than {limits.model_bytes // 2**20} MiB.",
            code="model_too_large",
            field="file",
        )
    with path.open("rb") as file:
        check_header(file.read(8 + min(size, limits.model_header_bytes)), size)
        file.seek(0)
        return file.read()


def check_header(start: bytes, size: int) -> None:
    """The first bytes of a file of `size` bytes must be a safetensors header within the limits. Raises
    ModelRejected."""
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


def _is_foreign(start: bytes) -> bool:
    """Pickle (protocol 2 and up, or a text one), zip (torch.save, .pt2), HDF5 / ONNX and the like: no JSON
    brace after the length."""
    return len(start) < 9 or start[:2] == b"PK" or (start[0] == 0x80 and start[1] <= 5) or start[8:9] != b"{"


def tensors(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name. Raises ModelRejected."""
    try:
        return load_bytes(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError):
        raise ModelRejected("The model file is damaged: its tensors cannot be read.", field="file") from None


def load_weights(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads the tensors into the network, strictly. Raises ModelRejected, which names the first differences."""
    expected = module.state_dict()
    check_weights(expected, state)
    module.load_state_dict({**{name: expected[name] for name in _optional(expected)}, **state}, strict=True)


def check_weights(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raises ModelRejected, which names the first differences, unless all names and shapes agree."""
    optional = _optional(expected)
    wrong = [f"{name} is missing" for name in expected if name not in state and name not in optional]
    wrong += [f"{brief(name)} is not part of it" for name in state if name not in expected]
    wrong += [
        f"{name} has shape {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    wrong += [
        f"{name} holds no floating point numbers"
        for name, t in state.items()
        if name in expected and not _numeric(t, expected[name])
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ModelRejected(
            f"The weights do not fit this architecture: {'; '.join(wrong[:SHOWN])}{more}.", field="file"
        )


def _optional(expected: Mapping[str, Tensor]) -> set[str]:
    """Names of batch norm's counters of training batches, which evaluation never reads and many exports omit."""
    return {name for name in expected if name.endswith("num_batches_tracked")}


def brief(name: str) -> str:
    """A name from the file, short and printable."""
    return "".join(c if c.isalnum() or c in "._-" else "?" for c in name[:60])


def _numeric(tensor: Tensor, expected: Tensor) -> bool:
    return tensor.is_floating_point() if expected.is_floating_point() else not tensor.is_complex()
