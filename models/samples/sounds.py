"""Chooses and writes the bundled sounds: judged rightly, a real mistake, a shortcut at work, several coughs
to choose from.

    python -m models.samples.sounds

needs the shipped weights, generates recordings that no network was trained on, and takes the first that fit
each role. Each entry of `sound.json` holds the recipe of its recording, so that it can be generated again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from models.inputs.sound import SoundInput
from models.loading import load
from models.media.segment import segment, window_start
from models.model import Model
from models.synthetic.coughs import LABELS, RATE, SyntheticCough, render

FOLDER = Path(__file__).resolve().parent
SEED, SURE, TRIES = 99, 0.9, 4000
WINDOW = SoundInput().seconds
HUM_HZ = (60.0, 560.0)
"""The band that holds the hum's partials, 100 to 500 Hz."""


@dataclass(frozen=True)
class Recipe:
    """How one recording is made; see `coughs.render`."""

    number: int
    label: int
    hum: bool = False
    coughs: int | None = None
    seed: int = SEED

    def make(self) -> SyntheticCough:
        return render(self.seed, self.number, self.label, hum=self.hum, coughs=self.coughs)


@dataclass(frozen=True)
class Sample:
    """One sample to write."""

    key: str
    title: str
    description: str
    known: str
    role: str
    model: str
    recipe: Recipe

    def write(self, folder: Path) -> dict[str, Any]:
        """The entry of sound.json; the recording is written beside it as 16-bit FLAC."""
        item = self.recipe.make()
        file = f"sound_{self.key}.flac"
        soundfile.write(folder / file, pcm(item), item.rate, subtype="PCM_16")
        evidence: dict[str, Any] = {"boxes": [list(box) for box in item.boxes]}
        if item.hum:
            evidence["hum"] = [[0.0, round(len(item.waveform) / item.rate, 3), *HUM_HZ]]
        texts = {
            name: getattr(self, name) for name in ("key", "title", "description", "known", "role", "model")
        }
        label = "cough" if self.model == "cough_check" else LABELS[item.label]
        return {
            **texts,
            "group": "sounds",
            "modality": "audio",
            "file": file,
            "label": label,
            "evidence": evidence,
            "recipe": vars(self.recipe),
        }


def pcm(item: SyntheticCough) -> np.ndarray:
    """int16 `[n]`: what the file holds."""
    return np.round(item.waveform * 32767).astype(np.int16)


def answer(model: Model, item: SyntheticCough) -> np.ndarray:
    """`[classes]` probabilities of the recording as it is written to the file."""
    return model.predict(model.prepare((pcm(item), RATE)))[0].numpy()


def by_event(model: Model, item: SyntheticCough) -> tuple[list[float], list[float]]:
    """Probability of a wheeze in the window at each sound event: where the whole box is in the window, and
    where none of it is."""
    sound, (t0, t1, *_) = pcm(item), item.key_box
    inside: list[float] = []
    outside: list[float] = []
    for event in segment(sound.astype(np.float32) / 32767, RATE):
        prepared = model.input.prepare((sound, RATE), start=window_start(event, WINDOW, len(sound) / RATE))
        first, last = prepared.window or (0.0, 0.0)
        if (first <= t0 and t1 <= last) or last <= t0 or t1 <= first:
            (inside if first <= t0 and t1 <= last else outside).append(float(model.predict(prepared.x)[0, 1]))
    return inside, outside


