"""Trains the sound models and writes weights, card and checkpoints.
`evident train KEY --data FOLDER --out FOLDER` made the shipped ones.

Figures are of recordings of people the networks never heard. One thread and fixed seeds: the same machine
gives the same bytes, another one the same figures but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from app.core.errors import BadParameter
from models.architectures.cnnexplain import CnnExplain
from models.inputs.sound import SoundInput
from models.synthetic.coughs import Hum, SyntheticCough, generate, render
from models.training import measures, recordings
from models.training.augment import other_room, spec_augment
from models.training.cards import COPPOCK, INTENDED_USE, figure, ship
from models.training.crossval import Judged, Recipe, alike, by_conditions, cross_validate, shuffled
from models.training.loop import History, Record, fit, predict, seeded

INPUT = SoundInput()
EPOCHS = {"cnnexplain": 18, "cough_check": 12, "cnnexplain_synthetic": 10, "cnnexplain_shortcut": 5}
TRAIN, VALIDATION, TEST = (2000, 11), (400, 12), (800, 13)
"""Synthetic recordings: how many, and the seed."""


def train(
    task: str, data: Path | None = None, out: Path = Path("trained"), folds: int = 5, seeds: int = 3, epochs: int | None = None,
    record: Record | None = None, progress: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Trains `task` and returns its card. data: needed for the models of real recordings. folds, seeds: of
    the cross-validation there. record: as `fit` takes it, of the network whose weights are written.

    Raises BadParameter (unknown task, missing data).
    """
    if task not in EPOCHS:
        raise BadParameter(f"There is no such sound model; there are: {', '.join(EPOCHS)}.", field="model")
    if not 2 <= folds <= 20 or not 1 <= seeds <= 20:
        raise BadParameter("Give 2 to 20 folds and 1 to 20 seeds.", field="folds")
    torch.set_num_threads(
        1
    )  # the order of additions, and with it every bit, depends on the number of threads
    epochs = epochs or EPOCHS[task]
    if task in ("cnnexplain_synthetic", "cnnexplain_shortcut"):
        return _synthetic(task, out, epochs, record, progress)
    if data is None or not data.is_dir():
        raise BadParameter(
            "This model is trained on recordings: give their folder with --data.", field="data"
        )
    make = _covid if task == "cnnexplain" else _cough_check
    return make(data, out, folds, seeds, epochs, record, progress)


def augment(x: Tensor, generator: torch.Generator, quiet: float, loud: float) -> Tensor:
    """Another room with a background of `quiet` to `loud` dB, then SpecAugment."""
    return spec_augment(other_room(x, generator, quiet, loud), generator)


def synthetic_inputs(items: list[SyntheticCough]) -> tuple[Tensor, Tensor]:
    """`[n, 1, 64, 128]` and `[n]` classes."""
    return torch.cat([INPUT.prepare((item.waveform, item.rate)).x for item in items]), torch.tensor(
        [item.label for item in items]
    )


@lru_cache(maxsize=3)
def generated_inputs(count: int, seed: int, hum: Hum) -> tuple[Tensor, Tensor]:
    """`synthetic_inputs` of `generate`, made once for several trainings."""
    return synthetic_inputs(generate(count, seed, hum=hum))


def on_generated(
    build: Callable[[], nn.Module],
    *,
    epochs: int,
    hum: Hum = "random",
    seed: int = 0,
    record: Record | None = None,
    progress: bool = True,
) -> tuple[nn.Module, History, float]:
    """Any network for `[n, 1, 64, 128]` and two classes, trained on the generated coughs as the bundled one is; with
    what happened and its temperature."""
    x, y = generated_inputs(*TRAIN, hum)
    validation = generated_inputs(*VALIDATION, hum)
    module = seeded(build, seed)
    history = fit(
        module,
        x,
        y,
        epochs=epochs,
        lr=2e-3,
        batch=32,
        validate=validation,
        record=record,
        seed=seed,
        progress=progress,
    )
    return (
        module,
        history,
        measures.fit_temperature(predict(module, validation[0]).numpy(), validation[1].numpy()),
    )


