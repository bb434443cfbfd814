"""The controlled experiment: a planted thing that betrays the class in one network and means nothing in its
twin.

Pairs of small networks, trained alike but for the data: pictures with a corner sticker, recordings with a
mains hum. In the *misled* network's training data the planted thing is on every example of one class and on
no other; in the *fair* network's it is on some examples whatever the class. Every input judged here carries
both the planted thing and the object that really makes its class, so that an explanation has to say which of
the two the network goes by:

    misled network: the planted thing     fair network: the object

The pictures come twice. `image` betrays the striped class, which the fair network knows by its stripes.
`image_star` betrays the star, which the fair network knows by the *absence* of stripes, dots and red (it
calls a plain disc a star): no concept is there to be found, and the part shows what the methods say then.

An input is ranked rightly when the method gives the right one the strictly higher score; a tie is wrong, as
is a concept the layer does not recognise. The truth itself is checked on the same inputs: the planted thing,
or the object, is left out when the input is drawn, everything else staying the same, and the probability of
the class is asked again.

Scores of (planted thing, object), for input x, class k, layer with feature maps F and concept direction v:

    intervention    p_k(x) - p_k(x without it)
    visual_tcav     attribution a of step 5 (backend.attribution.concepts.attribution)
    tcav            cosine of sum_ij dh_k/dF_ij with v: sign and size of the directional derivative, free of the scale of logits
    deletion        p_k(x) - p_k(x with the concept erased from F) (backend.attribution.concepts.curves)
    grad_cam        mean of the map inside the region over its mean everywhere
    grad_cam_mass   share of the map's sum inside the region (large regions are favoured)

Concept directions come from generated examples that share nothing with the judged inputs: counter-examples
show neither thing, each set of examples one of them. Probabilities are the raw network's (temperature 1): a
sharpened softmax would round every drop to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import backend
from app.core.errors import BadParameter
from backend.attribution.concepts.attribution import attribution_field, concept_maps, concept_scores
from backend.attribution.concepts.curves import without
from backend.attribution.concepts.significance import PseudoConcepts, empirical_p, pseudo_concepts
from backend.attribution.concepts.vectors import Activations, ConceptVector, vector_from
from backend.attribution.types import Progress, silent
from backend.studies.scenes import OBJECT, PLANTED, SCENES, Material, Scene, network
from models.model import Model
from models.training.images import interval

METHODS = {
    "intervention": "Left out of the input (the truth)",
    "visual_tcav": "Visual-TCAV, attribution",
    "tcav": "TCAV, directional derivative",
    "deletion": "Concept erased, drop of probability",
    "grad_cam": "Grad-CAM, mean inside the region",
    "grad_cam_mass": "Grad-CAM, mass inside the region",
}
ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Layer:
    """The two concepts and the pseudo-concepts at one layer of one network."""

    name: str
    vectors: tuple[ConceptVector, ConceptVector]
    pseudo: PseudoConcepts

    @classmethod
    def of(cls, model: Model, name: str, material: Material, n_random: int, seed: int) -> Layer:
        minus = Activations(model, name, material.counter)
        first, second = (
            vector_from(model, Activations(model, name, examples), minus) for examples in material.examples
        )
        return cls(name, (first, second), pseudo_concepts(minus, first.positives, n_random, seed))

    @property
    def directions(self) -> Tensor:
        return torch.stack([vector.direction for vector in self.vectors])

    @property
    def emblems(self) -> Tensor:
        return torch.tensor([vector.emblems for vector in self.vectors])


def experiment(
    keys: Sequence[str] = tuple(SCENES),
    *,
    inputs: int = 40,
    examples: int = 40,
    counters: int = 100,
    n_random: int = 50,
    layers: int | None = None,
    seed: int = 0,
    weights: Path | None = None,
    report: Progress = silent,
) -> dict[str, Any]:
    """Runs the scenes and returns everything as JSON-able data; `backend.studies.planted_report` writes it
    down.

    layers: how many of each scene's layers, counted from the last; None takes all. weights: folder with
    networks trained anew (see `train`), None takes the shipped ones. Raises BadParameter.
    """
    if layers is not None and layers < 1:
        raise BadParameter("Take at least one layer.", field="layers")
    if inputs < 2 or examples < 10 or counters < 20 or n_random < 20:
        raise BadParameter(
            "Take at least 2 inputs, 10 examples, 20 counter-examples and 20 random concepts.", field="inputs"
        )
    if set(keys) - set(SCENES):
        raise BadParameter(
            f"There is no such part of the experiment; there are: {', '.join(SCENES)}.", field="only"
        )
    scenes = [replace(SCENES[key], layers=SCENES[key].layers[-(layers or 99) :]) for key in keys]
    total = sum(2 * len(scene.layers) * inputs for scene in scenes)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        report(done, total)

    report(0, total)
    settings = {
        "inputs": inputs,
        "examples": examples,
        "counter_examples": counters,
        "random_concepts": n_random,
        "seed": seed,
        "trained_anew": weights is not None,
    }
    return {
        "settings": settings,
        "methods": METHODS,
        "scenes": [_scene(scene, settings, weights, step) for scene in scenes],
    }


def _scene(
    scene: Scene, settings: dict[str, Any], weights: Path | None, step: Callable[[], None]
) -> dict[str, Any]:
    material = scene.make(
        settings["inputs"], settings["examples"], settings["counter_examples"], settings["seed"]
    )
    networks, scores = [], {}
    for key in (scene.misled, scene.fair):
        model = network(key, weights)
        truth = _intervention(model, material, scene.target)
        networks.append(
            {
                "key": key,
                "misled": key == scene.misled,
                **_naming_rates(model, material, scene.target),
                "directions": {},
            }
        )
        for name in scene.layers:
            layer = Layer.of(model, name, material, settings["random_concepts"], settings["seed"])
            networks[-1]["directions"][name] = _direction_facts(layer)
            judged = {"intervention": truth, **judge(model, layer, material, scene.target, step)}
            scores[key, name] = judged
    return {
        "key": scene.key,
        "title": scene.title,
        "planted": scene.planted,
        "object": scene.object,
        "layers": list(scene.layers),
        "networks": networks,
        "rows": [row for name in scene.layers for row in _rows(scene, name, scores)],
        "chance": [
            {
                "network": key,
                "layer": name,
                **{
                    thing: interval(int((p[:, i] <= ALPHA).sum()), len(p))
                    for i, thing in enumerate(("planted", "object"))
                },
            }
            for (key, name), judged in scores.items()
            for p in [judged["p"]]
        ],
        "scores": [
            {
                "network": key,
                "layer": name,
                "method": method,
                "planted": values[:, PLANTED].tolist(),
                "object": values[:, OBJECT].tolist(),
            }
            for (key, name), judged in scores.items()
            for method, values in judged.items()
            if method != "p"
        ],
    }


def _intervention(model: Model, material: Material, target: int) -> np.ndarray:
    """`[N, 2]`: what the class loses when the planted thing, or the object, is left out of the input."""
    with_both = model.predict(material.whole)[:, target]
    return (
        torch.stack([with_both - model.predict(bare)[:, target] for bare in material.bare], dim=1)
        .cpu()
        .numpy()
    )


def _naming_rates(model: Model, material: Material, target: int) -> dict[str, Any]:
    """How often the network names the class, with both things and without either."""
    inputs = {
        "with_both": material.whole,
        "without_planted": material.bare[PLANTED],
        "without_object": material.bare[OBJECT],
    }
    return {
        name: interval(int((model.predict(x).argmax(1) == target).sum()), len(x))
        for name, x in inputs.items()
    }


def _direction_facts(layer: Layer) -> dict[str, Any]:
    """Whether the two directions differ at all, whether they are recognised, and their lengths over the
    random ones' median."""
    median = float(layer.pseudo.lengths.median())
    return {
        "cosine": float(
            torch.nn.functional.cosine_similarity(layer.directions[PLANTED], layer.directions[OBJECT], dim=0)
        ),
        "recognised": [vector.recognised for vector in layer.vectors],
        "length_over_random": [vector.length / max(median, 1e-12) for vector in layer.vectors],
    }


