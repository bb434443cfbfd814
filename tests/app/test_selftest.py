"""`evident selftest` finds what it looks for, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import backend
import models.media
from app.cli import main
from app.commands import selftest


def test_damaged_files_are_read_or_refused() -> None:
    lines = list(selftest.damaged_files(16, seed=3))
    assert {label for _, label, _ in lines} >= {"PNG files", "WAV files", "npy files"}
    assert all(ok for ok, _, _ in lines), lines


def test_a_surprise_of_the_decoder_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def surprised(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(models.media, "decode", surprised)
    lines = list(selftest.damaged_files(3, seed=0))
    assert not any(ok for ok, _, _ in lines)
    assert all("3 surprised (RuntimeError)" in said for _, _, said in lines)


def test_identities_hold_and_a_map_that_shares_out_twice_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(selftest, "maps", lambda: iter(()))
    monkeypatch.setattr(selftest, "damaged_files", lambda *_: iter(()))
    assert main(["selftest"]) == 0
    assert "Everything holds." in capsys.readouterr().out

    explain = backend.explain

    def twice(*args: object, **options: object) -> object:
        result = explain(*args, **options)  # type: ignore[arg-type]
        return replace(result, values=2 * np.asarray(result.values))

    monkeypatch.setattr(backend, "explain", twice)
    assert main(["selftest"]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL")]
    assert "LRP conservation" in line


def test_a_map_that_differs_the_second_time_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [line[:2] for line in selftest.maps(["gradient"])] == [(True, "gradient")]
    explain, seeds = backend.explain, iter(range(2))
    monkeypatch.setattr(
        backend, "explain", lambda *args, seed, **options: explain(*args, seed=next(seeds), n_samples=2)
    )
    ((ok, _, said),) = selftest.maps(["smooth_grad"])
    assert not ok
    assert said == "another map with the same seed"


def test_numbers_that_make_no_sense_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--files", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err
