"""Pictures: every colour mode, every orientation, every way to be damaged."""

from __future__ import annotations

import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.core.errors import EvidentError, InvalidInput, NotDecodable, TooLarge, UnsupportedType
from app.core.settings import Limits
from models.media import decode
from models.media.images import decode_image, preview
from tests.models.media.encoders import image, picture, png_bomb, png_chunk, verdict

LIMITS = Limits()
PIXELS = picture()


@pytest.mark.parametrize(("format", "options", "tolerance"), [
    ("PNG", {}, 0), ("TIFF", {}, 0), ("TIFF", {"compression": "tiff_lzw"}, 0), ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 98, "subsampling": 0}, 8),
])  # fmt: skip
def test_formats_give_their_pixels(format: str, options: dict, tolerance: int) -> None:
    found = decode(image(PIXELS, format, **options), LIMITS)
    assert found.modality == "image"
    assert found.canonical.dtype == np.uint8
    assert np.abs(found.canonical.astype(int) - PIXELS).max() <= tolerance
    assert (found.facts["width"], found.facts["height"], found.facts["notes"]) == (32, 24, [])


# What the camera's orientation means, written out by hand: how the stored rows are made from the upright
# picture.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int, format: str) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16], upright[:8, 16:], upright[8:, :16] = (
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
    )  # every corner another colour
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = (
        {"quality": 100, "subsampling": 0}
        if format == "JPEG"
        else {"lossless": True}
        if format == "WEBP"
        else {}
    )
    found = decode_image(
        image(np.ascontiguousarray(STORED[orientation](upright)), format, exif=exif, **options), LIMITS
    )
    assert found.pixels.shape == upright.shape
    assert np.abs(found.pixels.astype(int) - upright).max() <= 8
    assert bool(found.notes) == (orientation != 1)


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    values = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        found = decode_image(image(values, format), LIMITS)
        assert np.abs(found.pixels[..., 0] - values / 257.0).max() <= 0.5 + 1e-6
        assert (found.pixels[..., 0] == found.pixels[..., 2]).all()
        assert "16-bit" in found.notes[0]


def test_sixteen_bit_colour_is_told() -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 0, 32768, 0, 65535, 257) for _ in range(2))
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
    data += png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    found = decode_image(data, LIMITS)
    assert found.pixels[0].tolist() == [[255, 0, 128], [0, 255, 1]]
    assert any("16-bit" in note for note in found.notes)


def test_floats() -> None:
    values = np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32)
    assert np.abs(decode_image(image(values, "TIFF"), LIMITS).pixels[..., 0] - values * 255).max() <= 0.5
    stretched = decode_image(image(values * 7 - 3, "TIFF"), LIMITS)
    assert (stretched.pixels.min(), stretched.pixels.max()) == (0, 255)
    assert "stretched" in stretched.notes[0]
    values[3, 3] = np.nan
    with pytest.raises(InvalidInput, match="not finite"):
        decode_image(image(values, "TIFF"), LIMITS)


def test_cmyk_and_palette_and_transparency() -> None:
    out = io.BytesIO()
    Image.fromarray(PIXELS).convert("CMYK").save(out, "JPEG", quality=98)
    cmyk = decode_image(out.getvalue(), LIMITS)
    assert "CMYK" in cmyk.notes[0]
    assert np.abs(cmyk.pixels.astype(int) - PIXELS).mean() < 8
    out = io.BytesIO()
    Image.fromarray(PIXELS).quantize(64).save(out, "PNG")
    palette = decode_image(out.getvalue(), LIMITS)
    assert "Palette" in palette.notes[0]
    assert np.abs(palette.pixels.astype(int) - PIXELS).mean() < 16
    rgba = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    assert decode_image(image(rgba), LIMITS).notes == ()
    rgba[:12, :, 3] = 0
    clear = decode_image(image(rgba), LIMITS)
    assert (clear.pixels[:12] == 255).all()
    assert (clear.pixels[12:] == PIXELS[12:]).all()
    assert "white" in clear.notes[0]


def test_one_bit_and_grey() -> None:
    black = np.zeros((9, 9), bool)
    black[4, 4] = True
    assert decode_image(image(black), LIMITS).pixels[4, 4].tolist() == [255, 255, 255]
    assert (decode_image(image(PIXELS[..., 0]), LIMITS).pixels == PIXELS[..., :1]).all()


def test_the_first_of_several_pictures() -> None:
    frames = [Image.fromarray(picture(seed=i)) for i in range(3)]
    for format, options in (("TIFF", {}), ("WEBP", {"lossless": True}), ("PNG", {})):
        out = io.BytesIO()
        frames[0].save(out, format, save_all=True, append_images=frames[1:], **options)
        found = decode_image(out.getvalue(), LIMITS)
        assert (found.pixels == np.asarray(frames[0])).all()
        assert "first" in found.notes[0]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 16384), (16384, 1)])
