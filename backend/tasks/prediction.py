"""What the model says about an input, how steady it is, and whether the input is fit to be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from app.core.schemas import Check, ClassScore, PredictionResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelOnInput, ModelSource, StoredInput

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from backend.store.blobs import Blobs
    from models import Model, Prepared

SHOWN = 20
"""Classes listed, the likeliest first."""
SECONDS = (-0.05, -0.025, 0.025, 0.05)
"""Moves of the window of a recording."""
DETECTOR = "cough_check"
"""The model that tells coughs from other sounds."""
COUGH, PERHAPS = 0.5, 0.2
CELLS = 0.02
"""Moves of a picture, as a share of its longer side on the display grid."""


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
        (lowest, highest), means = spread(model, prepared, payload.input, files)
        report(2, 3)
        checks = [Check(**check) for check in payload.input.meta.get("checks", [])]
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
            interval={i: (float(lowest[i]), float(highest[i])) for i in likeliest},
            interval_means=means,
            quality=[*gate(prepared, payload.input, files), *checks],
            grid=(height, width),
            y_axis=axis_info(prepared.y_axis),
            x_axis=axis_info(prepared.x_axis),
            window=prepared.window,
        )
        return Outcome(result, {"display": prepared.display}, {"display.png": picture(prepared)})


def spread(
    model: Model, prepared: Prepared, stored: StoredInput, files: Blobs
) -> tuple[tuple[Tensor, Tensor], str]:
    """Lowest and highest probability per class, `[labels]` each, over small moves of the input, and what
    was moved, in words."""
    import torch

    moved = _moved_windows(model, prepared, stored, files) if prepared.window is not None else []
    if moved:
        means = (
            f"lowest and highest probability when the window is moved by up to {1000 * max(SECONDS):.0f} ms"
        )
    else:
        moved, cells = _moved_pictures(prepared)
        means = f"lowest and highest probability when the input is moved by up to {cells} of its {max(prepared.x.shape[-2:])} cells"
    with torch.no_grad():
        batch = torch.cat([prepared.x, *moved]).to(model.device)
        probabilities = model.predict(batch).cpu()
    return (probabilities.min(dim=0).values, probabilities.max(dim=0).values), means


def gate(prepared: Prepared, stored: StoredInput, files: Blobs) -> list[Check]:
    """Fit for use: is there a cough in the window at all? One check; none where no detector
    or no sound is."""
    import models
    from app.core.errors import EvidentError
    from backend.tasks.models import model_of, raw_of

    if stored.modality != "audio" or DETECTOR not in models.specs():
        return []
    try:
        detector = model_of(ModelSource(model=DETECTOR), files)
        start = None if prepared.window is None else prepared.window[0]
        x = detector.input.prepare(raw_of(stored, files), start=start).x
    except EvidentError:
        return [
            Check(
                key="cough",
                label="Cough",
                state="unknown",
                detail="The cough detector could not judge this window.",
            )
        ]
    column = next(i for i, label in enumerate(detector.labels) if label.lower() == "cough")
    return [cough_check(float(detector.predict(x)[0, column]))]


def cough_check(probability: float) -> Check:
    """probability: of the detector that the window holds a cough. The thresholds are ours."""
    state: Literal["ok", "warning", "bad"]
    if probability >= COUGH:
        state, words = "ok", "A cough was found."
    elif probability >= PERHAPS:
        state, words = "warning", "Perhaps not a cough."
    else:
        state, words = "bad", "No cough was found in this window."
    detail = f"{words} The cough detector says {100 * probability:.0f} %."
    return Check(key="cough", label="Cough", state=state, detail=detail)


def _moved_windows(model: Model, prepared: Prepared, stored: StoredInput, files: Blobs) -> list[Tensor]:
    """The window a little earlier and later, where the recording goes on."""
    from app.core.errors import InvalidInput
    from backend.tasks.models import raw_of

    if prepared.window is None:
        return []
    raw = raw_of(stored, files)
    start, end = prepared.window
    seconds = len(raw[0]) / raw[1] if isinstance(raw, tuple) else end
    moved = []
    for shift in SECONDS:
        if start + shift >= 0 and end + shift <= seconds + 1e-6:
            try:
                moved.append(model.input.prepare(raw, start=start + shift).x)
            except InvalidInput:  # silence beside the event: no window there to judge
                continue
    return moved


def _moved_pictures(prepared: Prepared) -> tuple[list[Tensor], int]:
    """Moved by a few cells up, down, left and right (spectrograms: in time only, since pitch is evidence);
    edges are repeated."""
    from torch.nn import functional

    cells = max(1, round(CELLS * max(prepared.x.shape[-2:])))
    height, width = prepared.x.shape[-2:]
    padded = functional.pad(prepared.x, (cells, cells, cells, cells), mode="replicate")
    places = [(cells, 0), (cells, 2 * cells)]
    if prepared.y_axis.name != "frequency":
        places += [(0, cells), (2 * cells, cells)]
    return [padded[..., row : row + height, column : column + width] for row, column in places], cells


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
