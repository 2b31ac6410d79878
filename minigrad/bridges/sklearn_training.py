"""How scikit-learn's networks are trained, in terms of mg.fit: parameters, loss, optimizer, and when to stop.

Nothing of scikit-learn's is imported here. `mlp` is one of the two estimators of minigrad.bridges.sklearn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .._advice import shown
from .._checks import one_of, real_number, whole_number
from ..layers.activations import ACTIVATIONS
from ..layers.containers import Sequential
from ..losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from ..training.fit import fit
from ..training.history import History
from ..training.optimizers import SGD, Adam, Optimizer

SMALLEST_RATE = 1e-6  # at which learning_rate="adaptive" gives up


def check_parameters(mlp: Any) -> list[int]:
    """The widths of the hidden layers; a ValueError or TypeError where a parameter is not what it must be."""
    one_of(mlp.activation, "activation", ("logistic", *ACTIVATIONS))
    if mlp.solver == "lbfgs":
        raise ValueError("solver 'lbfgs' is scikit-learn's alone, minigrad takes mini-batches: use 'adam' or 'sgd'")
    one_of(mlp.solver, "solver", ("sgd", "adam"))
    one_of(mlp.learning_rate, "learning_rate", ("constant", "invscaling", "adaptive"))
    if isinstance(mlp.batch_size, str):
        one_of(mlp.batch_size, "batch_size", ("auto",))
    else:
        whole_number(mlp.batch_size, "batch_size", 1)
    whole_number(mlp.max_iter, "max_iter", 1)
    if mlp.n_iter_no_change != math.inf:
        whole_number(mlp.n_iter_no_change, "n_iter_no_change", 1)
    for name in ("alpha", "power_t", "tol"):
        real_number(getattr(mlp, name), name, 0)
    for name in ("learning_rate_init", "epsilon"):
        real_number(getattr(mlp, name), name, 0, open_low=True)
    for name in ("momentum", "beta_1", "beta_2", "validation_fraction"):
        real_number(getattr(mlp, name), name, 0, 1, open_high=True)
    for name in ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping"):
        if not isinstance(getattr(mlp, name), bool | np.bool_):
            raise TypeError(f"{name} is {shown(getattr(mlp, name))}, expected True or False")
    widths = mlp.hidden_layer_sizes
    widths = list(widths) if isinstance(widths, Iterable) else [widths]
    return [whole_number(width, f"hidden_layer_sizes[{i}]", 1) for i, width in enumerate(widths)]


def train(mlp: Any, data: list[Any], held: list[Any] | None, rng: np.random.Generator, epochs: int) -> None:
    """Train mlp.net_ for `epochs` with the optimizer that there is, or where that is 0 for max_iter with a new one.

    data and held are [X (N, J), targets, sample weights (N,) or None]; held is what was held out, None if nothing was.
    """
    X, y, weight = data
    loss, step, unit = _objective(mlp.out_activation_, mlp.n_outputs_)
    batch_size = min(200 if mlp.batch_size == "auto" else mlp.batch_size, len(X))
    decay = mlp.alpha / batch_size
    if weight is not None:
        decay /= weight.mean()
        loss, y = Weighted(loss), _weighted_targets(y, weight, mlp.n_outputs_)
    if not (epochs and hasattr(mlp, "_opt")):
        mlp._opt = _optimizer(mlp, step)
    mlp._opt.weight_decay = step * decay
    fit(
        mlp.net_,
        loss,
        mlp._opt,
        X,
        y,
        epochs=epochs or mlp.max_iter,
        batch_size=batch_size,
        shuffle=mlp.shuffle,
        rng=rng,
        callbacks=[_recorder(mlp, len(X), decay, step, unit, held)],
        progress=bool(mlp.verbose),
    )


def _objective(out_activation: str, K: int) -> tuple[Loss, float, float]:
    """(loss of the K outputs, its gradient to scikit-learn's, its value to scikit-learn's).

    scikit-learn's gradient is that of the sum over the outputs where minigrad's losses take the mean, and of half the
    square; the value that it reports is that sum for probabilities, but the mean for squares.
    """
    return {
        "softmax": (CrossEntropyLoss(), 1.0, 1.0),
        "logistic": (BCEWithLogitsLoss(), 1 / K, 1 / K),
        "identity": (MSELoss(), 2 / K, 2.0),
    }[out_activation]


def _optimizer(mlp: Any, step: float) -> Optimizer:
    """For gradients that are `step` of scikit-learn's."""
    if mlp.solver == "adam":
        return Adam(mlp.learning_rate_init, (mlp.beta_1, mlp.beta_2), mlp.epsilon * step)
    return SGD(mlp.learning_rate_init / step, mlp.momentum, mlp.nesterovs_momentum and mlp.momentum > 0)


