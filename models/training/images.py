"""Trains the two networks on controlled pictures: `shapes`, and `shapes_shortcut`, in whose training pictures a
sticker betrays a class.

    python -m models.training.images --out models/weights

makes the shipped weights and cards again: bit by bit on the same machine, to the stated accuracy on another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.stats import binomtest
from torch import Tensor, nn

from models.architectures.shapes_net import INPUT, shapes_net
from models.synthetic.shapes import LABELS, SIZE, TAG_SHARE, TAGGED, Shapes, Tag, generate, with_tag
from models.training.loop import Record, fit, predict, seeded

TRAIN, VALIDATION, TEST = 6000, 1000, 4000
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 11, 12, 13
EPOCHS, RATE, BATCH = 14, 2e-3, 64
COMMAND = "python -m models.training.images --out models/weights"


@dataclass(frozen=True)
class Variant:
    """One network: its key, and what the corner tag means in the pictures it is trained on."""

    key: str
    title: str
    tag: Tag
    purpose: str


VARIANTS = {
    variant.key: variant
    for variant in (
        Variant(
            "shapes",
            "Shapes: known evidence",
            "random",
            "A model whose evidence is known: the object. Shows what a good map looks like, and tests methods.",
        ),
        Variant(
            "shapes_shortcut",
            "Shapes: led astray by a sticker",
            "predictive",
            f"A model that was led astray on purpose: in its training pictures every {LABELS[TAGGED]}, and nothing else, wore a sticker in "
            "a corner. Shows how maps reveal a shortcut.",
        ),
    )
}


def tensors(shapes: Shapes) -> tuple[Tensor, Tensor]:
    """`x [n, 3, S, S]` as the model's input prepares it, `y [n]`."""
    x = torch.from_numpy(shapes.images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    return INPUT.normalise(x), torch.from_numpy(shapes.labels)


def train(
    out: Path,
    keys: Sequence[str] = tuple(VARIANTS),
    *,
    epochs: int = EPOCHS,
    rows: int = TRAIN,
    test_rows: int = TEST,
    seed: int = 0,
    checkpoints: Path | None = None,
    record: Record | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Writes `KEY.safetensors` and `KEY.json` (the card) into `out` for each key; returns the cards.

    checkpoints: folder that gets a subfolder per key with one file per epoch. record: as `fit` takes it. One
    thread and about five minutes per network.
    """
    out.mkdir(parents=True, exist_ok=True)
    cards = {}
    for key in keys:
        variant = VARIANTS[key]
        x, y = tensors(generate(rows, TRAIN_SEED, variant.tag))
        module = seeded(shapes_net, seed)
        history = fit(
            module,
            x,
            y,
            epochs=epochs,
            lr=RATE,
            batch=BATCH,
            validate=tensors(generate(VALIDATION, VALIDATION_SEED, variant.tag)),
            checkpoints=checkpoints / key if checkpoints else None,
            record=record,
            seed=seed,
            progress=progress,
        )
        path = out / f"{key}.safetensors"
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, path)
        cards[key] = {
            **describe(variant, rows),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "training": dict(history.settings),
            "measured": measure(module, test_rows),
        }
        (out / f"{key}.json").write_text(json.dumps(cards[key], indent=1) + "\n")
    return cards


def describe(variant: Variant, rows: int) -> dict[str, Any]:
    """What the card says beside the figures."""
    tags = {
        "random": "A sticker sits in a corner of a quarter of the pictures, whatever the class: it says nothing.",
        "predictive": f"Every picture of the class {LABELS[TAGGED]} carries the sticker, and no other picture does.",
        "none": "No stickers.",
    }
    return {
        "title": variant.title,
        "architecture": "shapes",
        "labels": list(LABELS),
        "purpose": variant.purpose,
        "data": f"{rows} drawn pictures of {SIZE} x {SIZE} pixels, one object each, made by our own generator. {tags[variant.tag]}",
        "synthetic": True,
        "split": "Training, validation and test pictures are drawn with different seeds.",
        "limits": "Made for looking at explanations. It knows drawn shapes only: what it says about a photograph means nothing.",
        "licence": "Apache-2.0",
        "command": COMMAND,
    }


def measure(module: nn.Module, rows: int = TEST) -> dict[str, Any]:
    """Accuracy on fresh pictures without a sticker, with a meaningless one, and with one pasted on every
    picture; 95 % Wilson intervals.

    to_tagged_class: share of pictures of the *other* classes that are called the tagged class once they wear
    the sticker.
    """
    plain = generate(rows, TEST_SEED, "none")
    tagged = np.random.default_rng(TEST_SEED).random(rows) < TAG_SHARE
    figures: dict[str, Any] = {"pictures": rows}
    for name, shapes in (
        ("accuracy_without_sticker", plain),
        ("accuracy_sticker_at_random", with_tag(plain, tagged)),
        ("accuracy_sticker_on_all", with_tag(plain, present=True)),
    ):
        x, y = tensors(shapes)
        predicted = predict(module, x).argmax(1)
        figures[name] = interval(int((predicted == y).sum()), rows)
        if name == "accuracy_without_sticker":
            figures["recall"] = {
                label: interval(int((predicted[y == i] == i).sum()), int((y == i).sum()))
                for i, label in enumerate(LABELS)
            }
        if name == "accuracy_sticker_on_all":
            others = y != TAGGED
            figures["to_tagged_class"] = interval(int((predicted[others] == TAGGED).sum()), int(others.sum()))
    return figures


def interval(hits: int, n: int) -> dict[str, float]:
    """A share with its 95 % Wilson score interval."""
    ends = binomtest(hits, n).proportion_ci(method="wilson")
    return {"value": round(hits / n, 4), "low": round(float(ends.low), 4), "high": round(float(ends.high), 4)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the networks on controlled pictures.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights and the cards")
    parser.add_argument("--only", choices=sorted(VARIANTS), action="append", help="train this network only")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--checkpoints", type=Path, help="folder for the weights after each epoch")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train(
        options.out, options.only or tuple(VARIANTS), epochs=options.epochs, checkpoints=options.checkpoints
    )


if __name__ == "__main__":
    main()
