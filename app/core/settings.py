"""Settings from the environment (`EVIDENT_...`) or a `.env` file; bad values are refused at start, in
plain words."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.core.errors import BadParameter

MiB = 1024 * 1024


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
SignIn = Literal["off", "password", "proxy"]
_TAKEN = {"host", "cookie", "origin", "authorization", "content-type", "content-length", "evident-reviewer"}


class Limits(BaseModel):
    """What one request or one job may use. Shown by `GET /api/v1/limits` and on the upload card before
    anything is sent."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")

    image_bytes: Count = 25 * MiB
    image_pixels: Count = 50_000_000
    image_side: Count = 16_384
    audio_bytes: Count = 50 * MiB
    audio_seconds: Seconds = 600.0
    audio_channels: Count = 8
    audio_rate_min: Count = 4_000
    audio_rate_max: Count = 192_000
    array_bytes: Count = 50 * MiB
    model_bytes: Count = 1024 * MiB
    model_tensors: Count = 10_000
    model_header_bytes: Count = MiB
    report_bytes: Count = 64 * MiB
    """Of a report that is sent to be checked."""
    table_bytes: Count = 4 * MiB
    """Of a table of labels."""
    study_bytes: Count = 2 * MiB
    """Of what is asked of a study: its inputs with names and classes."""
    json_bytes: Count = 256 * 1024
    json_depth: Annotated[int, Field(ge=1, le=500)] = 32
    jobs_per_client: Count = 20
    """Waiting jobs of one client, in each line by itself: for long work, for short work, for reading
    uploads."""
    jobs_waiting: Count = 200
    job_seconds: Seconds = 600.0
    study_seconds: Seconds = 12 * 3600.0
    study_cells: Count = 20_000
    """Methods times inputs of a study."""
    worklist_cases: Count = 2_000
    job_bytes: Annotated[int, Field(ge=256 * MiB)] = 4 * 1024 * MiB
    decode_seconds: Seconds = 30.0
    connections: Count = 512
    """Requests under way at once."""
    connections_per_client: Count = 128
    """Of one address, trusted proxies excepted."""
    header_seconds: Seconds = 10.0


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="EVIDENT_", env_file=".env", extra="ignore", env_nested_delimiter="__"
    )

    host: str = "127.0.0.1"
    port: int = Field(8050, ge=1, le=65535)
    data: Path = Path("data")
    """Folder of the database, the blobs and the caches."""
    database: str | None = None
    """SQLAlchemy URL; None is SQLite (WAL) inside `data`."""
    engine: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    """Address of the Dask scheduler when `engine` is `dask`."""
    workers: int = Field(default_factory=lambda: max(1, min(4, os.cpu_count() or 1)), ge=1, le=64)
    threads: int | None = Field(None, ge=1, le=256)
    """Threads of one worker; None shares the cores out among the workers."""
    device: str = "auto"
    """`auto` takes CUDA when there is one, else the CPU."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "localhost", "[::1]")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks (`10.0.0.0/8`) of proxies in front of this server. Only what they say about
    the client is believed."""
    sign_in: bool | None = None
    """Whether users sign in (`evident users add NAME`); None: wherever the server listens beyond this machine."""
    first_admin: str | None = None
    """The name of an admin who is made at the start where people sign in and nobody can yet; the one-time password stands
    in the log, and holds until it is changed at the first sign-in."""
    user_header: str | None = None
    """The header in which a proxy names the user it has signed in, e.g. `X-Forwarded-User`. Believed from
    `trusted_proxies` alone, which then must be the only way here."""
    admins: Annotated[tuple[str, ...], NoDecode] = ()
    """Who of the users that a proxy names is an admin."""
    session_hours: Seconds = 12.0
    """Hours after which everybody signs in again."""
    idle_minutes: Seconds = 60.0
    """Minutes without a request after which a session ends."""
    retention_days: Seconds | None = None
    """Days after which an input goes, with everything made of it; None keeps it until somebody deletes it."""
    retention_cases: bool = False
    """Whether an input goes in time also while a case holds it."""
    downloads: bool = True
    """Whether published weights may be fetched when somebody asks for them on purpose; false never asks
    the net."""
    api_url: str | None = None
    """Where the backend is when the dashboard runs on its own; None means the same process."""
    weights: Path | None = None
    """A folder of local `.safetensors` files (`timm:resnet18.safetensors`, ...) looked at before any
    download."""
    frame_ancestors: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may show this one in a frame (`http://localhost:*`: a notebook); none by default."""
    models: Path | None = None
    """A Python file with the operator's own models (`evident serve --models`). It is run, in every worker."""
    inputs: Path | None = None
    """A folder of the operator's own files for the gallery (`evident serve --inputs`)."""
    recordings: Path | None = None
    """A folder of recordings of trainings, finished or under way (`evident serve --recordings`)."""
    limits: Limits = Limits()

    @field_validator("allowed_hosts", "trusted_proxies", "frame_ancestors", "admins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A JSON list, or names with commas between."""
        if not isinstance(value, str):
            return value
        return (
            json.loads(value)
            if re.match(r'\s*\[\s*["\]]', value)
            else [name.strip() for name in value.split(",") if name.strip()]
        )

    @field_validator("models", "inputs", "recordings")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        """Workers may have another working folder."""
        return None if value is None else value.expanduser().resolve()

    @field_validator("frame_ancestors")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """They become part of a header."""
        if any(not re.fullmatch(r"[A-Za-z][\w.+-]*:(//[\w.*-]+(:(\d+|\*))?)?", origin) for origin in value):
            raise ValueError("each must be an origin, as http://localhost:*")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network, strict=False)
        return value

    @field_validator("user_header")
    @classmethod
    def _header(cls, value: str | None) -> str | None:
        """A name of its own: one that carries something else would be taken out of requests."""
        if value is None or not value:
            return None
        if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", value) or value.lower() in _TAKEN:
            raise ValueError("it must be the name of a header that carries nothing else, as X-Forwarded-User")
        return value.lower()

    @property
    def sign_in_by(self) -> SignIn:
        """How people at the other end are known."""
        if self.user_header is not None:
            return "proxy"
        wanted = not self.is_loopback if self.sign_in is None else self.sign_in
        return "password" if wanted else "off"

    @property
    def is_loopback(self) -> bool:
        """Whether the server listens to this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data.resolve() / 'evident.db'}"


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment, with these in place of them. Raises BadParameter, which names the
    setting and not its value."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        complaint = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise BadParameter(
            f"The setting {'.'.join(map(str, complaint['loc']))} is not usable: {complaint['msg']}."
        ) from None
    except SettingsError:
        raise BadParameter(
            "A setting is not written as JSON, as lists and groups of settings have to be; check EVIDENT_LIMITS."
        ) from None


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once. Raises BadParameter."""
    return load_settings()
