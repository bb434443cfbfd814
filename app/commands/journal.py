"""`evident journal`: the journal's comparison of a small network with MobileNetV2, on sounds whose evidence is known."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "journal"
HELP = "Train cnnexplain and MobileNetV2 the same way on generated coughs and measure whose maps are better."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--inputs", type=int, default=24, help="recordings to explain (default 24)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network (default 3)")
    parser.add_argument("--epochs", type=int, default=6, help="of each training (default 6)")
    parser.add_argument(
        "--out", type=Path, default=Path("journal"), help="folder for table and plot (default ./journal)"
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from backend.studies import journal, journal_report

    with tqdm(desc="maps", unit=" maps", leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = journal.study(
            inputs=args.inputs, seeds=tuple(range(args.seeds)), epochs=args.epochs, report=report
        )
    journal_report.write(result, args.out)
    print("\n".join(journal_report.markdown(result)))
    print(f"\nWritten to {args.out}.")
    return 0
