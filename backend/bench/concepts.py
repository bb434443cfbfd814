"""Visual-TCAV of one input: three layers, nine concepts, the predicted class, concept directions known
(warm)."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import backend
from backend.attribution.concepts.attribution import POINTS, attribution_field
from backend.attribution.concepts.significance import pseudo_concepts
from backend.attribution.concepts.vectors import EPS, Activations, ConceptVector, vector_from
from backend.bench.harness import LeftOut, Peer, Row, Setting, Work, contest
from backend.bench.subject import Subject, resnet_subject
from models.synthetic.concepts import CONCEPTS

TITLE = "Concept attributions (ResNet-18, 224 x 224): theirs / ours"
ORDER = 40
LAYERS, N_CONCEPTS = ("layer2", "layer3", "layer4"), 9
EXAMPLES = 10
RANDOM, RANDOM_FEW = 1000, 50
NEGATIVES = 5
"""Concepts with another seed whose examples together are the counter-examples; what they show does not
matter for the time."""


def rows(setting: Setting) -> Iterator[Row | LeftOut]:
    """One row per peer."""
    subject = resnet_subject()
    layers, n_concepts = (LAYERS[-1:], 2) if setting.quick else (LAYERS, N_CONCEPTS)
    pictures = _pictures(n_concepts)
    vectors = {layer: _vectors(subject, layer, pictures) for layer in layers}

    def ours() -> None:
        for layer in layers:
            backend.concept_attribution(
                subject.model, subject.x, layer, vectors[layer], targets=[subject.target]
            )

    with tempfile.TemporaryDirectory() as folder:
        peers = [
            Peer(
                "the definition, concept by concept",
                partial(_one_by_one, subject, vectors),
                5,
                f"Path points in one batch. Measured with one concept per layer, times {n_concepts}.",
                n_concepts,
            ),
            Peer(
                "visual-tcav",
                partial(visual_tcav, subject, layers, pictures, Path(folder)),
                3,
                "Its directions cached as well; the formula it implements is a simpler one.",
            ),
        ]
        yield from contest(f"Visual-TCAV, {len(layers)} layers x {n_concepts} concepts", ours, peers, setting)
    yield from _random_concepts(subject, layers[-1], pictures["random"], setting)


def _random_concepts(
    subject: Subject, layer: str, counter_examples: np.ndarray, setting: Setting
) -> Iterator[Row | LeftOut]:
    """Drawing and scoring a thousand at once, against fifty one after another."""
    many, few = (200, 10) if setting.quick else (RANDOM, RANDOM_FEW)
    minus = Activations(subject.model, layer, prepared(subject, counter_examples))
    field = attribution_field(subject.model, subject.x, layer, [subject.target])

    def ours() -> None:
        pseudo_concepts(minus, EXAMPLES, many).scores(field)

    def one_by_one() -> None:
        for seed in range(few):
            pseudo_concepts(minus, EXAMPLES, 1, seed).scores(field)

    peer = Peer(f"{few} random concepts, one by one", lambda: one_by_one, 1)
    yield from contest(f"{many:,} random concepts of {layer}", ours, [peer], setting)


def _pictures(n_concepts: int) -> dict[str, np.ndarray]:
    """uint8 `[EXAMPLES, h, w, 3]` by name: `many` concepts, and `random` for the counter-examples."""
    kinds = [concept for concept in CONCEPTS.values() if concept.modality == "image"]
    # Fewer patterns than concepts wanted: a second draw of a pattern is a further set of pictures.
    sets = {
        f"{kinds[i % len(kinds)].key}-{i}": kinds[i % len(kinds)].make(EXAMPLES, seed=i)
        for i in range(n_concepts)
    }
    return {**sets, "random": np.concatenate([kind.make(EXAMPLES, seed=1000) for kind in kinds[:NEGATIVES]])}


def prepared(subject: Subject, pictures: np.ndarray) -> Tensor:
    return torch.cat([subject.model.prepare(picture) for picture in pictures])


def _vectors(subject: Subject, layer: str, pictures: dict[str, np.ndarray]) -> list[ConceptVector]:
    activations = {
        name: Activations(subject.model, layer, prepared(subject, images))
        for name, images in pictures.items()
    }
    minus = activations.pop("random")
    return [vector_from(subject.model, plus, minus, name=name) for name, plus in activations.items()]


def _one_by_one(subject: Subject, vectors: dict[str, list[ConceptVector]]) -> Work:
    """One concept per layer from the definition, gradients by a hook on the whole network: nothing shared,
    nothing cut off."""

    def run() -> None:
        for layer, concepts in vectors.items():
            definition(subject, layer, concepts[0])

    return run


def definition(subject: Subject, layer: str, vector: ConceptVector) -> tuple[Tensor, float]:
    """Steps 3 to 5 of Visual-TCAV for one concept and the class explained: its map `[h, w]` and its
    attribution."""
    features, outputs = _replaced(subject, layer, None)
    steps = torch.linspace(0, 1, POINTS)[:, None, None, None]
    path = (steps * features).requires_grad_(True)
    with torch.enable_grad():
        (gradients,) = torch.autograd.grad(_replaced(subject, layer, path)[1][:, subject.target].sum(), path)
    product = (gradients[1:] + gradients[:-1]).mean(0) / 2 * features[0]
    rise = torch.relu(outputs - _replaced(subject, layer, torch.zeros_like(features))[1])[0]
    share = rise[subject.target] / rise.max() if rise.max() > 0 else 0.0
    positive = torch.relu(product)
    field = positive / (positive.sum() + EPS) * share
    raw = torch.relu(torch.einsum("c,chw->hw", vector.direction, features[0]))
    plus, minus = vector.emblems
    concept_map = (raw.clamp(minus, plus) - minus) / (plus - minus) if plus > minus else torch.zeros_like(raw)
    pooled = (features[0] * concept_map).sum((1, 2))
    weights = torch.relu(torch.where(pooled < 0, -vector.direction, vector.direction))
    weights = weights / weights.max() if weights.max() > 0 else weights
    return concept_map, float(weights @ (field * concept_map).sum((1, 2)))


def _replaced(subject: Subject, layer: str, features: Tensor | None) -> tuple[Tensor, Tensor]:
    """The layer's output and the logits of a full forward pass, after putting `features [n, C, h, w]` in
    the layer's place, if any."""
    layer_outputs: list[Tensor] = []

    def hook(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        output = output if features is None else features
        layer_outputs[:] = [output]
        return output.clone()

    handle = subject.module.get_submodule(layer).register_forward_hook(hook)
    try:
        outputs = subject.module(
            subject.x if features is None else subject.x.expand(len(features), -1, -1, -1)
        )
    finally:
        handle.remove()
    return layer_outputs[0], outputs


def visual_tcav(
    subject: Subject, layers: tuple[str, ...], pictures: dict[str, np.ndarray], folder: Path
) -> tuple[Work, Work]:
    """The PyTorch package by S. Cavallini, which reads pictures from folders and keeps directions in a cache
    folder.

    The shorter piece of work takes a path of two points: it fills the cache.
    """
    from visual_tcav import LocalVisualTCAV, TorchModelWrapper

    for name, images in pictures.items():
        (folder / name / "all").mkdir(parents=True)
        for number, picture in enumerate(images):
            Image.fromarray(picture).save(folder / name / "all" / f"{number:03}.png")
    tested = folder / "tested.png"
    pixels = subject.model.input.denormalise(subject.x)[0].movedim(0, -1)  # type: ignore[attr-defined]
    Image.fromarray((pixels.clamp(0, 1) * 255).round().byte().numpy()).save(tested)

    def run(points: int) -> None:
        explainer.m_steps = points
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            explainer.explain()

    with redirect_stdout(io.StringIO()):
        explainer = LocalVisualTCAV(
            model_wrapper=TorchModelWrapper(
                "measured",
                subject.module,
                labels=list(subject.model.labels),
                input_size=subject.model.input.shape,
                model_preprocess=lambda x: subject.model.input.normalise(x[None])[0],  # type: ignore[attr-defined]
            ),
            test_image_path=str(tested),
            concept_names=[name for name in pictures if name != "random"],
            concept_dirs={name: str(folder / name) for name in pictures},
            random_dir=str(folder / "random"),
            layer_names=list(layers),
            n_classes=1,
            cache_dir=str(folder / "cache"),
        )
    return lambda: run(POINTS - 1), lambda: run(2)
