"""What a worker keeps warm: networks, least recently used ones let go; and the stored input, read and prepared."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from app.core.errors import Conflict, NotFound
from app.core.schemas import AxisInfo
from app.core.settings import MiB, get_settings
from backend.tasks.payloads import InputWindow, ModelSource, StoredInput, Upload

if TYPE_CHECKING:
    from backend.store.blobs import Blobs
    from models import Model, Prepared
    from models.spec import Axis

KEPT_BYTES = 768 * MiB
"""Weights kept in one worker; a ResNet-50 has 98 MiB, a VGG-16 528 MiB."""


class Cache:
    """Networks by key and digest. One per process: hooks make a network unsafe to share between threads."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.limit = limit
        self._models: OrderedDict[str, tuple[Model, int]] = OrderedDict()
        self._states: dict[str, tuple[object, ...]] = {}

    def get(self, source: ModelSource, files: Blobs) -> Model:
        """The network with the weights it has now.

        Raises NotFound, WeightsUnavailable, ModelRejected; Conflict when the source's `digest` names other
        weights: the job's key does too.
        """
        upload = source.upload
        name = f"{source.model}@{upload.digest}" if upload else source.model
        state = () if upload else _state(name)
        if name not in self._models or self._states.get(name) != state:
            self._models.pop(name, None)
            self._keep(name, _uploaded(upload, files) if upload else _known(name))
            self._states[name] = state
        self._models.move_to_end(name)
        model = self._models[name][0]
        if source.digest not in (None, model.digest):
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


def _uploaded(upload: Upload, files: Blobs) -> Model:
    from dataclasses import replace

    import models
    from models.model import Model as Ready

    path = files.path(upload.digest)
    if path is None:
        raise NotFound(
            "The weights of this model are missing or damaged; upload it again.",
            code="blob_missing",
            field="model",
        )
    model = models.from_file(path, upload.architecture, upload.labels, device=device())
    spec = replace(model.spec, key=upload.key, title=upload.title)
    return Ready(spec, model.module, model.digest, model.device)


def raw_of(stored: StoredInput, files: Blobs) -> Any:
    """The decoded input: PIL image, `(waveform, rate)` or a Spectrogram. Raises NotFound."""
    array = files.array(stored.blobs["canonical"])
    if stored.modality == "image":
        from PIL import Image

        return Image.fromarray(array)
    if stored.modality == "audio":
        return array.copy(), int(stored.meta["rate"])
    from models.media.arrays import Spectrogram, spectrogram

    scale = stored.meta.get("scale")
    return spectrogram(array) if scale is None else Spectrogram(array.copy(), (), scale)


def prepare(model: Model, window: InputWindow, files: Blobs) -> Prepared:
    """The input on the model's grid. Raises Incompatible, InvalidInput, NotFound."""
    from models.inputs.files import check_modality

    check_modality(window.input.modality, model.input.modalities)
    return model.input.prepare(raw_of(window.input, files), start=window.start)


def axis_info(axis: Axis) -> AxisInfo:
    return AxisInfo(
        name=axis.name, unit=axis.unit, origin=axis.origin, values=[float(value) for value in axis.values]
    )


def versions() -> dict[str, str]:
    """What computed the numbers."""
    import platform
    from importlib.metadata import version

    names = ("evident-xai", "torch", "captum", "numpy", "scikit-image")
    installed = {"python": platform.python_version()}
    for name in names:
        try:
            installed[name] = version(name)
        except ModuleNotFoundError:
            continue
    return installed
