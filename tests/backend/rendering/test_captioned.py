"""The figure that leaves the page: its ticks stand where their values lie, its colours where the bar says, its words inside."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.core.schemas import AxisInfo, Record
from backend.rendering import captioned
from backend.rendering.colours import ramp
from models.inputs.sound import SoundInput
from tests.frontend import recorded

MEL = AxisInfo(
    name="frequency",
    unit="Hz",
    origin="lower",
    values=SoundInput().prepare((np.tile(np.int16([900, -900]), 8000), 8000)).y_axis.values.tolist(),
)
PIXELS = AxisInfo(name="x", unit="px", origin="upper", values=[96.5 + 1.16 * i for i in range(224)])
SECONDS = AxisInfo(name="time", unit="s", origin="upper", values=[0.31 + i / 64 for i in range(128)])


@pytest.mark.parametrize("axis", [MEL, PIXELS, SECONDS])
def test_ticks_stand_where_their_values_lie(axis: AxisInfo) -> None:
    """Against numpy's interpolation between cell centres."""
    centres = (np.arange(len(axis.values)) + 0.5) / len(axis.values)
    for length in (120, 448):
        ticks = captioned.ticks(axis, length)
        assert len(ticks) >= 2
        values = [float(label.split(" ")[0].replace(",", "")) for _, label in ticks]
        inside = [i for i, value in enumerate(values) if axis.values[0] <= value <= axis.values[-1]]
        np.testing.assert_allclose(
            [ticks[i][0] for i in inside],
            np.interp([values[i] for i in inside], axis.values, centres),
            atol=1e-9,
        )
        assert all(-1e-9 <= share <= 1 + 1e-9 for share, _ in ticks)
        assert [label.endswith(axis.unit) for _, label in ticks] == [False] * (len(ticks) - 1) + [True]
        assert (np.diff([share for share, _ in ticks]) * length >= 20).all()


@pytest.mark.parametrize("axis", [MEL, PIXELS, SECONDS])
def test_a_place_and_its_share_are_inverse(axis: AxisInfo) -> None:
    for share in np.linspace(0, 1, 17):
        assert captioned.share_of(axis, captioned.place(axis, share)) == pytest.approx(share, abs=1e-9)


def drawn(**more: Any) -> np.ndarray:
    record = Record(**{**recorded.records()["lrp"], "y_axis": MEL, "x_axis": SECONDS, **more})
    pixels = np.full((64 * 3, 128 * 3, 3), 90, np.uint8)
    caption = captioned.Caption(record, 0.5, clipped=True, look="as on the page")
    return np.asarray(Image.open(io.BytesIO(captioned.figure(pixels, caption))).convert("RGB"))


@pytest.mark.parametrize(("signed", "table"), [(True, "coolwarm"), (False, "cividis")])
def test_the_plot_is_the_map_and_the_bar_its_colours(signed: bool, table: Any) -> None:
    figure = drawn(signed=signed)
    assert (figure[captioned.TOP :, captioned.LEFT :][: 64 * 3, : 128 * 3] == 90).all()
    bar = figure[captioned.TOP + 64 * 3 + 34 + 1, captioned.LEFT :][: captioned.NARROWEST]
    ends = np.rint(ramp(table, np.array([0.0, 1.0])))
    np.testing.assert_array_equal(bar[[0, -1]], ends)
    np.testing.assert_array_equal(drawn(signed=signed), figure, "the same map, the same bytes")


def test_words_keep_inside_the_figure() -> None:
    figure = drawn(target_label="a class whose name goes on and on, as some do " * 4)
    assert (figure[:, -8:] == 255).all()
    assert captioned.fitted("short", 12, 400) == "short"
    long = captioned.fitted("long " * 100, 12, 200)
    assert long.endswith("…")
    assert captioned.font(12).getlength(long) <= 200
