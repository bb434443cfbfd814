"""`evident gate`: what the gate before a score lets through, measured on real recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "gate"
HELP = "Send recordings through the gate before a score and the shortcut meter, and count; or make again what the gate knows of training inputs."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with labels.csv files and recordings"
    )
    parser.add_argument(
        "--references",
        type=Path,
        metavar="OUT",
        help="first write there (models/weights) mean and covariance of what the sound networks see of their training inputs",
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from app.core.errors import BadParameter
    from backend.studies import gate, gate_meter

    if not args.data.is_dir():
        raise BadParameter("Give the folder of recordings with --data.", field="data")
    if args.references is not None:
        for path in gate.references(args.data, args.references):
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")
    with tqdm(desc="recordings", leave=False) as bar:

        def said(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        groups = gate.simulate(args.data, said)
        lines = gate_meter.meter(args.data, said)
    print("\n".join([*gate.markdown(groups), "", *gate_meter.markdown(lines)]))
    return 0
