"""Results of the layer lens, shared by the API, the page and the tasks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class LensClass(BaseModel):
    """probability: of the layer's prediction, at its temperature. logit: without it."""

    index: int
    label: str
    probability: float
    logit: float


class ModelClass(BaseModel):
    """probability: the network's own, calibrated."""

    index: int
    label: str
    probability: float


class FilterShare(BaseModel):
    """share: mean over the places of (gradient of the target's logit x activation), signed."""

    filter: int
    share: float


class LogitLens(BaseModel):
    """The direct logit lens: the layer's pooled maps in place of the final linear layer's input. agreement: with the
    network on held-out inputs."""

    top: int
    label: str
    agreement: float


class LensLayer(BaseModel):
    """One layer, in depth order; the last is the head itself (kind `head`), which has no map.

    readable, reason: whether it has maps to look at, or why not; a reason beside readable: why the lens cannot read it. features: its filters of the largest |share|, whose maps are
    in the layer's file in this order. shares, means: of every filter, in filter order: its share, and its mean activation
    on this input. Everything else comes from the lens, and is None until that is there, and where
    the layer cannot be read: classes: the likeliest five, the target always among them; top: the likeliest; kl,
    entropy: nats, of this input's prediction; margin: between the two likeliest; temperature: of the prediction; r2,
    agreement: of the lens with the network on held-out inputs; majority: what naming the most frequent class would
    reach there; trusted: whether agreement is clearly above that; constant: mean of the lens map + constant = the
    target's logit. Controls: direct: where the layer has as many filters as the final linear layer has inputs; probe:
    held-out accuracy of a linear classifier on the labels, where the calibration inputs have some.
    """

    name: str
    kind: str
    shape: list[int]
    readable: bool = True
    reason: str | None = None
    features: list[FilterShare] = []
    shares: list[float] = []
    means: list[float] = []
    classes: list[LensClass] = []
    top: int | None = None
    kl: float | None = None
    entropy: float | None = None
    margin: float | None = None
    temperature: float | None = None
    r2: float | None = None
    agreement: float | None = None
    majority: float | None = None
    trusted: bool | None = None
    constant: float | None = None
    direct: LogitLens | None = None
    probe: float | None = None


class LensCalibration(BaseModel):
    """What the lens was fitted on, in words; count: inputs in all; held_out: those that only measure. accuracy: of the
    network on their labels, None without labels."""

    title: str
    count: int
    held_out: int
    accuracy: float | None = None


class LensResult(BaseModel):
    """One input at every layer. top: the network's class; target: the class that the maps are of. decided_from: the
    first layer from which on every layer's class is the network's and can be trusted; None where only the head
    decides, or before the lens is there. calibration: None before. note: what is special about this network."""

    model: str
    weights_sha256: str
    input: str
    top: int
    target: int
    labels: dict[str, str] = {}
    probabilities: list[ModelClass]
    decided_from: str | None = None
    calibration: LensCalibration | None = None
    note: str | None = None
    layers: list[LensLayer]
    versions: dict[str, Any] = {}
