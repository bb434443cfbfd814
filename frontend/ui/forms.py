"""A method's JSON schema to a form and back. Pure: a new parameter in a method's file is a new control on the
page, with no change here.

integer, number -> slider where both bounds are near, else number input; enum -> segmented control (few,
short) or select; boolean -> switch; anything else -> text. `null` in `anyOf` makes a field optional: an empty
control means "let the method decide".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from app.core import cost
from app.core.schemas import Fit
from frontend import ids
from frontend.ui.common import aria
from frontend.ui.words import number, sentence

Kind = Literal["integer", "number", "choice", "flag", "text"]
Lists = Mapping[str, Sequence[tuple[str, str]]]
"""Choices that the server keeps, by the name a schema gives them in `choices_from`: (value, label)."""


SEARCH: dict[str, Any] = {
    "searchable": True,
    "clearSearchOnFocus": True,
    "selectFirstOptionOnChange": True,
    "filter": {"function": "ranked"},
    "limit": 100,
    "nothingFoundMessage": "Nothing of that name",
    "maxDropdownHeight": 320,
}
"""Of a list to search: typing starts from nothing, the best match stands first and Enter takes it. 100 are listed at
a time, all are searched (assets/evident/core/ranked.mjs)."""


@dataclass(frozen=True)
class Field:
    """One parameter as a person sees it."""

    name: str
    title: str
    description: str
    kind: Kind
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False
    choices_from: str = ""

    @property
    def step(self) -> float:
        """One for whole numbers; else a hundredth of the range, rounded to 1, 2 or 5 times a power of ten."""
        if self.kind == "integer":
            return 1
        if self.minimum is None or self.maximum is None:
            return 0.01
        rough = (self.maximum - self.minimum) / 100
        power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 0.01
        return next(power * part for part in (1, 2, 5, 10) if power * part >= rough * 0.999)

    @property
    def digits(self) -> int:
        """Decimals that one step needs."""
        return max(0, -math.floor(math.log10(self.step * 1.0001)))

    @property
    def slides(self) -> bool:
        """A slider is right where the whole range can be reached by hand."""
        if self.minimum is None or self.maximum is None or self.optional:
            return False
        return self.kind == "number" or self.maximum - self.minimum <= 64


def fields(schema: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> list[Field]:
    """Fields in the order of the schema. `defaults`: the model's own, laid over the method's."""
    return [
        _field(
            name,
            part,
            schema.get("$defs", {}),
            {**part, **({"default": defaults[name]} if defaults and name in defaults else {})},
        )
        for name, part in schema.get("properties", {}).items()
    ]


def _field(
    name: str, part: Mapping[str, Any], definitions: Mapping[str, Any], with_default: Mapping[str, Any]
) -> Field:
    optional, merged = False, dict(part)
    for option in part.get("anyOf", part.get("allOf", ())):
        if option.get("type") == "null":
            optional = True
        else:
            merged = {**_resolve(option, definitions), **merged}
    merged = {**_resolve(merged, definitions), **merged}
    choices = tuple(merged.get("enum", (merged["const"],) if "const" in merged else ()))
    kind: Kind = "text"
    if choices:
        kind = "choice"
    elif merged.get("type") == "boolean":
        kind = "flag"
    elif merged.get("type") in {"integer", "number"}:
        kind = merged["type"]
    return Field(
        name=name,
        title=part.get("title") or sentence(name),
        description=part.get("description", ""),
        kind=kind,
        default=with_default.get("default"),
        minimum=merged.get("minimum", merged.get("exclusiveMinimum")),
        maximum=merged.get("maximum", merged.get("exclusiveMaximum")),
        choices=choices,
        optional=optional,
        choices_from=str(part.get("choices_from", "")),
    )


def _resolve(part: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow one `$ref` into `$defs` (pydantic writes enums that way)."""
    return definitions.get(str(part.get("$ref", "")).rsplit("/", 1)[-1], {}) if "$ref" in part else part


