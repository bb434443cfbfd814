"""Recording a training as it goes on: checkpoints and measurements of every epoch, in a folder that a page can watch.

    with backend.Recorder(net, calibration, "run") as recorder:
        for epoch in range(30):
            ...  # any PyTorch loop
            recorder.epoch(loss=loss, accuracy=accuracy)

Or as a callback, under the names of Lightning (`Trainer(callbacks=[recorder])`) and of Keras (`on_epoch_end(epoch, logs)`).
"""

from __future__ import annotations

import copy
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

import models
from app.core.errors import BadParameter, EvidentError
from app.core.training_results import MOST_EPOCHS, History, Kernels, RecordedInputs, RecordedLayer
from backend.attribution.internals.calibration import Calibration, calibration_of
from backend.attribution.internals.callbacks import TrainingCallbacks
from backend.attribution.internals.history import (
    IMPORTANCE,
    NOT_FINITE,
    Measured,
    layers_read,
    read_layers,
)
from backend.attribution.internals.recorded_inputs import MOST, check_labels, gathered
from backend.attribution.network.randomness import undisturbed
from models.model import Model

HISTORY = "history.json"
AT_ONCE = 0.5
"""Seconds that comparing all epochs with the last may take at every epoch."""


class Recorder(TrainingCallbacks):
    """Records a training: epoch 0 before the first step, then every epoch it is told of.

    The network is left exactly as it is found: everything is measured on a copy that takes over its weights, in float16
    as the checkpoint holds them; modes, gradients, hooks and random state are never touched. What cannot be measured (NaN
    weights, a full disk) is noted in the row, with a warning, and the training goes on.

    model: the network being trained, a module or a `Model`. calibration: inputs as the network takes them, the same for
    every epoch, 10 to 1,000: a tensor `[N, C, H, W]`, a pair `(inputs, labels)`, a loader of either, or a `Calibration`;
    None takes ours for `like`. folder: made if it is not there; one that holds a recording is refused unless `replace`.
    like: a Model with the module's labels and input. labels: names of the classes, where there is none.

    Raises BadParameter and ModelRejected, before any training.
    """

    def __init__(
        self,
        model: nn.Module | Model,
        calibration: Any,
        folder: str | os.PathLike[str],
        *,
        like: Model | None = None,
        labels: Sequence[str] | None = None,
        title: str = "",
        note: str = "",
        replace: bool = False,
    ) -> None:
        self.network = _unwrapped(model.module if isinstance(model, Model) else model)
        like = model if isinstance(model, Model) else like
        self.folder = _free(Path(folder), replace)
        self._compared = self._comparing = 0.0
        with _aside():
            inputs, truth = gathered(calibration)
            self._copy = _copied(self.network, like, inputs, labels)
            self._calibration = calibration_of(like or self._copy, inputs)
            if self._calibration.count > MOST:
                raise BadParameter(
                    f"There are {self._calibration.count} calibration inputs, and every epoch is measured on all of them; give at most {MOST}.",
                    field="calibration",
                )
            if truth is None and self._calibration.labels is not None:
                truth = torch.tensor(self._calibration.labels)
            check_labels(truth, len(self._copy.labels))
            layers = layers_read(self._copy)
            held_out = np.flatnonzero(self._calibration.held_out).tolist()
            self._measured = Measured(self._calibration.x, held_out, truth, [layer.name for layer in layers])
        self._history = History(
            title=title or (like.spec.title if like else type(model).__name__),
            model=like.key if like else "",
            sound=like is not None and "audio" in like.input.modalities,
            note=note,
            labels=list(self._copy.labels),
            layers=[RecordedLayer(name=layer.name, filters=layer.shape[0]) for layer in layers],
            kernels=_kernels(self._copy.module),
            calibration=RecordedInputs(
                title=self._calibration.title,
                count=self._calibration.count,
                held_out=len(held_out),
                labelled=truth is not None,
            ),
            accuracy_of="none" if truth is None else "calibration",
            importance=IMPORTANCE,
            versions={"torch": str(torch.__version__)},
        )

    @property
    def history(self) -> History:
        """What is recorded so far."""
        return self._history

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()

    def begin(self) -> None:
        """Records the network as it is before its first step; called again it does nothing."""
        if not self._measured.rows:
            self._record(0, None, None)

    def epoch(self, loss: Any = None, accuracy: Any = None, number: int | None = None) -> None:
        """One more epoch is done. loss, accuracy: numbers that the training says of it, the accuracy a share from 0 to 1;
        without one that of the held-out calibration inputs is measured, where they have labels. number: None counts on."""
        last = self._measured.rows[-1].epoch if self._measured.rows else 0
        told = _number(accuracy)
        if told is not None and not 0 <= told <= 1:
            warnings.warn(
                "The accuracy must be a share from 0 to 1 and is left out of the recording.", stacklevel=2
            )
            accuracy = None
        if accuracy is not None and self._history.accuracy_of != "training":
            self._measured.leave_accuracy()
            self._change(accuracy_of="training")
        self._record(
            last + 1 if number is None else max(int(number), last + 1), _number(loss), _number(accuracy)
        )

    def finish(self) -> None:
        """The training has come to its end; no more epochs follow."""
        if not self._history.finished and not _is_follower():
            self._compare(now=True)
            self._change(finished=True)
            self._write()

    def _record(self, epoch: int, loss: float | None, accuracy: float | None) -> None:
        if len(self._measured.rows) >= MOST_EPOCHS or _is_follower():
            return
        row = {"loss": loss, "accuracy": accuracy, "since": time.time()}
        try:
            with _aside():
                self._measure(epoch, row)
        except Exception as error:  # somebody's own network: a long training is worth more than a row
            note = _reason(error)
            self._measured.add(epoch, None, None, note=note, **row)
            warnings.warn(f"Epoch {epoch} of the recording is without measures: {note}", stacklevel=4)
        self._compare(now=False)
        self._write()

    def _compare(self, now: bool) -> None:
        """Every epoch beside the last one: as often as it takes less than a tenth of the time, and at the end."""
        started = time.monotonic()
        if not now and self._comparing > AT_ONCE and started - self._compared < 10 * self._comparing:
            self._change(epochs=[*self._history.epochs, self._measured.rows[-1]])
            return
        self._change(epochs=self._measured.epochs())
        self._compared = time.monotonic()
        self._comparing = self._compared - started

    def _measure(self, epoch: int, row: Mapping[str, Any]) -> None:
        halves = {name: halved(value.detach()) for name, value in self.network.state_dict().items()}
        # not save_file, which keeps the file from every other user: a server may run as another
        data = save(halves, {"epoch": str(epoch)})
        write_atomically(self.folder / checkpoint_name(epoch), lambda path: path.write_bytes(data))
        _take_over(self._copy.module, self.network, halves)
        model = Model(self._copy.spec, self._copy.module, "", self._copy.device)
        if not all(bool(value.isfinite().all()) for value in halves.values()):
            self._measured.add(epoch, None, None, note=NOT_FINITE, **row)
            return
        try:
            reading, note = read_layers(model, self._calibration), None
        except EvidentError as error:  # everything else can be measured all the same
            reading, note = None, error.detail
        self._measured.add(epoch, model, reading, note=note, **row)

    def _change(self, **parts: Any) -> None:
        self._history = self._history.model_copy(update=parts)

    def _write(self) -> None:
        text = self._history.model_dump_json(indent=1) + "\n"
        try:
            write_atomically(self.folder / HISTORY, lambda path: path.write_text(text, "utf-8"))
        except OSError as error:
            warnings.warn(f"The recording could not be written: {_reason(error)}", stacklevel=4)


