"""`evident serve`: the dashboard, the backend, or both."""

from __future__ import annotations

import argparse
import sys

NAME = "serve"
HELP = "Serve the dashboard and its API at http://127.0.0.1:8050."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 8050)")
    parser.add_argument("--workers", type=int, help="attribution worker processes (default: one per core, at most 4)")
    parser.add_argument("--data", help="folder of the database, uploads and caches (default ./data)")
    parser.add_argument(
        "--part", choices=("all", "api", "ui"), default="all", help="serve everything (default), the API or the dashboard alone"
    )


def run(args: argparse.Namespace) -> int:
    import uvicorn
    from pydantic import ValidationError

    from app.core.errors import BadParameter
    from app.core.settings import Settings
    from app.web.main import create_app

    given = {name: value for name in ("host", "port", "workers", "data") if (value := getattr(args, name)) is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BadParameter(f"The setting {'.'.join(map(str, first['loc']))} is not usable: {first['msg']}.") from None
    from app.web.guard import check_exposure

    check_exposure(settings)
    print(f"Evident is starting at http://{settings.host}:{settings.port} (Ctrl+C stops it)", file=sys.stderr, flush=True)
    config = uvicorn.Config(
        create_app(settings, args.part),
        host=settings.host,
        port=settings.port,
        http="h11",  # strict about malformed requests
        log_level="warning",
        limit_concurrency=512,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1
