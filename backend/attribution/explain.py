"""`explain`: the steps common to all methods: resolve, validate, run, check, restore, stamp."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from app.core.errors import BadParameter, Incompatible
from backend.attribution.methods import METHODS
from backend.attribution.network import randomness
from backend.attribution.network.cache import steady
from backend.attribution.network.plan import AS_GIVEN
from backend.attribution.network.run import plans_used
from backend.attribution.types import Attribution, Context, Method, Params, Progress, silent
from models.model import Model

if TYPE_CHECKING:
    from backend.attribution.concepts.library import Library

ENGINE = "evident"
"""Recorded as the engine of a map whose method names no library."""
SEEDS = 2**32
"""Seeds are smaller: what every generator takes."""
NO_EVIDENCE = "No evidence found: the map is flat."


def explain(
    model: Model,
    x: Tensor,
    method: str,
    *,
    target: int | None = None,
    layer: str | None = None,
    seed: int = 0,
    report: Progress = silent,
    library: Library | None = None,
    **params: Any,
) -> Attribution:
    """One attribution map.

    x: float32 `[1, C, H, W]`. target: class index, None explains the predicted class. layer: path of
    `named_modules()` for the methods that use one, None takes the model's default. library: resolves
    references to your own concepts. params: fields of the method's `Params`.

    Returns an Attribution with float32 `[H, W]` values on the display grid.
    Raises NotFound (method), BadParameter, Incompatible.
    """
    explainer = METHODS[method]
    with steady(model):
        verdict = explainer.is_compatible(model)
        if not verdict.ok:
            raise Incompatible(verdict.reason, field="method")
        x = check_input(model, x)
        seed = check_seed(seed)
        context = Context(
            resolve_target(model, x, target), resolve_layer(model, explainer, layer), seed, library
        )
        resolved = resolve_params(explainer, model, params)
        started = time.perf_counter()
        with pristine(model), plans_used() as plans:
            result = explainer.run(model, x, context, resolved, report)
        seconds = time.perf_counter() - started
    stamped = replace(
        result,
        plan=result.plan or "; ".join(plans) or AS_GIVEN,
        engine=result.engine or ENGINE,
        method=explainer.key,
        target=context.target,
        layer=context.layer,
        params=resolved.model_dump(),
        seed=seed,
        seconds=seconds,
    )
    return _checked(stamped, x, explainer)


def check_input(model: Model, x: Tensor) -> Tensor:
    """`[1, C, H, W]`, finite, of the model's shape, detached from any graph. Raises BadParameter."""
    if not isinstance(x, Tensor):
        raise BadParameter(
            "The input must be a torch tensor; model.prepare(...) makes one of a file, a picture or an array.",
            field="input",
        )
    if x.ndim != 4 or x.shape[0] != 1 or tuple(x.shape[1:]) != model.input.shape:
        raise BadParameter(
            f"The input must have shape {[1, *model.input.shape]}, this one has {list(x.shape)}.",
            field="input",
        )
    if not torch.isfinite(x).all():
        raise BadParameter("The input holds NaN or infinite numbers.", field="input")
    return x.detach().to(model.device, torch.float32)


def resolve_target(model: Model, x: Tensor, target: int | None) -> int:
    """Index of the class to explain; None takes the predicted class. Raises BadParameter."""
    if target is None:
        with torch.no_grad():
            return int(model.logits(x.clone()).argmax(dim=1))
    return check_target(model, target)


@overload
def check_target(model: Model, target: int) -> int: ...


@overload
def check_target(model: Model, target: None) -> None: ...


def check_target(model: Model, target: int | None) -> int | None:
    """The index as a plain int; numpy's and torch's whole numbers are taken too. Raises BadParameter for what is no class of
    the model; None is the predicted one."""
    if target is None:
        return None
    number = whole(target)
    if number is None or not 0 <= number < len(model.labels):
        raise BadParameter(
            f"The class must be a whole number from 0 to {len(model.labels) - 1}.", field="target"
        )
    return number


def check_seed(seed: int) -> int:
    """The seed as a plain int. Raises BadParameter."""
    number = whole(seed)
    if number is None or not 0 <= number < SEEDS:
        raise BadParameter(f"The seed must be a whole number from 0 to {SEEDS - 1}.", field="seed")
    return number


def whole(value: object) -> int | None:
    """A whole number of Python, numpy or torch as an int; None for anything else, a bool included."""
    if isinstance(value, bool | np.bool_) or (isinstance(value, Tensor) and value.dtype == torch.bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def resolve_layer(model: Model, method: Method[Any], layer: str | None) -> str | None:
    """Path of a layer with a spatial output for methods that use one, None for the others. Raises
    BadParameter."""
    if not method.uses_layer:
        return None
    if layer is None:
        return model.default_layer
    if layer not in {candidate.name for candidate in model.layers}:
        raise BadParameter(
            "This model has no such layer with a spatial output; choose one of the layers that the model lists.",
            field="layer",
        )
    return layer


def resolve_params(method: Method[Any], model: Model, params: dict[str, Any]) -> Params:
    """The method's parameters: `params` over the model's defaults over the method's. Raises BadParameter."""
    try:
        return method.Params(**{**method.defaults(model), **plain_numbers(params)})
    except ValidationError as error:
        raise bad_parameter(error, method.Params) from None


def plain_numbers(params: Mapping[str, Any]) -> dict[str, Any]:
    """numpy's numbers as Python's, so that `n_samples=values.size` is what it says."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in params.items()}


def bad_parameter(error: ValidationError, params: type[Params]) -> BadParameter:
    """The first validation error as a sentence. It does not repeat the value that was sent."""
    import difflib

    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"]) or "params"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, params.model_fields, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f"there are: {', '.join(params.model_fields) or 'none'}."
        )
        return BadParameter(f"There is no such parameter; {hint}", field="params")
    return BadParameter(f"{name}: {first['msg']}.", field=f"params.{name}")


@contextmanager
def pristine(model: Model) -> Iterator[None]:
    """Restores hooks, training flags, gradients and RNG states on exit, also after an error."""
    module = model.module
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    before = [(m, {name: dict(getattr(m, name)) for name in hooks}, m.training) for m in module.modules()]
    with randomness.lock:
        state = randomness.state()
    try:
        yield
    finally:
        randomness.restore(state)
        for m, registered, training in before:
            for name, saved in registered.items():
                current = getattr(m, name)
                for key in [key for key in current if key not in saved]:
                    del current[key]
            m.training = training
        for parameter in module.parameters():
            parameter.grad = None


def _checked(result: Attribution, x: Tensor, method: Method[Any]) -> Attribution:
    """Checks the invariants of every map: shape, finiteness, sign. A violation is a bug of the method."""
    values = np.ascontiguousarray(result.values, dtype=np.float32)
    if values.shape != tuple(x.shape[-2:]):
        raise AssertionError(f"{method.key} returned {values.shape} for a grid of {tuple(x.shape[-2:])}")
    notes = result.notes
    if not np.isfinite(values).all():
        values, notes = np.zeros_like(values), (*notes, "The numbers overflowed: no map can be shown.")
    elif float(np.ptp(values)) == 0.0:
        notes = (*notes, NO_EVIDENCE)
    if not result.signed and values.min(initial=0.0) < 0:
        raise AssertionError(f"{method.key} is declared unsigned but returned negative values")
    values.setflags(write=False)
    return replace(result, values=values, notes=notes)
