"""What a first study is expected to cost: as many maps and passes as its metrics then take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

import backend
from backend.api.measuring import _metric_work
from backend.attribution.measuring.again import Again
from backend.attribution.measuring.evaluate import evaluate_all
from backend.attribution.metrics import METRICS
from backend.tasks.catalogue import metric_infos
from tests.backend.attribution.measuring.made import region
from tests.tiny import build, picture

INFOS = {info.key: info for info in metric_infos()}
AGAIN = [key for key, info in INFOS.items() if "explain" in info.needs]
SAMPLES = {"n_samples": 3, "n_classes": 2, "n_repeats": 2}


def work(keys: Sequence[str], params: Mapping[str, Mapping[str, Any]]) -> tuple[float, float]:
    return _metric_work([INFOS[key] for key in keys], params)


@pytest.mark.parametrize("keys", [*([key] for key in AGAIN), AGAIN, [*AGAIN, "sparseness"], ["sparseness"]])
def test_as_many_maps_are_expected_as_are_made(monkeypatch: pytest.MonkeyPatch, keys: list[str]) -> None:
    model, x = build("plain"), picture()
    result = backend.explain(model, x, "gradient", target=1)
    params = {
        key: {name: count for name, count in SAMPLES.items() if name in METRICS[key].Params.model_fields}
        for key in keys
    }
    made = []
    again = Again.map
    monkeypatch.setattr(Again, "map", lambda self, **changed: made.append(0) or again(self, **changed))
    scores = evaluate_all(model, x, result, keys, region(), params)
    assert all(score.value is not None for score in scores.values()), scores
    assert work(keys, params) == (len(made), 0)


def test_passes_follow_the_steps_and_both_ways_of_removing() -> None:
    steps = {"pixel_flipping": {"n_steps": 20}, "road": {"n_steps": 7}}
    assert work(["pixel_flipping"], steps) == (0, 40)
    assert work(["road"], steps) == (0, 7)
    assert work(["pixel_flipping", "road"], {}) == (0, 2 * 32 + 10)
    assert work(["infidelity"], {})[1] > 0, "it says nothing of its passes, and takes some"
