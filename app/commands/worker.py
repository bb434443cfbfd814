"""`evident worker`: one more attribution worker for a cluster, on this or on another machine."""

from __future__ import annotations

import argparse
import signal

NAME = "worker"
HELP = "Start attribution workers that take jobs from a Dask scheduler (EVIDENT_ENGINE=dask, EVIDENT_SCHEDULER=tcp://...)."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheduler", help="address of the scheduler, e.g. tcp://scheduler:8786 (default EVIDENT_SCHEDULER)"
    )
    parser.add_argument("--workers", type=int, help="worker processes (default: one per core, at most 4)")
    parser.add_argument(
        "--models", help="the Python file of models that the server was given (default EVIDENT_MODELS)"
    )
    parser.add_argument(
        "--with-scheduler", action="store_true", help="run the scheduler here too, on --scheduler's port"
    )


def run(args: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, _leave)
    from app.core.errors import BadParameter
    from app.core.settings import get_settings, load_settings

    given = {name: getattr(args, name) for name in ("workers", "models") if getattr(args, name) is not None}
    settings = load_settings(**given) if given else get_settings()
    address = args.scheduler or settings.scheduler
    if not address:
        raise BadParameter(
            "Give the scheduler's address with --scheduler or EVIDENT_SCHEDULER, e.g. tcp://127.0.0.1:8786.",
            field="scheduler",
        )
    from backend.api.startup import check_folder
    from backend.jobs.workers.cluster import run_workers

    check_folder(settings.data)
    return run_workers(
        address, workers=settings.workers, settings=settings, with_scheduler=args.with_scheduler
    )


def _leave(*_: object) -> None:
    """SIGTERM before the workers run; once they do, they end in order by themselves."""
    raise SystemExit(0)
