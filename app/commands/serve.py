"""`evident serve`: the dashboard, the backend, or both."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.core.settings import Settings

NAME = "serve"
HELP = "Serve the dashboard and its API at http://127.0.0.1:8050."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 8050)")
    parser.add_argument(
        "--workers", type=int, help="attribution worker processes (default: one per core, at most 4)"
    )
    parser.add_argument("--data", help="folder of the database, uploads and caches (default ./data)")
    parser.add_argument(
        "--models", help="a Python file of your own: its functions that return models.wrap(...) are models"
    )
    parser.add_argument(
        "--inputs", help="a folder for the gallery: one folder of files a class, or files and labels.csv"
    )
    parser.add_argument(
        "--recordings",
        help="a folder that Recorder writes to, or one folder a training: Inside shows them as they grow",
    )
    parser.add_argument(
        "--part",
        choices=("all", "api", "ui"),
        default="all",
        help="serve everything (default), the API or the dashboard alone",
    )


def run(args: argparse.Namespace) -> int:
    """Checks everything that can keep the server from starting, then serves. SIGTERM ends it with code 0."""
    signal.signal(signal.SIGTERM, _leave)
    import uvicorn

    from app.core.settings import load_settings
    from app.web.clients import TrustedProxies
    from app.web.connections import Register
    from app.web.guard import check_exposure
    from app.web.main import create_app

    overrides = {
        name: value
        for name in ("host", "port", "workers", "data", "models", "inputs", "recordings")
        if (value := getattr(args, name)) is not None
    }
    settings = load_settings(**overrides)
    check_exposure(settings)
    _check(settings, args.part)
    listener = _listen(settings)
    if settings.models is not None and args.part != "ui":
        _check_models(settings)
    print(
        f"Evident is starting at http://{settings.host}:{settings.port} (Ctrl+C stops it)",
        file=sys.stderr,
        flush=True,
    )
    limits = settings.limits
    register = Register(
        limits.connections,
        limits.connections_per_client,
        limits.header_seconds,
        TrustedProxies(settings.trusted_proxies),
    )
    config = uvicorn.Config(
        create_app(settings, args.part),
        host=settings.host,
        port=settings.port,
        http=register.protocol(),  # h11 is strict about malformed requests
        ws="none",
        log_level="warning",
        access_log=False,  # addresses hold the ids of inputs
        timeout_keep_alive=10,
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else 1


def _leave(*_: object) -> None:
    """SIGTERM: uvicorn shuts down first and then raises the signal again, which ends up here."""
    raise SystemExit(0)


def _check(settings: Settings, part: str) -> None:
    from app.core.errors import InvalidInput

    if part == "ui":
        if settings.api_url is None:
            raise InvalidInput(
                "The dashboard alone needs the backend's address: set EVIDENT_API_URL, e.g. http://127.0.0.1:8051."
            )
        return
    from backend.api.startup import check_start

    check_start(settings)
    if settings.inputs is not None:
        from backend.api.gallery import check_inputs

        check_inputs(settings.inputs)
    if settings.recordings is not None:
        from backend.api.recordings import check_recordings

        check_recordings(settings.recordings)


def _check_models(settings: Settings) -> None:
    """Raises ModelRejected: what is wrong with the operator's file, and where."""
    from backend.jobs.workers.own_models import check_own_models

    keys = check_own_models(settings)
    assert settings.models is not None
    print(f"{settings.models.name} holds {', '.join(keys)}", file=sys.stderr, flush=True)


def _listen(settings: Settings) -> socket.socket:
    """A socket that is bound and listens. Raises InvalidInput."""
    from app.core.errors import InvalidInput

    host, port = settings.host.strip("[]"), settings.port
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise InvalidInput(_listen_problem(error, port), code="cannot_listen", field="port") from None
    listener.set_inheritable(False)
    return listener


def _listen_problem(error: OSError, port: int) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use: another program (or another Evident) listens there; choose another with --port or EVIDENT_PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that this user does not have; choose one above 1023 with --port or EVIDENT_PORT."
    return "This machine has no such address to listen on; check --host or EVIDENT_HOST."
