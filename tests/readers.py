"""Layers as a reader might write them: with forward and backward alone, and with parameters of their own."""

import numpy as np

import minigrad as mg


class Square(mg.Layer):
    """f(z) = z^2: the least a layer needs."""

    def forward(self, x):
        return x * x, x

    def backward(self, delta, x):
        return 2 * x * delta, {}


class Scale(mg.Layer):
    """out = s x, one factor for each feature: a gradient that is an array."""

    parameter_names = ("factor",)

    def __init__(self, width):
        self.factor = np.linspace(0.5, 1.5, width)

    def forward(self, x):
        return x * self.factor, x

    def backward(self, delta, x):
        return delta * self.factor, {"factor": (delta * x).mean(axis=0)}


class LowRank(mg.Layer):
    """out = (x A^T) B^T: two matrices, so two pairs of delta and a, neither of which is called weight."""

    parameter_names = ("first", "second")

    def __init__(self, J, rank, K, rng):
        self.first = rng.standard_normal((rank, J))
        self.second = rng.standard_normal((K, rank))

    def forward(self, x):
        middle = x @ self.first.T
        return middle @ self.second.T, (x, middle)

    def backward(self, delta, saved):
        x, middle = saved
        inner = delta @ self.second
        return inner @ self.first, {
            "first": mg.WeightGradient(inner, x),
            "second": mg.WeightGradient(delta, middle),
        }


class Wrong(Scale):
    """A Scale whose backward has one bug, by name."""

    def __init__(self, width, bug):
        super().__init__(width)
        self.bug = bug

    def backward(self, delta, x):
        below, gradients = super().backward(delta, x)
        if self.bug == "one entry":
            gradients["factor"][1] *= 1.001
        elif self.bug == "delta below":
            below = below.copy()
            below[0, 1] += 0.01
        elif self.bug == "1/N twice":
            gradients["factor"] = gradients["factor"] / len(x)
        elif self.bug == "nan":
            gradients["factor"][0] = np.nan
        elif self.bug == "forgotten":
            gradients = {}
        elif self.bug == "zero":
            gradients["factor"] = 0 * gradients["factor"]
        return below, gradients
