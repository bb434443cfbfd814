"""Networks with verified weights: bundled ones by key, a user's own module, or a safetensors file for a named
architecture.

Weights are read by safetensors only: nothing in a file can run.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from psutil import virtual_memory
from torch import Tensor, nn

from app.core.errors import ModelRejected, NotFound, WeightsUnavailable
from models import own
from models.catalogue import MODELS
from models.header import without_prefix
from models.model import Model, check_labels
from models.outline import outline_of
from models.spec import InputSpec, ModelSpec
from models.trial import convolutional, is_memory, ready, too_large_for_memory
from models.weights_file import check_weights, load_weights, read, tensors

ANY_SOUND = "any sound"
"""On the card of a network that is not about coughs: no cough is looked for."""
HUB = ("timm", "torchvision")


def specs() -> Mapping[str, ModelSpec]:
    """The catalogue: bundled models, and those whose weights lie in the local weights folder. No network
    is built."""
    from models import hub

    return MappingProxyType({**dict(MODELS), **hub.local_specs()})


def load(key: str, device: torch.device | str = "cpu", weights: str | Path | None = None) -> Model:
    """A network of the catalogue, of the operator's own file, or `timm:NAME` / `torchvision:NAME`, ready to be explained.

    weights: a safetensors file to use instead of the bundled or downloaded ones. Bundled weights are checked
    against their sha256. Raises NotFound (key), WeightsUnavailable (missing, damaged, offline), ModelRejected
    (weights that do not fit).
    """
    if weights is None and own.has(key):
        return own.load(key, device)
    spec, path = _locate(key, weights)
    if path is None:
        raise WeightsUnavailable(
            f"No weights are bundled with {spec.title}; give a safetensors file with weights=.", field="model"
        )
    data = read(path, missing=WeightsUnavailable)
    digest = hashlib.sha256(data).hexdigest()
    if weights is None and spec.sha256 and digest != spec.sha256:
        raise WeightsUnavailable(
            f"The weights of {spec.title} are damaged: their checksum is wrong. Install the program again.",
            field="model",
        )
    state = tensors(data)
    del data  # a gigabyte in its own right while the network is built
    with torch.random.fork_rng(devices=[]):
        module = spec.build()
    load_weights(module, state)
    model = ready(Model(spec, module, digest, device))
    return convolutional(model) if key.partition(":")[0] in HUB else model


def weights_state(key: str) -> tuple[object, ...]:
    """A value that changes when the weights or the card of `key` are replaced. Opens no file and fetches
    nothing. Raises NotFound."""
    from models import hub

    if own.has(key):
        return own.state()
    spec, path = (None, hub.at_hand(key)) if key.partition(":")[0] in HUB else _locate(key, None)
    if path is None or not path.is_file():
        return (spec, path)
    stat = path.stat()
    return (spec, path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


def _locate(key: str, weights: str | Path | None) -> tuple[ModelSpec, Path | None]:
    """The spec of a key and the file with its weights, if any. The catalogue comes before an architecture of
    the same name."""
    from models import architectures, hub

    if key.partition(":")[0] in HUB:
        return hub.resolve(key, weights)
    untrained = key not in MODELS and key in architectures.ARCHITECTURES
    spec = architectures.ARCHITECTURES[key].spec() if untrained else MODELS[key]
    if weights is not None:
        return spec, Path(weights)
    return spec, hub.local_file(key) if untrained else spec.weights


def wrap(
    module: nn.Module,
    labels: Sequence[str],
    input: InputSpec,
    *,
    key: str = "custom",
    title: str = "Your model",
    default_layer: str | None = None,
    temperature: float = 1.0,
    device: torch.device | str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> Model:
    """Any torch CNN as a Model. It holds a float32 copy, so your module is not frozen and may go on training.

    labels: one name per output; two names for a network with a single logit, the second being the class it
    speaks for. card: what is to be said about it, as JSON; with `{"expects": "coughs"}` a network of sound judges
    only what the cough detector passes. Raises ModelRejected: labels that do not match, weights that are not finite, a forward pass
    that fails.
    """
    if not isinstance(module, nn.Module):
        raise ModelRejected("A model must be a torch.nn.Module.", field="model")
    if not isinstance(input, InputSpec):
        raise ModelRejected(
            "The input must say how files become tensors, as in models.ImageInput(size=(224, 224)).",
            field="input",
        )
    copied = _copied(module)
    copied.zero_grad(set_to_none=True)
    spec = ModelSpec(
        key=key,
        title=title,
        build=lambda: copy.deepcopy(copied),
        input=input,
        labels=tuple(str(label) for label in labels),
        default_layer=default_layer,
        temperature=temperature,
        card={**({"expects": ANY_SOUND} if "audio" in input.modalities else {}), **(card or {})},
    )
    return ready(Model(spec, copied, digest_of(copied.state_dict()), device))


def _copied(module: nn.Module) -> nn.Module:
    """A float32 copy. Raises ModelRejected, before memory runs short and the system ends the process."""
    if sum(4 * tensor.numel() for tensor in module.state_dict().values()) > virtual_memory().available:
        raise too_large_for_memory()
    try:
        return copy.deepcopy(module).float()
    except (RuntimeError, MemoryError) as error:
        if is_memory(error):
            raise too_large_for_memory() from error
        raise ModelRejected(
            "The network could not be copied because it holds tensors of a running computation; save and load its state_dict first.",
            field="model",
        ) from error


def architecture(key: str, classes: int) -> tuple[nn.Module, InputSpec]:
    """An untrained network with `classes` outputs and its preprocessing: own keys, `timm:NAME`,
    `torchvision:NAME`. Raises NotFound."""
    return _untrained(key, classes)


def _untrained(key: str, classes: int) -> tuple[nn.Module, InputSpec]:
    from models import architectures, hub

    if key.partition(":")[0] in HUB:
        return hub.architecture(key, classes)
    entry = architectures.ARCHITECTURES[key]
    with torch.random.fork_rng(devices=[]):
        return entry.build(classes), entry.input


def from_file(
    path: str | Path, architecture: str, labels: Sequence[str], device: torch.device | str = "cpu"
) -> Model:
    """An uploaded safetensors file for one of our architectures; one label per output, or two for a single
    logit.

    Checked before anything is built: size, format, header, number of tensors; then every name and shape
    against the architecture, finite weights, and a trial forward pass on a blank and on a noisy input. Raises
    TooLarge, ModelRejected, NotFound (architecture).
    """
    data = read(Path(path), missing=NotFound)
    state, digest = without_prefix(tensors(data)), hashlib.sha256(data).hexdigest()
    del data
    classes = _outputs(architecture, state, len(labels))
    check_labels(labels, classes)
    check_weights(_outline(architecture, classes), state)
    module, spec_input = _untrained(architecture, classes)
    load_weights(module, state)
    spec = ModelSpec(
        key=f"upload:{digest[:16]}",
        title="Uploaded model",
        build=lambda: _untrained(architecture, classes)[0],
        input=spec_input,
        labels=tuple(str(label) for label in labels),
        source="uploaded",
        card={"architecture": architecture},
    )
    return convolutional(ready(Model(spec, module, digest, device)))


def _outputs(key: str, state: Mapping[str, Tensor], labels: int) -> int:
    """Number of outputs of the network in the file: the rows of those tensors that have one row per label in
    the architecture, if all agree."""
    prime = 1009  # no layer has this prime as its width: tensors with so many rows belong to the classifier
    expected = _outline(key, prime)
    rows = {
        state[name].shape[0]
        for name, tensor in expected.items()
        if tensor.shape[:1] == (prime,) and name in state and state[name].ndim
    }
    return rows.pop() if len(rows) == 1 else max(1, labels)


def _outline(key: str, classes: int) -> dict[str, Tensor]:
    """Names and shapes of an architecture's tensors, without allocating them."""
    return outline_of(lambda: _untrained(key, classes)[0]).state_dict()


def digest_of(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, types, shapes and values, hex."""
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return sha.hexdigest()
