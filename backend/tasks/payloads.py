"""The parts of payloads that several kinds of jobs share: which network, which window of which input.

A field's name is a key in the rows of people's databases, and a job asked for before an upgrade is run after it:
fields are added with a default, and never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.core.schemas import Modality


class Payload(BaseModel):
    """What a job is asked to do. Keys that another version knew are passed over."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    def as_json(self) -> dict[str, Any]:
        """As it is kept in the job's row and sent to a worker."""
        return self.model_dump(mode="json")


class StoredInput(Payload):
    """A decoded input. blobs: name -> sha256; `canonical` is what tasks read. meta:
    `app.core.schemas.Input`."""

    id: str
    modality: Modality
    meta: dict[str, Any]
    blobs: Mapping[str, str]


class Upload(Payload):
    """An uploaded model. digest: sha256 of the weights file and the name of its blob."""

    key: str
    title: str
    architecture: str
    labels: list[str]
    digest: str


class ModelSource(Payload):
    """A network. upload: what it is built from, None for bundled and published ones. digest: sha256 of the
    weights meant, None for those that are there now."""

    model: str
    upload: Upload | None = None
    digest: str | None = None


class InputWindow(Payload):
    """An input as a network looks at it. start: first second of the window; None takes the loudest event."""

    input: StoredInput
    start: float | None = None


class ModelOnInput(InputWindow, ModelSource):
    """A network and what it looks at."""
