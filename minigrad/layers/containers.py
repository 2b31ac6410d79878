"""Layers in a row, layers with a short cut, and mlp(): the usual net in one call."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from .. import _notebook as notebook
from .._advice import described, shown
from .._checks import Rng, as_batch, float_type, generator, instance, whole_number
from .activations import Activation
from .activations import activation as activation_named
from .base import Gradients, Layer
from .initializers import Initializer
from .linear import Linear
from .parameters import tree

T = TypeVar("T")


class Sequential(Layer):
    """Layers one after the other: x (N, ..., J) -> (N, ..., K).

    net[i] is a layer, len(net) their number; the names of the parameters are "0.weight", "0.bias", "2.weight", ...
    """

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise ValueError(f"{type(self).__name__} needs at least one layer, got none")
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            fix = f"give the layers one by one, as {type(self).__name__}(*layers) does"
            raise TypeError(f"layer 0 is {described(layers[0])}, expected a Layer; {fix}")
        self.layers: list[Any] = [instance(layer, Layer, f"layer {i}") for i, layer in enumerate(layers)]

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Any:  # a Layer, of which kind only the reader knows: net[0].weight
        return self.layers[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.layers)

    def children(self) -> list[tuple[str, Layer]]:
        return [(str(i), layer) for i, layer in enumerate(self.layers)]

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        saved = []
        for layer in self.layers:
            x, kept = layer.forward(x)
            saved.append(kept)
        return x, saved

    def backward(self, delta: np.ndarray, saved: list[Any]) -> tuple[np.ndarray, Gradients]:
        found = []
        for layer, kept in zip(reversed(self.layers), reversed(saved), strict=True):
            delta, gradients = layer.backward(delta, kept)
            found.append(gradients)
        return delta, nested(reversed(found))

    def parameters(self) -> dict[str, np.ndarray]:
        """{name: array}, the trained arrays themselves; a weight that is used twice once, by its first name."""
        found = nested(layer.parameters() for layer in self.layers)
        first = {id(array): name for name, array in reversed(found.items())}
        return found if len(first) == len(found) else {n: a for n, a in found.items() if first[id(a)] == n}

    def state(self) -> dict[str, np.ndarray]:
        """{name: array}: parameters and buffers; the arrays themselves, under every name that they have."""
        return nested(layer.state() for layer in self.layers)

    @property
    def in_features(self) -> int | None:  # type: ignore[override]
        return self.layers[0].in_features

    @property
    def dtype(self) -> np.dtype | None:
        return next((dtype for layer in self.layers if (dtype := layer.dtype) is not None), None)

    def summary(self) -> None:
        """Print a table: layer, output shape, number of parameters."""
        rows = [("layer", "output shape", "parameters")]
        rows += [(f"{path} {layer!r}", out, f"{count:,}") for path, layer, out, count in _rows(self)]
        rows.append(("total", "", f"{_count(self):,}"))
        first, second, third = (max(len(row[i]) for row in rows) for i in range(3))
        for row in rows:
            print(f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]:>{third}}")

    def _repr_html_(self) -> str:
        """What a notebook shows: the table of summary(), and pictures of the weights."""
        rows = []
        for path, layer, out, count in _rows(self):
            weight = next((w.reshape(len(w), -1) for w in layer.parameters().values() if w.ndim > 1), None)
            kind = layer.kind if isinstance(layer, Activation) else ""
            rows.append((path, repr(layer), out, f"{count:,}", weight, kind))
        return notebook.layers(f"{type(self).__name__} of {_count(self):,} parameters", rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"


def _rows(net: Layer) -> list[tuple[str, Layer, str, int]]:
    """(path, layer, output shape, number of parameters) of each layer that holds no others."""
    rows, width = [], None
    for path, layer in walk(net):
        width = getattr(layer, "out_features", getattr(layer, "num_features", width))
        rows.append((path, layer, f"(N, {width or '?'})", _count(layer)))
    return rows


def _count(layer: Layer) -> int:
    return sum(array.size for array in layer.parameters().values())


class Residual(Sequential):
    """x + layers(x), x (N, ..., J): a short cut past the layers inside (He et al. 2016). They must keep the width."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, list[Any]]:
        out, saved = super().forward(x)
        if out.shape != x.shape:
            raise ValueError(f"layers inside Residual turn shape {x.shape} into {out.shape}; they must keep it")
        return x + out, saved

    def backward(self, delta: np.ndarray, saved: list[Any]) -> tuple[np.ndarray, Gradients]:
        below, gradients = super().backward(delta, saved)
        return delta + below, gradients


