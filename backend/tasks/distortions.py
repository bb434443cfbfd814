"""Everyday changes of an input that should not change what it shows: louder, noisier, over the telephone, moved, cropped.

Each gives the changed raw input, and where a place of the original lies in it: `x' = scale x + offset` on both axes
(seconds and Hz, or pixels), so that two maps can be compared place by place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.errors import InvalidInput

if TYPE_CHECKING:
    from models import Prepared
    from models.media.arrays import Spectrogram
    from models.spec import Axis

GAIN, SNR = 6.0, 20.0
"""dB: louder and quieter; of the input above the white noise laid over it."""
SHIFT = 0.050
"""Seconds."""
CROP, MOVE, ZOOM, LIGHT = 0.10, 0.05, 0.90, 0.20
"""Shares: cut off at each end (a picture loses half of that at each edge), moved, the size left, brightness."""
LINE = (8000, 300.0, 3400.0)
"""A telephone line: rate, and the band it passes, in Hz."""
CODEC_RATE, CODEC_BITS = 16000, 12000
"""Opus as messengers use it at its lowest: Hz, bits per second."""
LATEST = 0.1
"""Seconds by which a codec may delay the sound; the delay is taken out."""
JPEG = 20
"""Quality of 100."""
SEED = 0
"""Of the noise: everyone's strip is the same."""
Sound = tuple[np.ndarray, int]


@dataclass(frozen=True)
class Affine:
    scale: float = 1.0
    offset: float = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self.scale * values + self.offset


SAME = Affine()


@dataclass(frozen=True, eq=False)
class Altered:
    """raw: for `InputSpec.prepare`, with the window's `start`. x, y: where places of the original lie in it."""

    raw: Any
    start: float | None = None
    x: Affine = SAME
    y: Affine = SAME


@dataclass(frozen=True)
class Distortion:
    """name: as it stands in a sentence ("the noise"). make: from the raw input and its window, seconds; raises
    InvalidInput where it cannot be done, saying why."""

    key: str
    title: str
    name: str
    make: Callable[[Any, tuple[float, float]], Altered]


def identity(raw: Any, window: tuple[float, float]) -> Altered:
    return Altered(raw, window[0])


def _gain(decibels: float) -> Callable[[Sound, tuple[float, float]], Altered]:
    def make(sound: Sound, window: tuple[float, float]) -> Altered:
        return Altered(((sound[0] * 10 ** (decibels / 20)).astype(np.float32), sound[1]), window[0])

    return make


def _noise(sound: Sound, window: tuple[float, float]) -> Altered:
    """White, SNR dB below the mean power of the window."""
    waveform, rate = sound
    part = waveform[round(window[0] * rate) : round(window[1] * rate)].astype(np.float64)
    level = np.sqrt(np.mean(np.square(part - part.mean()))) * 10 ** (-SNR / 20)
    noise = np.random.default_rng(SEED).standard_normal(len(waveform), np.float32)
    return Altered(((waveform + level * noise).astype(np.float32), rate), window[0])


def _telephone(sound: Sound, window: tuple[float, float]) -> Altered:
    """Down to the line's rate, and its band: the zero-phase gain of Butterworth filters of fourth order at both ends."""
    import soxr

    rate, low, high = LINE
    waveform = np.asarray(soxr.resample(sound[0], sound[1], rate), np.float64)
    frequencies = np.maximum(np.fft.rfftfreq(len(waveform), 1 / rate), 1e-3)
    gain = 1 / np.sqrt((1 + (low / frequencies) ** 8) * (1 + (frequencies / high) ** 8))
    line = np.fft.irfft(np.fft.rfft(waveform) * gain, len(waveform))
    return Altered((line.astype(np.float32), rate), window[0])


def _codec(sound: Sound, window: tuple[float, float]) -> Altered:
    """Through Opus and back, its delay taken out."""
    import soxr

    waveform, rate = sound
    sent = np.asarray(soxr.resample(waveform, rate, CODEC_RATE), np.float32)
    heard = through_opus(sent)
    late = _delay(sent, heard)
    heard = np.pad(heard[max(0, late) :], (max(0, -late), 0))[: len(sent)]
    return Altered((np.pad(heard, (0, len(sent) - len(heard))), CODEC_RATE), window[0])


