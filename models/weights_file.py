"""Reading and checking safetensors files. Nothing in a file can run, and no network is built before the header
is checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_bytes
from torch import Tensor, nn

from app.core.errors import ModelRejected, NotFound, TooLarge, WeightsUnavailable
from app.core.settings import get_settings
from models.header import brief, check_header

SHOWN = 3
"""Number of differences between a file and its architecture that an error names."""


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


def _numeric(tensor: Tensor, expected: Tensor) -> bool:
    return tensor.is_floating_point() if expected.is_floating_point() else not tensor.is_complex()
