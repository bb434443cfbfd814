"""The scale of a spectrogram's numbers: decibels, power, amplitude or a share of full scale. A `.npy` file
does not state it.

Told by the numbers alone where they leave no doubt. r = largest / median of the positive numbers; on 46
recordings (telephone coughs and bundled sounds, spectra and mel bands) r of amplitudes lay between 13 and
4,200, of powers between 170 and 18 million, of levels below 6; on 93 others with pauses (speech, breathing,
music, coughs), 65 to 130,000 and 4,200 to 18 thousand million.

    some negative                    db
    r < 10, none above 1             unit
    r < 10, over at most 200         db (counted up from the floor)
    r < 10, over more                refused until somebody says (grey levels?)
    r >= 1,000,000                   power
    otherwise                        amplitude or power: refused until somebody says which
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from app.core.errors import BadParameter, InvalidInput

Scale = Literal["db", "power", "amplitude", "unit"]
SCALES: tuple[Scale, ...] = get_args(Scale)
EVEN, STEEP = 10.0, 1e6
"""r below which numbers are levels already, and from which they are powers."""
MOST_DB = 200.0
QUIETEST = 1e-12
"""Of the largest power: -120 dB."""
READ, BARE = "Networks of sound read its numbers as", "; networks of arrays take them as they are."
NOTES: dict[Scale, str] = {
    "db": f"{READ} decibels below the loudest cell{BARE}",
    "power": f"{READ} power and turn them into decibels below the loudest cell{BARE}",
    "amplitude": f"{READ} amplitude and turn them into decibels below the loudest cell{BARE}",
    "unit": f"{READ} levels from 0 (silence) to 1 (full scale){BARE}",
}
"""Said where the file is taken in, before a network is chosen: what is done with the numbers is the network's business."""


def scale_of(values: np.ndarray, stated: Scale | None = None) -> Scale:
    """values: finite, not all the same, `[F, T]`. stated: what somebody says, checked against what is
    possible.

    Raises InvalidInput (`ambiguous_scale`, `wrong_scale`), BadParameter for an unknown name.
    """
    low, high = float(values.min()), float(values.max())
    if stated is not None:
        if stated not in SCALES:
            raise BadParameter(f"scale must be one of {', '.join(SCALES)}.", field="scale")
        if (stated != "db" and low < 0) or (stated == "unit" and high > 1):
            raise InvalidInput(
                f"The numbers of the spectrogram cannot be {stated}: they reach from {low:.3g} to {high:.3g}.",
                code="wrong_scale",
                field="scale",
            )
        return stated
    if low < 0:
        return "db"
    ratio = high / float(np.median(values[values > 0]))
    if ratio < EVEN and high - low <= MOST_DB:
        return "unit" if high <= 1 else "db"
    if ratio >= STEEP:
        return "power"
    doubt = (
        f"they reach from {low:.3g} to {high:.3g}" if ratio < EVEN else "amplitude and power look alike here"
    )
    raise InvalidInput(
        f"What the numbers of the spectrogram are cannot be told ({doubt}): save it in decibels, or name its scale: power, amplitude or db.",
        code="ambiguous_scale",
        field="scale",
    )


def decibels(values: np.ndarray, scale: Scale) -> np.ndarray:
    """float32 decibels below the loudest cell, at most 0. scale: any but `unit`."""
    if scale == "db":
        return (values - values.max()).astype(np.float32)
    relative = np.maximum(
        values.astype(np.float64) / float(values.max()), QUIETEST if scale == "power" else QUIETEST**0.5
    )
    return ((10.0 if scale == "power" else 20.0) * np.log10(relative)).astype(np.float32)
