"""`evident bench`: what each method costs over its floor and against public implementations, as ratios
within one run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "bench"
HELP = "Measure each method over its floor and against lime, Captum, grad-cam and Zennit, and an earlier run; write a table (Markdown and JSON)."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quick", action="store_true", help="few samples: shows that everything runs, not how fast"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help="times that ours and theirs are measured in turn (default 3; with --quick 1)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("bench-results"),
        help="folder for bench.md and bench.json (default ./bench-results)",
    )
    parser.add_argument(
        "--only",
        metavar="GROUP",
        action="append",
        help="only this group of rows (may be given several times)",
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="the bench.json of an earlier run: which ratios changed by more than the rounds differ",
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from app.core.errors import BadParameter
    from backend.bench import earlier, harness, report
    from backend.bench.machine import machine

    groups = harness.groups()
    unknown = set(args.only or ()) - set(groups)
    if unknown:
        raise BadParameter(f"There is no such group of rows. There are: {', '.join(groups)}.", field="only")
    rounds = args.rounds if args.rounds is not None else 1 if args.quick else 3
    if rounds < 1:
        raise BadParameter("Measure at least one round.", field="rounds")
    before = earlier.read(args.compare) if args.compare else None
    selected_groups = {name: module for name, module in groups.items() if not args.only or name in args.only}
    result = harness.Report(machine=machine())
    lines: list[str] = []
    with (
        tempfile.TemporaryDirectory() as plans,
        _plans_measured_in(Path(plans)),
        tqdm(selected_groups.items(), unit=" groups") as bar,
    ):
        setting = harness.Setting(rounds=rounds, quick=args.quick, tell=bar.set_postfix_str)
        for done, (name, module) in enumerate(bar, 1):
            bar.set_description(name)
            harness.measure(name, module, setting, result)
            if before:
                lines = list(earlier.compare(result, before, list(selected_groups)[:done]))
            # What was measured so far stays when the next group is stopped.
            report.write(result, args.out, lines)
    print("\n".join([*report.markdown(result), *lines]))
    print(f"\nWritten to {args.out}.")
    return 0


@contextmanager
def _plans_measured_in(folder: Path) -> Iterator[None]:
    """Inside, the engine measures which plans are fastest here, as a served program does, and starts afresh."""
    from backend.attribution.network import plan_store

    plan_store.keep_in(folder)
    try:
        yield
    finally:
        plan_store.keep_in(None)
