"""The prediction without a part of the input, beside random parts of the same shape: answered while the user waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from app.core.schemas import Alteration, WhatIfResult
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelOnInput

if TYPE_CHECKING:
    from torch import Tensor

    from backend.store.blobs import Blobs
    from models import Model, Prepared

CAVEAT = "An altered input is unlike anything the model was trained on: read the change beside the random regions, not by itself."
HEARD = (
    "Masked sound is unlike anything the model was trained on, and what is left is made as loud as the whole: "
    "read the change beside the random regions, not by itself."
)
"""The same of a sound."""
DOING = {
    "erase": "Erasing this region",
    "keep": "Keeping only this region",
    "replace": "Replacing this region",
}


class WhatIfPayload(ModelOnInput):
    """target: None takes the predicted class. heard: the sound itself is masked. request: as it was made, for the
    routes."""

    alteration: dict[str, Any]
    target: int | None = None
    heard: bool = False
    request: dict[str, Any] = Field({})


@register
class WhatIf(Task[WhatIfPayload, WhatIfResult]):
    """One batch: the input as it is, altered, and altered in random regions."""

    key = "whatif"
    lane = "short"
    rank = 15
    Payload = WhatIfPayload

    def compute(self, payload: WhatIfPayload, files: Blobs, report: Report) -> Outcome[WhatIfResult]:
        import time

        from backend.attribution.whatif import fillers, what_if
        from backend.tasks.masked_sound import heard_what_if
        from backend.tasks.models import model_of, prepare, raw_of, versions
        from models.regions import checked_cells

        report(0, 1)
        model = model_of(payload, files)
        started = time.perf_counter()
        prepared = prepare(model, payload, files)
        wish = Alteration.model_validate(payload.alteration)
        inside = checked_cells(wish, prepared.y_axis, prepared.x_axis)
        columns = filled_columns(prepared)
        if payload.heard:
            made = heard_what_if(
                model, prepared, raw_of(payload.input, files), wish, inside, payload.target, columns
            )
        else:
            made = what_if(
                model, prepared.x, inside, wish.mode, wish.filler, payload.target, wish.seed, columns
            )
        before, after, *randoms = (float(p) for p in made.probabilities[:, made.target])
        tops = made.probabilities[:2].argmax(1)
        result = WhatIfResult(
            model=model.key,
            weights_sha256=model.digest,
            target=made.target,
            target_label=model.labels[made.target],
            mode=wish.mode,
            filler=None if payload.heard else wish.filler or fillers(model)[0],
            before=before,
            after=after,
            odds_before=float(made.odds[0]),
            odds_after=float(made.odds[1]),
            top_before=model.labels[tops[0]],
            top_after=model.labels[tops[1]],
            randoms=randoms,
            odds_randoms=[float(odds) for odds in made.odds[2:]],
            stronger_than=made.stronger_than,
            share=float(inside.mean()),
            wrapped=made.wrapped,
            words=sentence(
                wish.mode, (before, after), (made.odds[0], made.odds[1]), made.stronger_than, len(randoms)
            ),
            caveat=HEARD if payload.heard else CAVEAT,
            heard=payload.heard,
            sound=sound_path(payload.input.id, wish, prepared.window) if payload.heard else None,
            seconds=time.perf_counter() - started,
            versions=versions(),
        )
        return Outcome(result)


def sentence(
    mode: str, change: tuple[float, float], odds: tuple[float, float], count: int, total: int
) -> str:
    """The outcome in words, with the log odds where the probability is so near 0 or 1 that it hides the change."""
    before, after = change
    hidden = min(before, 1 - before) < 0.01 and abs(after - before) < 0.05
    told = f" (log odds {odds[0]:.1f} \u2192 {odds[1]:.1f})" if hidden else ""
    than = "higher than with" if mode == "keep" else "stronger than"
    compared = f", {than} {count} of {total} random regions" if total else "; no other place has room for it"
    return f"{DOING[mode]}: {before:.2f} \u2192 {after:.2f}{told}{compared}."


def sound_path(input: str, wish: Alteration, window: tuple[float, float] | None) -> str | None:
    """Where the window of the masked sound can be heard."""
    if window is None:
        return None
    boxes = ";".join(",".join(f"{number:g}" for number in box) for box in wish.boxes)
    part = "only" if wish.mode == "keep" else "rest"
    return f"/inputs/{input}/audio.wav?region={boxes}&part={part}&start={window[0]:.3f}&end={window[1]:.3f}"


def filled_columns(prepared: Prepared) -> int | None:
    """Columns of the display grid that the recording fills; None for what has no length."""
    if prepared.window is None:
        return None
    return int((prepared.x_axis.values < prepared.window[1]).sum())


def altered_input(model: Model, prepared: Prepared, alteration: dict[str, Any]) -> tuple[Tensor, str]:
    """What an explanation of the altered input looks at, `[1, C, H, W]`, and a note for its record."""
    from backend.attribution.whatif import altered, fillers
    from models.regions import checked_cells

    wish = Alteration.model_validate(alteration)
    inside = checked_cells(wish, prepared.y_axis, prepared.x_axis)
    filler = wish.filler or fillers(model)[0]
    what = "all but a region" if wish.mode == "keep" else "a region"
    note = f"Of the input with {what} ({inside.mean():.0%} of the grid) {'filled with' if filler != 'blur' else 'filled by'} {filler}."
    return altered(model, prepared.x.to(model.device), inside, wish.mode, wish.filler, wish.seed), note
