"""The shortcut meter on the held-out telephone recordings: what it flags, and how far its figures move with the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

import models
from backend.attribution.explain import explain
from backend.attribution.measuring.shortcuts import Share, regions_of, shares
from backend.studies.gate import HELD_OUT, MODEL, Said, sent
from backend.tasks.gate import moved
from models.media.segment import mono

METHODS = ("grad_cam", "lrp")
JUMP = 0.10
"""Of the support: a share that moves by more with 50 ms jumps."""


@dataclass(frozen=True)
class Line:
    """A region over recordings. shares: of the window that is shown; ranges: largest less smallest over the three windows."""

    method: str
    title: str
    shares: np.ndarray
    ranges: np.ndarray
    flagged: int


def meter(data: Path, said: Said = lambda done, total: None) -> list[Line]:
    """Maps of the predicted class, three windows a recording."""
    model = models.load(MODEL)
    paths = [path for title, path in sent(data, model) if title == HELD_OUT]
    seen: dict[tuple[str, str], list[tuple[Share, float]]] = {}
    for done, path in enumerate(paths):
        said(done, len(paths))
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        sound = mono(samples)[0], rate
        prepared = model.input.prepare(sound)
        windows = [prepared, *moved(model, prepared, sound)]
        target = int(model.logits(prepared.x).argmax())
        for method in METHODS:
            each = [
                {part.key: part for part in shares(values, regions_of(window, sound))}
                for window in windows
                for values in [explain(model, window.x, method, target=target).values]
            ]
            for key, share in each[0].items():
                every = [part[key].share for part in each if key in part]
                seen.setdefault((method, key), []).append((share, max(every) - min(every)))
    return [
        Line(
            method,
            held[0][0].title,
            np.array([share.share for share, _ in held]),
            np.array([width for _, width in held]),
            sum(share.flagged for share, _ in held),
        )
        for (method, _), held in seen.items()
    ]


def markdown(lines: Sequence[Line]) -> list[str]:
    """The second table of docs/coughs.md."""
    table = [
        f"| map | region | recordings | flagged | median share | moves by more than {JUMP:.2f} |",
        "|---|---|---|---|---|---|",
    ]
    for line in sorted(lines, key=lambda line: (line.method, -line.flagged)):
        jumps = int((line.ranges > JUMP).sum())
        table.append(
            f"| {line.method} | {line.title} | {len(line.shares)} | {line.flagged} | {np.median(line.shares):.2f} | {jumps} |"
        )
    return table
