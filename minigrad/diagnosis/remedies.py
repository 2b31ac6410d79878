"""The remedies: each changes a copy of a setup, and says in Python what it did.

A remedy is a function of a Setup, which it may change: its net, loss, opt, x, y, batch_size and epochs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers.activations import Activation, Sigmoid, Tanh
from ..layers.containers import Sequential, mlp
from ..layers.dropout import Dropout
from ..layers.initializers import initialize
from ..layers.linear import Linear
from ..layers.norm import BatchNorm
from ..layers.parameters import tree
from ..losses import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from ..training.optimizers import SGD, Adam
from .setup import Setup, leaves

Remedy = Callable[[Setup], None]


# ---- data ----------------------------------------------------------------------------------------------------


def standardise_inputs(s: Setup) -> None:
    """Each feature to mean 0 and spread 1."""
    s.x = standardised(s.x)


def standardised(array: np.ndarray) -> np.ndarray:
    """The array with mean 0 and spread 1 over samples and positions; what never changes becomes 0."""
    axes = tuple(range(array.ndim - 1))
    spread = array.std(axis=axes, dtype=np.float64)
    spread[spread == 0] = 1
    return ((array - array.mean(axis=axes, dtype=np.float64)) / spread).astype(array.dtype)


def axis_of(array: np.ndarray) -> str:
    """The axes of the samples and the positions, as an argument in Python."""
    return f"axis={0 if array.ndim == 2 else tuple(range(array.ndim - 1))}"


def standardise_code(name: str, array: np.ndarray) -> str:
    """What the two do, as Python, for an x or a y with so many axes."""
    axis = axis_of(array)
    return f"{name} = ({name} - {name}.mean({axis})) / ({name}.std({axis}) + ({name}.std({axis}) == 0))"


def centre_inputs(s: Setup) -> None:
    """Each feature to mean 0."""
    axes = tuple(range(s.x.ndim - 1))
    s.x = (s.x - s.x.mean(axis=axes, dtype=np.float64)).astype(s.x.dtype)


def standardise_targets(s: Setup) -> None:
    """Each target to mean 0 and spread 1."""
    s.y = standardised(s.y)


def keep_rows(good: np.ndarray) -> Remedy:
    """Only the samples that are marked."""

    def change(s: Setup) -> None:
        s.x, s.y = np.asarray(s.x)[good], np.asarray(s.y)[good]

    return change


def shuffle_rows(s: Setup) -> None:
    """The samples in random order."""
    order = np.random.default_rng(0).permutation(len(s.x))
    s.x, s.y = s.x[order], s.y[order]


# ---- loss and output -------------------------------------------------------------------------------------------


def drop_tail(count: int) -> Remedy:
    """The net without its last layers."""

    def change(s: Setup) -> None:
        s.net = Sequential(*list(s.net)[: len(s.net) - count])

    return change


def use_logits(count: int, loss: Loss) -> Remedy:
    """A loss that takes logits, on the net without its last layers."""
    return in_turn(drop_tail(count), use_loss(loss))


def use_loss(loss: Loss) -> Remedy:
    """Another loss, a new copy each time."""

    def change(s: Setup) -> None:
        s.loss = copy.deepcopy(loss)

    return change


class Mended(Loss):
    """A loss whose value and delta are made right by a function of (value, delta, N)."""

    def __init__(self, loss: Loss, mend: Callable[[float, np.ndarray, int], tuple[float, np.ndarray]]) -> None:
        self.inner, self.mend = loss, mend
        self.of_classes, self.threshold = loss.of_classes, loss.threshold

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        return self.mend(*self.inner.value_and_delta(output, y), len(output))

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return self.inner.targets(y, shape, dtype)

    def right(self, output: np.ndarray, y: np.ndarray) -> int:
        return self.inner.right(output, y)


def mean_of(loss: Loss, delta_too: bool) -> Loss:
    """Of a loss that adds up over the samples: over their number."""
    return Mended(loss, lambda value, delta, N: (value / N, delta / N if delta_too else delta))


def rescaled(loss: Loss, factor: float) -> Loss:
    """Of a loss whose delta was off by a constant factor."""
    return Mended(loss, lambda value, delta, N: (value, (delta * factor).astype(delta.dtype)))


# ---- layers and weights ----------------------------------------------------------------------------------------


def gain_of(activation: Any) -> tuple[str, float]:
    """(initialiser, factor) with which what goes through an activation keeps its size."""
    kind = getattr(activation, "kind", "")
    if kind in ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus"):
        return "he_normal", 1.0
    if kind == "sigmoid":
        return "glorot_normal", 4.0
    return "glorot_normal", 1.0


def redraw_weights(s: Setup) -> None:
    """The weights of all Linear layers, drawn anew, as what follows them asks; biases at 0."""
    after = leaves(s.net)
    for i, (_, layer) in enumerate(after):
        if isinstance(layer, Linear):
            following = next((inner for _, inner in after[i + 1 :] if isinstance(inner, Activation)), None)
            last = not any(isinstance(inner, Linear) for _, inner in after[i + 1 :])
            name, factor = gain_of(None if last else following)
            weight, _ = initialize(name, 0, layer.out_features, layer.in_features, layer.weight.dtype)
            layer.weight = (factor * weight).astype(layer.weight.dtype)
            if layer.bias is not None:
                layer.bias = np.zeros_like(layer.bias)
        elif hasattr(layer, "redraw"):
            layer.redraw()
    centre_sigmoids(s)


def centre_sigmoids(s: Setup) -> None:
    """b = -W 1/2 where the inputs are sigmoids: then z starts around 0."""
    before: Any = None
    for _, layer in leaves(s.net):
        if isinstance(layer, Linear) and isinstance(before, Sigmoid) and layer.bias is not None:
            layer.bias = -0.5 * layer.weight.sum(axis=1)
        if not isinstance(layer, (Dropout, BatchNorm)):
            before = layer


def last_linear(net: Any) -> tuple[str, Any]:
    """(path, layer) of the last Linear layer; ("", None) where there is none."""
    return next(((path, layer) for path, layer in reversed(leaves(net)) if isinstance(layer, Linear)), ("", None))


def scale_last(factor: float) -> Remedy:
    """The last weights times a factor, their biases too."""

    def change(s: Setup) -> None:
        _, last = last_linear(s.net)
        last.weight = last.weight * last.weight.dtype.type(factor)
        if last.bias is not None:
            last.bias = last.bias * last.bias.dtype.type(factor)

    return change


def insert_activations(s: Setup) -> None:
    """A tanh between two Linear layers that follow one another."""
    for _, container in tree(s.net):
        if isinstance(container, Sequential):
            layers: list[Any] = []
            for layer in container.layers:
                if layers and isinstance(layer, Linear) and isinstance(layers[-1], Linear):
                    layers.append(Tanh())
                layers.append(layer)
            container.layers = layers


def add_biases(s: Setup) -> None:
    """A bias of 0 for every Linear layer that has none."""
    for _, layer in leaves(s.net):
        if isinstance(layer, Linear) and layer.bias is None:
            layer.bias = np.zeros(layer.out_features, layer.weight.dtype)


def widen(width: int) -> Remedy:
    """Hidden layers at least so wide, in a net of Linear layers and activations in a row."""

    def change(s: Setup) -> None:
        linear = [layer for layer in s.net if isinstance(layer, Linear)]
        J = linear[0].in_features
        layers: list[Any] = []
        for layer in s.net:
            if isinstance(layer, Linear):
                K = layer.out_features if layer is linear[-1] else max(layer.out_features, width)
                layer = Linear(J, K, bias=layer.bias is not None, dtype=layer.weight.dtype, rng=0)
                J = K
            layers.append(layer)
        s.net = Sequential(*layers)
        redraw_weights(s)

    return change


def set_dropout(p: float) -> Remedy:
    """Dropout of p at most."""

    def change(s: Setup) -> None:
        for _, layer in tree(s.net):
            if isinstance(layer, Dropout):
                layer.p = min(layer.p, p)

    return change


def reset_norms(s: Setup) -> None:
    """Running statistics that follow a tenth of each batch."""
    for _, layer in tree(s.net):
        if isinstance(layer, BatchNorm):
            layer.momentum = 0.1


# ---- steps -------------------------------------------------------------------------------------------------


def set_lr(lr: float) -> Remedy:
    """Another learning rate."""

    def change(s: Setup) -> None:
        if s.opt is not None:
            s.opt._first_lr = lr
            s.opt.put_back(0, lr, {})

    return change


def set_options(**options: Any) -> Remedy:
    """Other settings of the optimizer."""

    def change(s: Setup) -> None:
        for name, value in options.items():
            setattr(s.opt, name, value)

    return change


def set_batch_size(size: int) -> Remedy:
    """Other batches."""

    def change(s: Setup) -> None:
        s.batch_size = min(size, len(s.x))

    return change


def set_epochs(epochs: int) -> Remedy:
    """More epochs, or fewer."""

    def change(s: Setup) -> None:
        s.epochs = epochs

    return change


def in_turn(*changes: Remedy) -> Remedy:
    """One remedy after the other."""

    def change(s: Setup) -> None:
        for one in changes:
            one(s)

    return change


def applied(setup: Setup, change: Remedy) -> Setup:
    """A copy of a setup with a remedy made."""
    new = setup.copy()
    change(new)
    return new


def plain_setup(setup: Setup, answers: str, K: int) -> Setup:
    """A plain net that suits most data: relu, standardised inputs, Adam, the loss that fits the targets."""
    s = setup.copy()
    if s.y.shape[1 : s.x.ndim - 1] != s.x.shape[1:-1]:  # what comes out has other positions than what goes in
        s.x = s.x.reshape(len(s.x), -1)
    standardise_inputs(s)
    if answers == "classes":
        s.loss = CrossEntropyLoss()
    elif answers == "entries" and s.y.shape[-1] == K and s.y.ndim == s.x.ndim:
        s.loss = BCEWithLogitsLoss()
    elif s.y.shape[-1] == K and s.y.ndim == s.x.ndim:
        s.loss = MSELoss()
        standardise_targets(s)
    dtype = s.net.dtype or np.dtype(np.float64)
    s.net = mlp([s.x.shape[-1], 32, K], "relu", "he_normal", dtype=dtype, rng=0)
    s.opt, s.epochs = Adam(1e-3 if setup.opt is None else 0.01), None  # without one, trials use Adam(1e-3) too
    return s


def usual_rate(opt: Any) -> float:
    """A learning rate that suits most small nets with standardised inputs."""
    if isinstance(opt, SGD):
        return 0.1 * (1 - opt.momentum)
    return 0.01 if isinstance(opt, Adam) else 0.003


def rounded(value: float) -> float:
    """One digit: .0173 -> .02."""
    if not (value > 0 and math.isfinite(value)):
        return value
    size = 10.0 ** math.floor(math.log10(value))
    return round(value / size) * size