def checkpoint_name(epoch: int) -> str:
    return f"epoch_{epoch:03d}.safetensors"


def halved(value: Tensor) -> Tensor:
    """As a checkpoint holds it: float16, but for numbers that float16 cannot hold and for integers."""
    value = value.detach().cpu().contiguous().clone()
    if not value.is_floating_point():
        return value
    half = value.half()
    return half if bool(half.isfinite().all()) or not bool(value.isfinite().all()) else value


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Whoever reads sees the old file or the whole new one, also where the process is killed meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(made)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _is_follower() -> bool:
    """One of several processes that train together, and not the first: that one records."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_rank() > 0


def _unwrapped(network: Any) -> Any:
    """The network inside what trains it on several devices or compiled."""
    while isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel) or isinstance(
        getattr(network, "_orig_mod", None), nn.Module
    ):
        network = getattr(network, "_orig_mod", None) or network.module
    return network


def _free(folder: Path, replace: bool) -> Path:
    """The folder, with no recording in it. Raises BadParameter."""
    if folder.exists() and not folder.is_dir():
        raise BadParameter("The recording needs a folder, and there is a file of that name.", field="folder")
    if (folder / HISTORY).exists():
        if not replace:
            raise BadParameter(
                "This folder holds a recording already; name another folder, or give replace=True to record over it.",
                field="folder",
            )
        for file in (*folder.glob("epoch_*.safetensors"), folder / HISTORY):
            file.unlink()
    return folder


@contextmanager
def _aside() -> Iterator[None]:
    """Inside, nothing of the training is disturbed: its random state comes back, its autocast, gradient and inference
    modes do not reach in, and torch's Python hooks on all modules stay outside."""
    kinds = ["cpu", *(["cuda"] if torch.cuda.is_initialized() else [])]
    python = random.getstate()
    with undisturbed(), ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in kinds:
            stack.enter_context(torch.autocast(kind, enabled=False))
        try:
            yield
        finally:
            random.setstate(python)