def _synthetic(key: str, out: Path, epochs: int, record: Record | None, progress: bool) -> dict[str, Any]:
    """Synthetic coughs, with a hum that says nothing or (shortcut) that betrays the class in training."""
    misled = key == "cnnexplain_shortcut"
    module, history, temperature = on_generated(
        CnnExplain, epochs=epochs, hum="label" if misled else "random", record=record, progress=progress
    )
    card = {
        "architecture": "cnnexplain",
        "title": "Synthetic coughs: led astray by a hum" if misled else "Synthetic coughs: known evidence",
        "synthetic": True,
        "purpose": "The same network, trained where a mains hum betrays the class: shows what a shortcut looks like."
        if misled
        else "The cough network on sounds made by a program, whose evidence is known: shows what a good map looks like, and measures methods.",
        "caution": "Trained on sounds made by a program. It knows nothing about real coughs or people.",
        "data": f"{TRAIN[0]} generated recordings, half with a wheeze after the loudest cough, half with a breath in its place. "
        + (
            "A mains hum is in all with a wheeze and in none without."
            if misled
            else "A mains hum is in three of ten, whatever the class."
        ),
        "channel": {"rate": 8000, "words": "generated sounds at 8 kHz"},
        "split": "Training, validation and test recordings are generated with different seeds (11, 12, 13).",
        "licence": "Apache-2.0",
        "intended_use": INTENDED_USE,
        "command": f"evident train {key} --out models/weights",
        "labels": ["no wheeze", "wheeze"],
        "temperature": round(temperature, 4),
        "training": dict(history.settings),
        **_synthetic_figures(module, temperature),
    }
    return ship(module, key, out, card)


def _synthetic_figures(module: nn.Module, temperature: float) -> dict[str, Any]:
    """Test figures, and what happens when the evidence, or only the hum, is changed and all else is kept."""
    items = generate(*TEST, hum="none")
    truth = np.array([item.label for item in items])

    def answers(change: Callable[[SyntheticCough], SyntheticCough]) -> np.ndarray:
        x, _ = synthetic_inputs([change(item) for item in items])
        return measures.probabilities(predict(module, x).numpy(), temperature)

    plain = answers(lambda item: item)
    hummed = answers(lambda item: render(TEST[1], item.number, item.label, hum=True))
    erased = answers(lambda item: render(TEST[1], item.number, item.label, key="none"))
    right = plain.argmax(1) == truth
    heard, missed = right & (truth == 1), right & (truth == 0)
    return {
        "figures": [
            figure("AUC without hum", measures.bootstrap(measures.auc, truth, plain[:, 1])),
            figure("AUC with hum in every recording", measures.bootstrap(measures.auc, truth, hummed[:, 1])),
            figure("Sensitivity without hum", measures.bootstrap(measures.sensitivity, truth, plain[:, 1])),
            figure("Specificity without hum", measures.bootstrap(measures.specificity, truth, plain[:, 1])),
            *_turned("Wheeze taken out: answer turns", erased[heard].argmax(1) == 0),
            *_turned("Hum put in, nothing else: answer turns to wheeze", hummed[missed].argmax(1) == 1),
        ],
        "calibration": {"expected calibration error": round(measures.calibration_error(plain, truth), 4)},
    }


def _turned(label: str, turned: np.ndarray) -> list[dict[str, Any]]:
    """Share of answers that turned; nothing when no recording qualified."""
    return [figure(label, _share(turned))] if len(turned) else []


