"""Photographs to tensors and back to pixels of the original."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import models
from app.core.errors import InvalidInput, NotDecodable, NotFound, TooLarge
from models.inputs.image import read as read_with_notes
from models.inputs.replaced import gaussian_blur

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


def read(raw):
    return read_with_notes(raw)[0]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_pixels_pass_through_unchanged_on_their_own_grid() -> None:
    spec = models.ImageInput(size=(40, 60), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    prepared = spec.prepare(PHOTO)
    expected = (PHOTO / 255 - np.array(spec.mean)) / np.array(spec.std)
    np.testing.assert_allclose(prepared.x[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(prepared.display, PHOTO)
    np.testing.assert_allclose(prepared.x_axis.values, np.arange(60) + 0.5)
    np.testing.assert_allclose(prepared.y_axis.values, np.arange(40) + 0.5)
    assert (prepared.x_axis.unit, prepared.y_axis.origin) == ("px", "upper")


def test_every_form_of_a_photo_gives_the_same_tensor(tmp_path) -> None:
    spec = models.ImageInput(size=(24, 24))
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(Image.fromarray(PHOTO)))
    wanted = spec.prepare(PHOTO).x
    forms = [
        path,
        str(path),
        path.read_bytes(),
        Image.fromarray(PHOTO),
        torch.from_numpy(PHOTO),
        torch.from_numpy(PHOTO).permute(2, 0, 1),
        torch.from_numpy(PHOTO).permute(2, 0, 1)[None],
        PHOTO.transpose(2, 0, 1),
        PHOTO.astype(np.int64),
    ]
    for form in forms[:-1]:
        assert torch.equal(spec.prepare(form).x, wanted)
    # other types keep their fractions through the resizing, where bytes are rounded twice
    for form in (forms[-1], PHOTO / 255, torch.from_numpy(PHOTO / 255).permute(2, 0, 1).float()):
        torch.testing.assert_close(spec.prepare(form).x, wanted, atol=1.01 / 255, rtol=0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_gives_the_upright_photo(orientation: int) -> None:
    """Stored turned or mirrored as each tag says, read upright: the same tensor all eight times."""
    turns = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = Image.fromarray(PHOTO)
    for turn in turns[orientation]:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    spec = models.ImageInput(size=(16, 20))
    prepared = spec.prepare(encoded(stored, exif=exif))
    assert torch.equal(prepared.x, spec.prepare(PHOTO).x)
    assert prepared.x_axis.values[-1] < 60
    assert prepared.x_axis.values[-1] > 50


def test_transparency_is_laid_on_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4] = (10, 20, 30, 255)
    for raw in (clear, encoded(Image.fromarray(clear, "RGBA")), clear / 255.0):
        pixels = read(raw)
        scale = 255 if pixels.dtype == np.uint8 else 1
        np.testing.assert_allclose(pixels[0, 0] / scale, np.array([10, 20, 30]) / 255, atol=1e-6)
        np.testing.assert_allclose(pixels[7, 7] / scale, 1.0)


def test_palette_with_a_transparent_colour() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    pixels = read(encoded(image, transparency=1))
    np.testing.assert_array_equal(pixels[0, 0], (255, 0, 0))
    np.testing.assert_array_equal(pixels[3, 3], (255, 255, 255))


def test_sixteen_bits_and_colour_print_modes() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    np.testing.assert_allclose(read(encoded(Image.fromarray(ramp)))[..., 0], ramp / 257, atol=0.5)
    np.testing.assert_allclose(read(ramp)[..., 0], ramp / 257, atol=0.5)
    dark = np.full((8, 8), 300, np.uint16)  # a dark 16-bit photo is dark, not bright
    assert read(encoded(Image.fromarray(dark))).max() <= 2
    print_colours = Image.fromarray(PHOTO).convert("CMYK")
    np.testing.assert_array_equal(
        read(encoded(print_colours, "TIFF")), np.asarray(print_colours.convert("RGB"))
    )
    np.testing.assert_array_equal(read(encoded(Image.fromarray(PHOTO[..., 0])))[..., 2], PHOTO[..., 0])
    unit = Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8))
    np.testing.assert_allclose(
        read(encoded(unit, "TIFF"))[..., 1].ravel(), np.linspace(0, 255, 64), atol=0.51
    )


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (96, 48)])
@given(height=st.integers(20, 300), width=st.integers(20, 300), crop=st.booleans(), pct=st.floats(0.5, 1.0))
@settings(max_examples=40, deadline=None)
def test_axes_point_at_the_pixels_that_the_cells_show(size, height, width, crop, pct) -> None:
    """A photo whose value is its own coordinate: what a cell shows is where the axis says it is, up to
    bytes and edges."""
    spec = models.ImageInput(size=size, resize="crop" if crop else "squash", crop_pct=pct)
    ramp = np.zeros((height, width, 3), np.float32)
    ramp[..., 0] = (np.arange(width) + 0.5) / width
    ramp[..., 1] = ((np.arange(height) + 0.5) / height)[:, None]
    prepared = spec.prepare(ramp)
    inner = slice(4, -4)  # the filter repeats edges there
    seen_x = prepared.x[0, 0].numpy() * width
    seen_y = prepared.x[0, 1].numpy() * height
    # the crop rounds the longer side to whole pixels, as torchvision does
    tolerance = (
        0.02 * max(height, width)
        if min(height, width) < min(size)
        else 0.51 * max(1, max(height, width) / min(size))
    )
    assert np.abs(seen_x - prepared.x_axis.values)[:, inner].max() <= tolerance
    assert np.abs(seen_y - prepared.y_axis.values[:, None])[inner].max() <= tolerance
    for axis, side in ((prepared.x_axis, width), (prepared.y_axis, height)):
        assert axis.values[0] > 0
        assert axis.values[-1] < side
        assert (np.diff(axis.values) > 0).all()


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (257, 640), (224, 224)])
@pytest.mark.parametrize(("crop", "whole"), [(224, 256), (224, 232), (288, 288)])
def test_crop_equals_the_evaluation_transform_of_torchvision(shape, crop, whole) -> None:
    from models import hub

    hub.ensure_operations()
    from torchvision.transforms._presets import ImageClassification

    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))
    preset = ImageClassification(crop_size=crop, resize_size=whole)
    spec = models.ImageInput(
        size=(crop, crop), mean=preset.mean, std=preset.std, resize="crop", crop_pct=crop / whole
    )
    torch.testing.assert_close(spec.prepare(photo).x[0], preset(photo), atol=1e-6, rtol=0)


def test_baselines() -> None:
    spec = models.ImageInput(size=(32, 32), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    x = spec.prepare(PHOTO).x
    np.testing.assert_allclose(spec.denormalise(spec.baseline(x)), 0, atol=1e-6)
    assert torch.equal(spec.baseline(x), spec.baseline(x, "black"))
    mean = spec.baseline(torch.cat([x, x + 1]), "mean")
    torch.testing.assert_close(mean[0, :, 0, 0], x.mean(dim=(2, 3))[0])
    torch.testing.assert_close(mean[1], mean[0] + 1)
    blurred = spec.baseline(x, "blur")
    assert blurred.shape == x.shape
    assert (blurred.var(dim=(2, 3)) < x.var(dim=(2, 3)) / 3).all()
    with pytest.raises(InvalidInput):
        spec.baseline(x, "silence")


def test_blur_equals_scipy_and_keeps_constants() -> None:
    from scipy.ndimage import gaussian_filter

    x = torch.rand(1, 2, 20, 30, generator=torch.Generator().manual_seed(0))
    expected = np.stack(
        [gaussian_filter(plane, 1.6, mode="nearest", truncate=5 / 1.6) for plane in x[0].double().numpy()]
    )
    np.testing.assert_allclose(gaussian_blur(x, 1.6)[0].numpy(), expected, atol=1e-6)
    torch.testing.assert_close(
        gaussian_blur(torch.full((1, 1, 9, 9), 0.3), 2.0), torch.full((1, 1, 9, 9), 0.3)
    )


def test_grey_network() -> None:
    spec = models.ImageInput(size=(20, 30), channels=1)
    x = spec.prepare(PHOTO).x
    assert x.shape == (1, 1, 20, 30)
    expected = models.ImageInput(size=(20, 30)).prepare(PHOTO).x[0].permute(1, 2, 0).numpy() @ [
        0.299,
        0.587,
        0.114,
    ]
    np.testing.assert_allclose(x[0, 0].numpy(), expected, atol=1.01 / 255)


def test_unusable_photos_are_refused_in_words(tmp_path) -> None:
    spec = models.ImageInput(size=(16, 16))
    cases = [
        (b"", NotDecodable),
        (b"GIF89a", NotDecodable),
        (encoded(Image.fromarray(PHOTO))[:-200], NotDecodable),
        (tmp_path / "none.png", NotFound),
        (np.full((8, 8, 3), np.nan), InvalidInput),
        (np.full((8, 8, 3), 2.0), InvalidInput),
        (np.zeros((8, 8, 5)), InvalidInput),
        (np.zeros(8), InvalidInput),
        (np.zeros((0, 8, 3)), InvalidInput),
        (object(), InvalidInput),
        (np.array([["a"]]), InvalidInput),
        (np.zeros((20000, 4, 3), np.uint8), TooLarge),
        (np.zeros((8, 8, 3), complex), InvalidInput),
    ]
    for raw, error in cases:
        with pytest.raises(error) as caught:
            spec.prepare(raw)
        assert str(tmp_path) not in caught.value.detail
        assert caught.value.detail.endswith(".")


def test_settings_that_cannot_work_are_refused() -> None:
    for wrong in (
        {"size": (0, 8)},
        {"size": (8, 8), "channels": 2},
        {"size": (8, 8), "std": (0.0,)},
        {"size": (8, 8), "mean": (0.1, 0.2)},
    ):
        with pytest.raises(ValueError):
            models.ImageInput(**wrong)


def test_notes_say_what_was_lost() -> None:
    assert models.ImageInput(size=(64, 64)).prepare(PHOTO[:30, :30]).notes
    assert models.ImageInput(size=(16, 16), resize="crop").prepare(np.repeat(PHOTO, 3, axis=1)).notes
    assert not models.ImageInput(size=(32, 32)).prepare(PHOTO).notes
