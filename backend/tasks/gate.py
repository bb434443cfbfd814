"""What stands before a score: is there a cough, and is the recording like those the model learned from?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from app.core.schemas import Check, Gate
from backend.tasks.familiar import familiar_checks, span
from backend.tasks.payloads import ModelSource

if TYPE_CHECKING:
    import numpy as np

    from backend.store.blobs import Blobs
    from models import Model, Prepared
    from models.media.segment import Event

State = Literal["ok", "warning", "bad", "unknown"]
DETECTOR = "cough_check"
"""The model that tells coughs from other sounds."""
COUGH, PERHAPS = 0.5, 0.2
WITHHOLD = ("cough", "level", "channel")
"""Checks that withhold the score when they are bad; any other only casts doubt."""
MOVED = (-0.050, 0.050)
"""Seconds by which the window is moved, for figures that depend on where it is cut: they are told as a range."""
MARGIN = 300.0
"""Hz above the band of the training recordings at which sound counts as sound they could not carry: the skirt of a
filter is none."""
HEARD = -45.0
"""dB below the speech band from which sound above the training band counts. Web and messenger recordings at hand
have -31 to 1, telephone recordings brought to a higher rate less than -60."""


def gate_of(checks: Sequence[Check]) -> Gate:
    """checks: of the input and of the model on it."""
    withheld = [check.detail for check in checks if check.key in WITHHOLD and check.state == "bad"]
    doubts = [
        check.detail
        for check in checks
        if (check.key == "cough" and check.state in ("warning", "unknown"))
        or (check.key not in WITHHOLD and check.state == "bad")
    ]
    state: Literal["ready", "doubtful", "abstain"] = (
        "abstain" if withheld else "doubtful" if doubts else "ready"
    )
    return Gate(state=state, reasons=[*withheld, *doubts])


def sound_checks(
    model: Model,
    prepared: Prepared,
    sound: tuple[np.ndarray, int],
    events: Sequence[Event],
    files: Blobs,
) -> list[Check]:
    """sound: mono, and its rate. events: its coughs. For the detector itself there is nothing to ask, nor for a
    network of other sounds, whose card says so (`expects`)."""
    import models

    if model.key == DETECTOR:
        return []
    about_coughs = model.spec.card.get("expects", "coughs") == "coughs"
    unchecked = not about_coughs or DETECTOR not in models.specs()
    checks = [] if unchecked else [_cough(prepared, sound, events, files)]
    if model.spec.card.get("channel") is not None:
        checks.append(channel_check(*sound, model.spec.card))
    windows = [prepared, *moved(model, prepared, sound)]
    return [*checks, *familiar_checks(model, [window.x for window in windows])]


def moved(model: Model, prepared: Prepared, sound: tuple[np.ndarray, int]) -> list[Prepared]:
    """The window cut a little earlier and later, as the network takes it; without those that cannot be judged."""
    from app.core.errors import EvidentError

    first = prepared.window[0] if prepared.window else 0.0
    last = max(0.0, len(sound[0]) / sound[1] - 0.2)
    starts = {min(max(0.0, first + step), last) for step in MOVED} - {first}
    windows = []
    for start in sorted(starts):
        try:
            windows.append(model.input.prepare(sound, start=start))
        except EvidentError:
            continue
    return windows


def _cough(prepared: Prepared, sound: tuple[np.ndarray, int], events: Sequence[Event], files: Blobs) -> Check:
    import torch

    from app.core.errors import EvidentError
    from backend.tasks.models import model_of

    start, end = prepared.window or (0.0, len(sound[0]) / sound[1])
    bursts = sum(event.start < end and event.end > start for event in events)
    try:
        detector = model_of(ModelSource(model=DETECTOR), files)
        seen = detector.input.prepare(sound, start=start)
    except EvidentError:
        detail = "The cough detector could not judge this window."
        return Check(key="cough", label="Cough", state="unknown", detail=detail)
    column = next(i for i, label in enumerate(detector.labels) if label.lower() == "cough")
    windows = torch.cat([window.x for window in (seen, *moved(detector, seen, sound))])
    says = [float(score) for score in detector.predict(windows)[:, column]]
    return cough_check(says[0], bursts, missed(detector.spec.card), says)


def cough_check(says: float, bursts: int = 1, misses: str = "", about: Sequence[float] = ()) -> Check:
    """says: the detector's score that the window holds a cough. bursts: sounds that set in like one. misses: how
    many coughs the detector misses, in words. about: its scores when the window is moved a little. The thresholds are ours."""
    state: State
    if bursts == 0:
        state, words = "bad", "No cough was found: nothing in this window sets in like one."
    elif says >= COUGH:
        state, words = "ok", "A cough was found."
    elif says >= PERHAPS:
        state, words = "warning", "Perhaps not a cough."
    else:
        state, words = "bad", "No cough was found in this window."
    low, high = 100 * min([says, *about]), 100 * max([says, *about])
    detail = f"{words} The cough detector says {span(low, high)} %."
    if span(low, high) != span(low, low):
        detail = f"{detail[:-1]}, depending on where the window is cut (\u00b150 ms)."
    if bursts and misses and state != "ok":
        detail += f" {misses}"
    return Check(key="cough", label="Cough", state=state, detail=detail)


def missed(card: Any) -> str:
    """What the detector misses, from its own card: `It misses 18 of 100 telephone coughs ...`."""
    rows = [
        row for value in card.values() if isinstance(value, list) for row in value if isinstance(row, dict)
    ]
    parts = [
        f"{round(100 * (1 - row['value']))} of 100 {row['label']}"
        for row in rows
        if str(row.get("label", "")).endswith(" coughs") and "AUC" not in row["label"]
    ]
    return f"It misses {' and '.join(parts)}: listen." if parts else ""


def channel_check(waveform: np.ndarray, rate: int, card: Any) -> Check:
    """Does the recording carry sound that the training recordings could not? card: of the model, whose `channel` is
    {rate, words}. A recording without such sound may still come from elsewhere; that cannot be heard."""
    channel = card["channel"]
    top = channel["rate"] / 2
    if level_above(waveform, rate, top + MARGIN) < HEARD:
        return Check(
            key="channel",
            label="Channel",
            state="ok",
            detail=f"Nothing above {top / 1000:g} kHz, as in the recordings the model learned from ({channel['words']}).",
        )
    detail = f"Another channel than in training: this recording carries sound above {top / 1000:g} kHz, the model learned from {channel['words']}."
    other = next((row for row in _figures(card) if "another channel" in str(row["label"]).lower()), None)
    if other is not None:
        detail += f" On another channel its AUC was {other['value']:.2f} (0.5 is a coin toss)."
    return Check(key="channel", label="Channel", state="bad", detail=detail)


def level_above(waveform: np.ndarray, rate: int, hertz: float) -> float:
    """Mean power per Hz from `hertz` up to 1.5 times as high, in dB relative to 300 to 3400 Hz, over the frames
    within 20 dB of the loudest; -inf where the rate cannot carry it."""
    import numpy as np

    n = round(0.032 * rate)
    if rate / 2 <= 1.05 * hertz or len(waveform) < n:
        return -np.inf
    step = max(n // 2, len(waveform) // 4000)
    blocks = np.lib.stride_tricks.sliding_window_view(waveform, n)[::step]
    power = np.square(np.abs(np.fft.rfft(blocks * np.hanning(n), axis=1)))
    total = power.sum(1)
    loud = power[total >= total.max() / 100].mean(0)
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    high = loud[(frequencies > hertz) & (frequencies < min(1.5 * hertz, rate / 2))].mean()
    speech = loud[(frequencies > 300) & (frequencies < 3400)].mean()
    return float(10 * np.log10((high + 1e-20) / (speech + 1e-20)))


def _figures(card: Any) -> list[dict[str, Any]]:
    return [
        row
        for value in card.values()
        if isinstance(value, list)
        for row in value
        if isinstance(row, dict) and "value" in row and "label" in row
    ]
