"""`evident explain`: maps of one file on the command line, by the code of the dashboard, without a server."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

NAME = "explain"
HELP = (
    "Explain one image, spectrogram or recording and write maps (.npy), pictures (.png) and numbers (.json)."
)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "input",
        type=Path,
        help="PNG, JPEG, WebP, TIFF, GIF, WAV, FLAC, OGG, MP3, M4A, WebM or a spectrogram as .npy",
    )
    parser.add_argument(
        "--model",
        default="cnnexplain",
        help="a model of the catalogue, `timm:NAME` or `torchvision:NAME` (default cnnexplain)",
    )
    parser.add_argument("--weights", type=Path, help="a local .safetensors file for that model")
    parser.add_argument(
        "--methods", default="grad_cam,lime,smooth_grad,lrp,fused", help="comma-separated method keys"
    )
    parser.add_argument("--out", type=Path, default=Path("maps"), help="folder to write to (default ./maps)")
    parser.add_argument("--target", type=int, help="class to explain (default: the predicted one)")
    parser.add_argument("--layer", help="layer for the methods that use one (default: the model's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start", type=float, help="first second of the window of a recording (default: the loudest event)"
    )
    parser.add_argument(
        "--scale",
        choices=["db", "power", "amplitude", "unit"],
        help="what the numbers of a .npy spectrogram are",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.NAME=VALUE",
        help="a parameter, e.g. lime.n_samples=200",
    )


def run(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    import backend
    import models
    from app.core.errors import BadParameter, NotFound
    from backend.attribution.methods import METHODS

    if not args.input.is_file():
        raise NotFound(
            "There is no such file; give the path of an image, a recording or a spectrogram.", field="input"
        )
    methods = [METHODS[key.strip()] for key in args.methods.split(",") if key.strip()]
    if not methods:
        raise BadParameter("Name at least one method, e.g. --methods grad_cam,lrp.", field="methods")
    params = parameters(args.set)
    model = models.load(args.model, weights=args.weights)
    prepared = model.input.prepare(args.input, start=args.start, scale=args.scale)
    x = prepared.x.to(model.device)
    scores = model.predict(x)[0].tolist()
    target = args.target if args.target is not None else max(range(len(scores)), key=scores.__getitem__)
    args.out.mkdir(parents=True, exist_ok=True)
    for method in methods:
        with tqdm(desc=method.title, unit=f" {method.unit}", leave=False) as bar:

            def report(done: int, total: int, partial: Any = None, bar: Any = bar) -> None:
                bar.total = total
                bar.update(done - bar.n)

            result = backend.explain(
                model,
                x,
                method.key,
                target=target,
                layer=args.layer,
                seed=args.seed,
                report=report,
                **params.get(method.key, {}),
            )
        _write(args.out, method.key, result, prepared, model)
        label = model.labels[result.target]
        print(f"{method.title:24s} {label}: {result.seconds:6.2f} s  {' '.join(result.notes)}")
    print(
        f"Model score {scores[target]:.3f} for {model.labels[target]} (not a diagnosis). Maps are in {args.out}."
    )
    return 0


def parameters(pairs: list[str]) -> dict[str, dict[str, Any]]:
    from app.core.errors import BadParameter

    by_method: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        method, dot, parameter = name.partition(".")
        if not equals or not dot:
            raise BadParameter("Give parameters as METHOD.NAME=VALUE, e.g. lime.n_samples=200.", field="set")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        by_method.setdefault(method, {})[parameter] = value
    return by_method


def _write(out: Path, key: str, result: Any, prepared: Any, model: Any) -> None:
    import numpy as np

    from backend.rendering.overlay import Look, draw

    np.save(out / f"{key}.npy", result.values)
    look = Look(
        opacity=0.6,
        top=100.0,
        sign="both",
        scale=4,
        signed=result.signed,
        upside_down=prepared.y_axis.origin == "lower",
    )
    (out / f"{key}.png").write_bytes(draw(prepared.display, result.values, look))
    record = {
        "method": result.method,
        "model": model.key,
        "weights_sha256": model.digest,
        "target": result.target,
        "target_label": model.labels[result.target],
        "layer": result.layer,
        "signed": result.signed,
        "native": result.native,
        "gap": result.gap,
        "extras": dict(result.extras),
        "notes": result.notes,
        "seconds": result.seconds,
        "forwards": result.forwards,
        "backwards": result.backwards,
        "window": prepared.window,
    }
    (out / f"{key}.json").write_text(json.dumps(record, indent=1, default=str) + "\n")
