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


# ---- layers that are saved ----------------------------------------------------------------------------------


class Gain(mg.Layer):
    """a = gain z."""

    parameter_names = ("gain",)

    def __init__(self, features, start=1.0, dtype="float64"):
        self.gain = np.full(features, start, dtype)
        self.start = start

    def forward(self, x):
        return x * self.gain, x

    def backward(self, delta, x):
        return delta * self.gain, {"gain": (delta * x).mean(axis=0)}

    def config(self):
        return {"features": len(self.gain), "start": self.start, "dtype": str(self.gain.dtype)}


class Counter(Gain):
    """Counts the rows that it has seen, in a buffer."""

    buffer_names = ("rows",)

    def __init__(self, features, **rest):
        super().__init__(features, **rest)
        self.rows = np.zeros(1)

    def forward(self, x):
        self.rows += len(x)
        return super().forward(x)


class Swish(mg.SiLU):
    """A subclass of an activation, with an argument of its own."""

    def __init__(self, beta):
        self.beta = beta

    def config(self):
        return {"beta": self.beta}

    def forward(self, z):
        return z * mg.sigmoid(self.beta * z), z

    def backward(self, delta, z):
        s = mg.sigmoid(self.beta * z)
        return delta * (s + self.beta * z * s * (1 - s)), {}


class Narrow(mg.Linear):
    """A subclass with nothing of its own."""


class Doubled(mg.Sequential):
    """A container that is made from its layers."""

    def forward(self, x):
        out, saved = super().forward(x)
        return 2 * out, saved

    def backward(self, delta, saved):
        return super().backward(2 * delta, saved)


class Block(mg.Sequential):
    """A container that makes its layers by itself."""

    def __init__(self, width, act="tanh"):
        super().__init__(Narrow(width, width, rng=0), mg.layers.activations.activation(act))
        self.width, self.act = width, act

    def config(self):
        return {"width": self.width, "act": self.act}
