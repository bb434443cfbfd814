"""The training loop of every bundled network: AdamW under a one-cycle rate, a progress bar, a checkpoint per
epoch.

`fit` is a pure function of its arguments: the same module weights, data and seed give the same trained
weights on the same machine and number of threads, and the global random state is left as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

Augment = Callable[[Tensor, torch.Generator], Tensor]
"""`(x [n, C, H, W], generator) -> x`, drawing its random numbers from the generator only."""


class Recording(Protocol):
    """What is told of every epoch."""

    def epoch(self, *, loss: float) -> None: ...


Record = Callable[[nn.Module], AbstractContextManager[Recording]]
"""Network -> what records its training; entered before the first step. It must leave the network as it is."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the data did. loss: mean weighted cross-entropy; validation measures are NaN
    without validation data."""

    number: int
    loss: float
    rate: float
    seconds: float
    validation_loss: float = float("nan")
    validation_accuracy: float = float("nan")


@dataclass(frozen=True)
class History:
    """Epoch by epoch, and the settings that led there."""

    epochs: tuple[Epoch, ...]
    settings: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"settings": dict(self.settings), "epochs": [asdict(epoch) for epoch in self.epochs]}


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A freshly initialised network that depends on the seed alone; the global random state is left as it
    was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def balanced_weights(y: Tensor, classes: int) -> Tensor:
    """`[classes]` weights n / (classes * n_c): every class counts the same in the loss. y: `[n]` int64."""
    counts = torch.bincount(y, minlength=classes).clamp(min=1)
    return len(y) / (classes * counts.float())


def fit(
    module: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    lr: float,
    batch: int,
    class_weights: Tensor | None = None,
    augment: Augment | None = None,
    validate: tuple[Tensor, Tensor] | None = None,
    checkpoints: Path | None = None,
    record: Record | None = None,
    seed: int,
    progress: bool = True,
    decay: float = 1e-2,
) -> History:
    """Trains `module` in place and leaves it in eval mode.

    x: `[n, C, H, W]` float32, y: `[n]` int64. lr: the peak of the one-cycle rate (a quarter of the steps up,
    then down by cosine). checkpoints: folder for `epoch_000.safetensors` (before training) and one file per
    epoch, float16. record: makes what is told of every epoch, such as `backend.Recorder`.
    """
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(x) // batch)
    optimiser = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=lr, total_steps=max(2, steps), pct_start=0.25
    )
    weights = None if class_weights is None else class_weights.to(device)
    if checkpoints is not None:
        save_checkpoint(module, checkpoints, 0)
    done: list[Epoch] = []
    recording: AbstractContextManager[Recording | None] = nullcontext() if record is None else record(module)
    with (
        torch.random.fork_rng(),
        tqdm(total=epochs, unit="epoch", disable=not progress) as bar,
        recording as recorder,
    ):
        torch.manual_seed(seed)  # dropout draws from the global generator
        for number in range(1, epochs + 1):
            start = time.perf_counter()
            module.train()
            total = 0.0
            for rows in torch.randperm(len(x), generator=generator).split(batch):
                inputs = x[rows] if augment is None else augment(x[rows], generator)
                loss = F.cross_entropy(module(inputs.to(device)), y[rows].to(device), weight=weights)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                total += loss.item() * len(rows)
            module.eval()
            validation = _validation(module, validate, batch)
            done.append(
                Epoch(
                    number,
                    total / len(x),
                    float(schedule.get_last_lr()[0]),
                    time.perf_counter() - start,
                    *validation,
                )
            )
            if checkpoints is not None:
                save_checkpoint(module, checkpoints, number)
            if recorder is not None:
                recorder.epoch(loss=done[-1].loss)
            bar.set_postfix(loss=f"{done[-1].loss:.3f}", validation=f"{validation[0]:.3f}")
            bar.update()
    settings = {
        "epochs": epochs,
        "lr": lr,
        "batch": batch,
        "decay": decay,
        "seed": seed,
        "rows": len(x),
        "optimiser": "AdamW, one-cycle",
    }
    return History(tuple(done), settings)


@torch.no_grad()
def predict(module: nn.Module, x: Tensor, batch: int = 256) -> Tensor:
    """`[n, K]` raw outputs in eval mode, on the CPU."""
    device = next(module.parameters()).device
    module.eval()
    return torch.cat([module(part.to(device)).cpu() for part in x.split(batch)])


def save_checkpoint(module: nn.Module, folder: Path, number: int) -> Path:
    """One epoch's weights as float16: a hundred thousand parameters take 200 kB."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"epoch_{number:03d}.safetensors"
    halves = {name: value.detach().cpu().half().contiguous() for name, value in module.state_dict().items()}
    save_file(halves, path, metadata={"epoch": str(number)})
    return path


def _validation(module: nn.Module, data: tuple[Tensor, Tensor] | None, batch: int) -> tuple[float, float]:
    if data is None:
        return float("nan"), float("nan")
    outputs = predict(module, data[0], batch)
    return F.cross_entropy(outputs, data[1]).item(), (outputs.argmax(1) == data[1]).float().mean().item()
