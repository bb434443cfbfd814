"""What there is: models, methods, metrics, and which method fits which, with the seconds each needs on this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from app.core.schemas import AbsentModel, Catalogue, Fit, LayerInfo, MethodInfo, MetricInfo, ModelInfo
from backend.tasks import Outcome, Report, Task, register
from backend.tasks.payloads import ModelSource, Payload, Upload

if TYPE_CHECKING:
    from backend.attribution.types import Method
    from backend.store.blobs import Blobs
    from models import Model, ModelSpec

log = logging.getLogger("evident.worker")


class CataloguePayload(Payload):
    """model: one that is not in the bundled catalogue, with its upload if it is one; None asks for the
    bundled catalogue. names: only which other models are at hand, none of them described."""

    model: str | None = None
    upload: Upload | None = None
    names: bool = False


class Described(BaseModel):
    """A model, and how each method fits it."""

    info: ModelInfo
    fits: dict[str, Fit]


class CatalogueResult(BaseModel):
    """fits: by model and method. own: keys of the operator's models. more: these and those of the weights folder; to be
    asked for one by one. absent: the operator's file, when it cannot be read."""

    catalogue: Catalogue
    fits: dict[str, dict[str, Fit]]
    more: list[str] = []
    own: list[str] = []
    absent: list[AbsentModel] = []


@register
class CatalogueTask(Task[CataloguePayload, CatalogueResult]):
    """Describes the bundled models, or one other; or names those at hand."""

    key = "catalogue"
    lane = "short"
    rank = 30
    Payload = CataloguePayload

    def compute(self, payload: CataloguePayload, files: Blobs, report: Report) -> Outcome[CatalogueResult]:
        if payload.names:
            return Outcome(at_hand())
        from backend.attribution.methods import METHODS
        from models.catalogue import MODELS

        methods = list(METHODS.values())
        if payload.model is not None:
            entries = [describe(ModelSource(model=payload.model, upload=payload.upload), files, methods)]
        else:
            bundled = list(MODELS.values())
            entries = []
            for done, spec in enumerate(bundled):
                report(done, len(bundled), unit="models")
                entries.append(describe_bundled(spec, files, methods))
        catalogue = Catalogue(
            models=[entry.info for entry in entries],
            methods=[method_info(method, entries) for method in methods],
            metrics=metric_infos(),
            architectures=architectures(),
        )
        fits = {entry.info.key: entry.fits for entry in entries}
        return Outcome(CatalogueResult(catalogue=catalogue, fits=fits))


def at_hand() -> CatalogueResult:
    """Keys of the operator's models and of those in the weights folder; while his file cannot be read, the others and
    what is wrong with it."""
    from app.core.errors import EvidentError
    from app.core.settings import get_settings
    from models import hub, own
    from models.catalogue import MODELS

    operators, absent = [], []
    try:
        operators = own.keys()
    except EvidentError as error:
        file = get_settings().models
        absent = [AbsentModel(name=file.name if file else "", own=True, reason=error.detail)]
    others = [key for key in hub.local_specs() if key not in MODELS]
    nothing = Catalogue(models=[], methods=[])
    return CatalogueResult(
        catalogue=nothing, fits={}, more=[*operators, *others], own=operators, absent=absent
    )


def describe_bundled(spec: ModelSpec, files: Blobs, methods: Sequence[Method[Any]]) -> Described:
    """A model whose weights are missing is listed with the reason."""
    from app.core.errors import EvidentError
    from backend.tasks.models import model_of

    try:
        model = model_of(ModelSource(model=spec.key), files)
    except EvidentError as error:
        info = model_info(spec, digest=spec.sha256, available=False, reason=error.detail)
        return Described(
            info=info, fits={method.key: Fit(ok=False, reason=error.detail) for method in methods}
        )
    return _with_fits(model, methods, bundled=True)


def describe(source: ModelSource, files: Blobs, methods: Sequence[Method[Any]]) -> Described:
    """An uploaded model or a published one. Raises NotFound, WeightsUnavailable, ModelRejected."""
    from backend.tasks.models import model_of
    from models import own

    bundled = source.upload is None and (own.has(source.model) or ":" not in source.model)
    return _with_fits(model_of(source, files), methods, bundled)


