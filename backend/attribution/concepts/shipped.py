"""What the built-in concepts are to the bundled networks, made beforehand by `evident concepts bundle`.

A concept's examples and counter-examples are 140 passes through the network, and are the same on every machine. A
file per network holds what is left of them: the pooled activations, and the emblems of the directions that every
analysis draws. It is used only for the network it was made with (see `identity`) and only by number-for-number the
same question; anything else is computed from the examples as ever. A test computes one of the files anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from backend.attribution.network.cache import cached
from models.model import Model

FOLDER = Path(__file__).parent / "bundled"
FORM = 1
"""Of the files; another one is ignored."""
Numbers = Mapping[str, Tensor]


def shipped(model: Model, *question: Hashable) -> Tensor | None:
    """The numbers stored for this network under these words; None where there are none."""
    return cached(model, "shipped", None, lambda: _read(model)).get(named(*question))


def named(*question: Hashable) -> str:
    return "/".join(str(word) for word in question)


def write(model: Model, numbers: Numbers, folder: Path = FOLDER) -> Path:
    """The file of this network."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.key}.safetensors"
    save_file(
        {name: part.detach().cpu().contiguous() for name, part in numbers.items()},
        path,
        {"form": str(FORM), "network": identity(model)},
    )
    return path


def _read(model: Model) -> Numbers:
    from safetensors import SafetensorError, safe_open

    path = FOLDER / f"{model.key}.safetensors"
    if "/" in model.key or not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("form") != str(FORM) or about.get("network") != identity(model):
                return {}
            return {name: file.get_tensor(name).to(model.device) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return {}


@torch.no_grad()
def identity(model: Model) -> str:
    """Digest of weights, modules, their settings and the preprocessing; the same for every version of Python and
    torch. A network with hooks or functions of its own is another one."""
    modules = [
        (
            name,
            type(module).__qualname__,
            module.extra_repr(),
            sorted(vars(module).keys() - vars(torch.nn.Module()).keys()),
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            "forward" in vars(module),
        )
        for name, module in model.module.named_modules()
    ]
    digest = hashlib.sha256(
        json.dumps([model.input.describe(), modules], sort_keys=True, default=str).encode()
    )
    for name, tensor in sorted(model.module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