def in_a_row(net: Any, name: str) -> Sequential:
    """net itself if it is a Sequential that passes its input through its layers and does nothing else."""
    instance(net, Sequential, name)
    if type(net).forward is not Sequential.forward:
        came = f"{described(net)} with a forward of its own"
        raise TypeError(f"{name} is {came}, expected a Sequential; use mg.Sequential({name})")
    return net


def nested(dicts: Iterable[dict[str, T]]) -> dict[str, T]:
    """[{"weight": ...}, {}, ...] -> {"0.weight": ..., ...}."""
    return {f"{i}.{name}": value for i, entries in enumerate(dicts) for name, value in entries.items()}


def first_names(net: Layer) -> dict[str, str]:
    """{name: first name} of the trained arrays that have several names."""
    parameters = net.parameters()
    first = {id(array): name for name, array in parameters.items()}
    return {n: first[id(a)] for n, a in net.state().items() if n not in parameters and id(a) in first}


def walk(layer: Layer) -> list[tuple[str, Layer]]:
    """The layers inside that hold no others, with their paths: ("0", Linear), ("3.1", Sigmoid), ..."""
    return [(path, inner) for path, inner in tree(layer) if path and not inner.children()]


def modes(layer: Layer) -> list[tuple[Layer, bool]]:
    """[(layer, is it in training mode?)], layers that hold others included: what train() and eval() change."""
    return [(inner, inner.training) for _, inner in tree(layer)]


def mlp(
    sizes: Iterable[int],
    activation: str = "sigmoid",
    init: str | Initializer = "glorot_uniform",
    dtype: Any = np.float64,
    rng: Rng = None,
) -> Sequential:
    """Linear layers of the given sizes with an activation between them; the output is linear.

    mlp([64, 32, 10]) is Sequential(Linear(64, 32), Sigmoid(), Linear(32, 10)). init is a name of
    mg.initializers.INITIALIZERS, a function (rng, K, J) -> (K, J), or "tanh_equivalent": the net of sigmoids (or
    centred sigmoids) that computes what the tanh net with Glorot weights V and zero biases computes. From
    sigma(z) = (1 + tanh(z/2)) / 2: W = 2V in the first layer, 4V between hidden layers, 2V in the last; and for the
    plain sigmoid b = -W 1/2 wherever its inputs are sigmoids.
    """
    if not isinstance(sizes, Iterable) or getattr(sizes, "ndim", 1) != 1:
        raise TypeError(f"sizes must be a list of widths, not {shown(sizes)}")
    sizes = [whole_number(size, f"sizes[{i}]", 1) for i, size in enumerate(sizes)]
    if len(sizes) < 2:
        raise ValueError(f"sizes is {shown(sizes)}, expected at least an input and an output width")
    rng, dtype = generator(rng), float_type(dtype)
    activation_named(activation)
    twin = isinstance(init, str) and init == "tanh_equivalent"
    if twin and activation not in ("sigmoid", "centered_sigmoid"):
        raise ValueError(f"init 'tanh_equivalent' is for sigmoid and centered_sigmoid nets, not {activation!r}")
    layers: list[Layer] = []
    for i, (J, K) in enumerate(pairwise(sizes)):
        linear = Linear(J, K, init="glorot_uniform" if twin else init, dtype=dtype, rng=rng)
        if twin:
            linear.weight *= (2 if i > 0 else 1) * (2 if i < len(sizes) - 2 else 1)
            if i > 0 and activation == "sigmoid":
                linear.bias -= linear.weight.sum(axis=1) / 2
        layers += [linear, activation_named(activation)]
    return Sequential(*layers[:-1])


def visits(layer: Layer, a: np.ndarray, path: str = "") -> Generator[Any, None, np.ndarray]:
    """Runs a through layer; yields (path, layer, input, output, saved) of each that Sequential and Residual lead to.

    In forward order; the generator returns the output. BatchNorm and Dropout change while they run: give a copy.
    """
    if type(layer).forward in (Sequential.forward, Residual.forward):
        out = a
        for name, child in layer.children():
            out = yield from visits(child, out, f"{path}.{name}" if path else name)
        return a + out if isinstance(layer, Residual) else out
    out, saved = layer.forward(a)
    if hasattr(layer, "inside"):  # a layer of another library knows what it went through
        yield from layer.inside(path, saved)
    yield path, layer, a, out, saved
    return out


def output_shape(net: Layer, x: np.ndarray) -> tuple[int, ...]:
    """The shape of net(x), (N, ..., K), from the first sample of x in eval mode: nothing is changed."""
    kept = modes(net)
    try:
        net.eval()
        return (len(x), *as_batch(net(x[:1]), "the net's output").shape[1:])
    finally:
        for layer, mode in kept:
            layer.training = mode
