"""`evident train`: trains the bundled weights, to reproduce them or to train them anew."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backend.attribution.internals.recorder import Recorder
    from models.training.loop import Record

NAME = "train"
HELP = "Train a bundled model again and print its honest figures."
SOUND = ("cnnexplain", "cough_check", "cnnexplain_synthetic", "cnnexplain_shortcut")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", choices=(*SOUND, "shapes", "shapes_shortcut"))
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with labels.csv files and recordings (only for models of real recordings)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("trained"),
        help="folder for weights, card and checkpoints (default ./trained)",
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: the epochs of the bundled weights")
    parser.add_argument(
        "--no-record",
        action="store_true",
        help="keep no recording of the training (else OUT/MODEL_epochs, which `evident serve --recordings OUT` shows as it grows)",
    )


def run(args: argparse.Namespace) -> int:
    from app.core.errors import BadParameter

    if args.model in {"cnnexplain", "cough_check"} and (args.data is None or not args.data.is_dir()):
        raise BadParameter(
            "This model is trained on recordings: give their folder with --data.", field="data"
        )
    for name in ("epochs", "folds", "seeds"):
        number = getattr(args, name)
        if number is not None and number < 1:
            raise BadParameter(f"The number of {name} must be at least 1.", field=name)
    options = {} if args.epochs is None else {"epochs": args.epochs}
    record = None if args.no_record else recorded(args.model, args.out)
    if args.model in SOUND:
        from models.training import sound

        report = sound.train(
            args.model,
            data=args.data,
            out=args.out,
            folds=args.folds,
            seeds=args.seeds,
            record=record,
            progress=True,
            **options,
        )
    else:
        from models.training import images

        report = images.train(args.out, (args.model,), record=record, progress=True, **options)
    print(json.dumps(report, indent=1, default=str))
    return 0


def recorded(model: str, out: Path) -> Record:
    """What records the training of a bundled model, judged on inputs made by our own programs."""

    def record(module: Any) -> Recorder:
        import models
        from backend.attribution.internals.recorder import Recorder

        return Recorder(module, None, out / f"{model}_epochs", like=models.load(model), replace=True)

    return record
