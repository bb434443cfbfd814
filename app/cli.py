"""The command `evident`: one file per command in app/commands, each with `NAME`, `HELP`, `add(parser)` and
`run(args)`.

Exit codes: 0 done, 1 a check of `doctor` failed or an import left files out, 2 bad input (one plain sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from types import ModuleType

from app import __version__, commands
from app.core.errors import EvidentError
from app.core.openmp import wait_briefly

wait_briefly()  # before torch is imported


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn every error a user can cause into one sentence."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        return int(args.run(args) or 0)
    except EvidentError as error:
        print(f"evident: {error.detail}", file=sys.stderr)
        return 2
    except OSError as error:  # a file where a folder should be, no right to write, no room
        if error.filename is None:
            raise
        why = (error.strerror or "not usable").lower()
        print(
            f"evident: {os.fspath(error.filename)!s}: {why}; choose another place, or make room there.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("evident: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evident", description="See why a CNN decided as it did.")
    parser.add_argument("--version", action="version", version=f"evident {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _commands():
        sub = subparsers.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.add(sub)
        sub.set_defaults(run=command.run)
    return parser


def _commands() -> list[ModuleType]:
    names = [info.name for info in pkgutil.iter_modules(commands.__path__)]
    return sorted(
        (importlib.import_module(f"app.commands.{name}") for name in names), key=lambda module: module.NAME
    )
