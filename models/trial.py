"""The trial of every network before it is used: what cannot be explained is refused in one sentence, and the rest
is edited to give logits.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from app.core.errors import ModelRejected
from models import naming, outputs, rewriting
from models.header import brief
from models.model import Model, check_labels

UNNAMED = (
    "The last activation or sum is a function call that could not be given a name, so no layer holds it: the default layer is the nearest "
    "one that has a name."
)


def convolutional(model: Model) -> Model:
    """The model itself. Raises ModelRejected for a network that is not convolutional (vision transformers)."""
    if model.structure.convolutional:
        return model
    raise ModelRejected(
        "This network is not a convolutional one (it has no feature maps to look at, as a vision transformer); choose a CNN.",
        code="not_convolutional",
        field="model",
    )


@torch.no_grad()
def ready(model: Model) -> Model:
    """Checks every model: finite weights, a forward pass that works, finite outputs, one label per output.
    Raises ModelRejected."""
    for name, tensor in model.module.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelRejected(
                f"The weights hold numbers that are not finite (NaN or infinite), first in {brief(name)}.",
                field="file",
            )
    shape = (1, *model.input.shape)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(model.device)
    trials = (torch.zeros_like(noise), noise)
    overwritten = False
    for trial in trials:
        copied = trial.clone()
        out = _logits(model.module, copied)
        overwritten |= copied._version != 0 or not torch.equal(copied, trial)
    check_labels(model.labels, out.shape[1])
    return _as_explained(model, trials, overwritten)


def _logits(module: nn.Module, x: Tensor) -> Tensor:
    """One forward pass, checked. Raises ModelRejected; what the network's own code raised is the cause."""
    try:
        out = module(x)
    except Exception as error:  # somebody's own code: anything may be raised
        if is_memory(error):
            raise too_large_for_memory() from error
        inputs = _required(module)
        sentence = (
            f"The network takes {len(inputs)} inputs ({', '.join(inputs)}), and one can be explained: wrap a module whose forward takes "
            "that one and holds the others fixed."
            if len(inputs) > 1
            else f"The network cannot work on an input of {list(x.shape[1:])} (channels, height, width)."
        )
        raise ModelRejected(sentence, field="model") from error
    if not isinstance(out, Tensor) or out.ndim != 2 or out.shape[0] != 1:
        raise ModelRejected(
            f"The network must return one row of logits per input, a tensor [N, classes]; this one returns {_kind(out)}.",
            field="model",
        )
    if not torch.isfinite(out).all():
        raise ModelRejected("The network's outputs are not finite on a trial input.", field="model")
    return out


def _required(module: nn.Module) -> list[str]:
    """Names of the inputs without which `forward` cannot be called."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in positional and p.default is inspect.Parameter.empty]


def _kind(out: object) -> str:
    """`a tuple of 2`, `a tensor [1, 3, 8, 8]`."""
    if isinstance(out, Tensor):
        return f"a tensor {list(out.shape)}"
    name = type(out).__name__
    return f"a {name} of {len(out)}" if isinstance(out, tuple | list | dict) else f"a {name}"


def is_memory(error: BaseException) -> bool:
    """Whether it says that there was no memory left, in one of the words that torch and Python have for it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(
        re.search(r"out of memory|(can't|cannot) allocate memory|not enough memory", str(error), re.I)
    )


def too_large_for_memory() -> ModelRejected:
    return ModelRejected(
        "The network needs more memory than there is for it: choose a smaller one or a smaller input.",
        code="out_of_memory",
        field="model",
    )


def _as_explained(model: Model, trials: Sequence[Tensor], overwritten: bool) -> Model:
    """Edits our copy of the network so that it returns logits, leaves the caller's input unchanged, and has a
    module whose output is the tensor to explain by default."""
    ending = outputs.remove_ending(model.module, trials)
    if overwritten:
        rewriting.copy_input_first(model.module)
    if ending is not None:
        model.spec = replace(model.spec, ending=ending, card={**model.spec.card, "outputs": ending.note})
    if model.spec.default_layer is None and not naming.name_last_step(
        model.module, model.input.shape, model.device
    ):
        model.spec = replace(model.spec, card={**model.spec.card, "layers": UNNAMED})
    return model
