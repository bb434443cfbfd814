"""How steady a score is: an interval over small changes of the input and over the coughs of a recording.

Over changed copies of the shown input: the lowest and highest of n = 19 seeded ones, between which a further
copy lies in (n - 1)/(n + 1) = 90 % of cases, whatever their distribution. Where the model's label holds for
each cough (`unit` of its card) and there are two or more, also over the coughs, each heard alone, on the
log-odds of the calibrated score: from n coughs with mean m and standard deviation s, nine of ten further ones
lie in

    m +- t(n-1, 95 %) s sqrt(1 + 1/n)

if they are normal there. The wider end of the two counts on each side. Two coughs say little about a third:
t(1) is 6.3, and the interval says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

    from models import Model, Prepared
    from models.media.segment import Event

COPIES = 19
"""Changed copies of the shown input."""
SHARE = 0.90
"""Of further scores that lie inside."""
SHIFT, GAIN, NOISE = 0.050, 6.0, -40.0
"""Of a recording: seconds by which its window moves at most, dB by which its loudness changes at most, dB below its
own power of the white noise laid over it."""
CELLS, LIGHT = 0.02, 0.10
"""Of a picture: moves as a share of its longer side, and of its brightness."""
MOST = 12
"""Coughs scored one by one, the loudest."""
AROUND = 0.1
"""Seconds kept before and after a cough that is heard alone, up to its neighbours."""
EDGE = 1e-6
"""Scores are kept this far from 0 and 1."""
BATCH = 16


@dataclass(frozen=True)
class Steadiness:
    """low, high: `[labels]`. means: what the interval is over. coughs: `[coughs, labels]`, alone, of `events`.
    recording: `[labels]`, their mean; None below two coughs."""

    low: np.ndarray
    high: np.ndarray
    means: str
    events: Sequence[Event] = ()
    coughs: np.ndarray | None = None
    recording: np.ndarray | None = None

    def undecided(self, top: int, independent: bool) -> bool:
        """Whether the interval of class `top` reaches another's; the middle, where classes are independent."""
        others = np.delete(self.high, top)
        limit = 0.5 if independent or len(others) == 0 else float(others.max())
        return bool(self.low[top] <= limit)


def of_picture(model: Model, prepared: Prepared, seed: int = 0) -> Steadiness:
    """Over moves and brightness; a spectrogram moves in time only, since pitch is evidence."""
    copies, cells = picture_copies(model, prepared, COPIES, seed)
    scores = _scores(model, [prepared.x, *copies])
    means = (
        f"nine of ten scores lie inside when the input is moved by up to {cells} of its {max(prepared.x.shape[-2:])} cells and made up to "
        f"{100 * LIGHT:.0f} % brighter or darker ({COPIES} copies)"
    )
    return Steadiness(scores.min(0), scores.max(0), means)


def of_recording(
    model: Model, prepared: Prepared, sound: tuple[np.ndarray, int], events: Sequence[Event], seed: int = 0
) -> Steadiness:
    """sound: mono, and its rate. events: its coughs."""
    start = prepared.window[0] if prepared.window else 0.0
    copies = recording_copies(model, sound, start, COPIES, seed)
    scores = _scores(model, [prepared.x, *copies])
    low, high = scores.min(0), scores.max(0)
    means = (
        f"nine of ten scores lie inside when the window moves by up to {1000 * SHIFT:.0f} ms, the loudness by {GAIN:.0f} dB and noise "
        f"{-NOISE:.0f} dB below it is added ({len(copies)} copies)"
    )
    if model.spec.card.get("unit") != "cough":
        return Steadiness(low, high, means)
    events = sorted(sorted(events, key=lambda event: -event.level_db)[:MOST], key=lambda event: event.start)
    alone = [(event, x) for event in events if (x := cough_alone(model, sound, event, events)) is not None]
    if not alone:
        return Steadiness(low, high, means)
    heard = [event for event, _ in alone]
    each = _scores(model, [x for _, x in alone])
    if len(alone) == 1:
        return Steadiness(low, high, f"{means}; one cough cannot tell about another", heard, each)
    lowest, highest = prediction_interval(each)
    return Steadiness(
        np.minimum(low, lowest),
        np.maximum(high, highest),
        f"nine of ten further coughs like these {len(alone)} lie inside, each heard alone; and {means}",
        heard,
        each,
        _from_odds(_odds(each).mean(0)),
    )


