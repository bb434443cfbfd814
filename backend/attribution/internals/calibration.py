"""The inputs on which a network's layers are read: ours, or the user's own.

Unlabelled unless the network's classes are those of our generators. Some sources are **held out**: nothing is fitted
on any view of them, so that every figure about the fit is measured on them. Which ones follows from the inputs'
contents, not from their order.

    networks of coughs     recordings of our generator; with other sounds where the network tells coughs from those
    other sounds           recordings of our generator, coughs and others
    networks of shapes     our drawn pictures
    other networks of pictures   the bundled photographs of objects, each whole, cropped and mirrored; our sample
                                 photographs are held out, since people look at them

Inputs are prepared when they are asked for; what is small is then held in memory.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.errors import BadParameter, Incompatible
from models.model import Model
from models.spec import Prepared

FEWEST = 10
HELD_OUT = 0.25
"""Share of the sources that nothing is fitted on."""
SEED = 31
"""Of our generators: none of the seeds that the bundled networks were trained or tested with."""
COUGHS, DRAWN, OTHER_SOUNDS = 256, 512, 120
CROPS = 2
"""Of each photograph, beside the whole; all of them mirrored too."""
SMALLEST_CROP = 0.6
"""Sides of a crop, as a share of the photograph's."""
HELD_BYTES = 96 * 1024 * 1024
"""Prepared inputs of at most so many bytes stay in memory."""


@dataclass(frozen=True, eq=False)
class Item:
    """One calibration input. source: what it was taken from, the same for all views of one photograph; sources are
    held out as a whole. raw: makes what `Model.prepare` takes. start: of its window, in seconds."""

    name: str
    source: str
    raw: Callable[[], Any]
    start: float | None = None
    label: int | None = None
    held_out: bool = False
    """Always held out; others as they fall."""