def _with_fits(model: Model, methods: Sequence[Method[Any]], bundled: bool) -> Described:
    from backend.attribution.estimate import profile

    layers = [LayerInfo(name=layer.name, kind=layer.kind, shape=layer.shape) for layer in model.layers]
    info = model_info(
        model.spec,
        digest=model.digest,
        parameters=sum(weights.numel() for weights in model.module.parameters()),
        layers=layers,
        default_layer=model.default_layer,
        bundled=bundled,
    )
    seconds = profile(model, passes=1)
    return Described(info=info, fits={method.key: fit(method, model, seconds) for method in methods})


def model_info(
    spec: ModelSpec,
    *,
    digest: str | None,
    parameters: int | None = None,
    layers: Sequence[LayerInfo] = (),
    default_layer: str | None = None,
    available: bool = True,
    reason: str = "",
    bundled: bool = True,
) -> ModelInfo:
    return ModelInfo(
        key=spec.key,
        title=spec.title,
        modalities=list(spec.input.modalities),
        labels=list(spec.labels),
        digest=digest,
        parameters=parameters,
        layers=list(layers),
        default_layer=default_layer,
        input=dict(spec.input.describe()),
        source=spec.source,
        licence=spec.licence,
        paper=spec.paper,
        available=available,
        reason=reason,
        bundled=bundled,
        default_for=list(spec.default_for),
        card=dict(spec.card),
    )


def fit(method: Method[Any], model: Model, seconds: Mapping[str, float] | None) -> Fit:
    """May it run, with which defaults, and for how long. seconds: `profile` of the module as given, one image at a
    time; None measures each method's runs as they are."""
    from app.core.errors import BadParameter, where
    from backend.attribution.estimate import estimate, foresee
    from backend.attribution.explain import resolve_params

    try:
        verdict = method.is_compatible(model)
    except (
        Exception
    ) as error:  # one method's fault on one uploaded network must not take the list of everything down
        log.error("%s could not be checked: %s", method.key, where(error))
        return Fit(
            ok=False,
            reason="This method could not be checked on this model because of a fault in the program.",
        )
    if not verdict.ok:
        return Fit(ok=False, reason=verdict.reason)
    usual = Fit(ok=True, defaults=method.defaults(model))
    with suppress(BadParameter):  # a method with a parameter that only the user can give: no estimate
        params = resolve_params(method, model, {})
        expected = foresee(method, model, params, seconds) if seconds else estimate(method, model, params)
        usual.seconds = round(expected, 6)
        cost = method.cost(model, params)
        usual.forwards, usual.backwards = cost.forwards, cost.backwards
    return usual


def method_info(method: Method[Any], entries: Sequence[Described]) -> MethodInfo:
    """Its modalities are those of the models it fits."""
    modalities = {kind for entry in entries if entry.fits[method.key].ok for kind in entry.info.modalities}
    return MethodInfo(
        key=method.key,
        title=method.title,
        family=method.family,
        paper=method.paper,
        summary=method.summary,
        signed=method.signed,
        pieces=method.pieces,
        uses_layer=method.uses_layer,
        unit=method.unit,
        default_on=method.default_on,
        modalities=[kind for kind in ("image", "audio", "spectrogram") if kind in modalities],
        schema_=method.Params.model_json_schema(),
    )


def metric_infos() -> list[MetricInfo]:
    from backend.attribution.metrics import METRICS

    return [
        MetricInfo(
            key=metric.key,
            title=metric.title,
            short=metric.short,
            family=metric.family,
            paper=metric.paper,
            summary=metric.summary,
            better=metric.better,
            low=metric.low,
            high=metric.high,
            needs=sorted(metric.needs),
            default_on=metric.default_on,
            schema_=metric.Params.model_json_schema(),
        )
        for metric in METRICS.values()
    ]


def architectures() -> list[str]:
    """Keys that an uploaded safetensors file may name, beside any `timm:` and `torchvision:` architecture."""
    from models.architectures import ARCHITECTURES

    return sorted(ARCHITECTURES)