def test_thin_pictures_are_fine(width: int, height: int) -> None:
    found = decode_image(image(np.full((height, width, 3), 7, np.uint8)), LIMITS)
    assert found.pixels.shape == (height, width, 3)
    assert max(Image.open(io.BytesIO(preview(found.pixels))).size) <= 1024


@pytest.mark.parametrize(
    ("width", "height"), [(16385, 1), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]
)
def test_bombs_are_refused_by_their_header(width: int, height: int) -> None:
    with pytest.raises((TooLarge, NotDecodable)) as caught:
        decode(png_bomb(width, height), LIMITS)
    assert caught.value.instance_code in ("image_too_large", "not_decodable")
    if width < 2**16:
        assert caught.value.status == 413


def test_text_bomb_in_the_metadata() -> None:
    body = b"Comment\0\0" + zlib.compress(b"x" * 80_000_000, 1)
    head, rest = image(PIXELS)[:33], image(PIXELS)[33:]
    try:
        found = decode_image(head + png_chunk(b"zTXt", body) + rest, LIMITS)
    except NotDecodable:
        return
    assert (found.pixels == PIXELS).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_prefixes_and_flips_never_surprise(format: str) -> None:
    """Every prefix (of a small file) and 300 seeded flips: pixels of the right shape, or a refusal in
    plain words."""
    data = image(picture(8, 8), format)
    generator = random.Random(7)
    cases = [data[:cut] for cut in range(0, len(data), max(1, len(data) // 150))]
    for _ in range(300):
        flipped = bytearray(data)
        for _ in range(generator.choice((1, 1, 3, 10))):
            flipped[generator.randrange(len(flipped))] ^= 1 << generator.randrange(8)
        cases.append(bytes(flipped))
    refused = 0
    for case in cases:
        found = verdict(case, LIMITS)
        refused += isinstance(found, EvidentError)
        assert isinstance(found, EvidentError) or found.canonical.shape[2] == 3
    assert 0 < refused < len(cases)


@pytest.mark.parametrize(("data", "word"), [
    (b"BM" + b"\0" * 60, "BMP"), (b"%PDF-1.7" + b"\0" * 60, "PDF"), (b"PK\x03\x04" + b"\0" * 60, "ZIP"),
    (b"\0\0\0\x18ftypheic" + b"\0" * 60, "HEIC"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>" + b" " * 40, "not accepted"),
    (b"\x80\x04\x95" + b"\0" * 60, "pickle"), (b"#EXTM3U\nhttp://127.0.0.1/x" + b"\n" * 60, "not accepted"), (b"\0" * 200, "not accepted"),
])  # fmt: skip
def test_other_types_are_named_or_refused(data: bytes, word: str) -> None:
    with pytest.raises(UnsupportedType, match=word):
        decode(data, LIMITS)


def test_empty() -> None:
    with pytest.raises(NotDecodable, match="empty"):
        decode(b"", LIMITS)


def test_too_many_bytes() -> None:
    with pytest.raises(TooLarge) as caught:
        decode(image(PIXELS) + b"\0" * 3000, Limits(image_bytes=2000))
    assert caught.value.instance_code == "image_too_large"


def test_polyglot_leaves_only_its_pixels() -> None:
    """A picture that is also an archive, with a comment and a text chunk: nothing of them survives in what
    is served."""
    canary = b"CANARY-in-metadata"
    data = image(PIXELS)
    data = data[:33] + png_chunk(b"tEXt", b"Comment\0" + canary) + data[33:] + b"PK\x03\x04" + canary
    found = decode_image(data, LIMITS)
    assert (found.pixels == PIXELS).all()
    shown = preview(found.pixels)
    assert canary not in shown
    assert (np.asarray(Image.open(io.BytesIO(shown))) == PIXELS).all()


def test_as_spectrogram_turns_the_rows() -> None:
    grey = np.repeat(np.arange(24, dtype=np.uint8)[:, None] * 10, 32, axis=1)
    found = decode(image(grey), LIMITS, "spectrogram")
    assert found.modality == "spectrogram"
    assert found.canonical.dtype == np.float32
    assert np.allclose(found.canonical[:, 0], grey[::-1, 0] / 255.0, atol=1e-6)
    shown = np.asarray(Image.open(io.BytesIO(preview(found.canonical))))
    assert shown[0, 0] < shown[-1, 0]  # as it was sent: brighter downwards
    with pytest.raises(InvalidInput):
        decode(image(np.full((24, 32), 9, np.uint8)), LIMITS, "spectrogram")


@pytest.mark.data
def test_real_photos(real_data) -> None:
    photos = sorted((real_data / "images" / "photos").iterdir())
    assert len(photos) > 50
    for path in photos:
        found = decode(path.read_bytes(), LIMITS)
        with Image.open(path) as reference:
            assert np.abs(found.canonical.astype(int) - np.asarray(reference.convert("RGB"))).max() == 0