class Calibration:
    """`count` inputs for one network, in a fixed order; they differ in content.

    title: what they are, in words. names, sources: one per input. labels: class numbers, None where nobody knows
    them. held_out: bool `[count]`. digest: of their contents. ours: whether they come with the program.
    """

    def __init__(
        self,
        model: Model,
        title: str,
        items: Sequence[Item],
        digest: str,
        x: Tensor | None = None,
        *,
        ours: bool = False,
    ) -> None:
        self._model, self._items, self._x = model, tuple(items), x
        self.title, self.digest, self.ours = title, digest, ours
        self.names = tuple(item.name for item in items)
        self.sources = tuple(item.source for item in items)
        labels = [item.label for item in items]
        self.labels = None if None in labels else [int(label) for label in labels if label is not None]
        self.held_out = _held_out(items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        return len(self._items)

    @property
    def x(self) -> Tensor:
        """All of them, `[N, C, H, W]` on the network's device."""
        return torch.cat(list(self.batches())) if self._x is None else self._x.to(self._model.device)

    def batches(self, size: int = 16, start: int = 0) -> Iterator[Tensor]:
        """`[n, C, H, W]` with n <= size, in order from the row `start` on, on the network's device."""
        if (
            not start
            and self._x is None
            and 4 * self.count * math.prod(self._model.input.shape) <= HELD_BYTES
        ):
            parts = []
            for first in range(0, self.count, size):
                parts.append(self._prepared(range(first, min(first + size, self.count))))
                yield parts[-1].to(self._model.device)
            self._x = torch.cat(parts)
            return
        for first in range(start, self.count, size):
            rows = range(first, min(first + size, self.count))
            part = self._prepared(rows) if self._x is None else self._x[first : rows.stop]
            yield part.to(self._model.device)

    def prepared(self, number: int) -> Prepared | None:
        """One input with its display and axes; None for a row of a plain tensor."""
        item = self._items[number]
        raw = item.raw()
        return None if raw is None else self._model.input.prepare(raw, start=item.start)

    def raw(self, number: int) -> Any:
        """What `prepared` was made from: pixels, `(waveform, rate)`; None for a row of a plain tensor."""
        return self._items[number].raw()

    def _prepared(self, rows: range) -> Tensor:
        items = [self._items[row] for row in rows]
        return torch.cat([self._model.input.prepare(item.raw(), start=item.start).x for item in items])


def calibration_of(model: Model, inputs: Calibration | Tensor | Sequence[Any] | None = None) -> Calibration:
    """The inputs that the layers of `model` are read on. inputs: None takes ours; otherwise prepared ones
    `[N, C, H, W]`, or at least ten of what `model.prepare` takes (paths, pictures, `(waveform, rate)`), or Items.

    Raises BadParameter (fewer than ten, another shape, numbers that are not finite), Incompatible (there are none of
    ours for this kind of input).
    """
    if isinstance(inputs, Calibration):
        return inputs
    if isinstance(inputs, Tensor):
        return _of_tensor(model, inputs)
    if inputs is not None:
        items = [
            part if isinstance(part, Item) else _item(part, number) for number, part in enumerate(inputs)
        ]
        _check_number(len({item.source for item in items}))
        digest = _digest("items", *(item.source for item in items))
        return Calibration(model, f"{len(items)} inputs of your own", items, digest)
    return _bundled(model)


def _bundled(model: Model) -> Calibration:
    from models.synthetic import shapes

    kinds = set(model.input.modalities)
    if "audio" in kinds:
        return _sounds(model)
    if "image" not in kinds:
        raise Incompatible(
            f"There are no inputs of ours for a network that takes {', '.join(sorted(kinds))}s; give at least {FEWEST} of your own.",
            field="inputs",
        )
    if model.labels == shapes.LABELS:
        return _drawn(model)
    return _photographs(model)


def _sounds(model: Model) -> Calibration:
    from models.synthetic import coughs

    about_coughs = model.spec.card.get("expects", "coughs") == "coughs"
    detects = "cough" in {label.lower() for label in model.labels}
    alone = about_coughs and not detects
    known = model.labels == coughs.LABELS
    count = COUGHS if alone else COUGHS - OTHER_SOUNDS
    items = [
        Item(f"cough {i + 1}", f"cough {i + 1}", partial(_cough, i), label=i % 2 if known else None)
        for i in range(count)
    ]
    title = f"{count} generated coughs"
    if not alone:
        others = [f"{kind.title.lower()} {i + 1}" for kind in _other_kinds() for i in range(_each())]
        items += [Item(name, name, partial(_other_sound, i)) for i, name in enumerate(others)]
        title += f" and {len(others)} other generated sounds"
    return Calibration(model, title, items, _digest("sounds", alone, count), ours=True)


def _drawn(model: Model) -> Calibration:
    from models.synthetic.shapes import labels_of

    labels = labels_of(DRAWN, SEED)
    items = [
        Item(f"picture {i + 1}", f"picture {i + 1}", partial(_drawing, i, DRAWN), label=int(labels[i]))
        for i in range(DRAWN)
    ]
    return Calibration(model, f"{DRAWN} drawn pictures", items, _digest("drawn", DRAWN), ours=True)


def _photographs(model: Model) -> Calibration:
    items = [
        Item(f"{name}{', ' if words else ''}{words}", name, partial(_view, number, view), held_out=sample)
        for number, (name, sample) in enumerate(_photo_names())
        for view, words in enumerate(_view_words())
    ]
    title = f"{len(_photo_names())} photographs, each in {len(_view_words())} views"
    return Calibration(model, title, items, _digest("photographs", len(items)), ours=True)


def _of_tensor(model: Model, x: Tensor) -> Calibration:
    """Equal rows are one source."""
    shape = tuple(model.input.shape)
    if x.ndim != 4 or tuple(x.shape[1:]) != shape:
        raise BadParameter(
            f"The calibration inputs must be one tensor [N, {', '.join(map(str, shape))}], prepared as this network takes them; "
            f"these are {list(x.shape)}.",
            field="calibration",
        )
    x = x.detach().float().cpu()
    if not torch.isfinite(x).all():
        raise BadParameter(
            "The calibration inputs hold numbers that are not finite (NaN or infinite).", field="calibration"
        )
    contents = [_digest_of(row) for row in x]
    _check_number(len(set(contents)))
    items = [Item(f"input {number + 1}", content, lambda: None) for number, content in enumerate(contents)]
    return Calibration(model, f"{len(x)} inputs of your own", items, _digest("tensor", *contents), x)


def _check_number(different: int) -> None:
    if different < FEWEST:
        raise BadParameter(
            f"At least {FEWEST} different inputs are needed to read the layers, and {different} were given; more are better, 100 are plenty.",
            field="inputs",
        )


def _item(raw: Any, number: int) -> Item:
    """An input of the user's; equal ones are one source."""
    return Item(f"input {number + 1}", _content(raw), lambda: raw)


def _content(raw: Any) -> str:
    if isinstance(raw, Tensor):
        return _digest_of(raw)
    if isinstance(raw, tuple):
        return _digest("sound", *(_content(part) for part in raw))
    if isinstance(raw, bytes):
        return hashlib.sha256(raw).hexdigest()
    if hasattr(raw, "tobytes"):
        array = np.asarray(raw)
        return _digest(array.shape, str(array.dtype), hashlib.sha256(array.tobytes()).hexdigest())
    return _digest(str(raw))


def _held_out(items: Sequence[Item]) -> np.ndarray:
    """bool `[N]`: all views of a quarter of the sources, those whose names have the smallest digests, and of those
    that are never fitted on."""
    fixed = {item.source for item in items if item.held_out}
    free = sorted({item.source for item in items} - fixed, key=lambda source: (_digest(source), source))
    wanted = max(round(HELD_OUT * (len(free) + len(fixed))) - len(fixed), 2 if not fixed else 0)
    chosen = fixed | set(free[:wanted])
    return np.array([item.source in chosen for item in items])


def _digest(*words: Any) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()


def _digest_of(tensor: Tensor) -> str:
    array = tensor.detach().cpu().contiguous().numpy()
    return _digest(array.shape, str(array.dtype), hashlib.sha256(array.tobytes()).hexdigest())


# What our inputs are


def _cough(number: int) -> tuple[np.ndarray, int]:
    from models.synthetic import coughs

    item = coughs.recording(number, SEED)
    return item.waveform, item.rate


def _other_kinds() -> list[Any]:
    """Tones, hums, hisses, clicks and empty rooms."""
    from models.synthetic.concepts import CONCEPTS, COUNTER_EXAMPLES

    return [kind for kind in CONCEPTS.values() if kind.modality == "audio"] + [COUNTER_EXAMPLES["audio"]]


def _each() -> int:
    """Sounds of each kind."""
    return OTHER_SOUNDS // len(_other_kinds())


@lru_cache
def _other_sounds() -> list[np.ndarray]:
    return [sound for kind in _other_kinds() for sound in kind.make(_each(), SEED)]


def _other_sound(number: int) -> tuple[np.ndarray, int]:
    from models.synthetic.concepts import RATE

    return _other_sounds()[number], RATE


@lru_cache
def _drawings(count: int) -> np.ndarray:
    from models.synthetic.shapes import generate

    return generate(count, SEED, "random").images


def _drawing(number: int, count: int) -> np.ndarray:
    return np.asarray(_drawings(count)[number])


@lru_cache
def _photo_names() -> tuple[tuple[str, bool], ...]:
    """Name, and whether it is one of the samples that the page offers."""
    from models.photographs import credit_rows

    bundled = [(row["file"].rpartition(".")[0].replace("_", " "), False) for row in credit_rows()]
    samples = [(path.stem.removeprefix("photo_").replace("_", " "), True) for path in _sample_photos()]
    return (*bundled, *samples)


@lru_cache
def _photos() -> tuple[np.ndarray, ...]:
    """Pixels, in the order of the names."""
    from PIL import Image

    from models.photographs import photographs

    return (*photographs(), *(np.asarray(Image.open(path).convert("RGB")) for path in _sample_photos()))


def _sample_photos() -> list[Path]:
    from models.samples.photos import FOLDER

    return sorted(FOLDER.glob("photo_*.jpg"))


def _view_words() -> list[str]:
    parts = ["", *(f"part {number + 1}" for number in range(CROPS))]
    return [", ".join(filter(None, (part, turned))) for part in parts for turned in ("", "mirrored")]


def _view(number: int, view: int) -> np.ndarray:
    """Whole or one of the parts, as it is or mirrored."""
    name, photograph = _photo_names()[number][0], _photos()[number]
    part, mirrored = divmod(view, 2)
    if part:
        rng = np.random.default_rng([SEED, part, zlib.crc32(name.encode())])
        size = [round(side * rng.uniform(SMALLEST_CROP, 0.95)) for side in photograph.shape[:2]]
        top, left = (
            int(rng.integers(0, whole - side + 1))
            for whole, side in zip(photograph.shape[:2], size, strict=True)
        )
        photograph = photograph[top : top + size[0], left : left + size[1]]
    return np.ascontiguousarray(photograph[:, ::-1] if mirrored else photograph)
