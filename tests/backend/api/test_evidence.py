"""Where a bundled sample's evidence lies, as the API tells it: the boxes and masks of the files beside the
samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

SAMPLES = Path(__file__).resolve().parents[3] / "models" / "samples"
ENTRIES = {entry["key"]: entry for path in SAMPLES.glob("*.json") for entry in json.loads(path.read_text())}
PARTS = ("boxes", "mask", "sticker", "hum")

TABLE: dict[tuple[str, str], dict[int, str]] = {
    ("GET", "/v1/samples/{key}/evidence"): {
        200: "test_known_evidence",
        404: "/samples/nope/evidence",
        422: "any text is a possible key, and an impossible one is 404",
    },
}


def unpacked(mask: dict[str, Any]) -> np.ndarray:
    """bool `[H, W]` of COCO's uncompressed run lengths, one pixel after the other."""
    height, width = mask["size"]
    pixels = [bool(k % 2) for k, count in enumerate(mask["counts"]) for _ in range(count)]
    assert len(pixels) == height * width
    return np.array(pixels).reshape(width, height).T


@pytest.mark.parametrize(
    "key", [key for key, entry in ENTRIES.items() if any(entry["evidence"].get(part) for part in PARTS)]
)
def test_known_evidence(client: httpx.Client, key: str) -> None:
    told = client.get(f"/samples/{key}/evidence").json()
    entry = ENTRIES[key]
    known = entry["evidence"]
    assert (told["sample"], told["model"]) == (key, entry["model"])
    regions = {region["key"]: region for region in told["regions"]}
    own = {"evidence"} if known.get("boxes") or known.get("mask") else set()
    assert set(regions) == own | (known.keys() & {"sticker", "hum"})
    assert told["label"] == (entry["label"] if "evidence" in regions else None)
    for name, part in (("evidence", "boxes"), ("hum", "hum")):
        if known.get(part):
            assert regions[name]["boxes"] == known[part]
            assert regions[name]["mask"] is None
    for name, part in (("evidence", "mask"), ("sticker", "sticker")):
        if known.get(part):
            drawn = np.asarray(Image.open(SAMPLES / known[part]).convert("L")) > 0
            assert drawn.any()
            assert (unpacked(regions[name]["mask"]) == drawn).all()
            assert regions[name]["boxes"] == []


@pytest.mark.parametrize(
    "key", [key for key, entry in ENTRIES.items() if not any(entry["evidence"].get(part) for part in PARTS)]
)
def test_samples_without_known_evidence_say_so(client: httpx.Client, after: Any, key: str) -> None:
    found = after(client.get(f"/samples/{key}/evidence"))
    assert (found["status"], found["code"]) == (404, "no_known_evidence")
    assert "nothing can be outlined" in found["detail"]


def test_what_belongs_beside_a_sample_is_there(client: httpx.Client) -> None:
    samples = {sample["key"]: sample for sample in client.get("/samples").json()}
    weights = SAMPLES.parent / "weights"
    pairs = {key: sample["beside"] for key, sample in samples.items() if sample["beside"]}
    assert {"shortcut", "hum"} <= set(pairs)
    for key, pair in pairs.items():
        if pair["kind"] == "model":
            assert (weights / f"{pair['key']}.safetensors").is_file()
        else:
            assert pair["key"] in {sample["input"] for sample in samples.values()} - {samples[key]["input"]}


def test_the_list_of_samples_and_the_evidence_agree(client: httpx.Client) -> None:
    """The page asks only where the list says that something is known."""
    for sample in client.get("/samples").json():
        there = client.get(f"/samples/{sample['key']}/evidence").status_code == 200
        assert there == any(sample["evidence"].values()), sample["key"]


def test_runs_begin_outside_even_where_the_first_pixel_is_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from backend.api import evidence

    monkeypatch.setattr(evidence, "FOLDER", tmp_path)
    for number, mask in enumerate(
        (np.ones((2, 3), bool), np.zeros((2, 3), bool), np.eye(3, dtype=bool), ~np.eye(3, dtype=bool))
    ):
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / f"{number}.png")
        runs = evidence._runs(f"{number}.png")
        assert runs
        assert all(count > 0 for count in runs.counts[1:])
        assert (unpacked(runs.model_dump()) == mask).all()
