"""Parameters of a method: validated against its JSON schema, completed with defaults, checked for cost."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from app.core.cost import estimate, ratio, scaling
from app.core.errors import BadParameter, TooExpensive
from app.core.schemas import Fit

MAX_LETTERS = 200


def complete_params(schema: Mapping[str, Any], fit: Fit, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` over the model's defaults over the method's, validated. Raises BadParameter, which never
    quotes a sent value."""
    properties = schema.get("properties", {})
    for name in params:
        if name not in properties:
            raise _unknown(name, list(properties))
    defaults = {name: part["default"] for name, part in properties.items() if "default" in part}
    complete = {**defaults, **fit.defaults, **params}
    for error in Draft202012Validator(dict(schema)).iter_errors(complete):
        raise _refusal(error)
    return {name: _exact(properties.get(name, {}), value) for name, value in complete.items()}


def _exact(part: Mapping[str, Any], value: Any) -> Any:
    """Value with its schema's type: 1 is 1.0 for a number, 25.0 is 25 for an integer, so that one request has
    one key."""
    kinds = {part.get("type"), *(option.get("type") for option in part.get("anyOf", []))}
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and "number" in kinds and "integer" not in kinds:
        return float(value)
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and "number" not in kinds:
        return int(value)
    return value


def _unknown(name: str, known: list[str]) -> BadParameter:
    near = difflib.get_close_matches(name[:100], known, n=1)
    if near:
        return BadParameter(f"There is no such parameter; did you mean {near[0]}?", field="params")
    return BadParameter(
        f"There is no such parameter; there are: {', '.join(known) or 'none'}.", field="params"
    )


_LIMITS = {
    "minimum": "must be at least {}.",
    "maximum": "must be at most {}.",
    "exclusiveMinimum": "must be greater than {}.",
    "exclusiveMaximum": "must be less than {}.",
    "multipleOf": "must be a multiple of {}.",
    "maxLength": "may have at most {} characters.",
    "minLength": "must have at least {} characters.",
    "maxItems": "may have at most {} entries.",
    "minItems": "must have at least {} entries.",
}
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "empty",
    "array": "a list",
    "object": "an object",
}


def _refusal(error: ValidationError) -> BadParameter:
    name = str(error.absolute_path[0]) if error.absolute_path else "params"
    rule, bound = str(error.validator), error.validator_value
    if rule in _LIMITS:
        sentence = _LIMITS[rule].format(bound)
    elif rule == "enum":
        sentence = f"must be one of {', '.join(map(str, bound))}."  # type: ignore[arg-type]
    elif rule == "const":
        sentence = f"must be {bound}."
    elif rule == "type":
        kinds = [bound] if isinstance(bound, str) else bound
        sentence = f"must be {' or '.join(_KINDS.get(kind, 'of another kind') for kind in kinds)}."  # type: ignore[union-attr]
    elif rule in ("anyOf", "oneOf") and error.context:
        return _refusal(error.context[0])
    else:
        sentence = "is not valid."
    return BadParameter(f"{name} {sentence}", field=f"params.{name}" if error.absolute_path else "params")


def check_cost(schema: Mapping[str, Any], fit: Fit, params: Mapping[str, Any], limit: float) -> float | None:
    """The estimate. Raises TooExpensive, saying what would fit, when it is above `limit` seconds."""
    seconds = estimate(schema, fit, params)
    if seconds is None or seconds <= limit:
        return seconds
    took = f"This would take about {duration(seconds)}, and {duration(limit)} are allowed"
    names = sorted(scaling(schema), key=lambda name: -ratio(name, schema, fit, params))
    if not names:
        raise TooExpensive(f"{took}; choose a lighter method or a smaller model.", field="method")
    name = names[0]
    fitting = params[name] * limit / seconds
    least = schema["properties"][name].get("minimum", 1)
    if fitting < least:
        raise TooExpensive(f"{took}; lower {', '.join(names)}.", field=f"params.{name}")
    rounded = math.floor(fitting) if isinstance(params[name], int) else round(fitting, 2)
    raise TooExpensive(f"{took}; with {name} at most {rounded:,} it would fit.", field=f"params.{name}")


def duration(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    if seconds < 7200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.0f} hours"