def through_opus(sent: np.ndarray) -> np.ndarray:
    """float32 `[n]` at CODEC_RATE, encoded and decoded. Raises InvalidInput where there is no encoder."""
    import io

    import av
    import soxr

    try:
        av.codec.Codec("libopus", "w")
    except av.codec.codec.UnknownCodecError:
        raise InvalidInput("The codec (Opus) is not on this machine.") from None
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=CODEC_RATE)
        stream.bit_rate, stream.layout = CODEC_BITS, "mono"
        whole = np.round(np.clip(sent, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate = CODEC_RATE
        for part in (frame, None):
            container.mux(stream.encode(part))
    file.seek(0)
    with av.open(file, "r") as container:
        rate = container.streams.audio[0].rate
        parts = [_levels(frame) for frame in container.decode(audio=0)]
    return np.asarray(soxr.resample(np.concatenate(parts), rate, CODEC_RATE), np.float32)


def _levels(frame: Any) -> np.ndarray:
    samples: np.ndarray = frame.to_ndarray().reshape(-1)
    return samples.astype(np.float32) / (32768.0 if samples.dtype.kind == "i" else 1.0)


def _delay(sent: np.ndarray, heard: np.ndarray) -> int:
    """Samples by which `heard` comes later, from their cross-correlation, within LATEST."""
    size = 2 ** int(np.ceil(np.log2(len(sent) + len(heard))))
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sent, size)), size)
    most = round(LATEST * CODEC_RATE)
    lags = np.arange(-most, most + 1)
    return int(lags[product[lags].argmax()])


def _shift(sound: Sound, window: tuple[float, float]) -> Altered:
    """The window a little later, as another cut would place it."""
    return Altered(sound, window[0] + SHIFT)


def _crop(sound: Sound, window: tuple[float, float]) -> Altered:
    """The middle of the window alone; silence stands for the rest."""
    waveform, rate = sound
    cut = CROP * (window[1] - window[0])
    begin, end = round((window[0] + cut) * rate), round((window[1] - cut) * rate)
    return Altered((waveform[begin:end], rate), 0.0, Affine(1, -begin / rate))


def _speed(factor: float) -> Callable[[Sound, tuple[float, float]], Altered]:
    """As a tape: faster is higher too."""

    def make(sound: Sound, window: tuple[float, float]) -> Altered:
        import soxr

        waveform, rate = sound
        faster = np.asarray(soxr.resample(waveform, factor, 1.0), np.float32)
        return Altered((faster, rate), window[0] / factor, Affine(1 / factor), Affine(factor))

    return make


SOUND = (
    Distortion("gain_minus_6", "6 dB quieter", "6 dB less", _gain(-GAIN)),
    Distortion("gain_plus_6", "6 dB louder", "6 dB more", _gain(GAIN)),
    Distortion("noise_20db", "White noise, 20 dB below", "the noise", _noise),
    Distortion("rate_8k", "Telephone, 300 to 3,400 Hz", "the telephone band", _telephone),
    Distortion("codec", "Opus at 12 kbit/s", "the codec", _codec),
    Distortion("shift_50ms", "Window 50 ms later", "the shift", _shift),
    Distortion("crop", "A tenth cut off at both ends", "the crop", _crop),
    Distortion("speed_95", "5 % slower and lower", "the lower speed", _speed(0.95)),
    Distortion("speed_105", "5 % faster and higher", "the higher speed", _speed(1.05)),
)


