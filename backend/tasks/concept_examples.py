"""The example strip of a concept: small pictures to look at, sounds to listen to. Built-in ones are
generated, users' are rebuilt."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import Payload

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs

SHOWN = 16
SIDE = 96


class ConceptExamplesPayload(Payload):
    """ref: the key of a built-in concept, or the digest of its examples."""

    ref: str


class ConceptExamplesResult(BaseModel):
    """How many examples are drawn, and whether they can be listened to."""

    count: int
    sound: bool


@register
class ConceptExamples(Task[ConceptExamplesPayload, ConceptExamplesResult]):
    """Blobs: `N.png` for each of the first 16, and `N.wav` for sounds."""

    key = "concept_examples"
    lane = "short"
    rank = 15
    Payload = ConceptExamplesPayload

    def compute(
        self, payload: ConceptExamplesPayload, files: Blobs, report: Report
    ) -> Outcome[ConceptExamplesResult]:
        from backend.attribution.concepts.library import Library

        examples = Library(files).raw_examples(payload.ref, SHOWN)
        sound = bool(examples) and isinstance(examples[0], tuple)
        strip: dict[str, bytes] = {}
        for number, example in enumerate(examples):
            report(number, len(examples))
            if sound:
                waveform, rate = example
                strip[f"{number}.wav"] = _wav(waveform, rate)
                strip[f"{number}.png"] = _spectrogram(waveform, rate)
            else:
                strip[f"{number}.png"] = _thumbnail(example)
        return Outcome(ConceptExamplesResult(count=len(examples), sound=sound), files=strip)


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
