"""Downloads of weights from the Hugging Face hub: its cache on this machine, progress reports, permission."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from app.core.settings import get_settings

HUB_SECONDS = 5.0
"""How long the hub may take to answer before it counts as unreachable."""


def is_reporting() -> bool:
    """Whether a caller of `reporting` allows downloads and receives their progress."""
    return _reporter.get() not in (None, on_screen)


def on_screen(*_: object, **__: object) -> None:
    """Stands for the library's own progress bar."""


_reporter: ContextVar[Callable[..., None] | None] = ContextVar("reporter", default=on_screen)


def _bar(report: Callable[..., None]) -> Any:
    """A class of progress bars that call `report` instead of drawing."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": False, "file": io.StringIO()})

        def update(self, n: float | None = 1) -> bool | None:
            displayed = super().update(n)
            report(int(self.n), int(max(self.total or 0, self.n, 1)), unit="bytes")
            return displayed

    return Bar


def address(hub: str) -> str:
    """Where a person can download the file."""
    return f"https://huggingface.co/{hub}/resolve/main/model.safetensors"


def cached_file(hub: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(hub, "model.safetensors")
    return Path(path) if isinstance(path, str) else None


@contextmanager
def reporting(report: Callable[..., None] | None) -> Iterator[None]:
    """Inside, downloads call `report(done, total, unit="bytes")`; None forbids downloads. Outside, the library
    draws its own bar."""
    token = _reporter.set(report)
    try:
        yield
    finally:
        _reporter.reset(token)


def download(hub: str) -> Path | None:
    """The downloaded file; None when downloads are forbidden or the hub does not answer."""
    report = _reporter.get()
    if report is None or not get_settings().downloads:
        return None
    import httpx
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    with suppress(OSError, ValueError, httpx.HTTPError, HfHubHTTPError):
        # the hub's client retries for half a minute and more: one request first tells whether it answers
        httpx.head(hf_hub_url(hub, "model.safetensors"), timeout=HUB_SECONDS)
        bar = None if report is on_screen else _bar(report)
        return Path(hf_hub_download(hub, "model.safetensors", etag_timeout=HUB_SECONDS, tqdm_class=bar))
    return None