def _lit(factor: float) -> Callable[[np.ndarray, tuple[float, float]], Altered]:
    def make(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
        return Altered(_bytes(pixels * factor))

    return make


def _grain(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
    """White noise, SNR dB below the picture's own variance."""
    noise = np.random.default_rng(SEED).standard_normal(pixels.shape)
    return Altered(_bytes(pixels + pixels.std() * 10 ** (-SNR / 20) * noise))


def _jpeg(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG)
    return Altered(np.asarray(Image.open(buffer).convert("RGB")))


def _moved(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
    """To the right and down; the edges are repeated."""
    down, right = (max(1, round(MOVE * side)) for side in pixels.shape[:2])
    padded = np.pad(pixels, ((down, 0), (right, 0), (0, 0)), mode="edge")
    return Altered(padded[: pixels.shape[0], : pixels.shape[1]], x=Affine(1, right), y=Affine(1, down))


def _cut(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
    height, width = pixels.shape[:2]
    down, right = round(CROP / 2 * height), round(CROP / 2 * width)
    if min(height - 2 * down, width - 2 * right) < 8:
        raise InvalidInput("The picture is too small to be cropped.")
    return Altered(
        np.ascontiguousarray(pixels[down : height - down, right : width - right]),
        x=Affine(1, -right),
        y=Affine(1, -down),
    )


def _smaller(pixels: np.ndarray, _: tuple[float, float]) -> Altered:
    """What is shown takes less of the frame; the edges are repeated around it."""
    down, right = (max(1, round((1 / ZOOM - 1) / 2 * side)) for side in pixels.shape[:2])
    padded = np.pad(pixels, ((down, down), (right, right), (0, 0)), mode="edge")
    return Altered(padded, x=Affine(1, right), y=Affine(1, down))


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)


PICTURE = (
    Distortion("darker_20", "20 % darker", "less light", _lit(1 - LIGHT)),
    Distortion("brighter_20", "20 % brighter", "more light", _lit(1 + LIGHT)),
    Distortion("noise_20db", "White noise, 20 dB below", "the noise", _grain),
    Distortion("codec", f"JPEG of quality {JPEG}", "the codec", _jpeg),
    Distortion("shift", "Moved by 5 %", "the shift", _moved),
    Distortion("crop", "A twentieth cut off at each edge", "the crop", _cut),
    Distortion("scale_90", "Shown at 90 % of its size", "the smaller scale", _smaller),
)


def spectrogram_distortions(step: float) -> tuple[Distortion, ...]:
    """step: seconds (or other units of the time axis) of a column. What needs a waveform is not tried."""

    def louder(decibels: float) -> Callable[[Spectrogram, tuple[float, float]], Altered]:
        def make(raw: Spectrogram, window: tuple[float, float]) -> Altered:
            from dataclasses import replace

            if raw.scale == "db":
                return Altered(replace(raw, values=raw.values + np.float32(decibels)), window[0])
            if raw.scale in ("power", "amplitude"):
                factor = 10 ** (decibels / (10 if raw.scale == "power" else 20))
                return Altered(replace(raw, values=raw.values * np.float32(factor)), window[0])
            raise InvalidInput("Its numbers have no unit, so it cannot be made louder.")

        return make

    def moved(raw: Spectrogram, window: tuple[float, float]) -> Altered:
        from dataclasses import replace

        columns = max(1, round(SHIFT / step))
        return Altered(replace(raw, values=raw.values[:, columns:]), window[0], Affine(1, -columns * step))

    def soundless(raw: Spectrogram, window: tuple[float, float]) -> Altered:
        raise InvalidInput("A spectrogram holds no sound that could be changed so.")

    makers = {"gain_minus_6": louder(-GAIN), "gain_plus_6": louder(GAIN), "shift_50ms": moved}
    return tuple(
        Distortion(known.key, known.title, known.name, makers.get(known.key, soundless)) for known in SOUND
    )


def carried_back(
    values: np.ndarray, here: tuple[Axis, Axis], there: tuple[Axis, Axis], moved: tuple[Affine, Affine]
) -> np.ndarray:
    """A map of the altered input on the grid of the original, float64 `[H, W]`, between cells linearly; NaN for places
    that the altered input does not hold. here, there: (y, x) axes of the original and of the altered input."""
    (rows, low), (columns, left) = (
        _places(to(axis.values), other.values) for axis, other, to in zip(here, there, moved, strict=True)
    )
    at_rows = _between(values.astype(np.float64), rows)
    both = _between(at_rows.T, columns).T
    both[~low] = np.nan
    both[:, ~left] = np.nan
    return both


def _places(wanted: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fractional indices of `wanted` along an axis, and which of them lie on it, half a cell at the ends included."""
    first, last = values[0] - (values[1] - values[0]) / 2, values[-1] + (values[-1] - values[-2]) / 2
    return np.interp(wanted, values, np.arange(len(values))), (wanted >= first) & (wanted <= last)


def _between(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of `values [n, m]` at fractional indices."""
    lower = np.minimum(places.astype(int), len(values) - 2)
    share = (places - lower)[:, None]
    return (1 - share) * values[lower] + share * values[lower + 1]


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's, over cells where both are finite; None where a map is the same everywhere, or nothing is common."""
    from scipy.stats import rankdata

    common = np.isfinite(a) & np.isfinite(b)
    if common.sum() < 3:
        return None
    first, second = (rankdata(part[common]) - (common.sum() + 1) / 2 for part in (a, b))
    size = np.sqrt(float(first @ first) * float(second @ second))
    return None if size == 0 else float(np.clip(first @ second / size, -1, 1))


def distortions_of(modality: str, prepared: Prepared) -> Sequence[Distortion]:
    if modality == "image":
        return PICTURE
    if modality == "audio":
        return SOUND
    return spectrogram_distortions(float(prepared.x_axis.values[1] - prepared.x_axis.values[0]))
