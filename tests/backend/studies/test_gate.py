"""The count of what the gate lets through, on a folder of generated recordings that is laid out as the real one."""

from __future__ import annotations

import csv

import numpy as np
import soundfile

from backend.studies import gate, gate_meter
from models.synthetic import coughs as synthetic


def test_every_recording_is_counted_in_its_group(tmp_path):
    coughs, others = [], []
    (tmp_path / "cough").mkdir()
    (tmp_path / "audio_other").mkdir()
    for number in range(10):
        item = synthetic.render(3, number, number % 2)
        soundfile.write(tmp_path / "cough" / f"{number}.wav", item.waveform, item.rate)
        label = "positive" if number % 2 else "negative"
        coughs.append(
            {"file": f"cough/{number}.wav", "subject_id": f"p{number}", "set": "core", "label": label}
        )
    noise = 0.1 * np.random.default_rng(0).standard_normal(24_000)
    soundfile.write(tmp_path / "audio_other" / "noise.wav", noise, 8000)
    others.append({"file": "audio_other/noise.wav", "subject_id": "", "kind": "music"})
    for folder, rows in {"cough": coughs, "audio_other": others}.items():
        with (tmp_path / folder / "labels.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
    groups = {group.title: group for group in gate.simulate(tmp_path)}
    assert groups[gate.HELD_OUT].n == 2, "one fold of five"
    assert groups["telephone coughs, learned from"].n == 8
    assert groups["music, a bird"].states == {"abstain": 1}
    assert groups["music, a bird"].checks["cough"] == 1
    table = gate.markdown(list(groups.values()))
    assert "| music, a bird | 1 | 0 % (0 to 79) | 0 % (0 to 79) | 100 % (21 to 100) |" in table[-1]
    lines = gate_meter.meter(tmp_path)
    start = next(line for line in lines if (line.method, line.title) == ("lrp", "Start of the cut"))
    assert len(start.shares) == 2
    assert (start.ranges >= 0).all()
    assert any("| lrp | Start of the cut | 2 |" in row for row in gate_meter.markdown(lines))
