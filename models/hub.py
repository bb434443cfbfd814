"""Any convolutional architecture of timm and torchvision by name: `timm:resnet18`, `timm:resnet18.a1_in1k`,
`torchvision:squeezenet1_1`.

Weights are safetensors only. They come from the first of these that has them: the caller's file, the folder
`EVIDENT_WEIGHTS`, the hub's cache on this machine, the hub. torchvision itself publishes pickles, which are
never opened: its networks take a local file, or the same weights from timm's repositories on the hub where all
names and shapes agree (the ResNet and DenseNet families).
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from app.core.errors import ModelRejected, NotFound, WeightsUnavailable
from app.core.settings import get_settings
from models import downloads
from models.header import Header, read_header
from models.inputs.image import ImageInput
from models.outline import outline_of
from models.published import licence_name
from models.published.names import IMAGENET, usual_labels
from models.spec import InputSpec, ModelSpec

OPS = ("nms", "qnms")
"""Compiled operations that are missing where torchvision was built for another torch. Its import needs their
names; no classifier calls them."""
_lock = threading.Lock()
_stubs: list[torch.library.Library] = []


@dataclass(frozen=True)
class Entry:
    """One architecture of a library. build: number of classes -> untrained network. hub: repository with
    its safetensors, or None."""

    key: str
    title: str
    build: Callable[[int], nn.Module]
    input: ImageInput
    classifier: str | None
    hub: str | None
    licence: str
    paper: str = ""
    classes: int = IMAGENET
    """Of the published weights; 0 where they end in features."""


def ensure_operations() -> None:
    """Makes torchvision importable with any torch: declares the compiled operations where they are missing."""
    with _lock:
        if _stubs:
            return
        with suppress(ImportError, RuntimeError, OSError):
            import torchvision  # noqa: F401

            return
        missing = [op for op in OPS if not hasattr(torch.ops.torchvision, op)]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for op in missing:
            library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _stubs.append(library)


def names(library: str) -> list[str]:
    """Architectures of `timm` or `torchvision` (classifiers only)."""
    ensure_operations()
    if library == "timm":
        import timm

        return list(timm.list_models())
    from torchvision import models as vision

    return list(vision.list_models(module=vision))


@lru_cache(maxsize=64)
def entry_of(key: str) -> Entry:
    """The architecture of `timm:NAME` or `torchvision:NAME`. Raises NotFound, which suggests the nearest name."""
    library, _, name = key.partition(":")
    base = name.partition(".")[0] if library == "timm" else name
    known = names(library) if library in ("timm", "torchvision") else []
    if base not in known:
        near = difflib.get_close_matches(base, known, n=1)
        hint = f" Did you mean {library}:{near[0]}?" if near else ""
        raise NotFound(f"There is no architecture of that name.{hint}", code="unknown_model", field="model")
    return _timm(key, name) if library == "timm" else _torchvision(key, name)


def _timm(key: str, name: str) -> Entry:
    import timm

    with suppress(RuntimeError, ValueError):
        config = timm.get_pretrained_cfg(name)
        if config is not None:
            return Entry(
                key=key,
                title=f"{name} (timm)",
                build=lambda classes: timm.create_model(name, pretrained=False, num_classes=classes),
                input=_timm_input(config),
                classifier=_first(config.classifier),
                hub=config.hf_hub_id,
                licence=config.license or "",
                classes=int(config.num_classes or 0),
                paper=config.paper_ids if isinstance(config.paper_ids, str) else "",
            )
    raise NotFound(
        "This architecture has no such set of weights; leave out the part after the dot.",
        code="unknown_model",
        field="model",
    )


def _first(classifier: Any) -> str | None:
    return classifier[0] if isinstance(classifier, tuple | list) else classifier


def _timm_input(config: Any) -> ImageInput:
    channels, height, width = config.input_size
    return ImageInput(
        size=(height, width),
        mean=tuple(config.mean),
        std=tuple(config.std),
        channels=channels,
        resize="squash" if config.crop_mode == "squash" else "crop",
        crop_pct=config.crop_pct or 0.875,
        interpolation="bicubic" if config.interpolation in ("bicubic", "random", None) else "bilinear",
    )


def _torchvision(key: str, name: str) -> Entry:
    from torchvision import models as vision

    def build(classes: int) -> nn.Module:
        # the truncated normal start of these two takes half a minute, and is overwritten anyway
        slow = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return vision.get_model(name, weights=None, num_classes=classes, **slow)

    default = vision.get_model_weights(name).DEFAULT
    preset = default.transforms()
    crop, resized = preset.crop_size[0], preset.resize_size[0]
    preprocessing = ImageInput(
        size=(crop, crop),
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        resize="crop",
        crop_pct=min(1.0, crop / resized),
        interpolation="bicubic" if "bicubic" in str(preset.interpolation.value) else "bilinear",
    )
    return Entry(key, f"{name} (torchvision)", build, preprocessing, None, None, "BSD-3-Clause")


def architecture(key: str, classes: int) -> tuple[nn.Module, InputSpec]:
    """An untrained network with `classes` outputs, and its preprocessing. Raises NotFound."""
    entry = entry_of(key)
    with torch.random.fork_rng(devices=[]):
        return entry.build(classes), entry.input


def resolve(key: str, weights: str | Path | None) -> tuple[ModelSpec, Path]:
    """The spec of an architecture and the file with its weights. Raises NotFound, WeightsUnavailable,
    ModelRejected."""
    entry = entry_of(key)
    path, hub = (Path(weights), "") if weights is not None else (local_file(key), "")
    if path is None:
        path, hub = _from_hub(entry)
    elif not path.is_file():
        raise WeightsUnavailable("The file with the weights is not there.", field="model")
    header = read_header(path)
    return _spec(entry, header, hub), path


def _spec(entry: Entry, header: Header, hub: str) -> ModelSpec:
    """hub: the repository of the weights, empty for a file that somebody put here, whose licence nobody stated."""
    classes = _classes(entry, header.shapes)
    return ModelSpec(
        key=entry.key,
        title=entry.title,
        build=lambda: entry.build(classes),
        input=entry.input,
        labels=usual_labels(classes, header.metadata),
        licence=licence_name(entry.licence) if hub else "",
        paper=entry.paper,
        source=f"huggingface.co/{hub}" if hub else "a local safetensors file",
        card={"data": "ImageNet-1k (1000 classes of photographs)"} if hub and classes == IMAGENET else {},
    )


def _classes(entry: Entry, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Rows of the classifier in the file; 1000 where it is missing (loading then reports it)."""
    name = entry.classifier or _last_weighted(entry)
    shape = shapes.get(f"{name}.weight", ())
    return shape[0] if shape and 0 < shape[0] <= 100_000 else IMAGENET