def clean(
    schema: Mapping[str, Any], defaults: Mapping[str, Any] | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    """What to send: known names, of the schema's types, and only where they differ from the default.
    Unusable values are left out."""
    sent = {}
    for field in fields(schema, defaults):
        if field.name in values:
            value = _typed(field, values[field.name])
            if value is not None and value != field.default:
                sent[field.name] = value
    return sent


def _typed(field: Field, value: Any) -> Any:
    """The value a control gave, as the schema wants it; None for "nothing entered"."""
    if value is None or value == "":
        return None
    if field.kind == "flag":
        return bool(value)
    if field.kind == "choice":
        return next((choice for choice in field.choices if str(choice) == str(value)), None)
    if field.kind in {"integer", "number"}:
        try:
            entered = float(value)
        except (TypeError, ValueError):
            return None
        low, high = field.minimum, field.maximum
        if (
            not math.isfinite(entered)
            or (low is not None and entered < low)
            or (high is not None and entered > high)
        ):
            return None
        return round(entered) if field.kind == "integer" else entered
    return str(value)


def read_controls(names: Iterable[Mapping[str, str]], values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Method -> parameter -> value, from the ids of the open form's controls and what they hold."""
    methods: dict[str, dict[str, Any]] = {}
    for name, value in zip(names, values, strict=True):
        methods.setdefault(name["method"], {})[name["name"]] = value
    return methods


def estimate(schema: Mapping[str, Any], fit: Fit, values: Mapping[str, Any]) -> float | None:
    """Seconds expected with what the form's controls hold."""
    return cost.estimate(schema, fit, clean(schema, fit.defaults, values))


def lists_needed(schema: Mapping[str, Any]) -> set[str]:
    """Names of the server's lists that the form of this schema offers choices from."""
    return {field.choices_from for field in fields(schema) if field.choices_from}


def form(
    method: str,
    schema: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
    values: Mapping[str, Any],
    lists: Lists | None = None,
) -> Component:
    """The method's controls, filled with the given values or the defaults, and a reset button."""
    drawn = [
        control(method, field, values.get(field.name, field.default), lists)
        for field in fields(schema, defaults)
    ]
    if not drawn:
        return html.P("This method has no parameters.", className="ev-muted")
    reset = html.Button("Reset to defaults", id=ids.reset(method), className="ev-button", n_clicks=0)
    return html.Div([*drawn, reset], className="ev-form")


def control(method: str, field: Field, value: Any, lists: Lists | None = None) -> Component:
    """One labelled control with description and default."""
    text = _text(field)
    label = {"label": field.title, "description": text}
    name = ids.param(method, field.name)
    if field.kind == "flag":
        return dmc.Switch(id=ids.flag(method, field.name), checked=bool(value), size="sm", **label)
    if field.kind == "choice":
        return _choice(name, field, value, label)
    if field.choices_from in (lists or {}):
        options = [{"value": key, "label": text} for key, text in (lists or {})[field.choices_from]]
        return dmc.Select(
            id=name, data=options, value=value, size="xs", allowDeselect=False, **SEARCH, **label
        )
    if field.kind == "text":
        return dmc.TextInput(
            id=name, value="" if value is None else str(value), size="xs", debounce=True, **label
        )
    bounds = {"min": field.minimum, "max": field.maximum, "step": field.step}
    bounds = {key: bound for key, bound in bounds.items() if bound is not None}
    if field.slides:
        return _slider(name, field, value, text, bounds)
    return dmc.NumberInput(
        id=name,
        value="" if value is None else value,
        allowDecimal=field.kind == "number",
        size="xs",
        debounce=True,
        thousandSeparator=",",
        **bounds,
        **label,
    )


def _text(field: Field) -> str:
    if field.default is None:
        return f"{field.description} Empty: chosen for the model.".strip()
    if field.kind == "flag":
        default = "on" if field.default else "off"
    elif field.kind == "choice":
        default = sentence(str(field.default)).lower()
    else:
        default = number(field.default) if isinstance(field.default, (int, float)) else str(field.default)
    return f"{field.description} Default {default}.".strip()


def _slider(
    name: dict[str, str], field: Field, value: Any, text: str, bounds: Mapping[str, Any]
) -> Component:
    return html.Div(
        [
            html.Div(field.title, className="ev-form-label"),
            html.Div(text, className="ev-form-text"),
            dmc.Slider(
                id=name,
                value=value,
                size="sm",
                thumbSize=14,
                updatemode="mouseup",
                thumbLabel=field.title,
                precision=field.digits,
                marks=[
                    {"value": bounds["min"], "label": number(bounds["min"])},
                    {"value": bounds["max"], "label": number(bounds["max"])},
                ],
                labelAlwaysOn=False,
                mb=22,
                **bounds,
            ),
        ]
    )


def _choice(name: dict[str, str], field: Field, value: Any, label: Mapping[str, str]) -> Component:
    options = [{"value": str(choice), "label": sentence(str(choice))} for choice in field.choices]
    if len(options) <= 4 and sum(len(option["label"]) for option in options) <= 30 and not field.optional:
        return html.Div(
            [
                html.Div(field.title, className="ev-form-label"),
                html.Div(label["description"], className="ev-form-text"),
                dmc.SegmentedControl(
                    id=name, data=options, value=str(value), size="xs", **aria(label=field.title)
                ),
            ]
        )
    return dmc.Select(
        id=name,
        data=options,
        value=None if value is None else str(value),
        size="xs",
        clearable=field.optional,
        allowDeselect=False,
        **label,
    )
