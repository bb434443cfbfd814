"""Model, methods with their cost, layer, seed, Run. Everything here is drawn from the catalogue; no method
is named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from app.core.schemas import Catalogue, EvaluationAdvice, Fit, LayerInfo, MethodInfo, ModelInfo
from frontend import ids
from frontend.ui import forms, words
from frontend.ui.common import action, aria, card, drawer, hidden, icon

WIDE = {"width": 260, "position": "bottom-end"}
"""Lists may be wider than the field they drop from."""


def model_card(
    options: Sequence[Mapping[str, Any]],
    model: str | None,
    aside: Component | None = None,
    follower: Sequence[Component] = (),
) -> Component:
    """Model and layer; the layers are filled in when the model is known. follower: `frontend.ui.absent.follower`."""
    choice = dmc.Select(
        id="model-select",
        data=list(options),
        value=model,
        size="xs",
        allowDeselect=False,
        maxDropdownHeight=360,
        comboboxProps=WIDE,
        **aria(label="Model"),
    )
    layer = dmc.Select(
        id="layer-select",
        data=[],
        size="xs",
        allowDeselect=False,
        comboboxProps=WIDE,
        **forms.SEARCH,
    )
    return card(
        "Model",
        html.Div([choice, html.Div(id="model-note"), *follower], className="ev-control ev-control--model"),
        html.Div(
            [html.Label("Layer", htmlFor="layer-select"), layer],
            className="ev-control ev-control--layer ev-lab-only",
        ),
        aside=aside,
        className="ev-network-card",
    )


def methods_card(rows: Sequence[Component], ticked: Sequence[str], seed: int, listed: str = "") -> Component:
    """What to run; costs and fits are filled in when model and input are known. listed: `listed_for` of the rows."""
    of: dict[str, Any] = {"data-of": listed}
    number = dmc.NumberInput(
        id="seed",
        value=seed,
        min=0,
        max=2**31 - 1,
        allowDecimal=False,
        hideControls=True,
        size="xs",
        debounce=True,
        w=52,
    )
    seeded = html.Label(
        ["Seed", number],
        className="ev-compact ev-lab-only",
        title="Start of the random numbers: the same seed gives the same map",
    )
    return card(
        "Methods",
        dmc.CheckboxGroup(
            html.Div(list(rows), id="methods-list", **of),
            id="methods",
            value=list(ticked),
            **aria(label="Methods to run"),
        ),
        dmc.Button("Run", id="run", fullWidth=True, size="xs", n_clicks=0),
        html.Div(id="run-note", className="ev-small ev-run-note", role="status"),
        html.Div(id="run-problem"),
        aside=seeded,
        className="ev-methods-card",
    )


def model_note(model: ModelInfo | None) -> Component:
    """A way to the model's card; which weights, and for how many classes, on hover."""
    if model is None:
        return html.Span("No model on this server takes this kind of input.", className="ev-muted ev-small")
    weights = f"weights {model.digest[:12]}" if model.digest else "weights on first use"
    return dcc.Link(
        [icon("info"), hidden(f"Card of {model.title}")],
        href=f"/models?open={quote(model.key, safe='')}",
        className="ev-icon-button",
        title=f"{len(model.labels):,} classes, {weights}. Open the model card.",
    )


def listed_for(
    model: str | None, params: Mapping[str, Mapping[str, Any]], advice: EvaluationAdvice | None
) -> str:
    """What the rows depend on; as long as it is the same they are not drawn anew."""
    return json.dumps([model, params, advice and advice.study], sort_keys=True)


def method_rows(
    methods: Sequence[MethodInfo],
    fits: Mapping[str, Fit],
    params: Mapping[str, Mapping[str, Any]],
    ticked: Sequence[str] = (),
    advice: EvaluationAdvice | None = None,
) -> list[Component]:
    """One row per method: tick, cost, parameters. Methods that are not on by default wait behind "more",
    unless ticked. advice: what a study of this network found; its methods come first, in its order."""
    if advice is not None:
        place = {key: number for number, key in enumerate(advice.methods)}
        methods = sorted(methods, key=lambda method: place.get(method.key, len(place)))
    front = [method for method in methods if method.default_on or method.key in ticked]
    rest = [method for method in methods if method not in front]
    rows = [method_row(method, fits.get(method.key), params.get(method.key, {})) for method in front]
    if rest:
        more = [method_row(method, fits.get(method.key), params.get(method.key, {})) for method in rest]
        rows.append(html.Details([html.Summary(f"{len(rest)} more methods"), *more], className="ev-more"))
    return rows if advice is None else [measured(methods, advice), *rows]