def _recorder(
    mlp: Any, N: int, decay: float, step: float, unit: float, held: list[Any] | None
) -> Callable[[int, Sequential, History], bool]:
    """A callback for fit that keeps the record, changes the learning rate and says when to stop."""
    opt, schedule = mlp._opt, mlp.learning_rate if mlp.solver == "sgd" else "constant"

    def penalty() -> float:
        return decay / 2 * sum(float(np.vdot(W, W)) for W in mlp.coefs_)

    before = penalty()  # at the beginning of the epoch

    def record(epoch: int, net: Sequential, history: History) -> bool:
        nonlocal before
        mlp.n_iter_, mlp.t_ = epoch, mlp.t_ + N
        mlp.loss_, before = history.loss[-1] / unit + before, penalty()
        mlp.loss_curve_.append(mlp.loss_)
        gain = -mlp.loss_
        if held is not None:
            gain = mlp._score_of(net(held[0]), *held[1:])
            mlp.validation_scores_.append(gain)
        mlp._stale = mlp._stale + 1 if gain < mlp._best + mlp.tol else 0
        if gain > mlp._best:
            mlp._best = gain
            mlp._best_state = net.state_dict() if held else {}
        if schedule == "invscaling":
            opt.lr = mlp.learning_rate_init / step / (mlp.t_ + 1) ** mlp.power_t
        if schedule == "adaptive" and mlp._stale > mlp.n_iter_no_change and opt.lr * step > SMALLEST_RATE:
            opt.lr, mlp._stale = opt.lr / 5, 0
        return bool(mlp._stale > mlp.n_iter_no_change)

    return record


class Weighted(Loss):
    """C = sum_n w_n c_n / sum_n w_n over each batch, c_n from another loss: cross-entropy of either kind, or MSELoss.

    y (N, 1 + K): the weight w_n >= 0 of each sample, then its K targets; of CrossEntropyLoss these are probabilities.
    """

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.asarray(y, dtype)

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta_n = N w_n / sum w times the other loss's; a batch in which nothing counts teaches nothing."""
        share = y[:, 0] / (y[:, 0].sum() or 1)
        delta = self.loss.delta(output, y[:, 1:]) * (len(y) * share)[:, None]
        return float(share @ _each(self.loss, output, y[:, 1:])), delta


def _each(loss: Loss, z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """c_n of each sample, (N,); z and y (N, K)."""
    if isinstance(loss, CrossEntropyLoss):
        return np.logaddexp.reduce(z, axis=1) - (y * z).sum(axis=1)
    if isinstance(loss, BCEWithLogitsLoss):
        return (np.logaddexp(0, z) - y * z).mean(axis=1)
    return np.square(z - y).mean(axis=1)


def _weighted_targets(y: np.ndarray, weight: np.ndarray, K: int) -> np.ndarray:
    """The y of Weighted, (N, 1 + K), from targets (N, K) or class numbers (N,), and weights (N,)."""
    return np.column_stack([weight, np.eye(K)[y] if y.ndim == 1 else y])
