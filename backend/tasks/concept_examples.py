"""The example strip of a concept: small pictures to look at, sounds to listen to. Built-in ones are
generated, users' are rebuilt."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs

SHOWN = 16
SIDE = 96


@register
class ConceptExamples(Task):
    """payload: {ref}. result: {count, sound}. Blobs: `N.png` for each of the first 16, and `N.wav` for
    sounds."""

    key = "concept_examples"
    lane = "short"
    rank = 15

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        from backend.attribution.concepts.library import Library

        raw = Library(files).raw_examples(payload["ref"], SHOWN)
        sound = bool(raw) and isinstance(raw[0], tuple)
        found: dict[str, bytes] = {}
        for number, one in enumerate(raw):
            report(number, len(raw))
            if sound:
                waveform, rate = one
                found[f"{number}.wav"] = _wav(waveform, rate)
                found[f"{number}.png"] = _spectrogram(waveform, rate)
            else:
                found[f"{number}.png"] = _thumbnail(one)
        return Outcome({"count": len(raw), "sound": sound}, files=found)


def _wav(waveform: np.ndarray, rate: int) -> bytes:
    from models.media.wav import write_wav

    return write_wav(waveform, rate)


def _thumbnail(array: np.ndarray) -> bytes:
    import numpy as np
    from PIL import Image

    if array.ndim == 2:
        low, high = float(array.min()), float(array.max())
        array = ((array[::-1] - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(array)).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return _png(
        picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    )


def _spectrogram(waveform: np.ndarray, rate: int) -> bytes:
    import numpy as np
    from PIL import Image

    from models.inputs.sound import SoundInput

    grid = np.asarray(SoundInput().prepare((waveform, rate)).display, dtype=np.float32)
    shades = (np.clip(grid[::-1], 0, 1) * 255).astype(np.uint8)
    return _png(Image.fromarray(shades).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
