"""The names under which training libraries call back: Lightning's and Keras's. Neither is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCURACY = ("val_accuracy", "val_acc", "accuracy", "acc", "train_accuracy", "train_acc")
LOSS = ("loss", "train_loss", "train_loss_epoch", "training_loss", "val_loss")
"""Names under which they tell them; the first that is there."""


class TrainingCallbacks:
    """What `begin`, `epoch` and `finish` are called by.

    Lightning: `on_train_start`, `on_train_epoch_end`, `on_train_end`; it asks a callback for every hook it has, so any
    other `on_...` answers with nothing. Keras: `on_train_begin`, `on_epoch_end` (epochs counted from 0), `on_train_end`.
    """

    def begin(self) -> None:
        raise NotImplementedError

    def epoch(self, loss: Any = None, accuracy: Any = None, number: int | None = None) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def on_train_start(self, *_: Any) -> None:
        self.begin()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.begin()

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        told = getattr(trainer, "callback_metrics", None) or {}
        number = getattr(trainer, "current_epoch", None)
        self._told(told, None if number is None else number + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._told(logs or {}, epoch + 1)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.finish()

    def _told(self, told: Mapping[str, Any], number: int | None) -> None:
        loss = next((told[name] for name in LOSS if name in told), None)
        accuracy = next((told[name] for name in ACCURACY if name in told), None)
        self.begin()
        self.epoch(loss=loss, accuracy=accuracy, number=number)

    # What these libraries ask of every callback beside its hooks.

    @property
    def state_key(self) -> str:
        return type(self).__qualname__

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, _state: Mapping[str, Any]) -> None:
        return

    def setup(self, *_: Any, **__: Any) -> None:
        return

    def teardown(self, *_: Any, **__: Any) -> None:
        return

    def set_model(self, _model: Any) -> None:
        return

    def set_params(self, _params: Any) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return _nothing
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


def _nothing(*_: Any, **__: Any) -> None:
    return