def _copied(network: Any, like: Model | None, inputs: Any, labels: Sequence[str] | None) -> Model:
    """A copy to measure on. Raises BadParameter, ModelRejected."""
    if not isinstance(network, nn.Module):
        raise BadParameter("Give the network: a torch module or a Model.", field="model")
    copied = _without_hooks(network)
    if like is not None:
        return models.wrap(
            copied, like.labels, like.input, key=like.key, card=like.spec.card, device=like.device
        )
    x = inputs.x if isinstance(inputs, Calibration) else inputs
    if not isinstance(x, Tensor) or x.ndim != 4:
        raise BadParameter(
            "Give calibration inputs as the network takes them, a tensor [N, C, H, W].", field="calibration"
        )
    own = next((p.device for p in copied.parameters()), torch.device("cpu"))
    device = x.device if isinstance(inputs, Calibration) else own  # where its inputs will be
    copied = copied.to(device)
    names = tuple(labels or _class_names(copied, x[:1].float().to(device)))
    return models.wrap(copied, names, models.ArrayInput(size=tuple(x.shape[1:])), device=device)


@torch.no_grad()
def _class_names(network: nn.Module, x: Tensor) -> tuple[str, ...]:
    """One for each output; a single logit stands for two classes. Raises BadParameter."""
    try:
        out = network(x)
    except Exception as error:  # somebody's own network
        raise BadParameter(
            f"The network cannot take these calibration inputs, [{', '.join(map(str, x.shape[1:]))}] each; give them as the "
            "network is trained on them.",
            field="calibration",
        ) from error
    count = out.shape[-1] if isinstance(out, Tensor) and out.ndim else 1
    return tuple(f"class {i}" for i in range(max(count, 2)))


def _without_hooks(module: nn.Module) -> nn.Module:
    """A float32 copy in eval mode. Hooks of the training's own stay with the training; those by which torch computes
    weights (weight and spectral norm, pruning) are part of the network."""
    copied = copy.deepcopy(module).float().eval()
    for part in copied.modules():
        for hooks in (
            part._forward_hooks,
            part._forward_pre_hooks,
            part._backward_hooks,
            part._backward_pre_hooks,
        ):
            for number, hook in list(hooks.items()):
                if not type(hook).__module__.startswith("torch.nn.utils"):
                    del hooks[number]
    return copied


def _take_over(own: nn.Module, network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """The weights of the checkpoint, and the buffers that no checkpoint holds."""
    shapes = {name: value.shape for name, value in own.state_dict().items()}
    if shapes != {name: value.shape for name, value in state.items()}:
        raise BadParameter(
            "The network has other layers than when the recording began, so this epoch cannot be measured; record what it is "
            "now in another folder.",
            field="model",
        )
    own.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    )
    kept = dict(own.named_buffers())
    for name, value in network.named_buffers():
        if name not in state and name in kept:
            kept[name].copy_(value)


def _kernels(module: nn.Module) -> Kernels | None:
    """The first two-dimensional convolution, in the order in which modules are declared."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d) and f"{name}.weight" in module.state_dict():
            n, c, height, width = part.weight.shape
            return Kernels(tensor=f"{name}.weight", shape=(n, c, height, width))
    return None


def _number(value: Any) -> float | None:
    """A figure of the training's as a plain number; None for what is none."""
    if value is None:
        return None
    try:
        return float(value.detach().float().mean()) if isinstance(value, Tensor) else float(value)
    except (TypeError, ValueError):
        return None


def _reason(error: BaseException) -> str:
    """In words, short."""
    said = error.detail if isinstance(error, EvidentError) else f"{type(error).__name__}: {error}"
    return said[:300]
