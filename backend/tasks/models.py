"""What a worker keeps warm: networks, least recently used ones let go; and the raw input a payload names."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from app.core.errors import Conflict, NotFound
from app.core.settings import MiB, get_settings

if TYPE_CHECKING:
    from backend.store.blobs import Blobs
    from models import Model, Prepared

KEPT_BYTES = 768 * MiB
"""Weights kept in one worker; a ResNet-50 has 98 MiB, a VGG-16 528 MiB."""


class Cache:
    """Networks by key and digest. One per process: hooks make a network unsafe to share between threads."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.limit = limit
        self._models: OrderedDict[str, tuple[Model, int]] = OrderedDict()
        self._states: dict[str, tuple[object, ...]] = {}

    def get(self, payload: dict[str, Any], files: Blobs) -> Model:
        """The network of `payload["model"]` with the weights it has now; an uploaded one has its row in
        `payload["upload"]`.

        Raises NotFound, WeightsUnavailable, ModelRejected; Conflict when the payload's `digest` names other
        weights: its key does too.
        """
        upload = payload.get("upload")
        name = f"{payload['model']}@{upload['digest']}" if upload else str(payload["model"])
        state = () if upload else _state(name)
        if name not in self._models or self._states.get(name) != state:
            self._models.pop(name, None)
            self._keep(name, _uploaded(upload, files) if upload else _known(name))
            self._states[name] = state
        self._models.move_to_end(name)
        model = self._models[name][0]
        if payload.get("digest") not in (None, model.digest):
            raise Conflict(
                "The weights of this model were replaced after this was asked for; ask again.",
                code="weights_replaced",
                field="model",
            )
        return model

    def _keep(self, name: str, model: Model) -> None:
        state = model.module.state_dict().values()
        self._models[name] = model, sum(tensor.numel() * tensor.element_size() for tensor in state)
        while len(self._models) > 1 and sum(size for _, size in self._models.values()) > self.limit:
            self._models.popitem(last=False)

    def __len__(self) -> int:
        return len(self._models)


CACHE = Cache()
model_of = CACHE.get


def device() -> str:
    """`auto` takes CUDA when there is one."""
    import torch

    chosen = get_settings().device
    if chosen != "auto":
        return chosen
    return "cuda" if torch.cuda.is_available() else "cpu"


def _known(key: str) -> Model:
    """From this machine alone, but inside the task that was started to fetch."""
    import models
    from models import downloads

    if downloads.is_reporting():
        return models.load(key, device=device())
    with downloads.reporting(None):
        return models.load(key, device=device())


def _state(key: str) -> tuple[object, ...]:
    from models.loading import weights_state

    return weights_state(key)


def _uploaded(upload: dict[str, Any], files: Blobs) -> Model:
    import models
    from models.model import Model as Ready

    path = files.path(upload["digest"])
    if path is None:
        raise NotFound(
            "The weights of this model are missing or damaged; upload it again.",
            code="blob_missing",
            field="model",
        )
    model = models.from_file(path, upload["architecture"], upload["labels"], device=device())
    from dataclasses import replace

    return Ready(
        replace(model.spec, key=upload["key"], title=upload["title"]),
        model.module,
        model.digest,
        model.device,
    )


def raw_of(row: dict[str, Any], files: Blobs) -> Any:
    """The decoded input of a payload: PIL image, `(waveform, rate)` or a Spectrogram. Raises NotFound."""
    array = files.array(row["blobs"]["canonical"])
    if row["modality"] == "image":
        from PIL import Image

        return Image.fromarray(array)
    if row["modality"] == "audio":
        return array.copy(), int(row["meta"]["rate"])
    from models.media.arrays import Spectrogram, spectrogram

    scale = row["meta"].get("scale")
    return spectrogram(array) if scale is None else Spectrogram(array.copy(), (), scale)


def prepare(model: Model, payload: dict[str, Any], files: Blobs) -> Prepared:
    """The payload's input on the model's grid. Raises Incompatible, InvalidInput, NotFound."""
    from models.inputs.files import check_modality

    row = payload["input"]
    check_modality(row["modality"], model.input.modalities)
    return model.input.prepare(raw_of(row, files), start=payload.get("start"))


def axis_info(axis: Any) -> dict[str, Any]:
    """`app.core.schemas.AxisInfo` of one axis."""
    return {
        "name": axis.name,
        "unit": axis.unit,
        "origin": axis.origin,
        "values": [float(value) for value in axis.values],
    }


def versions() -> dict[str, str]:
    """What computed the numbers."""
    import platform
    from importlib.metadata import version

    names = ("evident-xai", "torch", "captum", "numpy", "scikit-image")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found
