"""`evident lens`: makes what is shipped of the bundled networks' lenses again."""

from __future__ import annotations

import argparse

NAME = "lens"
HELP = "Fit the layer lenses of bundled networks again, after new weights: the page Inside then opens them at once."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="small bundled models, such as shapes")


def run(args: argparse.Namespace) -> int:
    from backend.attribution.internals.bundling import bundle

    for path in bundle(tuple(args.models)):
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    return 0
