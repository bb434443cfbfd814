"""What a recording of a training holds: per epoch and layer, how far the network is. Shared by the recorder, the API
and the page; no torch.

A recording is a folder: `history.json` (a `History`) and per epoch `epoch_000.safetensors` (float16; epoch 0 is the
network before its first step). Definitions: backend/attribution/internals/history.py.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal[1] = 1
MOST_EPOCHS = 10_000
MOST_LAYERS = 500
MOST_FILTERS = 20_000
Count = Field(ge=0, le=10**9)


class Part(BaseModel):
    """Numbers are finite: what could not be measured is null."""

    model_config = ConfigDict(allow_inf_nan=False, frozen=True)


class RecordedLayer(Part):
    """A layer that is read. name: of the module whose output it is. filters: how many feature maps."""

    name: str = Field(max_length=300)
    filters: int = Field(ge=1, le=MOST_FILTERS)


class LayerRow(Part):
    """One layer at one epoch; null for what could not be measured.

    agreement: share of held-out inputs whose answer, read at this layer, is the network's. trusted: it
    is clearly more than naming the most frequent class reaches. settled: share whose answer stays the same from a trusted layer
    up to here to the network's own. r2: of the lens on held-out inputs. redundancy: mean |r|
    over pairs of living filters. effective_dimension: `(sum l)^2 / sum l^2` of the eigenvalues of their correlation
    matrix. cka_to_last: linear CKA of the spatial means with those of the last epoch. dead: filters that answer to no
    input. kendall_tau: tau-b between the filters' importance now and at the last epoch.
    """

    name: str = Field(max_length=300)
    agreement: float | None = None
    settled: float | None = None
    trusted: bool | None = None
    r2: float | None = None
    redundancy: float | None = None
    effective_dimension: float | None = None
    cka_to_last: float | None = None
    dead: list[int] = Field(default=[], max_length=MOST_FILTERS)
    kendall_tau: float | None = None


class DecisionDepth(Part):
    """Where answers settle: number of the layer in `layers`, from 0; `len(layers)` is the network's own answer. mean:
    over held-out inputs. p95: first layer at which 95 % of them keep their answer. Layers that cannot be trusted do
    not count."""

    mean: float = Field(ge=0)
    p95: int = Field(ge=0)


class EpochRow(Part):
    """One epoch. accuracy, loss: as the training told them; where it told no accuracy, of the calibration inputs, where
    these have labels. one_answer: at least 95 % of the held-out inputs get the same answer, so that nothing is decided
    yet. note: why something is missing. recorded: seconds since 1970. seconds: that the recorder took."""

    epoch: int = Field(ge=0, le=10**9)
    accuracy: float | None = None
    loss: float | None = None
    layers: list[LayerRow] = Field(default=[], max_length=MOST_LAYERS)
    decision_depth: DecisionDepth | None = None
    one_answer: bool = False
    note: str | None = Field(None, max_length=1000)
    recorded: float = 0.0
    seconds: float = 0.0


class RecordedInputs(Part):
    """The inputs every epoch is judged on. held_out: how many of them the lens is tested on. labelled: whether the
    accuracy was measured on them."""

    title: str = Field(max_length=1000)
    count: int = Count
    held_out: int = Count
    labelled: bool = False


class Kernels(Part):
    """The first convolution: its weights' name in the checkpoints, and `[n, c, kh, kw]`."""

    tensor: str = Field(max_length=300)
    shape: tuple[int, int, int, int]


class History(Part):
    """`history.json`. model: key of the model that was trained, "" for another network. sound: its inputs
    are spectrograms, time to the right and frequency upwards. accuracy_of: where the accuracy
    comes from. importance: how filters are ranked. finished: the training came to its end."""

    format: Literal[1] = FORMAT
    title: str = Field(max_length=300)
    model: str = Field("", max_length=300)
    sound: bool = False
    note: str = Field("", max_length=2000)
    labels: list[str] = Field(default=[], max_length=100_000)
    layers: list[RecordedLayer] = Field(max_length=MOST_LAYERS)
    kernels: Kernels | None = None
    calibration: RecordedInputs
    accuracy_of: Literal["training", "calibration", "none"] = "none"
    importance: str = Field("", max_length=300)
    finished: bool = False
    epochs: list[EpochRow] = Field(default=[], max_length=MOST_EPOCHS)
    versions: dict[str, str] = {}


class RecordingInfo(Part):
    """One line of `GET /recordings`. live: its training is still going on. note: what is to be said about it, or why it
    cannot be read. epochs: recorded so far."""

    key: str
    title: str
    model: str
    epochs: int
    live: bool
    note: str
    readable: bool = True


class Recording(History):
    """A history as the API sends it. own: of the operator's folder. kernels_shape: of one epoch's kernels, null where
    they are not kept."""

    key: str
    live: bool
    own: bool
    kernels_shape: tuple[int, int, int, int] | None
