"""`evident fused`: is the product of Grad-CAM and LRP better than its factors, as its paper says?"""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "fused"
HELP = "Put the claim of the fused map's paper to the test, on generated inputs and on photographs and coughs of your own."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--inputs", type=int, default=48, help="inputs of each set at most (default 48; 0 is all)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with images/labels.csv (boxes), cough/labels.csv and weights/resnet20_cifar10.safetensors; without it "
        "only generated inputs are used",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("fused"), help="folder for tables and plot (default ./fused)"
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from app.core.errors import BadParameter
    from backend.studies import fused_claim, fused_report

    if args.inputs < 0 or (args.inputs == 0 and args.data is None):
        raise BadParameter("The number of inputs must be positive.", field="inputs")
    parts = fused_claim.generated(args.inputs or 48)
    if args.data is not None:
        parts += fused_claim.real(args.data, args.inputs or None)
    with tqdm(unit=" inputs", leave=False) as bar:

        def report(part: str, done: int) -> None:
            bar.set_description(part)
            bar.update()

        result = fused_claim.study(parts, report)
    fused_report.write(result, args.out)
    print("\n".join(fused_report.markdown(result)))
    print(f"\nWritten to {args.out}.")
    return 0
