"""`evident selftest`: puts damaged files and known identities to this installation, and says what held.

The whole suite is `make test`; this is its part that anybody can run beside a running server, in half a minute, without
test packages. `doctor` asks whether everything is there, this whether it does what it promises.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.commands.doctor import Line

NAME = "selftest"
HELP = "Try damaged files and known identities on this installation: nothing may surprise, every number must hold."
CLOSE = 1e-4
"""Of logits and sums, relative to the larger of the score and one."""


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files", type=int, default=200, help="damaged files of each kind (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="which bytes are damaged")


def run(args: argparse.Namespace) -> int:
    from app.core.errors import BadParameter

    if args.files < 1 or args.seed < 0:
        raise BadParameter("--files must be at least 1 and --seed at least 0.", field="files")
    failed = 0
    steps: list[Callable[[], Iterator[Line]]] = [
        lambda: damaged_files(args.files, args.seed),
        maps,
        identities,
    ]
    for step in steps:
        for ok, label, detail in step():
            failed += not ok
            print(f"{'ok  ' if ok else 'FAIL'}  {label:28s} {detail}", flush=True)
    print("Everything holds." if not failed else f"{failed} checks failed.")
    return 1 if failed else 0


def damaged_files(count: int, seed: int) -> Iterator[Line]:
    """Cut short and with flipped bytes: each is read, or refused with an error of our own."""
    import numpy as np

    from app.core.errors import EvidentError
    from app.core.settings import get_settings
    from models.media import decode

    limits = get_settings().limits
    for kind, whole in _files().items():
        generator = np.random.default_rng(seed)
        read, surprises = 0, []
        for number in range(count):
            data = bytearray(whole)
            if number % 2:
                for place in generator.integers(0, len(data), size=int(generator.integers(1, 12))):
                    data[place] = generator.integers(0, 256)
            else:
                data = data[: int(generator.integers(0, len(data)))]
            try:
                decode(bytes(data), limits)
                read += 1
            except EvidentError:
                pass
            except Exception as error:  # what is looked for
                surprises.append(type(error).__name__)
        said = f"{count} damaged: {read} read, {count - read - len(surprises)} refused in words"
        wrong = f", {len(surprises)} surprised ({', '.join(sorted(set(surprises)))})" if surprises else ""
        yield not surprises, f"{kind} files", said + wrong


def maps(only: Sequence[str] | None = None) -> Iterator[Line]:
    """Every method that fits, or some of them: finite, of the input's size, the same twice, the network left as it was."""
    import numpy as np

    import backend
    import models
    from backend.attribution.methods import METHODS

    model = models.load("shapes")
    x = model.prepare(_picture())
    weights = {name: value.cpu().numpy().copy() for name, value in model.module.state_dict().items()}
    for key in only or METHODS:
        if not METHODS[key].is_compatible(model).ok:
            continue
        first, second = (backend.explain(model, x, key, seed=1) for _ in range(2))
        problems = {
            "not finite": not np.isfinite(first.values).all(),
            "another size": first.values.shape != tuple(x.shape[-2:]),
            "another map with the same seed": not np.array_equal(first.values, second.values),
            "changed weights": any(
                not np.array_equal(value.cpu().numpy(), weights[name])
                for name, value in model.module.state_dict().items()
            ),
        }
        wrong = [words for words, is_so in problems.items() if is_so]
        yield not wrong, key, ", ".join(wrong) or f"{first.seconds:.2f} s"


def identities() -> Iterator[Line]:
    """What must hold to the last digits: shared out is what there was, and the lens ends in the network's own answer."""
    import numpy as np

    import backend
    import models

    model = models.load("shapes")
    x = model.prepare(_picture())
    logits = model.logits(x).detach()[0]
    score = float(logits.max())
    shared = float(backend.explain(model, x, "lrp", preset="gamma_epsilon").values.sum())
    yield _line("LRP conservation", shared, score)
    gradients = backend.explain(model, x, "integrated_gradients")
    gap = gradients.gap if gradients.gap is not None else 1.0
    yield gap < 0.01, "completeness of IG", f"{gap:.1e} of the difference is missing"
    noise = np.random.default_rng(0).random((20, *model.input.shape), dtype=np.float32)
    last = backend.fit_lens(model, x.new_tensor(noise)).predict(x).logits[-1]
    apart = int((last - logits).abs().argmax())
    yield _line("the lens's last layer", float(last[apart]), float(logits[apart]))


def _line(label: str, value: float, wanted: float) -> Line:
    difference = abs(value - wanted) / max(1.0, abs(wanted))
    return difference < CLOSE, label, f"{value:.5f} where {wanted:.5f} is wanted"


def _picture() -> Path:
    import models

    return Path(models.__file__).parent / "samples" / "image_striped.png"


def _files() -> dict[str, bytes]:
    """A whole file of each kind."""
    import numpy as np
    from PIL import Image

    with Image.open(_picture()) as opened:
        picture = opened.convert("RGB")
    generator = np.random.default_rng(0)
    files = {}
    for kind in ("PNG", "JPEG", "WebP", "TIFF", "GIF"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        files[kind] = buffer.getvalue()
    import soundfile

    sound = generator.normal(0, 0.1, 16_000).astype(np.float32)
    for kind in ("WAV", "FLAC", "OGG"):
        buffer = io.BytesIO()
        soundfile.write(buffer, sound, 16_000, format=kind)
        files[kind] = buffer.getvalue()
    buffer = io.BytesIO()
    np.save(buffer, generator.random((64, 128)).astype(np.float32))
    files["npy"] = buffer.getvalue()
    return files
