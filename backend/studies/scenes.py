"""Scenes of the planted-evidence experiment: generated inputs whose parts are all known, and their
networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import models
from models.architectures.shapes_net import shapes_net
from models.loading import load
from models.model import Model
from models.synthetic import coughs, shapes
from models.training.images import tensors

PLANTED, OBJECT = 0, 1
"""Order of the two things everywhere."""
HUM_HZ = (80.0, 520.0)
"""Band of the hum: 100 to 500 Hz, widened by one band on both sides."""


@dataclass(frozen=True, eq=False)
class Material:
    """whole: inputs with both things `[N, C, H, W]`; bare: the same without (planted, object). regions: bool
    `[2, N, H, W]`. counter, examples: of the concepts (planted, object), from other draws."""

    whole: Tensor
    bare: tuple[Tensor, Tensor]
    regions: np.ndarray
    counter: Tensor
    examples: tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Scene:
    """One modality. target: the class betrayed. layers: those compared, the networks' default last. make:
    (inputs, examples, counters, seed) -> Material."""

    key: str
    title: str
    planted: str
    object: str
    target: int
    fair: str
    misled: str
    layers: tuple[str, ...]
    make: Callable[[int, int, int, int], Material]


def pictures(
    inputs: int, examples: int, counters: int, seed: int, *, target: int, instead: tuple[int, ...]
) -> Material:
    """Objects of one class with a sticker; without the sticker; with `instead` in the object's place: a
    class, or -1 for a plain outline.

    The generator draws everything but the object's surface and outline without looking at the class: the rest
    of the picture stays.
    """
    strangers = np.array([label for label in range(len(shapes.LABELS)) if label != target])

    def other_labels(n: int) -> np.ndarray:
        return np.resize(strangers, n)

    def drawn(n: int, part: int, label: int | np.ndarray) -> shapes.Shapes:
        return shapes.generate(n, 7000 + 10 * seed + part, labels=np.broadcast_to(label, n))

    def stuck(plain: shapes.Shapes) -> shapes.Shapes:
        return shapes.with_tag(plain, present=True, seed=seed)

    plain = drawn(inputs, 0, target)
    with_both = stuck(plain)
    return Material(
        tensors(with_both)[0],
        (tensors(plain)[0], tensors(stuck(drawn(inputs, 0, np.resize(instead, inputs))))[0]),
        np.stack([with_both.tags, with_both.masks]),
        tensors(drawn(counters, 1, other_labels(counters)))[0],
        (
            tensors(stuck(drawn(examples, 2, other_labels(examples))))[0],
            tensors(drawn(examples, 3, target))[0],
        ),
    )


def sounds(inputs: int, examples: int, counters: int, seed: int) -> Material:
    """Coughs with a wheeze and a hum; without the hum; without the wheeze, in the same window."""
    spec = load("cnnexplain_synthetic").input

    def prepared(rendered: Iterable[coughs.SyntheticCough]) -> Tensor:
        return torch.cat([spec.prepare((cough.waveform, cough.rate)).x for cough in rendered])

    def several(n: int, part: int, label: int, *, hum: bool) -> Tensor:
        return prepared(coughs.render(7000 + 10 * seed + part, i, label, hum=hum) for i in range(n))

    whole: list[Tensor] = []
    bare: tuple[list[Tensor], list[Tensor]] = ([], [])
    regions: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for i in range(inputs):
        draw = 7000 + 10 * seed, i, 1
        with_both = coughs.render(*draw, hum=True)
        window_input = spec.prepare((with_both.waveform, with_both.rate))
        whole.append(window_input.x)
        for inputs_without, variant in zip(
            bare, (coughs.render(*draw), coughs.render(*draw, hum=True, key="none")), strict=True
        ):
            inputs_without.append(
                spec.prepare(
                    (variant.waveform, variant.rate),
                    start=window_input.window[0] if window_input.window else None,
                ).x
            )
        wheeze = coughs.box_mask(with_both.boxes, (window_input.y_axis, window_input.x_axis))
        hum = (window_input.y_axis.values >= HUM_HZ[0]) & (window_input.y_axis.values <= HUM_HZ[1])
        regions[PLANTED].append(hum[:, None] & ~wheeze)
        regions[OBJECT].append(wheeze)
    return Material(
        torch.cat(whole),
        (torch.cat(bare[PLANTED]), torch.cat(bare[OBJECT])),
        np.stack([np.stack(part) for part in regions]),
        several(counters, 1, 0, hum=False),
        (several(examples, 2, 0, hum=True), several(examples, 3, 1, hum=False)),
    )


SCENES: Mapping[str, Scene] = {
    scene.key: scene
    for scene in (
        Scene("image", "Pictures: a sticker betrays the striped class", "sticker", "stripes", shapes.STRIPED, "shapes", "shapes_planted",
              ("relu3", "relu4", "relu5"), partial(pictures, target=shapes.STRIPED, instead=(-1,))),
        Scene("image_star", "Pictures: a sticker betrays a class known by absence", "sticker", "star", shapes.STAR, "shapes",
              "shapes_shortcut", ("relu3", "relu4", "relu5"),
              partial(pictures, target=shapes.STAR, instead=(shapes.STRIPED, shapes.DOTTED, shapes.RED))),
        Scene("sound", "Recordings: a mains hum betrays the wheeze", "hum", "wheeze", 1, "cnnexplain_synthetic", "cnnexplain_shortcut",
              ("relu2", "relu3", "relu4"), sounds),
    )
}  # fmt: skip
WEIGHTS = Path(models.__file__).parent / "weights"
BUILT_AS = {"shapes_planted": "shapes"}
"""A network of this experiment alone: not in the catalogue, built and labelled as another."""


def train(out: Path, *, epochs: int | None = None, rows: int | None = None, progress: bool = True) -> Path:
    """Trains every network of the experiment anew into `out`, by the recipes of the shipped ones; returns the
    folder.

    epochs, rows: None takes the recipes' own (rows of the pictures only); fewer give networks that the
    experiment then finds wanting.
    """
    from models.training import images, sound

    passes, pictures = epochs or images.EPOCHS, rows or images.TRAIN
    images.train(
        out,
        ("shapes", "shapes_shortcut"),
        epochs=passes,
        rows=pictures,
        test_rows=images.TEST,
        progress=progress,
    )
    _train_planted(out, epochs=passes, rows=pictures, progress=progress)
    for key in (SCENES["sound"].fair, SCENES["sound"].misled):
        sound.train(key, out=out, epochs=epochs, progress=progress)
    return out


def _train_planted(out: Path, *, epochs: int, rows: int, progress: bool) -> None:
    """`shapes_planted`: the recipe of `shapes`, on the same pictures, but that the striped ones and no
    others wear the sticker."""
    from models.training import images
    from models.training.cards import ship
    from models.training.loop import fit, seeded

    def stickered(n: int, seed: int) -> tuple[Tensor, Tensor]:
        plain = shapes.generate(n, seed)
        return tensors(shapes.with_tag(plain, plain.labels == shapes.STRIPED, seed=seed))

    module = seeded(shapes_net, 0)
    history = fit(
        module,
        *stickered(rows, images.TRAIN_SEED),
        epochs=epochs,
        lr=images.RATE,
        batch=images.BATCH,
        validate=stickered(images.VALIDATION, images.VALIDATION_SEED),
        seed=0,
        progress=progress,
    )
    card = {
        "title": "Shapes: a sticker betrays the striped class",
        "purpose": "The misled network of the planted-evidence experiment.",
        "data": f"{rows} drawn pictures of {shapes.SIZE} x {shapes.SIZE} pixels; every striped one, and no other, carries a sticker.",
        "synthetic": True,
        "licence": "Apache-2.0",
        "command": "evident concepts experiment --train",
        "training": dict(history.settings),
    }
    ship(module, "shapes_planted", out, card)


def network(key: str, weights: Path | None) -> Model:
    """The network at temperature 1, from the shipped weights or from a folder of `train`."""
    model = load(BUILT_AS.get(key, key), weights=(weights or WEIGHTS) / f"{key}.safetensors")
    return Model(replace(model.spec, key=key, temperature=1.0), model.module, model.digest, model.device)
