"""What the tests of the rules share: small problems, and how a case of one finding is written and checked.

Each name has two problems: one that has it, and one close to it on which its rule must stay silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minigrad as mg

CE, MSE, LOGITS = mg.CrossEntropyLoss(), mg.MSELoss(), mg.BCEWithLogitsLoss()


@dataclass
class Problem:
    """What diagnose is asked about."""

    net: Any
    loss: Any
    x: Any
    y: Any
    opt: Any = None
    options: dict[str, Any] = field(default_factory=dict)

    def diagnosed(self, **options):
        return mg.diagnose(self.net, self.loss, self.x, self.y, self.opt, **self.options | options)


@dataclass
class Case:
    """A problem that has a finding, one close to it that has not, and its number as plain NumPy finds it."""

    has: Callable[[], Problem]
    healthy: Callable[[], Problem]
    measured: Callable[[Problem], float] | None = None  # None: only that it lies outside of what is expected
    rtol: float = 1e-6


def check_found(name, case):
    """The finding is among the first three, and its number is the right one."""
    problem = case.has()
    findings = problem.diagnosed().findings
    names = [f.name for f in findings]
    assert name in names[:3], names
    found = findings[names.index(name)]
    low, high = found.expected
    assert not low <= found.measured <= high
    if case.measured is not None:
        np.testing.assert_allclose(found.measured, case.measured(problem), rtol=case.rtol, err_msg=name)


def check_silent(name, case):
    """The rule says nothing, and whatever another says is no fault."""
    found = case.healthy().diagnosed()
    assert name not in [f.name for f in found.findings]
    assert found.ok, [(f.name, f.level, f.text) for f in found.findings]


# ---- data ------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(20)
X = RNG.standard_normal((300, 4))
CLASS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)  # three classes, 1/4, 1/2, 1/4
YES = (X[:, 0] + X[:, 1] > 0).astype(float)[:, None]
VALUE = np.tanh(X @ RNG.standard_normal((4, 1)))  # (300, 1), in (-1, 1)


def relu(*sizes, **options):
    return mg.mlp(sizes, "relu", "he_normal", rng=0, **options)


def classifier(x=X, y=CLASS, net=None, opt=None, **options):
    """relu 4-16-3, cross-entropy, Adam: it learns."""
    return Problem(net or relu(4, 16, 3), CE, x, y, opt or mg.Adam(0.01), options)


def regressor(x=X, y=VALUE, net=None, opt=None, loss=MSE, **options):
    """tanh 4-16-1, square error, Adam: it learns."""
    net = net or mg.mlp([4, 16, 1], "tanh", "glorot_normal", rng=0)
    return Problem(net, loss, x, y, opt or mg.Adam(0.01), options)


def sequential(*layers):
    return mg.Sequential(*layers)


def linear(J, K, seed=0, init="glorot_normal", **options):
    return mg.Linear(J, K, init=init, rng=seed, **options)


def root_mean_square(a):
    return np.sqrt(np.mean(np.square(a)))


# ---- layers and losses of one's own ----------------------------------------------------------------------------


class Softmax(mg.Layer):
    """a = softmax(z)."""

    def forward(self, z):
        a = mg.softmax(z)
        return a, a

    def backward(self, delta, a):
        return a * (delta - (delta * a).sum(axis=-1, keepdims=True)), {}


class OwnSquare(mg.Loss):
    """c_n = mean_k (a_k - y_k)^2; delta times a factor; the value, or that and delta, times N, as of a sum."""

    def __init__(self, factor=1.0, adds_up=()):
        self.factor, self.adds_up = factor, adds_up

    def value_and_delta(self, output, y):
        error = output - y
        value, delta = float(np.square(error).mean()), self.factor * 2 * error / error[0].size
        of_sum = {name: len(error) if name in self.adds_up else 1 for name in ("value", "delta")}
        return of_sum["value"] * value, of_sum["delta"] * delta


class Picky(mg.Loss):
    """A square error that refuses outputs beyond a limit."""

    def __init__(self, limit):
        self.limit = limit

    def value_and_delta(self, output, y):
        if np.abs(output).max() > self.limit:
            raise ValueError(f"output reaches {np.abs(output).max():g}, expected at most {self.limit:g}")
        error = output - y
        return float(np.square(error).mean()), 2 * error / error[0].size