@cache
def _last_weighted(entry: Entry) -> str:
    """The last linear layer or convolution: the classifier of every torchvision network."""
    module = outline_of(lambda: entry.build(IMAGENET))
    return [name for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]


def _folder() -> Path | None:
    folder = get_settings().weights
    return folder if folder is not None and folder.is_dir() else None


def local_file(key: str) -> Path | None:
    """`KEY.safetensors` in the weights folder; the file's name may have an underscore for the colon, or no
    library."""
    folder = _folder()
    if folder is None:
        return None
    for stem in (key, key.replace(":", "_"), key.partition(":")[2], *_aliases(key)):
        if stem and (path := folder / f"{stem}.safetensors").is_file() and path.parent == folder:
            return path
    return None


def _aliases(key: str) -> tuple[str, ...]:
    from models.architectures import ARCHITECTURES

    return ARCHITECTURES[key].files if key in ARCHITECTURES else ()


def local_specs() -> dict[str, ModelSpec]:
    """Specs of the models whose weights are in the weights folder, by key. Files of unknown names are skipped."""
    folder = _folder()
    specs: dict[str, ModelSpec] = {}
    for path in sorted(folder.glob("*.safetensors")) if folder else ():
        key = _key_of(path.stem)
        if key is None or key in specs:
            continue
        with suppress(NotFound, ModelRejected, WeightsUnavailable, OSError):
            specs[key] = _own_spec(key) if ":" not in key else resolve(key, None)[0]
    return specs