def judge(
    model: Model, layer: Layer, material: Material, target: int, step: Callable[[], None] = lambda: None
) -> dict[str, np.ndarray]:
    """Every method's scores of (planted, object), `[N, 2]` each, and `p`: the attributions' p-values
    against pseudo-concepts."""
    scores_by_method: dict[str, list[np.ndarray]] = {
        key: [] for key in (*METHODS, "p") if key != "intervention"
    }
    unit = torch.nn.functional.normalize(layer.directions, dim=1)
    for i in range(len(material.whole)):
        x = material.whole[i : i + 1]
        field = attribution_field(model, x, layer.name, [target])
        _, maps = concept_maps(field.features, layer.directions, layer.emblems)
        scores = concept_scores(field, layer.directions, maps)[:, 0].numpy()
        chance = layer.pseudo.scores(field)[:, 0].numpy()
        cam = backend.explain(model, x, "grad_cam", target=target, layer=layer.name).values
        erased = without(model, x, layer.name, layer.directions, layer.emblems, [target])[:, 0]
        scores_by_method["visual_tcav"].append(scores)
        scores_by_method["p"].append(np.array([empirical_p(float(score), chance) for score in scores]))
        scores_by_method["tcav"].append(torch.nn.functional.cosine_similarity(field.slopes, unit).numpy())
        scores_by_method["deletion"].append((model.predict(x)[0, target] - erased).numpy())
        scores_by_method["grad_cam"].append(
            np.array([_mean_inside(cam, region) for region in material.regions[:, i]])
        )
        scores_by_method["grad_cam_mass"].append(
            np.array([cam[region].sum() / max(float(cam.sum()), 1e-12) for region in material.regions[:, i]])
        )
        step()
    return {key: np.stack(values).astype(float) for key, values in scores_by_method.items()}


