"""What `diagnose` is judged on: nets that learn, nets that do not, and what each of the two is.

A Case is a recipe: make(seed) builds the whole training set-up, and names says which findings are right (none for a
net that learns). cases() lists them all. The recipes use minigrad's public names and NumPy alone; no rule of the
diagnosis was looked at while they were written.

The score of a trained net does not depend on its loss: R^2 for values, 1 - error / error of the most frequent class
for classes, both on the training data. 0 is the best constant, 1 is perfect.
"""

from __future__ import annotations

import hashlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg

# The names that a finding can have, by kind.
NAMES = {
    "data": (
        "nan_data", "target_shape", "one_class", "imbalance", "unused_outputs", "unscaled_input", "uneven_features",
        "mean_input", "unscaled_target", "labels", "sorted_data",
    ),
    "output and loss": (
        "target_range", "activation_before_logits", "softmax_twice", "softmax_of_one", "mse_on_probabilities",
        "bce_without_sigmoid", "sum_loss", "wrong_delta",
    ),
    "structure": ("no_activation", "no_bias", "bottleneck", "dropout", "batchnorm_statistics"),
    "start": (
        "nan_weights", "symmetry", "dead_units", "saturation", "vanishing", "exploding", "blind_units", "loud_start",
    ),
    "steps": (
        "lr_high", "lr_low", "momentum", "weight_decay", "few_steps", "one_sample", "diverges", "stuck",
    ),
}  # fmt: skip
ALL_NAMES = {name for names in NAMES.values() for name in names}

SALT = 360  # of the hash that halves the cases: one with which both halves of each kind are of a size
LONGEST = 3.0  # seconds of CPU that a training may take; what is not done by then is cut off


@dataclass
class Setup:
    """One training, ready to run."""

    net: mg.Sequential
    loss: mg.Loss
    opt: mg.Optimizer
    x: np.ndarray
    y: np.ndarray
    batch_size: int = 32
    epochs: int = 30
    shuffle: bool = True


@dataclass
class Case:
    """A recipe of a training, and what is wrong with it."""

    name: str
    make: Callable[[int], Setup]
    names: tuple[str, ...] = ()  # right findings, the plainest first; empty where nothing is wrong
    kind: str = "healthy"  # healthy, hard, faulty, harmless, public, programs_a, programs_b
    task: str = "classes"  # or "values"
    twin: str = ""  # the name of the case that this one is broken from, or mended to
    source: str = ""  # the address of the question that it was rebuilt from

    @property
    def is_faulty(self) -> bool:
        return bool(self.names)

    @property
    def half(self) -> str:
        """'seen' or 'hidden', by the name; a broken case and its mended twin are in one half."""
        first = hashlib.sha1(f"{SALT}{self.name.removesuffix('/repaired')}".encode()).digest()[0]
        return "seen" if first % 2 else "hidden"


def cases() -> list[Case]:
    """Every case, those with a harmless mistake too. The files are imported here, for each imports this one."""
    import faulty
    import hard
    import healthy
    import programs_a
    import programs_b
    import public_cases

    return [
        *healthy.CASES, *hard.CASES, *public_cases.CASES, *programs_a.CASES, *programs_b.CASES,
        *faulty.CASES, *faulty.SPARED,
    ]  # fmt: skip


# ---- the score -------------------------------------------------------------------------------------------


def answers(output: np.ndarray, y: np.ndarray, loss: Any) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, true) classes: one for each row, or one for each entry where every output is a question."""
    K = output.shape[-1]
    y = np.asarray(y)
    if y.ndim == output.ndim and y.shape[-1] == K and K > 1 and not np.allclose(y.sum(axis=-1), 1, atol=1e-3):
        threshold = getattr(loss, "threshold", None)
        return output > (0.5 if threshold is None else threshold), y > 0.5
    if K > 1:
        true = y.argmax(axis=-1) if y.ndim == output.ndim and y.shape[-1] == K else np.squeeze(y)
        return output.argmax(axis=-1), true
    true = y.reshape(output.shape)
    low, high = true.min(), true.max()
    threshold = getattr(loss, "threshold", None)
    return output > ((low + high) / 2 if threshold is None else threshold), true > (low + high) / 2


def score(task: str, output: np.ndarray, y: np.ndarray, loss: Any) -> float:
    """R^2, or 1 - error / error of the most frequent class; in [-1, 1]."""
    output, y = np.asarray(output, np.float64), np.asarray(y, np.float64)
    if not np.isfinite(output).all() or not np.isfinite(y).all():
        return 0.0
    if task == "values":
        y = y.reshape(output.shape)
        with np.errstate(all="ignore"):
            spread = np.square(y - y.mean(axis=0)).sum()
            found = 1 - np.square(y - output).sum() / spread if spread else 0.0
    else:
        predicted, true = answers(output, y, loss)
        if true.dtype.kind == "b" and true.ndim == 2:  # each column is a question
            rare = np.minimum(true.mean(axis=0), 1 - true.mean(axis=0)).mean()
        else:
            rare = 1 - np.unique(true, return_counts=True)[1].max() / true.size
        found = 1 - (predicted != true).mean() / rare if rare else 0.0
    return float(np.clip(np.nan_to_num(found, nan=-1.0), -1, 1))


def train(task: str, setup: Setup, rng: int = 0) -> tuple[float, str]:
    """Train the set-up in place -> (score, what happened: "", "refused", "diverged" or "cut off")."""
    began, state = time.process_time(), ""

    def late(epoch: int, net: Any, history: Any) -> bool:
        nonlocal state
        if time.process_time() - began > LONGEST:
            state = "cut off"
        return bool(state)

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            mg.fit(
                setup.net, setup.loss, setup.opt, setup.x, setup.y, epochs=setup.epochs, batch_size=setup.batch_size,
                shuffle=getattr(setup, "shuffle", True), rng=rng, callbacks=[late], progress=False,
            )  # fmt: skip
    except mg.DivergenceError:
        return -1.0, "diverged"
    except (ValueError, TypeError):
        return 0.0, "refused"
    with np.errstate(all="ignore"):
        return score(task, setup.net.eval()(setup.x), setup.y, setup.loss), state


def trained(case: Case, seed: int = 0) -> tuple[float, str]:
    """Build a case and train it -> (score, what happened)."""
    return train(case.task, case.make(seed), rng=seed)
