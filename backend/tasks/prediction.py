"""What the model says about an input, how steady it is, and whether the input is fit to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.core.schemas import Check, ClassScore, CoughScore, PredictionResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.gate import gate_of, sound_checks
from backend.tasks.payloads import ModelOnInput, StoredInput

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs
    from backend.tasks.steadiness import Steadiness
    from models import Model, Prepared

SHOWN = 20
"""Classes listed, the likeliest first."""


@register
class Prediction(Task[ModelOnInput, PredictionResult]):
    """Blobs: `display.png` (as a person
    sees it: upright, and with the lowest frequency at the bottom), `display` (uint8 [H, W, 3] or float32 [H,
    W] on the display grid, row 0 as in the maps).
    """

    key = "prediction"
    lane = "short"
    rank = 20
    Payload = ModelOnInput

    def compute(self, payload: ModelOnInput, files: Blobs, report: Report) -> Outcome[PredictionResult]:
        import torch

        from backend.tasks.models import axis_info, model_of, prepare

        report(0, 3)
        model = model_of(payload, files)
        prepared = prepare(model, payload, files)
        report(1, 3)
        with torch.no_grad():
            logits = model.logits(prepared.x.to(model.device))[0].cpu()
            probabilities = model.probabilities(logits)
        steady, checks = judged(model, prepared, payload.input, files)
        report(2, 3)
        checks += [Check(**check) for check in payload.input.meta.get("checks", [])]
        order = torch.argsort(logits, descending=True).tolist()
        likeliest = order[:SHOWN]
        height, width = prepared.x.shape[-2:]
        result = PredictionResult(
            input=payload.input.id,
            model=model.key,
            classes=[
                ClassScore(
                    index=i,
                    label=model.labels[i],
                    logit=float(logits[i]),
                    probability=float(probabilities[i]),
                )
                for i in likeliest
            ],
            top=order[0],
            interval={i: (float(steady.low[i]), float(steady.high[i])) for i in likeliest},
            interval_means=steady.means,
            undecided=steady.undecided(order[0], model.independent),
            coughs=each_cough(steady, likeliest),
            recording={} if steady.recording is None else {i: float(steady.recording[i]) for i in likeliest},
            quality=checks,
            gate=gate_of(checks),
            grid=(height, width),
            y_axis=axis_info(prepared.y_axis),
            x_axis=axis_info(prepared.x_axis),
            window=prepared.window,
        )
        return Outcome(result, {"display": prepared.display}, {"display.png": picture(prepared)})


def judged(
    model: Model, prepared: Prepared, stored: StoredInput, files: Blobs
) -> tuple[Steadiness, list[Check]]:
    """How steady the score is, and what the model's own checks say about the input."""
    from backend.tasks import steadiness

    if stored.modality != "audio":
        return steadiness.of_picture(model, prepared), []
    from models.media.coughs import coughs

    sound = _heard(stored, files)
    events = coughs(*sound)
    checks = sound_checks(model, prepared, sound, events, files)
    return steadiness.of_recording(model, prepared, at_rate(sound, model), events), checks


def at_rate(sound: tuple[np.ndarray, int], model: Model) -> tuple[np.ndarray, int]:
    """Brought down to the rate of the model's input once, not for every copy."""
    import soxr

    wanted = getattr(model.input, "rate", None)
    waveform, rate = sound
    return sound if wanted is None or rate <= wanted else (soxr.resample(waveform, rate, wanted), wanted)


def each_cough(steady: Steadiness, classes: list[int]) -> list[CoughScore]:
    if steady.coughs is None:
        return []
    return [
        CoughScore(start=event.start, end=event.end, scores={i: float(scores[i]) for i in classes})
        for event, scores in zip(steady.events, steady.coughs, strict=True)
    ]


def _heard(stored: StoredInput, files: Blobs) -> tuple[np.ndarray, int]:
    """The recording as one channel, float32 `[n]`, and its rate."""
    from backend.tasks.models import raw_of
    from models.media.segment import mono

    samples, rate = raw_of(stored, files)
    return mono(samples)[0], rate


def picture(prepared: Prepared) -> bytes:
    """PNG of the display grid for people, rebuilt from numbers alone."""
    import io

    import numpy as np
    from PIL import Image

    shown: np.ndarray = prepared.display
    if shown.dtype != np.uint8:
        shown = np.round(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    if prepared.y_axis.origin == "lower":
        shown = shown[::-1]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(buffer, "PNG")
    return buffer.getvalue()
