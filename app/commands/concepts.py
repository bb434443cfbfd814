"""`evident concepts`: concept maps of files without a server, and the experiment that shows how far they
can be trusted."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAME = "concepts"
HELP = "Find concepts in images or recordings (analyse), run the controlled experiment with planted evidence (experiment), or make what is shipped of them again (bundle)."


def add(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    _add_experiment(
        parts.add_parser(
            "experiment", help="planted evidence in twin networks: tables and plots, from one command"
        )
    )
    _add_analyse(
        parts.add_parser(
            "analyse", help="where and how much: concept maps, attributions and p-values of files"
        )
    )
    bundling = parts.add_parser(
        "bundle", help="make what comes with the program of the built-in concepts again, after new weights"
    )
    bundling.add_argument(
        "models", nargs="+", metavar="MODEL", help="bundled models, such as shapes or squeezenet1_1"
    )


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("planted"),
        help="folder for the tables and plots (default ./planted)",
    )
    parser.add_argument(
        "--inputs", type=int, default=40, help="inputs judged per part, in two networks each (default 40)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="PART",
        help="image, image_star or sound (default all; may be repeated)",
    )
    parser.add_argument(
        "--layers", type=int, help="how many layers, counted from the last (default all three)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--train",
        action="store_true",
        help="train the networks anew first (about 20 minutes) instead of the shipped ones",
    )


def _add_analyse(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="images, recordings or spectrograms (.npy)"
    )
    parser.add_argument(
        "--model", default="cnnexplain", help="a model of the catalogue, `timm:NAME` or `torchvision:NAME`"
    )
    parser.add_argument("--weights", type=Path, help="a local .safetensors file for that model")
    parser.add_argument(
        "--concepts",
        required=True,
        help="comma-separated: built-in concepts, or folders with at least 10 files",
    )
    parser.add_argument(
        "--negatives",
        default="random",
        help="counter-examples: a folder, photographs, random_pictures or random_rooms (default: of each concept's own kind)",
    )
    parser.add_argument("--layers", help="comma-separated (default: the model's)")
    parser.add_argument(
        "--classes", help="comma-separated class numbers (default: each input's predicted class)"
    )
    parser.add_argument(
        "--random",
        type=int,
        default=200,
        dest="n_random",
        help="random concepts per layer at least; 20 per test are drawn (default 200)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("concepts"), help="folder to write to (default ./concepts)"
    )
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    return {"experiment": _experiment, "analyse": _analyse, "bundle": _bundle}[args.part](args)


def _bundle(args: argparse.Namespace) -> int:
    from backend.attribution.concepts.bundling import bundle

    for path in bundle(tuple(args.models)):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


def _experiment(args: argparse.Namespace) -> int:
    from backend.studies import planted, planted_report, scenes

    weights = scenes.train(args.out / "weights") if args.train else None
    with _bar("inputs") as report:
        result = planted.experiment(
            tuple(args.only or scenes.SCENES),
            inputs=args.inputs,
            layers=args.layers,
            seed=args.seed,
            weights=weights,
            report=report,
        )
    planted_report.write(result, args.out)
    print("\n".join(planted_report.markdown(result)))
    print(f"\nWritten to {args.out}.")
    return 0


def _analyse(args: argparse.Namespace) -> int:
    import models
    from app.core.errors import NotFound
    from backend.attribution.concepts.analysis import Plan, analyse
    from backend.attribution.concepts.folders import FolderLibrary
    from backend.attribution.network.cache import steady

    if any(not path.is_file() for path in args.inputs):
        raise NotFound(
            "One of the files is not there; give paths of images, recordings or spectrograms.", field="input"
        )
    model = models.load(args.model, weights=args.weights)
    classes = None if args.classes is None else tuple(_number(part) for part in _parts(args.classes))
    plan = Plan(
        tuple(_parts(args.concepts)),
        tuple(_parts(args.layers or model.default_layer)),
        classes,
        args.negatives,
        args.n_random,
        args.seed,
    )
    library = FolderLibrary()
    inputs = [model.prepare(path) for path in args.inputs]
    with _bar("steps") as report, steady(model):
        analysis = analyse(model, inputs, plan, library, report)
    names = {ref: library.name(ref) for ref in plan.concepts}
    _write(args.out, args.inputs, names, model, analysis)
    print("\n".join(_table(args.inputs, names, model, analysis)))
    print(
        f"\nMaps and numbers are in {args.out}. A score says what the network goes by, not what is true of the picture or the sound."
    )
    return 0


def _parts(text: str) -> list[str]:
    from app.core.errors import BadParameter

    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise BadParameter("Give at least one name, several separated by commas.")
    return parts


def _number(text: str) -> int:
    from app.core.errors import BadParameter

    try:
        return int(text)
    except ValueError:
        raise BadParameter("Classes are whole numbers, separated by commas.", field="classes") from None


@contextmanager
def _bar(unit: str) -> Iterator[Callable[..., None]]:
    from tqdm import tqdm

    with tqdm(unit=f" {unit}") as bar:

        def report(done: int, total: int, partial: Any = None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def _table(files: Sequence[Path], names: dict[str, str], model: Any, analysis: Any) -> Iterator[str]:
    """One line per input, layer, concept and class; then the classes; then what each layer knows."""
    yield f"{'input':24s} {'layer':14s} {'concept':14s} {'class':18s} {'score':>6s} {'share':>6s} {'p adj.':>6s}"
    for row in analysis.rows:
        verdict = row.verdict.replace("_", " ") if row.recognised else "not recognised"
        yield (
            f"{files[row.input].name[:24]:24s} {row.layer[:14]:14s} {names[row.concept][:14]:14s} "
            f"{model.labels[row.target][:18]:18s} {row.score:6.3f} {row.share:6.3f} {row.p_adjusted:6.3f}  {verdict}"
        )
    yield f"\n{'layer':14s} {'concept':14s} {'class':18s} {'mean':>6s} {'p adj.':>6s} {'TCAV':>6s} {'p adj.':>7s}  for the class"
    for row in analysis.overall:
        yield (
            f"{row.layer[:14]:14s} {names[row.concept][:14]:14s} {model.labels[row.target][:18]:18s} {row.mean:6.3f} "
            f"{row.p_adjusted:6.3f} {row.tcav:6.2f} {row.tcav_p_adjusted:7.4f}  {row.verdict.replace('_', ' ')}"
        )
    yield f"\n{'layer':14s} {'concept':14s} {'told apart from':18s} held-out accuracy"
    for row in analysis.directions:
        unclear = "" if row.told_apart else "  cannot be told apart"
        yield (
            f"{row.layer[:14]:14s} {names[row.concept][:14]:14s} {row.counter_name[:18]:18s} "
            f"{row.accuracy:.2f} ({row.accuracy_low:.2f} to {row.accuracy_high:.2f}){unclear}"
        )
    yield f"\n{analysis.n_random:,} random concepts per layer for {analysis.tests} tests, p adjusted for all of them."
    for words in dict.fromkeys(
        row.because for row in (*analysis.rows, *analysis.overall) if row.verdict == "undecided"
    ):
        yield f"Undecided: {words}"


def _write(out: Path, files: Sequence[Path], names: dict[str, str], model: Any, analysis: Any) -> None:
    """rows.csv, analysis.json, and maps at the layer's resolution, `INPUT_LAYER_CONCEPT.npy` with the
    number of each input and concept."""
    import numpy as np

    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            **row.model_dump(),
            "input": files[row.input].name,
            "concept": names[row.concept],
            "label": model.labels[row.target],
        }
        for row in analysis.rows
    ]
    with (out / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    parts = {
        name: [row.model_dump() for row in getattr(analysis, name)]
        for name in ("directions", "overall", "random_95")
    }
    record = {
        "model": model.key,
        "weights_sha256": model.digest,
        "inputs": [path.name for path in files],
        "rows": rows,
        **parts,
        "verdicts": analysis.verdicts,
        "cosines": analysis.cosines,
        "n_random": analysis.n_random,
        "tests": analysis.tests,
    }
    (out / "analysis.json").write_text(json.dumps(record, indent=1, default=float) + "\n", encoding="utf-8")
    for (number, layer), maps in analysis.maps.items():
        for place, (name, values) in enumerate(zip(names.values(), maps, strict=True)):
            np.save(out / f"{number}_{files[number].stem}_{layer}_{place}_{name}.npy", values)
