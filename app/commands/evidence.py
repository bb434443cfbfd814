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
    parser.add_argument(
        "--photos",
        type=Path,
        help="folder with images/labels.csv: photographs with boxes, through SqueezeNet",
    )
    parser.add_argument("--out", type=Path, help="write the tables as Markdown to this file too")
    parser.add_argument(
        "--montage", type=Path, help="only write a picture with real maps of every method to this file"
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from app.core.errors import BadParameter
    from backend.studies.evidence import PHOTOGRAPHS, as_markdown, evidence_table

    if args.montage:
        return _montage(args.montage)
    if args.photos is not None and not (args.photos / "images" / "labels.csv").is_file():
        raise BadParameter("The folder of photographs has no images/labels.csv.", field="photos")
    texts = []
    for key in [*args.models.split(","), *([PHOTOGRAPHS] if args.photos is not None else [])]:
        with tqdm(desc=key, unit=" maps", leave=False) as bar:

            def report(done: int, total: int, partial: object = None, bar: tqdm = bar) -> None:  # type: ignore[type-arg]
                bar.total = total
                bar.update(done - bar.n)

            rows = evidence_table(key, n=args.inputs, report=report, photos=args.photos)
        texts.append(as_markdown(key, rows))
        print(texts[-1])
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text("\n\n".join(texts) + "\n")
    return 0


def _montage(path: Path) -> int:
    from tqdm import tqdm

    from backend.studies.montage import montage

    with tqdm(desc="maps", unit=" maps", leave=False) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        methods = montage(path, report)
    print(f"{len(methods)} methods, written to {path}.")
    return 0