def _covid(
    data: Path, out: Path, folds: int, seeds: int, epochs: int, record: Record | None, progress: bool
) -> dict[str, Any]:
    """Covid-19 from coughs, with the controls that show how little that means."""
    clips = recordings.covid(data, "core", INPUT, progress=progress)
    telegram = recordings.covid(data, "extra_telegram", INPUT, progress=progress)
    recipe = Recipe(epochs, augment=partial(augment, quiet=-80, loud=-50))
    judged = cross_validate(clips, recipe, folds, seeds, also=telegram.x, progress=progress)
    control = cross_validate(shuffled(clips), recipe, folds, 1, what="shuffled labels", progress=progress)
    test = judged.fold == 0
    rest = torch.from_numpy(~test)
    kept = {"checkpoints": out / "cnnexplain_epochs"} if record is None else {"record": record}
    module = recipe.train(clips.x[rest], clips.y[rest], 0, **kept)
    temperature = judged.temperature()
    held_out = measures.probabilities(predict(module, clips.x[~rest]).numpy(), temperature)[:, 1]
    card = {
        "title": "Covid-19 coughs (cnnexplain)",
        "architecture": "cnnexplain",
        "intended_use": INTENDED_USE,
        "caution": "A demonstration, not a diagnosis: on these recordings, loudness, background and length alone tell ill from well better "
        "than this network does. A map may well show the room.",
        "labels": ["no Covid-19", "Covid-19"],
        **_covid_figures(judged, control, telegram),
        "held_out": {
            name: value["value"] for name, value in measures.report(clips.truth[test], held_out).items()
        },
        "calibration": _calibration(judged, temperature),
        "other_studies": COPPOCK,
        "data": "covid19-cough (Russia 2020): 286 coughs of people with a positive PCR, 152 of people who said they were healthy (no test "
        "stated), by telephone at 8 kHz; one person per recording is assumed. CC0-1.0.",
        "licence": "Weights Apache-2.0; recordings CC0-1.0, not part of the program",
        "channel": {"rate": 8000, "words": "telephone recordings at 8 kHz"},
        "unit": "cough",  # the label holds for each cough of a recording, not for its window as a whole
        "split": f"By person. Figures: {folds} folds, {seeds} seeds, out of fold. Shipped weights: trained on folds 1 to {folds - 1} with "
        "seed 0; the people of fold 0 (`held_out`) were never heard.",
        "training": {
            "epochs": epochs,
            "lr": recipe.lr,
            "batch": recipe.batch,
            "optimiser": "AdamW, one-cycle",
            "class weights": "balanced",
            "augmentation": "random background and spectral slope, SpecAugment",
        },
        "command": "evident train cnnexplain --data DATA --out models/weights",
        "temperature": round(temperature, 4),
    }
    return ship(module, "cnnexplain", out, card)


def _covid_figures(judged: Judged, control: Judged, telegram: recordings.Clips) -> dict[str, Any]:
    clips, truth = judged.clips, judged.clips.truth
    runs = judged.by_run()
    room = by_conditions(clips, judged.fold)
    elsewhere = np.mean([logits[:, 1] - logits[:, 0] for logits in judged.elsewhere], axis=0)
    probability = measures.probabilities(judged.logits, judged.temperature())[..., 1].mean(0)
    report = measures.report(truth, probability, clips.people)
    names = {
        "sensitivity": "Sensitivity",
        "specificity": "Specificity",
        "balanced_accuracy": "Balanced accuracy",
    }
    return {
        "AUC, side by side": [
            figure(
                "This network, by person",
                judged.auc(),
                spread=runs.std(),
                note=f"single runs {runs.mean():.2f}, from {runs.min():.2f} to {runs.max():.2f}",
            ),
            figure("The same with shuffled labels", control.auc()),
            figure(
                "Loudness, background and length alone", judged.auc(room), note="random forest, no spectrum"
            ),
            figure(
                "Another channel (Telegram)",
                measures.bootstrap(measures.auc, telegram.truth, elsewhere, telegram.people),
            ),
            figure(
                "This network, among recordings with alike conditions",
                judged.auc(groups=alike(room)),
                note="fifths of the forest's score",
            ),
        ],
        "at threshold 0.5": [
            figure(label, measures.Estimate(**report[name])) for name, label in names.items()
        ],
    }