def _own_spec(key: str) -> ModelSpec:
    from models.architectures import ARCHITECTURES

    return ARCHITECTURES[key].spec()


def _key_of(stem: str) -> str | None:
    """The key of the model in a file of this name, None for an unknown name. A name without a library is our
    own architecture, else torchvision's, else timm's."""
    from models.architectures import ARCHITECTURES

    for library in ("timm", "torchvision"):
        for mark in (":", "_"):
            if stem.startswith(library + mark):
                name = stem[len(library) + 1 :]
                return f"{library}:{name}" if name.partition(".")[0] in names(library) else None
    own = next((key for key, value in ARCHITECTURES.items() if stem in (key, *value.files)), None)
    if own is not None:
        return own
    return next(
        (
            f"{library}:{stem}"
            for library in ("torchvision", "timm")
            if stem.partition(".")[0] in names(library)
        ),
        None,
    )


def available(key: str) -> bool:
    """Whether the weights of a `timm:` or `torchvision:` model are on this machine already."""
    return at_hand(key) is not None


def at_hand(key: str) -> Path | None:
    """The file with the weights of a `timm:` or `torchvision:` model on this machine; None without one."""
    return local_file(key) or next(
        (path for hub in repositories(entry_of(key)) if (path := downloads.cached_file(hub))), None
    )


def _from_hub(entry: Entry) -> tuple[Path, str]:
    """The weights file, from the hub's cache or downloaded, and its repository. Raises WeightsUnavailable within
    seconds."""
    known = repositories(entry)
    for hub in known:
        path = downloads.cached_file(hub) or downloads.download(hub)
        if path is not None:
            return path, hub
    raise WeightsUnavailable(_why_not(entry, known), field="model")


def _why_not(entry: Entry, known: tuple[str, ...]) -> str:
    """One sentence on what keeps the weights away, one on the way around."""
    file = f"{entry.key.partition(':')[2]}.safetensors"
    if not known:
        return (
            f"The weights of {entry.title} are not published as safetensors, and other formats can run code when they are opened. "
            f"Convert them where you trust the file and drop {file} on the Models page."
        )
    why = (
        "could not be fetched: this machine cannot reach huggingface.co. Connect to the internet once, or"
        if get_settings().downloads
        else "may not be fetched by this server (EVIDENT_DOWNLOADS=false). Allow it, or"
    )
    return (
        f"The weights of {entry.title} are not on this machine and {why} download {downloads.address(known[0])} elsewhere and drop it on "
        f"the Models page, or put it into the weights folder (EVIDENT_WEIGHTS) as {file}."
    )


def repositories(entry: Entry) -> tuple[str, ...]:
    """Repositories with these weights as safetensors. Those of torchvision's networks are timm's, where names
    and shapes agree."""
    if entry.hub:
        return (entry.hub,)
    library, _, name = entry.key.partition(":")
    return _twins(entry) if library == "torchvision" and name in names("timm") else ()


@cache
def _twins(entry: Entry) -> tuple[str, ...]:
    import timm

    name = entry.key.partition(":")[2]
    ours = outline_of(lambda: entry.build(IMAGENET)).state_dict()
    theirs = outline_of(lambda: timm.create_model(name, pretrained=False)).state_dict()
    if {k: v.shape for k, v in ours.items()} != {k: v.shape for k, v in theirs.items()}:
        return ()
    tags = [
        f"{name}.{tag}"
        for tag in ("tv2_in1k", "tv_in1k")
        if f"{name}.{tag}" in timm.list_pretrained(f"{name}.*")
    ]
    hubs = [config.hf_hub_id for tag in tags if (config := timm.get_pretrained_cfg(tag)) is not None]
    return tuple(hub for hub in hubs if hub)
