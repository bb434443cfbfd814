"""A study of a layer's filters as the API answers it, for tests of what is drawn from it."""

from __future__ import annotations

from typing import Any


def study_of(n: int) -> dict[str, Any]:
    """n filters, two classes; filter k loses k logits of the second class and gains as many of the first."""
    filters = [
        {
            "index": k,
            "dead": False,
            "mean": [0.1, 0.2],
            "auc": [0.4, 0.6],
            "importance": 0.1 * k,
            "drops": [-float(k), float(k)],
            "cluster": k,
            "twin": None,
            "taylor": 0.0,
            "tuning": None,
            "strongest": [],
        }
        for k in range(n)
    ]
    counts = list(range(n + 1))
    return {
        "model": "cnnexplain",
        "layer": "relu3",
        "kind": "ReLU",
        "calibration": {"title": "synthetic coughs", "count": 40},
        "labels": ["other", "Covid-like"],
        "classes": [0, 1],
        "filters": filters,
        "order": list(range(n))[::-1],
        "clusters": [[k] for k in range(n)],
        "groups": [],
        "redundancy": 0.1,
        "effective_dimension": float(n),
        "dead": [],
        "cka": {"layers": ["relu3", "relu4"], "matrix": [[1.0, 0.4], [0.4, 1.0]]},
        "removal": {
            "counts": counts,
            **{
                name: [1.0] * len(counts)
                for name in ("descending", "ascending", "random", "random_low", "random_high")
            },
        },
        "agreement": {"names": ["ablation", "taylor"], "matrix": [[1.0, 0.7], [0.7, 1.0]]},
    }