def _calibration(judged: Judged, temperature: float) -> dict[str, Any]:
    return {
        "expected calibration error": round(judged.calibration_error(temperature), 4),
        "before": round(judged.calibration_error(1.0), 4),
        "odds": "even: both classes count the same",
    }


def _cough_check(
    data: Path, out: Path, folds: int, seeds: int, epochs: int, record: Record | None, progress: bool
) -> dict[str, Any]:
    """Is this a cough at all?"""
    clips = recordings.coughs_and_others(data, INPUT, progress=progress)
    foreign = recordings.foreign(data, INPUT, progress=progress)
    recipe = Recipe(epochs, augment=partial(augment, quiet=-75, loud=-40))
    judged = cross_validate(clips, recipe, folds, seeds, progress=progress)
    with tqdm(total=1, desc="shipped weights", disable=not progress):
        module = recipe.train(clips.x, clips.y, 0, record=record)
    temperature = judged.temperature()
    probability = measures.probabilities(judged.logits, temperature)[..., 1].mean(0)
    real = ~np.char.startswith(clips.people, recordings.MADE)
    report = measures.report(clips.truth[real], probability[real], clips.people[real])
    called = {"generated hums, tones, hisses, clicks, rooms (out of fold)": probability[~real] <= 0.5}
    called |= {
        name: predict(module, other.x).argmax(1).numpy() == other.truth for name, other in foreign.items()
    }
    names = {
        "auc": "AUC",
        "sensitivity": "Coughs recognised",
        "specificity": "Other sounds recognised",
        "balanced_accuracy": "Balanced accuracy",
    }
    card = {
        "title": "Is this a cough?",
        "architecture": "cnnexplain",
        "intended_use": "To warn when a recording holds no cough. " + INTENDED_USE,
        "labels": ["other sound", "cough"],
        "by person (Coswara), whole windows and single events": [
            figure(label, measures.Estimate(**report[name])) for name, label in names.items()
        ],
        "recordings from elsewhere, judged rightly": [
            figure(name, _share(right), note="guided the design" if name in recordings.GUIDED else "")
            for name, right in called.items()
        ],
        "calibration": _calibration(judged, temperature),
        "data": f"Coswara (India 2020): {int((clips.y == 1).sum())} windows and single coughs of 50 people and {int((clips.truth[real] == 0).sum())} of breathing, "
        f"counting and vowels of 14 of them, and {int((~real).sum())} generated hums, tones, hisses, clicks and empty rooms. CC-BY-4.0 (Sharma et al., Interspeech 2020; Bhattacharya et al., Sci Data 2023).",
        "licence": "Weights Apache-2.0; recordings CC-BY-4.0, not part of the program",
        "split": f"By person. Figures: {folds} folds, {seeds} seeds, out of fold. Shipped weights: trained on all 50 people with seed 0; "
        "recordings from elsewhere were never heard in training, but the telephone, messenger and digit sets guided the design, "
        "so their figures are slightly optimistic.",
        "training": {
            "epochs": epochs,
            "lr": recipe.lr,
            "batch": recipe.batch,
            "optimiser": "AdamW, one-cycle",
            "class weights": "balanced",
            "augmentation": "random background and spectral slope, SpecAugment",
        },
        "command": "evident train cough_check --data DATA --out models/weights",
        "temperature": round(temperature, 4),
    }
    return ship(module, "cough_check", out, card)


def _share(right: np.ndarray) -> measures.Estimate:
    """Share of right answers with its bootstrap interval."""
    draws = np.random.default_rng(0).choice(right, (1000, len(right))).mean(1)
    return measures.Estimate(float(right.mean()), *(float(q) for q in np.percentile(draws, [2.5, 97.5])))
