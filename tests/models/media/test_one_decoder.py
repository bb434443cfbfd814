"""The same files through Python (`prepare` of a path or bytes) and through the service (decode task, stored
numbers, `prepare`): the same bits where they are read, the same code where they are refused. And what an
array's numbers are taken for."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import models
from app.core.errors import EvidentError, InvalidInput
from app.core.settings import Limits
from backend.tasks import TASKS
from backend.tasks.models import prepare
from backend.tasks.payloads import InputWindow
from models.media import decode
from models.media.levels import decibels
from models.media.sniff import FAMILY, sniff
from tests.models.media.encoders import (
    container,
    image,
    npy,
    npy_header,
    picture,
    png_bomb,
    sndfile,
    tone,
    wav_header,
)

LIMITS = Limits()
PHOTO, TONE = picture(40, 56), tone(1.2)
RNG = np.random.default_rng(0)


def pillow(photo: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    photo.save(out, format, **options)
    return out.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return image(PHOTO, "JPEG", quality=95, exif=exif)


def animation(format: str) -> bytes:
    frames = [Image.fromarray(picture(40, 56, seed)) for seed in range(3)]
    return pillow(frames[0], format, save_all=True, append_images=frames[1:], duration=50)


def eight_bits(samples: np.ndarray, rate: int = 16_000, bits: int = 8) -> bytes:
    return wav_header(1, bits, 1, rate, np.round(samples * 127 + 128).astype(np.uint8).tobytes())


def mel_power() -> np.ndarray:
    """64 bands by 128 moments of power: noise far below two bursts."""
    level = np.full((64, 128), -70.0)
    level[10:30, 20:40] = level[30:50, 60:90] = -6.0
    return (10 ** (level / 10) * RNG.exponential(size=level.shape)).astype(np.float32)


POWER = mel_power()
RGBA = np.dstack([PHOTO, np.linspace(0, 255, PHOTO[..., 0].size).reshape(PHOTO.shape[:2]).astype(np.uint8)])
STEREO = np.stack([TONE, 0.8 * TONE], 1)
FILES: dict[str, Callable[[], bytes]] = {
    **{f"exif {n}": lambda n=n: turned(n) for n in range(1, 9)},
    "png": lambda: image(PHOTO),
    "png grey": lambda: image(PHOTO[..., 0]),
    "png 16 bit": lambda: image(PHOTO[..., 0].astype(np.uint16) * 200),
    "png alpha": lambda: pillow(Image.fromarray(RGBA), "PNG"),
    "png grey alpha": lambda: pillow(Image.fromarray(RGBA).convert("LA"), "PNG"),
    "png palette": lambda: pillow(Image.fromarray(PHOTO).quantize(9), "PNG"),
    "png one bit": lambda: pillow(Image.fromarray(PHOTO).convert("1"), "PNG"),
    "jpeg cmyk": lambda: pillow(Image.fromarray(PHOTO).convert("CMYK"), "JPEG"),
    "tiff": lambda: image(PHOTO, "TIFF"),
    "tiff float": lambda: pillow(Image.fromarray(PHOTO[..., 1].astype(np.float32) / 255), "TIFF"),
    "tiff 32 bit": lambda: pillow(Image.fromarray(PHOTO[..., 1].astype(np.int32) * 3), "TIFF"),
    "webp": lambda: image(PHOTO, "WEBP"),
    "webp animated": lambda: animation("WEBP"),
    "gif": lambda: image(PHOTO, "GIF"),
    "gif animated": lambda: animation("GIF"),
    "bmp": lambda: image(PHOTO, "BMP"),
    "wav 8": lambda: eight_bits(TONE),
    "wav 7": lambda: eight_bits(TONE, bits=7),
    "wav 16": lambda: sndfile(TONE),
    "wav 24": lambda: sndfile(TONE, subtype="PCM_24"),
    "wav 32": lambda: sndfile(TONE, subtype="PCM_32"),
    "wav float": lambda: sndfile(TONE, subtype="FLOAT"),
    "wav double": lambda: sndfile(TONE, subtype="DOUBLE"),
    "wav stereo": lambda: sndfile(STEREO),
    "wav 11025": lambda: sndfile(TONE, 11_025),
    "wav 96000": lambda: sndfile(np.repeat(TONE, 6), 96_000),
    "wav adpcm": lambda: sndfile(TONE, subtype="IMA_ADPCM"),
    "wav silent": lambda: sndfile(np.zeros(16_000, np.float32)),
    "wav short": lambda: sndfile(TONE[:1_000]),
    "wav nan": lambda: sndfile(np.where(np.arange(len(TONE)) == 9, np.nan, TONE).astype(np.float32), subtype="FLOAT"),
    "flac": lambda: sndfile(TONE, format="FLAC"),
    "flac cut": lambda: sndfile(np.tile(TONE, 4), format="FLAC")[:-9_000],
    "ogg": lambda: sndfile(TONE, format="OGG"),
    "mp3": lambda: sndfile(TONE, format="MP3"),
    "m4a": lambda: container(TONE, 16_000, "mp4", "aac"),
    "webm": lambda: container(TONE, 48_000, "webm", "libopus"),
    "npy db": lambda: npy(decibels(POWER, "power")),
    "npy unit": lambda: npy(RNG.random((64, 128)).astype(np.float32)),
    "npy power": lambda: npy(POWER),
    "npy power double": lambda: npy(POWER.astype(np.float64)[None]),
    "npy amplitude": lambda: npy(np.sqrt(mel_power() + 1e-5)),
    "npy bytes": lambda: npy(PHOTO[..., 0].copy()),
    "npy short": lambda: npy((decibels(POWER, "power") * 100).astype(np.int16)),
    "npy fortran": lambda: npy(np.asfortranarray(decibels(POWER, "power"))),
    "npy constant": lambda: npy(np.ones((64, 128), np.float32)),
    "npy nan": lambda: npy(np.full((64, 128), np.nan)),
    "npy rank": lambda: npy(np.ones((2, 64, 128))),
    "npy objects": lambda: npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (8, 8), }", b"\0" * 512),
    "npy liar": lambda: npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (70000, 70000), }"),
    "empty": lambda: b"",
    "text": lambda: b"not a picture" * 20,
    "png cut": lambda: image(PHOTO)[:200],
    "png bomb": lambda: png_bomb(60_000, 60_000),
    "pickle": lambda: b"\x80\x04\x95" + b"\0" * 60,
    "polyglot": lambda: b"RIFF" + struct.pack("<I", 100) + b"WAVE" + image(PHOTO),
}  # fmt: skip
REFUSED = {
    "bmp", "wav 7", "wav adpcm", "wav silent", "wav short", "wav nan", "npy amplitude", "npy constant", "npy nan", "npy rank", "npy objects",
    "npy liar", "empty", "text", "png cut", "png bomb", "pickle", "polyglot",
}  # fmt: skip
PHOTOS = models.ImageInput(size=(24, 32), mean=(0.4,), std=(0.2,))


class _Blobs(dict):
    def array(self, sha: str) -> np.ndarray:
        return self[sha]


def through_the_service(data: bytes, spec: Any) -> torch.Tensor | str:
    """Decode task, its canonical numbers stored, and the preparation that every task of a worker begins
    with."""
    as_spectrogram = spec is not PHOTOS and _is_picture(data)
    sent = tempfile.NamedTemporaryFile()  # noqa: SIM115 - open until the task has read it
    sent.write(data)
    sent.flush()
    payload = {
        "file": sent.name,
        "name": "x",
        "as": "spectrogram" if as_spectrogram else "auto",
        "limits": LIMITS.model_dump(),
    }
    try:
        outcome = TASKS["decode"].run(payload, _Blobs(), lambda *_a, **_k: None)
        row = {
            "id": "x",
            "modality": outcome.result["modality"],
            "meta": outcome.result,
            "blobs": {"canonical": "canonical"},
        }

        class Holder:
            input = spec

        return prepare(Holder, InputWindow(input=row), _Blobs(canonical=outcome.arrays["canonical"])).x
    except EvidentError as error:
        return error.instance_code


def _is_picture(data: bytes) -> bool:
    try:
        return FAMILY[sniff(data)] == "image"
    except EvidentError:
        return False


def in_python(raw: Any, spec: Any) -> torch.Tensor | str:
    try:
        return spec.prepare(raw).x
    except EvidentError as error:
        return error.instance_code


@pytest.mark.parametrize("name", FILES)
def test_the_same_bits_everywhere(name: str, tmp_path) -> None:
    data = FILES[name]()
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    answers = []
    for spec in (PHOTOS, models.SoundInput()):
        served = through_the_service(data, spec)
        for raw in (data, path):
            here = in_python(raw, spec)
            assert type(here) is type(served), (served, here)
            assert here == served if isinstance(here, str) else torch.equal(here, served)
        answers.append(served)
    assert any(isinstance(answer, torch.Tensor) for answer in answers) is (name not in REFUSED), answers


def test_eight_bits_are_taken_and_seven_are_not() -> None:
    found = decode(eight_bits(TONE), LIMITS)
    np.testing.assert_allclose(found.canonical, np.round(TONE * 127) / 128, atol=1e-6)
    with pytest.raises(EvidentError) as caught:
        decode(eight_bits(TONE, bits=7), LIMITS)
    assert caught.value.instance_code == "wav_encoding"


def test_the_first_frame_of_a_gif_is_used() -> None:
    still, moving = decode(image(picture(40, 56, 0), "GIF"), LIMITS), decode(animation("GIF"), LIMITS)
    assert np.abs(still.canonical.astype(int) - moving.canonical).mean() < 12  # palettes differ
    assert "first one" in " ".join(moving.facts["notes"])


def test_power_is_heard_as_its_decibels() -> None:
    """Read as decibels, a linear power spectrogram is silence everywhere."""
    spec = models.SoundInput()
    wanted = spec.prepare(10 * np.log10(POWER / POWER.max())).x
    for raw in (POWER, npy(POWER), npy(POWER / POWER.max()), npy(1e6 * POWER)):
        prepared = spec.prepare(raw)
        torch.testing.assert_close(prepared.x, wanted, atol=1e-4, rtol=0)
        assert "power" in " ".join(prepared.notes)
    assert float(wanted.mean()) > 0.1
    assert decode(npy(POWER), LIMITS).facts["scale"] == "power"


def test_where_amplitude_and_power_look_alike_somebody_must_say() -> None:
    spec, amplitude = models.SoundInput(), np.sqrt(POWER + np.float32(1e-4))
    for work in (lambda: spec.prepare(amplitude), lambda: decode(npy(amplitude), LIMITS)):
        with pytest.raises(InvalidInput) as caught:
            work()
        assert caught.value.instance_code == "ambiguous_scale"
        assert "decibels" in caught.value.detail
    wanted = spec.prepare(20 * np.log10(amplitude / amplitude.max())).x
    torch.testing.assert_close(spec.prepare(amplitude, scale="amplitude").x, wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(spec.prepare(npy(amplitude), scale="amplitude").x, wanted, atol=1e-4, rtol=0)
    assert decode(npy(amplitude), LIMITS, scale="amplitude").facts["scale"] == "amplitude"


def test_amplitudes_of_a_recording_with_pauses_are_not_taken_for_power() -> None:
    """Median 1 / 20,000 of the loudest: a second of sound among quiet seconds, 86 dB apart."""
    amplitude = np.random.default_rng(1).uniform(0.5, 1, (64, 80)).astype(np.float32)
    amplitude[:, 20:] /= 20_000
    with pytest.raises(InvalidInput) as caught:
        decode(npy(amplitude), LIMITS)
    assert caught.value.instance_code == "ambiguous_scale"
    assert decode(npy(amplitude**2), LIMITS).facts["scale"] == "power"


@pytest.mark.parametrize(
    ("values", "scale"), [(np.array([[-1.0, 1], [2, 3]]), "power"), (np.array([[0.0, 1], [2, 3]]), "unit")]
)
def test_a_scale_that_cannot_be(values: np.ndarray, scale: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(npy(values), LIMITS, scale=scale)
    assert caught.value.instance_code == "wrong_scale"
