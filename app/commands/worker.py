"""`evident worker`: one more attribution worker for a cluster, on this or on another machine."""

from __future__ import annotations

import argparse

NAME = "worker"
HELP = "Start attribution workers that take jobs from a Dask scheduler (EVIDENT_ENGINE=dask, EVIDENT_SCHEDULER=tcp://...)."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scheduler", help="address of the scheduler, e.g. tcp://scheduler:8786 (default EVIDENT_SCHEDULER)")
    parser.add_argument("--workers", type=int, help="worker processes (default: one per core, at most 4)")
    parser.add_argument("--with-scheduler", action="store_true", help="run the scheduler here too, on --scheduler's port")


def run(args: argparse.Namespace) -> int:
    from app.core.errors import BadParameter
    from app.core.settings import get_settings

    settings = get_settings()
    address = args.scheduler or settings.scheduler
    if not address:
        raise BadParameter(
            "Give the scheduler's address with --scheduler or EVIDENT_SCHEDULER, e.g. tcp://127.0.0.1:8786.", field="scheduler"
        )
    from backend.jobs.workers.cluster import run_workers

    return run_workers(address, workers=args.workers or settings.workers, settings=settings, with_scheduler=args.with_scheduler)
