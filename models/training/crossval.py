"""Cross-validation by person: a person's recordings are all in one fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.architectures.cnnexplain import CnnExplain
from models.training import measures
from models.training.loop import Augment, balanced_weights, fit, predict, seeded
from models.training.recordings import Clips

CONDITION_GROUPS = 5


@dataclass(frozen=True)
class Recipe:
    """How one network is trained; the same in every fold, and for the shipped weights."""

    epochs: int
    lr: float = 2e-3
    batch: int = 8
    augment: Augment | None = None

    def train(self, x: Tensor, y: Tensor, seed: int, **options: object) -> nn.Module:
        """A new network trained on `x`, `y` with class weights."""
        module = seeded(CnnExplain, seed)
        fit(
            module,
            x,
            y,
            epochs=self.epochs,
            lr=self.lr,
            batch=self.batch,
            augment=self.augment,
            class_weights=balanced_weights(y, 2),
            seed=seed,
            progress=False,
            **options,  # type: ignore[arg-type]
        )
        return module


@dataclass(eq=False)
class Judged:
    """Out-of-fold outputs: of networks that were trained without the recording's speaker. logits:
    `[seeds, n, 2]`; fold: `[n]`; elsewhere: per run `[m, 2]`, logits of the further inputs."""

    clips: Clips
    fold: np.ndarray
    logits: np.ndarray
    elsewhere: list[np.ndarray] = field(default_factory=list)

    @property
    def score(self) -> np.ndarray:
        """`[n]` mean over seeds of the margin of class 1."""
        return (self.logits[..., 1] - self.logits[..., 0]).mean(0)

    def auc(self, score: np.ndarray | None = None, groups: np.ndarray | None = None) -> measures.Estimate:
        """AUC over pairs judged by the same network, that is of the same fold (and, if given, the same of
        `groups`): outputs of different networks are not on one scale. Interval over people. score: `[n]`,
        None takes the mean margin."""
        strata = self.fold if groups is None else self.fold * (int(groups.max()) + 1) + groups
        rows = np.column_stack([self.score if score is None else score, strata])
        return measures.bootstrap(
            lambda truth, both: measures.stratified_auc(truth, both[:, 0], both[:, 1]),
            self.clips.truth,
            rows,
            self.clips.people,
        )

    def by_run(self) -> np.ndarray:
        """AUC of every fold and seed, `[seeds * folds]`."""
        truth = self.clips.truth
        margins = self.logits[..., 1] - self.logits[..., 0]
        return np.array(
            [
                measures.auc(truth[self.fold == k], m[self.fold == k])
                for m in margins
                for k in range(self.fold.max() + 1)
            ]
        )

    def temperature(self) -> float:
        """One temperature for the recipe, from all out-of-fold logits at even odds."""
        return measures.fit_temperature(*self._flat(), self._weights())

    def calibration_error(self, temperature: float) -> float:
        """Of single networks (not of their mean), out of fold, at even odds."""
        logits, truth = self._flat()
        return measures.calibration_error(measures.probabilities(logits, temperature), truth, self._weights())

    def _flat(self) -> tuple[np.ndarray, np.ndarray]:
        return self.logits.reshape(-1, 2), np.tile(self.clips.truth, len(self.logits))

    def _weights(self) -> np.ndarray:
        return measures.even_odds(self._flat()[1])


def folds_by_person(clips: Clips, folds: int, seed: int = 0) -> np.ndarray:
    """`[n]` fold of every clip. A person is in one fold; people are distributed so that every fold has its
    share of each class."""
    people, inverse = np.unique(clips.people, return_inverse=True)
    share = np.bincount(inverse, clips.truth) / np.bincount(inverse)
    rng = np.random.default_rng(seed)
    fold = np.empty(len(people), int)
    dealt = 0
    for kind in (share == 0, share == 1, (share > 0) & (share < 1)):
        members = rng.permutation(np.flatnonzero(kind))
        fold[members] = (np.arange(len(members)) + dealt) % folds
        dealt += len(members)
    return fold[inverse]


def cross_validate(
    clips: Clips,
    recipe: Recipe,
    folds: int,
    seeds: int,
    *,
    also: Tensor | None = None,
    keep: Callable[[nn.Module], None] | None = None,
    what: str = "cross-validation",
    progress: bool = True,
) -> Judged:
    """Out-of-fold logits of every clip from `seeds` networks. also: further inputs for every network. keep:
    called with the network of fold 0 and seed 0, whose test people are those of fold 0.
    """
    fold = folds_by_person(clips, folds)
    judged = Judged(clips, fold, np.full((seeds, len(clips), 2), np.nan))
    with tqdm(total=folds * seeds, desc=what, unit="network", disable=not progress) as bar:
        for seed in range(seeds):
            for k in range(folds):
                train, test = torch.from_numpy(fold != k), torch.from_numpy(fold == k)
                module = recipe.train(clips.x[train], clips.y[train], seed)
                judged.logits[seed, fold == k] = predict(module, clips.x[test]).numpy()
                if also is not None:
                    judged.elsewhere.append(predict(module, also).numpy())
                if keep is not None and seed == k == 0:
                    keep(module)
                bar.update()
    return judged


def shuffled(clips: Clips, seed: int = 0) -> Clips:
    """The same recordings with permuted classes: a network can learn only chance from them."""
    order = torch.randperm(len(clips), generator=torch.Generator().manual_seed(seed))
    return Clips(clips.x, clips.y[order], clips.people, clips.conditions)


def by_conditions(clips: Clips, fold: np.ndarray) -> np.ndarray:
    """`[n]` out-of-fold probability of class 1 from the recording conditions alone, by a random forest
    (300 trees)."""
    from sklearn.ensemble import RandomForestClassifier

    score = np.empty(len(clips))
    for k in range(fold.max() + 1):
        forest = RandomForestClassifier(300, min_samples_leaf=3, random_state=k, n_jobs=1)
        forest.fit(clips.conditions[fold != k], clips.truth[fold != k])
        score[fold == k] = forest.predict_proba(clips.conditions[fold == k])[:, 1]
    return score


def alike(conditions_score: np.ndarray) -> np.ndarray:
    """`[n]` group of recordings with about the same conditions: fifths of the forest's score."""
    return np.digitize(
        conditions_score, np.quantile(conditions_score, np.arange(1, CONDITION_GROUPS) / CONDITION_GROUPS)
    )