def _mean_inside(values: np.ndarray, region: np.ndarray) -> float:
    """Mean inside the region over the mean everywhere; 0 for an empty region or a flat map."""
    return float(values[region].mean() / max(float(values.mean()), 1e-12)) if region.any() else 0.0


def ranked_rightly(scores: np.ndarray, misled: bool) -> np.ndarray:
    """bool `[N]`: the thing the network goes by has the strictly higher score. scores: `[N, 2]`."""
    planted, real = scores[:, PLANTED], scores[:, OBJECT]
    return planted > real if misled else real > planted


def _rows(
    scene: Scene, layer: str, scores: Mapping[tuple[str, str], Mapping[str, np.ndarray]]
) -> Iterable[dict[str, Any]]:
    """One row per method: the share ranked rightly in each network and in both, and whether the planted thing
    counts for more where it is predictive (same input, two networks)."""
    misled, fair = scores[scene.misled, layer], scores[scene.fair, layer]
    for method in METHODS:
        right = [ranked_rightly(side[method], side is misled) for side in (misled, fair)]
        more = misled[method][:, PLANTED] > fair[method][:, PLANTED]
        yield {
            "layer": layer,
            "method": method,
            **{
                name: interval(int(hits.sum()), hits.size)
                for name, hits in (
                    ("misled", right[0]),
                    ("fair", right[1]),
                    ("both", np.concatenate(right)),
                    ("across", more),
                )
            },
            "means": {
                name: {
                    "planted": float(side[method][:, PLANTED].mean()),
                    "object": float(side[method][:, OBJECT].mean()),
                }
                for name, side in (("misled", misled), ("fair", fair))
            },
        }
