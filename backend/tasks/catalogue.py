"""What there is: models, methods, and which fits which, with the seconds each needs on this machine."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from backend.tasks import Outcome, Report, Task, register

if TYPE_CHECKING:
    from backend.attribution.types import Method
    from backend.store.blobs import Blobs
    from models import Model, ModelSpec

log = logging.getLogger("evident.worker")


@register
class Catalogue(Task):
    """payload: {} for the bundled catalogue, {model, upload} for one model that is not in it.

    result: {catalogue: app.core.schemas.Catalogue, fits: {model: {method: app.core.schemas.Fit}}, more: keys
    of models at hand whose libraries are slow to import, to be asked for one by one}.
    """

    key = "catalogue"
    lane = "short"
    rank = 30

    def run(self, payload: dict[str, Any], files: Blobs, report: Report) -> Outcome:
        import models
        from backend.attribution.methods import METHODS

        methods = list(METHODS.values())
        more: list[str] = []
        if "model" in payload:
            entries = [describe_one(payload, files, methods)]
        else:
            specs = dict(models.specs())
            more = [key for key in specs if ":" in key]
            specs = {key: spec for key, spec in specs.items() if key not in more}
            entries = []
            for done, (key, spec) in enumerate(specs.items()):
                report(done, len(specs), unit="models")
                entries.append(describe(spec, {"model": key}, files, methods))
        catalogue = {
            "models": [info for info, _ in entries],
            "methods": [
                method_info(method, [info for info, _ in entries], dict(entry_fits(entries)))
                for method in methods
            ],
            "architectures": architectures(),
        }
        return Outcome({"catalogue": catalogue, "fits": entry_fits(entries), "more": more})


def entry_fits(entries: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {info["key"]: fits for info, fits in entries}


def describe(
    spec: ModelSpec, payload: dict[str, Any], files: Blobs, methods: list[Method[Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """`app.core.schemas.ModelInfo` and its `Fit`s; a model whose weights are missing is listed with the
    reason."""
    from app.core.errors import EvidentError
    from backend.tasks.models import model_of

    try:
        model = model_of(payload, files)
    except EvidentError as error:
        info = {
            **spec_info(spec),
            "digest": spec.sha256,
            "layers": [],
            "default_layer": None,
            "available": False,
            "reason": error.detail,
        }
        return info, {method.key: {"ok": False, "reason": error.detail} for method in methods}
    return _with_fits(model, methods, bundled=True)


def describe_one(
    payload: dict[str, Any], files: Blobs, methods: list[Method[Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for an uploaded model or one of the zoo. Raises NotFound, WeightsUnavailable,
    ModelRejected."""
    from backend.tasks.models import model_of

    return _with_fits(model_of(payload, files), methods, bundled=False)


def _with_fits(
    model: Model, methods: list[Method[Any]], bundled: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    layers = [{"name": layer.name, "kind": layer.kind, "shape": list(layer.shape)} for layer in model.layers]
    info = {
        **spec_info(model.spec),
        "digest": model.digest,
        "layers": layers,
        "default_layer": model.default_layer,
        "bundled": bundled,
    }
    seconds = measure(model)
    return info, {method.key: fit(method, model, seconds) for method in methods}


def spec_info(spec: ModelSpec) -> dict[str, Any]:
    from backend.tasks.explanation import finite

    return {
        "key": spec.key,
        "title": spec.title,
        "modalities": list(spec.input.modalities),
        "labels": list(spec.labels),
        "input": finite(spec.input.describe()),
        "source": spec.source,
        "licence": spec.licence,
        "paper": spec.paper,
        "card": finite(dict(spec.card)),
    }


def measure(model: Model) -> tuple[float, float]:
    """Seconds of one forward, and of one forward with the backward to the input, on this machine; the best
    of five runs."""
    import torch

    x = torch.zeros(1, *model.input.shape, device=model.device)

    def forward() -> None:
        with torch.no_grad():
            model.module(x)

    def both() -> None:
        given = x.clone().requires_grad_(True)
        model.module(given).sum().backward()

    return _best(forward), _best(both)


def _best(work: Any, runs: int = 5) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def fit(method: Method[Any], model: Model, seconds: tuple[float, float]) -> dict[str, Any]:
    """`app.core.schemas.Fit`: may it run, with which defaults, and for how long (its passes times the
    measured pass)."""
    from app.core.errors import BadParameter, where
    from backend.attribution.explain import resolve_params
    from backend.tasks.explanation import finite

    try:
        verdict = method.is_compatible(model)
    except (
        Exception
    ) as error:  # one method's fault on one uploaded network must not take the list of everything down
        log.error("%s could not be checked: %s", method.key, where(error))
        return {
            "ok": False,
            "reason": "This method could not be checked on this model because of a fault in the program.",
        }
    if not verdict.ok:
        return {"ok": False, "reason": verdict.reason}
    found = {"ok": True, "reason": "", "defaults": finite(method.defaults(model)), "seconds": None}
    with suppress(BadParameter):  # a method with a parameter that only the user can give: no estimate
        cost = method.cost(model, resolve_params(method, model, {}))
        forward, both = seconds
        backwards = min(cost.backwards, cost.forwards) if cost.forwards else cost.backwards
        found["seconds"] = round(backwards * both + max(0, cost.forwards - backwards) * forward, 4)
    return found


def method_info(
    method: Method[Any], models: list[dict[str, Any]], fits: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """`app.core.schemas.MethodInfo`; its modalities are those of the models it fits."""
    modalities = {
        kind for info in models if fits[info["key"]][method.key]["ok"] for kind in info["modalities"]
    }
    return {
        "key": method.key,
        "title": method.title,
        "family": method.family,
        "paper": method.paper,
        "summary": method.summary,
        "signed": method.signed,
        "uses_layer": method.uses_layer,
        "unit": method.unit,
        "pieces": method.pieces,
        "default_on": method.default_on,
        "modalities": [kind for kind in ("image", "audio", "spectrogram") if kind in modalities],
        "schema": method.Params.model_json_schema(),
    }


def architectures() -> list[str]:
    """Keys that an uploaded safetensors file may name, beside any `timm:` and `torchvision:` architecture."""
    from models.architectures import ARCHITECTURES

    return sorted(ARCHITECTURES)
