"""Settings from the environment (`EVIDENT_...`) or a `.env` file; bad values are refused at start, in plain words."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MiB = 1024 * 1024


class Limits(BaseModel, frozen=True):
    """What one request or one job may use. Shown by `GET /api/v1/limits` and on the upload card before anything is sent."""

    image_bytes: int = 25 * MiB
    image_pixels: int = 50_000_000
    image_side: int = 16_384
    audio_bytes: int = 50 * MiB
    audio_seconds: float = 600.0
    audio_channels: int = 8
    audio_rate_min: int = 4_000
    audio_rate_max: int = 192_000
    array_bytes: int = 50 * MiB
    model_bytes: int = 1024 * MiB
    model_tensors: int = 10_000
    model_header_bytes: int = MiB
    json_bytes: int = 256 * 1024
    json_depth: int = 32
    jobs_per_client: int = 20
    jobs_waiting: int = 200
    job_seconds: float = 600.0
    job_bytes: int = 4 * 1024 * MiB
    decode_seconds: float = 30.0


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="EVIDENT_", env_file=".env", extra="ignore", env_nested_delimiter="__")

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
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    api_url: str | None = None
    """Where the backend is when the dashboard runs on its own; None means the same process."""
    weights: Path | None = None
    """A folder of local `.safetensors` files (`timm:resnet18.safetensors`, ...) looked at before any download."""
    limits: Limits = Limits()

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data.resolve() / 'evident.db'}"


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
