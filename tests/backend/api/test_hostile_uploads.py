"""Hostile files and models, and floods of good ones: each is refused in plain words and leaves the server as it was
(the `after` fixture looks)."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.backend.api.conftest import CANARY, PLAIN, Running, finished, send, upload
from tests.models.media.encoders import (
    container,
    image,
    npy,
    npy_header,
    picture,
    png_bomb,
    png_chunk,
    sndfile,
    tone,
    wav_header,
)

After = Callable[[httpx.Response], dict[str, Any]]
JSON = {"content-type": "application/json"}
WEIGHTS = Path(__file__).resolve().parents[3] / "models" / "weights" / "shapes.safetensors"


# Files, through the door


def hostile_files() -> dict[str, tuple[bytes, set[int]]]:
    png, wav, array = image(picture()), sndfile(tone()), npy(np.eye(8))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a.npy", b"\0" * 10_000_000)
    flac = sndfile(np.random.default_rng(0).normal(size=48_000).astype(np.float32) * 0.1, format="FLAC")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (70000, 70000), }"
    silent_hour = sndfile(np.zeros(8_000 * 3600, np.int16), 8_000, format="FLAC")
    return {
        "empty": (b"", {422}),
        "one byte": (b"\x89", {415}),
        "text": (CANARY.encode() * 100, {415}),
        "gif": (b"GIF89a" + b"\0" * 100, {422}),
        "svg": (f"<svg onload='{CANARY}'/>".encode(), {415}),
        "zip bomb": (archive.getvalue(), {415}),
        "pickle": (pickle.dumps(CANARY), {415}),
        "png cut": (png[: len(png) // 2], {422}),
        "png bomb": (png_bomb(60_000, 60_000), {413}),
        "png bomb below Pillow's own limit": (png_bomb(12_000, 12_000), {413}),
        "png promised but not there": (png_bomb(5_000, 5_000), {422}),
        "jpeg start": (b"\xff\xd8\xff\xe0" + b"\0" * 200, {422}),
        "tiff with endless directory": (b"II*\0\x08\0\0\0" + b"\xff" * 200, {422, 413}),
        "webp liar": (b"RIFF\xff\xff\xff\xffWEBPVP8 " + b"\xff" * 100, {422, 413}),
        "wav cut": (wav[:50], {422}),
        "wav 1024 channels": (wav_header(1, 16, 1024, 16_000, b"\1\2" * 4096), {422}),
        "wav nan": (wav_header(3, 32, 1, 16_000, np.full(16_000, np.nan, "<f4").tobytes()), {422}),
        "wav adpcm": (sndfile(tone(), subtype="IMA_ADPCM"), {415}),
        "wav silence": (sndfile(np.zeros(16_000)), {422}),
        "wav too short": (sndfile(tone()[:50]), {422}),
        "flac bomb": (silent_hour, {413}),
        "flac flipped": (flac[:60] + bytes(255 - b for b in flac[60:400]) + flac[400:], {201, 422}),
        "m4a cut": (container(tone(), 16_000, "mp4", "aac")[:500], {422}),
        "playlist as ogg": (b"OggS\0\0OpusHead#EXTM3U\nfile:///etc/passwd\n", {422}),
        "npy shape bomb": (npy_header(header, b"\0" * 64), {413}),
        "npy objects": (_object_npy(), {422}),
        "npy cut": (array[:-3], {422}),
        "npy nan": (npy(np.full((4, 4), np.nan)), {422}),
        "npy constant": (npy(np.ones((4, 4))), {422}),
        "safetensors": (WEIGHTS.read_bytes()[:2000], {415}),
        "too many bytes": (png + b"\0" * (2 * 1024 * 1024), {413}),
        "too many bytes of anything": (b"\0" * (3 * 1024 * 1024), {413}),
    }


def _object_npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([[{"x": 1}] * 3] * 3, dtype=object), allow_pickle=True)
    return out.getvalue()


FILES = hostile_files()


@pytest.mark.parametrize("case", FILES)
def test_hostile_files(case: str, client: httpx.Client, server: Running, after: After) -> None:
    data, statuses = FILES[case]
    before = _blobs(server)
    for name in ("a.png", f"{CANARY}.wav"):
        answer = send(client, data, name)
        assert answer.status_code in statuses | ({200} if 201 in statuses else set()), answer.text
        if answer.status_code >= 400:
            after(answer)
            assert _blobs(server) == before


def _blobs(server: Running) -> set[str]:
    return {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}


def test_flips_through_the_door(client: httpx.Client, after: After) -> None:
    generator = random.Random(5)
    for data in (image(picture(8, 8)), image(picture(8, 8), "JPEG"), sndfile(tone(0.2)), npy(np.eye(4))):
        for _ in range(12):
            flipped = bytearray(data)
            for _ in range(4):
                flipped[generator.randrange(len(flipped))] ^= 1 << generator.randrange(8)
            answer = send(client, bytes(flipped))
            if answer.status_code not in (200, 201):
                assert after(answer)["status"] in (413, 415, 422)


def test_nothing_hidden_survives(client: httpx.Client, server: Running, after: After) -> None:
    """Comments, tags, trailing archives: no derivative, no answer and no stored byte holds them."""
    png = image(picture(seed=9))
    word = CANARY.encode()
    exif = Image.Exif()
    exif[0x010E] = CANARY
    wav = sndfile(tone())
    files = [
        png[:33] + png_chunk(b"tEXt", b"Comment\0" + word) + png[33:] + b"PK\x03\x04" + word,
        image(picture(seed=9), "JPEG", exif=exif, comment=word),
        wav[:12] + b"LIST" + struct.pack("<I", 14 + 4) + b"INFOICMT" + word[:10] + wav[12:],
    ]
    for data in files:
        assert word[:10] in data
        answer = client.get(f"/inputs/{upload(client, data)}")
        assert CANARY not in answer.text
        kind = "audio.wav" if answer.json()["modality"] == "audio" else "preview.png"
        assert word[:10] not in client.get(f"/inputs/{answer.json()['id']}/{kind}").content
    for path in (server.data / "blobs").rglob("*"):
        assert not path.is_file() or word[:10] not in path.read_bytes()


def test_the_same_upload_many_times_at_once(client: httpx.Client, server: Running) -> None:
    data = sndfile(tone(2.0, hertz=333))
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{server.api}/inputs", files={"file": ("a", data)}, timeout=60, verify=PLAIN)
            )
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert client.get(f"/inputs/{answers[0].json()['id']}/audio.wav").status_code == 200


def test_the_same_explanation_many_times_at_once(client: httpx.Client, server: Running, photo: str) -> None:
    body = {"input": photo, "model": "tiny", "method": "ramp", "seed": 4242}
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(
                httpx.post(f"{server.api}/explanations", json=body, timeout=60, verify=PLAIN)
            )
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert finished(client, answers[0].json()["id"])["attempts"] == 1


def test_a_flood_by_one_client_is_told_to_wait(
    client: httpx.Client, server: Running, photo: str, after: After
) -> None:
    ids, refused = [], None
    for seed in range(40):
        body = {
            "input": photo,
            "model": "tiny",
            "method": "ramp",
            "seed": 9000 + seed,
            "params": {"n_samples": 500, "pause": 0.1},
        }
        answer = client.post("/explanations", json=body)
        if answer.status_code == 503:
            refused = answer
            break
        ids.append(answer.json()["id"])
    assert refused is not None
    assert after(refused)["code"] == "busy"
    assert int(refused.headers["retry-after"]) > 0
    assert len(ids) >= server.settings.limits.jobs_per_client
    for id in reversed(ids):
        client.delete(f"/jobs/{id}")


# Models


def _models(
    client: httpx.Client, weights: bytes, name: str = "w.safetensors", **fields: str
) -> httpx.Response:
    sent = {"architecture": "shapes", "labels": "a\nb\nc\nd", **fields}
    return client.post(
        "/models",
        files={"weights": (name, weights)},
        data={key: value for key, value in sent.items() if value != "LEFT OUT"},
    )


class _Runs:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.mark,))


def test_no_model_runs_code(client: httpx.Client, server: Running, tmp_path: Path, after: After) -> None:
    mark = tmp_path / "executed"
    evil = pickle.dumps(_Runs(str(mark)))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("archive/data.pkl", evil)
    length = struct.pack("<Q", len(evil))
    before = _blobs(server)
    for data in (
        evil,
        archive.getvalue(),
        length + evil,
        length + b"{" + evil,
        b"{" + evil,
        WEIGHTS.read_bytes()[:-10] + evil,
    ):
        for name in ("model.pt", "model.pth", "model.pt2", "model.safetensors", "model.bin", "model.ckpt"):
            assert after(_models(client, data, name))["status"] in (415, 422)
    assert not mark.exists()
    assert _blobs(server) == before


def _safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def test_models_that_are_refused(client: httpx.Client, server: Running, after: After) -> None:
    good = WEIGHTS.read_bytes()
    before = _blobs(server)
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    cases: list[bytes] = [
        good[:-5],
        good[: len(good) // 2],
        good + b"\0" * 7,
        b"",
        b"\0" * 20,
        struct.pack("<Q", 1 << 62) + b"{" + b"x" * 100,
        _safetensors(b"{" + b" " * 2_000_000 + b"}"),
        _safetensors(b"{}"),
        _safetensors(b"{nonsense}"),
        _safetensors(b'{"a":' * 5_000),
        _safetensors(json.dumps({"a": {**tensor, "data_offsets": [0, 800]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**tensor, "data_offsets": [8, 0]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**tensor, "shape": [1 << 60, 1 << 60]}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": {**tensor, "dtype": "F99"}}).encode(), b"\0" * 8),
        _safetensors(json.dumps({"a": tensor}).encode(), b"\0" * 8),
        _safetensors(
            json.dumps(
                {str(i): {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}
            ).encode()
        ),
        _nan_weights(good),
    ]
    for data in cases:
        assert after(_models(client, data))["status"] in (413, 415, 422)
    for fields in (
        {"labels": "a\nb"},
        {"labels": "[1, 2]"},
        {"labels": "[" * 500},
        {"labels": "one"},
        {"labels": "a\na\nb\nc"},
        {"labels": '["a", "\\ud800"]'},
        {"labels": '["a", "b\\u0000"]'},
        {"title": "a\x00"},
        {"architecture": "resnet18\x00"},
        {"labels": "\n".join(map(str, range(30_000)))},
    ):
        assert after(_models(client, good, **fields))["status"] == 422, fields
    for architecture in (
        "nope",
        "../../etc/passwd",
        f"timm:{CANARY}",
        "timm:",
        "torchvision:nope",
        "timm:hf_hub:evil/model",
        "x" * 5000,
        "os.system",
    ):
        assert after(_models(client, good, architecture=architecture))["status"] in (404, 422), architecture
    assert _blobs(server) == before


def _nan_weights(good: bytes) -> bytes:
    from safetensors.numpy import load, save

    tensors = load(good)
    name = next(iter(tensors))
    tensors[name] = np.full_like(tensors[name], np.nan)
    return save(tensors)