def prediction_interval(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """scores: `[n, labels]` in 0..1, n of 2 or more -> low, high `[labels]`, where SHARE of further ones lie."""
    from scipy.special import stdtrit

    odds, n = _odds(scores), len(scores)
    reach = stdtrit(n - 1, (1 + SHARE) / 2) * odds.std(0, ddof=1) * np.sqrt(1 + 1 / n)
    return _from_odds(odds.mean(0) - reach), _from_odds(odds.mean(0) + reach)


def recording_copies(
    model: Model, sound: tuple[np.ndarray, int], start: float, count: int, seed: int
) -> list[Tensor]:
    """`count` changed copies of the window that begins at `start`; fewer where a part is silent."""
    waveform, rate = sound
    rng = np.random.default_rng(seed)
    noise_level = np.sqrt(np.mean(np.square(waveform, dtype=np.float64))) * 10 ** (NOISE / 20)
    last = max(0.0, len(waveform) / rate - 0.2)
    copies = []
    for _ in range(count):
        moved = float(np.clip(start + rng.uniform(-SHIFT, SHIFT), 0, last))
        gain = 10 ** (rng.uniform(-GAIN, GAIN) / 20)
        noise = noise_level * rng.standard_normal(len(waveform), dtype=np.float32)
        try:
            copies.append(
                model.input.prepare(((gain * (waveform + noise)).astype(np.float32), rate), start=moved).x
            )
        except InvalidInput:
            continue
    return copies


def cough_alone(
    model: Model, sound: tuple[np.ndarray, int], event: Event, events: Sequence[Event]
) -> Tensor | None:
    """The cough without its neighbours, in silence; None for one too short or faint to be judged."""
    waveform, rate = sound
    before = max((other.end for other in events if other.end <= event.start + 0.02), default=0.0)
    after = min((other.start for other in events if other.start >= event.end - 0.02), default=np.inf)
    first = min(max(event.start - AROUND, before), event.start)
    part = waveform[round(first * rate) : round(max(event.end, min(event.end + AROUND, after)) * rate)]
    part = np.pad(part, (0, max(0, round(0.2 * rate) + 1 - len(part))))
    try:
        return model.input.prepare((part, rate), start=0.0).x
    except InvalidInput:
        return None


def picture_copies(model: Model, prepared: Prepared, count: int, seed: int) -> tuple[list[Tensor], int]:
    """`count` changed copies, edges repeated, and by how many cells they are moved at most."""
    from torch.nn import functional

    rng = np.random.default_rng(seed)
    cells = max(1, round(CELLS * max(prepared.x.shape[-2:])))
    height, width = prepared.x.shape[-2:]
    padded = functional.pad(prepared.x, (cells, cells, cells, cells), mode="replicate")
    copies = []
    for _ in range(count):
        column = int(rng.integers(0, 2 * cells + 1))
        row = int(rng.integers(0, 2 * cells + 1)) if prepared.y_axis.name != "frequency" else cells
        part = padded[..., row : row + height, column : column + width]
        copies.append(_lit(model.input, part, 1 + rng.uniform(-LIGHT, LIGHT)))
    return copies, cells


def _lit(spec: Any, x: Tensor, factor: float) -> Tensor:
    """Brighter or darker, where the input says what bright is."""
    if not hasattr(spec, "denormalise"):
        return x
    lit: Tensor = spec.normalise((spec.denormalise(x) * factor).clamp(0, 1))
    return lit


def _scores(model: Model, x: Sequence[Tensor]) -> np.ndarray:
    """Calibrated scores, float64 `[N, labels]`, in batches of one size at most, so that memory is bounded."""
    import torch

    parts = [
        model.predict(torch.cat(list(x[i : i + BATCH])).to(model.device)) for i in range(0, len(x), BATCH)
    ]
    return torch.cat(parts).double().cpu().numpy()


def _odds(scores: np.ndarray) -> np.ndarray:
    inside = np.clip(scores, EDGE, 1 - EDGE)
    return np.log(inside / (1 - inside))


def _from_odds(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-odds))
