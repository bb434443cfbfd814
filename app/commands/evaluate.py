"""`evident evaluate`: a study of explanations on the command line, by the code of the dashboard, without a server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.tasks.evaluation import Target

NAME = "evaluate"
HELP = "Measure explanation methods on a folder of inputs or a bundled set, and write table, scores, plots and the methods paragraph."


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="a model of the catalogue, `timm:NAME` or `torchvision:NAME`")
    parser.add_argument("--weights", type=Path, help="a local .safetensors file for that model")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--inputs", type=Path, help="a folder of files, in one folder a class or with a labels.csv"
    )
    what.add_argument(
        "--set",
        dest="bundled",
        help="a bundled set: shapes, cnnexplain_synthetic, coughs, photos, photographs",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        help="a CSV table: file, label or imagenet_index, box_x0, box_y0, box_x1, box_y1, mask (default: labels.csv of the folder)",
    )
    parser.add_argument("--count", type=int, help="only the first inputs")
    parser.add_argument("--methods", help="comma-separated method keys (default: those ticked on the page)")
    parser.add_argument("--metrics", help="comma-separated metric keys (default: those ticked on the page)")
    parser.add_argument(
        "--target", default="predicted", help="class to explain: predicted (default), label, or a number"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--out", type=Path, default=Path("evaluation"), help="folder to write to; the same study goes on there (default ./evaluation)")  # fmt: skip
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="METHOD.NAME=VALUE",
        help="a parameter of a method or metric, e.g. lime.n_samples=200",
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    import models
    from app.commands.explain import parameters
    from app.core.errors import BadParameter
    from backend.attribution.measuring.evaluate import defaults
    from backend.attribution.measuring.registry import METRICS
    from backend.attribution.methods import METHODS
    from backend.scoring.study import CONTROLS
    from backend.studies.evaluation import Study, evaluate_study, write
    from backend.studies.inputs import bundled_sources, folder_sources

    methods = _keys(args.methods) or [key for key, method in METHODS.items() if method.default_on]
    metrics = _keys(args.metrics) or defaults()
    for key in methods:
        METHODS[key]
    for key in metrics:
        METRICS[key]
    params = parameters(args.param)
    for key in params:
        if key not in methods and key not in metrics:
            raise BadParameter(f"There are parameters of {key}, which is not in the study.", field="param")
    if args.count is not None and args.count < 1:
        raise BadParameter("The count must be at least 1.", field="count")
    model = models.load(args.model, weights=args.weights)
    if args.bundled is not None:
        sources, what = bundled_sources(args.bundled, args.count, model)
    else:
        sources, what = folder_sources(args.inputs, args.labels, model, args.count), "inputs"
    study = Study(
        model=args.model,
        weights=args.weights,
        sources=sources,
        methods=methods,
        metrics=metrics,
        params={key: value for key, value in params.items() if key in methods},
        metric_params={key: value for key, value in params.items() if key in metrics},
        target=_target(args.target, len(model.labels)),
        seed=args.seed,
        what=what,
    )
    maps = len(sources) * (len(methods) + len(CONTROLS))
    print(f"{len(sources):,} inputs, {maps:,} maps with controls.", file=sys.stderr)
    with tqdm(unit=" cells") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result, scores = evaluate_study(study, args.out, max(1, args.workers), report)
    write(result, scores, args.out)
    print("".join(part.text for part in result.sentence))
    print(f"Table, scores and plots are in {args.out}.")
    return 0


def _keys(text: str | None) -> list[str]:
    """Raises BadParameter for one that is named twice."""
    from app.core.errors import BadParameter

    keys = [key.strip() for key in (text or "").split(",") if key.strip()]
    if len(set(keys)) != len(keys):
        raise BadParameter("Every method and metric is named once.", field="methods")
    return keys


def _target(text: str, classes: int) -> Target:
    from app.core.errors import BadParameter

    if text == "predicted":
        return "predicted"
    if text == "label":
        return "label"
    if text.isascii() and text.isdigit() and int(text) < classes:
        return int(text)
    raise BadParameter(f"The target is predicted, label, or a class from 0 to {classes - 1}.", field="target")