def measured(methods: Sequence[MethodInfo], advice: EvaluationAdvice) -> Component:
    """Which methods passed for this network in its last study, best first, and a way there; why, on hover."""
    titles = {method.key: method.title for method in methods}
    named = [(titles.get(key, key), key) for key in advice.methods]
    passed = ", ".join(title for title, key in named if advice.passed.get(key))
    return html.P(
        [
            f"{advice.text} ",
            f"Best first: {passed}. " if passed and not all(advice.passed.values()) else "",
            dcc.Link("See the study", href=f"/measure?study={quote(advice.study, safe='')}"),
        ],
        className="ev-muted ev-small ev-measured",
        title="\n".join(f"{title}: {advice.because.get(key, '')}" for title, key in named),
    )


def method_row(method: MethodInfo, fit: Fit | None, params: Mapping[str, Any]) -> Component:
    """A method that does not fit says why in place of its cost."""
    fits = fit is None or fit.ok
    reason = "" if fits or fit is None else fit.reason
    return html.Div(
        [
            dmc.Checkbox(
                label=method.title,
                value=method.key,
                size="xs",
                disabled=not fits,
                className="ev-method-tick",
                **aria(description=reason or method.summary),
            ),
            html.Span(
                cost(method, fit, params),
                id=ids.cost(method.key, "row"),
                className="ev-muted ev-method-cost",
                title="Expected time on this machine, as the last runs took; about: it has not run on this model yet",
            )
            if fits
            else _reason(reason),
            html.Button(
                [icon("sliders"), hidden(f"Parameters of {method.title}{' (changed)' if params else ''}")],
                id=ids.tune(method.key),
                className="ev-icon-button ev-lab-only ev-tune ev-tune--on"
                if params
                else "ev-icon-button ev-lab-only ev-tune",
                n_clicks=0,
                disabled=not fits,
                title=f"Parameters of {method.title}",
            ),
        ],
        className="ev-method" if fits else "ev-method ev-method--off",
        title=reason or method.summary,
    )


def cost(method: MethodInfo, fit: Fit | None, params: Mapping[str, Any]) -> str:
    """Expected seconds in words; empty when nothing was measured."""
    if fit is None or not fit.ok:
        return ""
    return words.expected(forms.estimate(method.schema_, fit, params), fit.runs)


def _reason(reason: str) -> Component:
    return html.Span(
        [icon("info"), "does not fit", hidden(f": {reason}")],
        className="ev-muted ev-method-cost",
        title=reason,
    )


def params_drawer() -> Component:
    """One drawer for the parameters of whichever method was asked for."""
    return drawer(
        html.Div(id="params-form"),
        id="params-drawer",
        title="Parameters",
        position="right",
        size=380,
        withOverlay=False,
        lockScroll=False,
        trapFocus=True,
    )


def params_form(
    method: MethodInfo, fit: Fit | None, values: Mapping[str, Any], lists: forms.Lists | None = None
) -> Component:
    """Summary, paper and controls of one method."""
    return html.Div(
        [
            html.P(method.summary),
            html.P(method.paper, className="ev-muted ev-small"),
            forms.form(method.key, method.schema_, fit.defaults if fit else None, values, lists),
            html.P(
                "Changes wait for Run; maps already drawn stay as they are and say so.",
                className="ev-muted ev-small",
            ),
            action(f"Run {method.title}", "play", id=ids.run_one(f"drawer:{method.key}")),
        ],
        className="ev-params",
    )


def model_options(models: Sequence[ModelInfo], modality: str | None) -> list[dict[str, Any]]:
    """The models, those that cannot take this input at the end and switched off with the reason."""
    usable = [
        model for model in models if model.available and (modality is None or modality in model.modalities)
    ]
    rest = [model for model in models if model not in usable]
    return [{"value": model.key, "label": model.title} for model in usable] + [
        {"value": model.key, "label": f"{model.title} ({why_not(model, modality)})", "disabled": True}
        for model in rest
    ]


def why_not(model: ModelInfo, modality: str | None) -> str:
    """Why a model cannot be chosen, in a few words."""
    if not model.available:
        return "not available"
    wanted = " or ".join(words.MODALITY[name].lower() for name in model.modalities)
    return f"takes {wanted}" if modality and modality not in model.modalities else ""


def choose_model(models: Sequence[ModelInfo], modality: str | None, *wishes: str | None) -> str | None:
    """The first wish that can take the input, else the model such inputs are given to by default, else the first
    that can."""
    usable = [
        model for model in models if model.available and (modality is None or modality in model.modalities)
    ]
    usable.sort(key=lambda model: modality not in model.default_for)
    keys = [model.key for model in usable]
    return next((wish for wish in wishes if wish in keys), keys[0] if keys else None)


def layer_options(layers: Iterable[LayerInfo]) -> list[dict[str, str]]:
    """`conv4 · 8 × 16`, deepest first: that is where explanations usually start."""
    return [
        {"value": layer.name, "label": f"{layer.name} · {layer.shape[1]} × {layer.shape[2]}"}
        for layer in reversed(list(layers))
    ]


def fitting(catalogue: Catalogue, fits: Mapping[str, Fit]) -> list[MethodInfo]:
    """Methods that can run, in the catalogue's order."""
    return [method for method in catalogue.methods if method.key not in fits or fits[method.key].ok]