def choose() -> list[Sample]:
    """The first recordings that fit each role, judged by the shipped weights."""
    honest, misled, checker = (
        load(key) for key in ("cnnexplain_synthetic", "cnnexplain_shortcut", "cough_check")
    )

    def first(fits: Callable[[Recipe], bool], label: int, **options: Any) -> Recipe:
        recipes = (Recipe(number, label, **options) for number in range(TRIES))
        return next(recipe for recipe in recipes if fits(recipe))

    def sure(recipe: Recipe) -> bool:
        return answer(honest, recipe.make())[recipe.label] > SURE

    def mistaken(recipe: Recipe) -> bool:
        return answer(honest, recipe.make())[recipe.label] < 0.4

    def led_astray(recipe: Recipe) -> bool:
        without = Recipe(recipe.number, recipe.label)
        return (
            answer(misled, recipe.make())[1] > SURE
            and answer(misled, without.make())[1] < 0.5
            and sure(recipe)
        )

    def choosable(recipe: Recipe) -> bool:
        whole, none = by_event(honest, recipe.make())
        return (
            recipe.number > 0
            and len(whole) > 0
            and len(none) > 0
            and min(whole) > SURE
            and max(none) < 1 - SURE
        )

    def is_cough(recipe: Recipe) -> bool:
        return answer(checker, recipe.make())[1] > SURE

    wheeze, none = first(sure, 1), first(sure, 0)
    several = first(choosable, 1, coughs=4)
    wrong = next(
        recipe
        for number in itertools.count()
        for label in (1, 0)
        if mistaken(recipe := Recipe(number, label))
    )
    humming = first(led_astray, 0, hum=True)
    return [
        Sample(
            "wheeze",
            "Cough with a wheeze",
            "Synthetic: made by a program. A narrow whistling tone follows the cough.",
            "The evidence is the tone in the box: a good map is bright there and dark elsewhere. The model is right.",
            "right",
            "cnnexplain_synthetic",
            wheeze,
        ),
        Sample(
            "no_wheeze",
            "Cough without a wheeze",
            "Synthetic: made by a program. The same recording as the cough with a wheeze, but a breath follows it, no tone.",
            "There is no tone, and nothing else tells the classes apart. The model is right.",
            "right",
            "cnnexplain_synthetic",
            none,
        ),
        Sample(
            "missed",
            _mistake_title(wrong),
            "Synthetic: made by a program. A true mistake of the model, not an arranged one.",
            _mistake_known(wrong),
            "wrong",
            "cnnexplain_synthetic",
            wrong,
        ),
        Sample(
            "hum",
            "Cough without a wheeze, with a mains hum",
            "Synthetic: made by a program. The cough without a wheeze again, with a hum of 100 Hz and its multiples.",
            "There is no wheeze. This model was trained where a hum betrayed the answer, and says wheeze; without the hum, all else the same, "
            "it says no wheeze. A good map shows the hum, a line below 600 Hz.",
            "shortcut",
            "cnnexplain_shortcut",
            humming,
        ),
        Sample(
            "several",
            "Four coughs to choose from",
            "Synthetic: made by a program. A wheeze follows only the loudest of four coughs.",
            "The evidence is the tone after the loudest cough. Choose a cough far from it: the tone is outside the window, and the answer turns.",
            "example",
            "cnnexplain_synthetic",
            several,
        ),
        Sample(
            "is_it_a_cough",
            "Is this a cough?",
            "Synthetic: made by a program, judged by the model that tells coughs from other sounds.",
            "It was made to sound like a cough, and the model, trained on real coughs only, takes it for one. Which part of it is not known beforehand.",
            "example",
            "cough_check",
            first(is_cough, 0, coughs=1),
        ),
    ]


def _mistake_title(recipe: Recipe) -> str:
    return "A wheeze that is missed" if recipe.label == 1 else "A breath taken for a wheeze"


def _mistake_known(recipe: Recipe) -> str:
    if recipe.label == 1:
        return "There is a wheeze, in the box, and the model does not hear it. Does the map see it at all?"
    return "There is no wheeze, and the model hears one. The map shows what it took for a tone."


def main() -> None:
    """Writes `sound.json` and the recordings."""
    FOLDER.mkdir(exist_ok=True)
    entries = [sample.write(FOLDER) for sample in choose()]
    (FOLDER / "sound.json").write_text(
        json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
