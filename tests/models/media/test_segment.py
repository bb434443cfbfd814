"""Coughs are found where they were put; the fit-for-use checks say what was done to the sound."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from models.media.segment import envelope, loudest, loudest_start, mono, quality, segment, window_start

RATE = 8000


def bursts(
    times: list[float],
    levels: list[float],
    seconds: float = 4.0,
    rate: int = RATE,
    noise: float = 1e-3,
    seed: int = 0,
) -> np.ndarray:
    """Noise bursts of 0.25 s with a sudden start and an exponential decay (time constant 60 ms) over a
    steady background."""
    rng = np.random.default_rng(seed)
    sound = noise * rng.normal(size=round(seconds * rate))
    n = round(0.25 * rate)
    for time, level in zip(times, levels, strict=True):
        first = round(time * rate)
        sound[first : first + n] += level * np.exp(-np.arange(n) / (0.06 * rate)) * rng.normal(size=n)
    return sound.astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 6000])
def test_bursts_are_found_at_their_times_at_any_rate(rate):
    times, levels = [0.5, 1.4, 2.6], [0.1, 0.3, 0.2]
    events = segment(bursts(times, levels, rate=rate), rate)
    assert [event.start for event in events] == pytest.approx(times, abs=0.025)
    assert all(event.start <= event.peak < event.start + 0.08 for event in events)
    assert all(0.15 < event.end - event.start < 0.32 for event in events)
    assert [event.index for event in events] == [0, 1, 2]
    assert loudest(events).index == 1
    # 20 log10(0.3 / 0.1) apart; the first difference that takes the rumble off is the same for all
    assert events[1].level_db - events[0].level_db == pytest.approx(9.5, abs=2.5)


def test_a_burst_in_the_tail_of_another_is_cut_off_from_it():
    events = segment(bursts([1.0, 1.22], [0.3, 0.3], noise=1e-4), RATE)
    assert [event.start for event in events] == pytest.approx([1.0, 1.22], abs=0.035)


def test_loud_background_hides_faint_bursts_and_steady_sound_holds_no_event():
    assert [e.start for e in segment(bursts([0.5, 2.0], [0.02, 0.5], noise=0.02), RATE)] == pytest.approx(
        [2.0], abs=0.025
    )
    t = np.arange(2 * RATE) / RATE
    assert segment(np.sin(2 * np.pi * 440 * t).astype(np.float32), RATE) == []
    assert segment(np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32), RATE) == []
    assert segment(np.zeros(RATE, np.float32), RATE) == []
    assert segment(np.zeros(10, np.float32), RATE) == []


def test_a_click_is_no_cough_and_rumble_does_not_hide_one():
    sound = bursts([1.5], [0.2])
    sound[4000:4020] += 0.9
    t = np.arange(len(sound)) / RATE
    assert [e.start for e in segment(sound + 0.3 * np.sin(2 * np.pi * 20 * t).astype(np.float32), RATE)][
        -1:
    ] == pytest.approx([1.5], abs=0.03)
    assert loudest([e for e in segment(sound, RATE) if e.end - e.start > 0.05]).start == pytest.approx(
        1.5, abs=0.025
    )


def test_gain_changes_levels_only():
    sound = bursts([0.5, 1.4], [0.1, 0.3])
    loud, soft = segment(sound, RATE), segment(0.05 * sound, RATE)
    assert [(e.start, e.end, e.peak) for e in soft] == [(e.start, e.end, e.peak) for e in loud]
    assert [e.level_db - s.level_db for e, s in zip(loud, soft, strict=True)] == pytest.approx(
        [26.0] * 2, abs=0.2
    )


def test_the_window_shows_the_loudest_event_and_stays_inside():
    sound = bursts([0.1, 2.0, 3.6], [0.1, 0.1, 0.4])
    assert loudest_start(sound, RATE, 2.048) == pytest.approx(4.0 - 2.048)
    event = segment(sound, RATE)[1]
    assert window_start(event, 1.0, 4.0) == pytest.approx(1.75, abs=0.03)
    assert window_start(segment(sound, RATE)[0], 1.0, 4.0) == 0
    assert loudest_start(sound[:4000], RATE, 2.048) == 0
    tone = np.sin(np.arange(3 * RATE) * 0.7).astype(np.float32)
    tone[:RATE] *= 0.3  # no event stands out: the window with the most energy
    assert loudest_start(tone, RATE, 1.9) == pytest.approx(1.0, abs=0.11)


def test_mixing():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000)).astype(np.float32)
    same, note = mono(np.stack([a, 0.8 * a], 1))
    np.testing.assert_allclose(same, 0.9 * a, rtol=1e-5)
    assert "averaged" in note
    for pair, number in (
        (np.stack([a, 0.3 * b], 1), 1),
        (np.stack([0.01 * a, b], 1), 2),
        (np.stack([0 * a, b], 1), 2),
    ):
        one, note = mono(pair)
        np.testing.assert_array_equal(one, pair[:, number - 1])
        assert f"number {number}" in note
    np.testing.assert_array_equal(mono(a)[0], a)
    assert mono(a[:, None])[1] == ""
    opposite, note = mono(np.stack([a, -a], 1))  # averaging would leave nothing
    np.testing.assert_array_equal(opposite, a)


def states(sound: np.ndarray, rate: int = RATE) -> dict[str, str]:
    return {check["key"]: check["state"] for check in quality(sound, rate)}


def test_quality_names_what_is_wrong():
    clean = bursts([0.5, 1.4], [0.1, 0.2])
    assert set(states(clean).values()) == {"ok"}
    assert states(np.clip(8 * clean, -0.2, 0.2))["clipping"] == "bad"
    assert states(0.02 * clean)["level"] == "warning"
    assert states(bursts([0.5], [0.1], noise=0.05))["noise"] in {"bad", "unknown"}
    assert states(clean[:1000])["length"] == "bad"
    assert states(np.zeros(RATE, np.float32))["level"] == "bad"
    spectrum = np.fft.rfft(clean)
    spectrum[round(1500 / 4000 * len(spectrum)) :] = 0
    assert states(np.fft.irfft(spectrum).astype(np.float32))["bandwidth"] == "bad"
    other = np.random.default_rng(1).normal(size=len(clean)).astype(np.float32)
    assert states(np.stack([clean, 0.01 * other], 1))["channels"] == "warning"
    assert states(np.stack([clean, clean], 1))["channels"] == "ok"


def test_clipping_share_is_measured():
    t = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 100 * t)
    share = np.mean(np.abs(tone) > 0.8)
    detail = next(
        c for c in quality(np.clip(tone, -0.8, 0.8).astype(np.float32), RATE) if c["key"] == "clipping"
    )["detail"]
    assert float(detail.split(" ")[0]) / 100 == pytest.approx(share, rel=0.06)


def test_envelope_is_the_peak_of_each_part():
    sound = np.arange(-600, 600, dtype=np.float32)
    np.testing.assert_allclose(envelope(sound, 3), [1.0, 200 / 600, 599 / 600], rtol=1e-6)
    assert len(envelope(np.ones(5, np.float32))) == 5


@pytest.mark.data
def test_real_recordings_hold_coughs_with_most_of_their_energy(real_data):
    """No times are known for real coughs; what an event detector must deliver: events in nearly all, and
    the sound is inside them."""
    import csv

    with (real_data / "cough" / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row["duration_s"]) < 20][::12]
    empty, shares = 0, []
    for row in rows:
        sound, rate = soundfile.read(real_data / row["file"], dtype="float32", always_2d=True)
        sound = np.diff(mono(sound)[0])
        events = segment(mono(sound)[0], rate)
        empty += not events
        inside = sum(np.square(sound[round(e.start * rate) : round(e.end * rate)]).sum() for e in events)
        shares.append(inside / np.square(sound).sum())
    assert empty <= 0.05 * len(rows)
    assert np.median(shares) > 0.9
