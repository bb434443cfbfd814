"""The parts of the API by themselves, against slow second implementations and public ones."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadParameter, EvidentError, InvalidInput, TooExpensive
from app.core.schemas import Fit
from app.core.settings import Settings
from app.core.text import plain_text
from app.web.guard import check_exposure, protect
from backend.api.http.errors import install
from backend.api.http.strict import BadSyntax, loads
from backend.api.parameters import check_cost, complete_params, estimate
from backend.rendering.colours import ramp
from backend.rendering.listen import Cells, istft, marked_sound, region_sound, stft

ROOT = Path(__file__).resolve().parents[3]

PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")).map(
    lambda text: unicodedata.normalize("NFC", text)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
def test_what_json_can_say_is_read_as_json_reads_it(value: Any) -> None:
    assert loads(json.dumps(value).encode(), 32) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode(), 32) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = loads(data, 5)
    except (BadSyntax, BadParameter):
        return
    assert json.dumps(found, ensure_ascii=False) == unicodedata.normalize(
        "NFC", json.dumps(json.loads(data), ensure_ascii=False)
    )


@given(
    st.text(
        st.characters()
        | st.sampled_from("\x00\x1f\x7f\x85\x9f\ud800\udfff\ufffe\n\t")
        | st.characters(codec=None, categories=["Cs", "Cc", "Mn"])
    )
)
def test_a_text_is_plain_or_refused(text: str) -> None:
    """Against the categories of Unicode: what passes can be stored and sent anywhere, and only that."""
    bad = any(unicodedata.category(letter) in ("Cc", "Cs") or letter in "\ufffe\uffff" for letter in text)
    if bad:
        with pytest.raises(BadParameter):
            plain_text(text)
        return
    found = plain_text(text)
    assert found == unicodedata.normalize("NFC", text)
    assert loads(json.dumps({"a": [text]}).encode(), 5) == {"a": [found]}
    assert "\x00" not in found.encode().decode()


def test_a_text_has_an_end_and_lines_only_where_they_make_sense() -> None:
    assert plain_text("a\tb\r\nc", lines=True) == "a\tb\r\nc"
    for text, options in (
        ("a" * 11, {"most": 10}),
        ("a\nb", {}),
        ("a\x00", {"lines": True}),
        ("\ud800", {"lines": True}),
        ("a\u202egnp.exe", {}),
    ):
        with pytest.raises(BadParameter):
            plain_text(text, **options)


@given(st.integers(1, 40))
def test_depth(depth: int) -> None:
    text = ("[" * depth + "]" * depth).encode()
    if depth <= 32:
        assert loads(text, 32) == json.loads(text)
    else:
        with pytest.raises(BadParameter, match="deep"):
            loads(text, 32)
    assert loads(b'"' + b"[{" * 50 + b'"', 1) == "[{" * 50  # brackets in a text are no depth


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "n_samples": {
            "type": "integer",
            "minimum": 10,
            "maximum": 10**9,
            "default": 100,
            "scales_cost": True,
        },
        "n_steps": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10, "scales_cost": True},
        "noise": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 0.2},
        "baseline": {
            "anyOf": [{"type": "string", "enum": ["black", "mean"]}, {"type": "null"}],
            "default": None,
        },
        "mode": {"enum": ["a", "b"], "default": "a"},
    },
}
FIT = Fit(ok=True, defaults={"mode": "b"}, seconds=2.0)


def test_defaults_are_filled_and_numbers_get_their_type() -> None:
    assert complete_params(SCHEMA, FIT, {}) == {
        "n_samples": 100,
        "n_steps": 10,
        "noise": 0.2,
        "baseline": None,
        "mode": "b",
    }
    found = complete_params(SCHEMA, FIT, {"n_samples": 20.0, "noise": 1, "mode": "a"})
    assert (found["n_samples"], found["noise"], found["mode"]) == (20, 1.0, "a")
    assert isinstance(found["n_samples"], int)
    assert isinstance(found["noise"], float)


@pytest.mark.parametrize(("given", "words", "field"), [
    ({"n_sample": 1}, "mean n_samples", "params"), ({"zzz": 1}, "there are: n_samples", "params"), ({"n_samples": 9}, "at least 10", "params.n_samples"),
    ({"n_samples": 10**10}, "at most 1000000000", "params.n_samples"), ({"n_samples": 11.5}, "whole number", "params.n_samples"),
    ({"n_samples": True}, "whole number", "params.n_samples"), ({"n_samples": "SECRET"}, "whole number", "params.n_samples"),
    ({"noise": 0}, "greater than 0", "params.noise"), ({"baseline": "SECRET"}, "one of black, mean", "params.baseline"), ({"mode": "SECRET"}, "one of a, b", "params.mode"),
    ({"mode": ["SECRET"]}, "one of a, b", "params.mode"), ({"n_samples": None}, "whole number", "params.n_samples"),
])  # fmt: skip
def test_bad_parameters_in_plain_words(given: dict[str, Any], words: str, field: str) -> None:
    with pytest.raises(BadParameter, match=words) as caught:
        complete_params(SCHEMA, FIT, given)
    assert caught.value.field == field
    assert "SECRET" not in caught.value.detail


def test_the_estimate_scales_with_what_scales() -> None:
    for n_samples, n_steps in ((100, 10), (200, 10), (50, 30)):
        params = complete_params(SCHEMA, FIT, {"n_samples": n_samples, "n_steps": n_steps, "noise": 0.9})
        assert estimate(SCHEMA, FIT, params) == pytest.approx(2.0 * n_samples / 100 * n_steps / 10)
    assert estimate(SCHEMA, Fit(ok=True), {}) is None
    assert estimate(
        SCHEMA, Fit(ok=True, seconds=2.0, defaults={"n_samples": 50}), {"n_samples": 100, "n_steps": 10}
    ) == pytest.approx(4.0)


def test_too_expensive_says_what_fits() -> None:
    params = complete_params(SCHEMA, FIT, {"n_samples": 10_000_000})
    with pytest.raises(TooExpensive) as caught:
        check_cost(SCHEMA, FIT, params, 600.0)
    fits = int(caught.value.detail.split("at most ")[1].split(" ")[0].replace(",", ""))
    assert check_cost(SCHEMA, FIT, {**params, "n_samples": fits}, 600.0) <= 600.0
    assert fits == 30_000
    with pytest.raises(TooExpensive, match="lighter"):
        check_cost({"properties": {}}, Fit(ok=True, seconds=1e6), {}, 600.0)
    assert check_cost(SCHEMA, Fit(ok=True), params, 600.0) is None


# Sound of a map


def test_stft_and_back_is_exact() -> None:
    x = np.random.default_rng(0).normal(size=5001)
    for size in (64, 256, 512):
        assert np.abs(istft(stft(x, size), size, len(x)) - x).max() < 1e-10


def test_stft_equals_scipy() -> None:
    from scipy.signal import ShortTimeFFT

    x, size = np.random.default_rng(0).normal(size=4096), 256
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    reference = ShortTimeFFT(window, hop=size // 4, fs=1.0, phase_shift=None).stft(x, p0=0).T
    ours = stft(x, size)
    n = min(len(ours), len(reference))
    assert np.abs(ours[:n] - reference[:n])[: n - 4].max() < 1e-9


def _cells(marked: np.ndarray, rate: int, seconds: float) -> Cells:
    height, width = marked.shape
    return Cells(
        marked, list(np.linspace(50, rate / 2 - 50, height)), list((np.arange(width) + 0.5) * seconds / width)
    )


def test_only_and_rest_split_two_tones() -> None:
    """A map that marks the band of one of two tones: `only` keeps that tone, `rest` the other."""
    rate, seconds = 8_000, 2.0
    t = np.arange(round(rate * seconds)) / rate
    low, high = np.sin(2 * np.pi * 500 * t), np.sin(2 * np.pi * 3_000 * t)
    marked = np.zeros((64, 50), np.float32)
    marked[:16] = 1.0
    cells = _cells(marked, rate, seconds)
    for part, tone, other in (("only", low, high), ("rest", high, low)):
        found = marked_sound(0.3 * (low + high), rate, cells, part=part, top=25.0)[800:-800]
        tone, other = tone[800:-800], other[800:-800]
        assert abs(found @ tone) / np.linalg.norm(found) / np.linalg.norm(tone) > 0.99
        assert abs(found @ other) / np.linalg.norm(found) / np.linalg.norm(other) < 0.05
        assert np.sqrt(np.mean(found**2)) == pytest.approx(
            np.sqrt(np.mean((0.3 * (low + high)) ** 2)), rel=0.05
        )  # as loud as before


def test_only_keeps_the_marked_moment() -> None:
    rate = 8_000
    x = np.random.default_rng(0).normal(size=2 * rate) * 0.1
    marked = np.zeros((32, 40), np.float32)
    marked[:, 10:20] = 1.0  # 0.5 s to 1.0 s
    found = marked_sound(x, rate, _cells(marked, rate, 2.0), part="only", top=100.0)
    energy = found**2
    assert energy[round(0.45 * rate) : round(1.05 * rate)].sum() > 0.98 * energy.sum()


def test_a_map_that_marks_nothing_is_silent_and_its_rest_is_all() -> None:
    x = (np.random.default_rng(0).normal(size=8_000) * 0.1).astype(np.float32)
    cells = _cells(np.full((8, 8), -1.0, np.float32), 8_000, 1.0)
    assert not marked_sound(x, 8_000, cells, part="only", top=20.0).any()
    rest = marked_sound(x, 8_000, cells, part="rest", top=20.0)
    assert np.abs(rest - x)[200:-200].max() < 1e-3


def test_the_window_is_cut_out() -> None:
    x = np.arange(16_000) / 16_000 * 0.5
    cells = Cells(np.full((4, 4), -1.0), [100.0, 200.0, 300.0, 400.0], [1.0, 1.1, 1.2, 1.3])
    found = marked_sound(x, 8_000, cells, part="rest", top=20.0, window=(0.9, 1.4))
    assert len(found) == 4_000
    assert np.corrcoef(found[200:-200], x[7_400:11_000])[0, 1] > 0.999


# Colours


def test_a_region_and_its_rest_add_up() -> None:
    """Of white noise: the masks of "only" and "rest" are halves of one, and each holds its own part of the power."""
    rate = 8000
    noise = np.random.default_rng(0).standard_normal(2 * rate) * 0.1
    only, rest = (region_sound(noise, rate, [[0.5, 1.0, 1000, 2000]], part=part) for part in ("only", "rest"))
    # each was scaled to the loudness of the whole: least squares finds both factors
    inner = slice(100, -100)
    pair = np.stack([only, rest], 1)[inner]
    factors = np.linalg.lstsq(pair, noise[inner], rcond=None)[0]
    assert np.abs(pair @ factors - noise[inner]).max() < 1e-5
    assert factors[0] ** 2 == pytest.approx(0.25 * 0.25, rel=0.1)  # a quarter of the time, of the band
    assert np.abs(only[: rate // 2 - 400]).max() < 1e-3 * np.abs(only).max()
    spectrum = np.abs(np.fft.rfft(only)) ** 2
    hertz = np.fft.rfftfreq(len(only), 1 / rate)
    assert spectrum[(hertz > 900) & (hertz < 2100)].sum() > 0.98 * spectrum.sum()


@pytest.mark.parametrize("name", ["cividis", "coolwarm"])
def test_colours_are_those_of_the_browser_and_straight_between_its_steps(
    name: Literal["cividis", "coolwarm"],
) -> None:
    text = (ROOT / "frontend" / "assets" / "evident" / "maps" / "colour_tables.mjs").read_text()
    [body] = re.findall(rf"\b{name}:\s*((?:\"[0-9a-f]+\"[\s+]*)+)", text)
    steps = (
        np.frombuffer(bytes.fromhex("".join(re.findall("[0-9a-f]{2,}", body))), np.uint8)
        .reshape(256, 3)
        .astype(float)
    )
    assert np.allclose(ramp(name, np.arange(256) / 255), steps, rtol=0, atol=1e-9)
    assert np.allclose(ramp(name, (np.arange(255) + 0.25) / 255), 0.75 * steps[:-1] + 0.25 * steps[1:])


# Starting, failing


def test_exposure_is_refused_without_names() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.1.2.3"):
        check_exposure(Settings(_env_file=None, host=host))
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        with pytest.raises(InvalidInput, match="EVIDENT_ALLOWED_HOSTS"):
            check_exposure(Settings(_env_file=None, host=host))
        check_exposure(Settings(_env_file=None, host=host, allowed_hosts=("evident.example.org",)))
        with pytest.raises(InvalidInput):
            check_exposure(Settings(_env_file=None, host=host, allowed_hosts=()))
    with pytest.raises(InvalidInput, match="whole names"):
        check_exposure(Settings(_env_file=None, allowed_hosts=("*",)))


def test_a_bug_is_a_500_with_an_id_and_a_log_line_without_words(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    app = FastAPI()
    install(app)

    words = "".join(("SEC", "RET of the user"))

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError(words)

    @app.get("/late")
    async def late() -> None:
        raise EvidentError("A plain sentence.")

    transport = httpx.ASGITransport(
        app=protect(app, Settings(_env_file=None, data=tmp_path)), raise_app_exceptions=False
    )

    async def get(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path)

    import asyncio

    with caplog.at_level(logging.ERROR, "evident.api"):
        answer = asyncio.run(get("/bug"))
    found = answer.json()
    assert (answer.status_code, found["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert found["request_id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "in bug" in caplog.text
    assert "SECRET" not in caplog.text + answer.text
    assert asyncio.run(get("/late")).json()["detail"] == "A plain sentence."


def test_the_web_process_needs_no_torch() -> None:
    """What `evident serve --part api` imports before a request, and for a picture of a map: no torch, no scipy,
    no librosa, no matplotlib."""
    code = (
        "import sys; from app.core.settings import Settings; from backend.api import create_api, health_router; from backend.api.services import Services;"
        "import numpy as np, app.web.guard, backend.rendering.listen; from backend.rendering.overlay import Look, draw;"
        "draw(None, np.ones((8, 8)), Look());"
        "print([name for name in ('torch', 'captum', 'scipy', 'librosa', 'skimage', 'soundfile', 'av', 'dash', 'matplotlib') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "[]"


def test_a_worker_answers_before_it_loads_what_serves_requests() -> None:
    """Three of them start at once, beside the web process that waits for them."""
    code = (
        "import sys, backend.jobs.workers.process;"
        "print([name for name in ('torch', 'numpy', 'sqlalchemy', 'fastapi', 'backend.tasks') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "[]"


def test_numpy_has_one_thread_in_a_worker_of_four(tmp_path: Path) -> None:
    """The threads of its linear algebra spin between the small fits of LIME: twice the processor time, same bits."""
    code = (
        "import os, pathlib, sys; from backend.jobs.workers.process import set_up_process;"
        "from backend.jobs.workers.protocol import WorkerConfig;"
        "set_up_process(WorkerConfig(data=pathlib.Path(sys.argv[1]), threads=4), 'compute');"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    run = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.split() == ["4", "1"]


def test_decoding_needs_no_torch() -> None:
    """The decode process stays light: it is the one that is killed when a file misbehaves."""
    code = (
        "import sys; from tests.models.media.encoders import *; from backend.tasks import TASKS; from app.core.settings import Limits\n"
        "import tempfile, pathlib; file = pathlib.Path(tempfile.mkdtemp()) / 'a'; file.write_bytes(sndfile(tone()))\n"
        "out = TASKS['decode'].run({'file': str(file), 'as': 'auto', 'limits': Limits().model_dump()}, None, None)\n"
        "print(out.result['modality'], sorted(out.arrays), sorted(out.files), 'torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "audio ['canonical'] ['audio.wav'] False"
