"""`evident evidence`: how much of each map lies where the evidence is known to be, on generated inputs."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "evidence"
HELP = "Measure, per method, the share of relevance inside evidence that is known, on generated coughs and pictures."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        default="cnnexplain_synthetic,shapes",
        help="comma-separated keys of models with known evidence",
    )
    parser.add_argument("--inputs", type=int, default=16, help="generated inputs per model (default 16)")
    parser.add_argument("--out", type=Path, help="write the table as Markdown to this file too")


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from backend.studies.evidence import as_markdown, evidence_table

    texts = []
    for key in args.models.split(","):
        with tqdm(desc=key, unit=" maps", leave=False) as bar:

            def report(done: int, total: int, partial: object = None, bar: tqdm = bar) -> None:  # type: ignore[type-arg]
                bar.total = total
                bar.update(done - bar.n)

            rows = evidence_table(key, n=args.inputs, report=report)
        texts.append(as_markdown(key, rows))
        print(texts[-1])
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text("\n\n".join(texts) + "\n")
    return 0
