"""The activation functions: f, its slope f', its range, and what it does to z ~ N(0, 1).

Training multiplies by the derivative that the forward pass makes cheap, for the sigmoid a (1 - a). slope(z) is the
accurate form, for measuring: sigma(z) sigma(-z), even to the last bit. The two part where a rounds to 1, from
z = 36.737 in float64 and 16.636 in float32: there a (1 - a) is exactly 0, while the negative tail lives to -745.13.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._checks import as_float, kinds_of, one_of, real_number
from ..kernels.backend import core
from .base import Gradients, Layer
from .quadrature import normal_quadrature


def sigmoid(z: Any) -> np.ndarray:
    """1 / (1 + e^-z), for z of any shape, without overflow."""
    return core.activation("sigmoid", as_float(z, "z"))


def sigmoid_slope(z: Any) -> np.ndarray:
    """sigma'(z) = sigma(z) sigma(-z), accurate at both tails and even to the last bit."""
    z = as_float(z, "z")
    return sigmoid(z) * sigmoid(-z)


class Activation(Layer, abstract=True):
    """a = f(z), entry by entry."""

    kind = ""  # the kernel's name, and the word that mlp(activation=...) knows
    alpha = 0.0  # the parameter of the function, where it has one
    saves_output = False  # a, rather than z, is what backward needs
    range: tuple[float, float] = (-math.inf, math.inf)
    largest_slope = 1.0

    def forward(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a = core.activation(self.kind, z, self.alpha)
        return a, a if self.saves_output else z

    def backward(self, delta: np.ndarray, saved: np.ndarray) -> tuple[np.ndarray, Gradients]:
        return core.activation_backward(self.kind, delta, saved, self.alpha), {}

    def __call__(self, z: Any) -> np.ndarray:
        """f(z), for z of any shape."""
        return core.activation(self.kind, as_float(z, "z"), self.alpha)

    def slope(self, z: Any) -> np.ndarray:
        """f'(z), for z of any shape."""
        z = as_float(z, "z")
        return self.backward(np.ones_like(z), self.forward(z)[1])[0]

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of f(z) for z ~ N(0, 1), two floats; to rounding where only 0 is a kink of f."""
        z, weight = normal_quadrature()
        a = self(z)
        mean = weight @ a
        return float(mean), float(np.sqrt(weight @ (a - mean) ** 2))


class Identity(Activation):
    """f(z) = z."""

    kind = "identity"


class Sigmoid(Activation):
    """f(z) = 1 / (1 + e^-z): between 0 and 1, never negative, slope at most 1/4."""

    kind, saves_output, range, largest_slope = "sigmoid", True, (0.0, 1.0), 0.25

    def slope(self, z: Any) -> np.ndarray:
        """sigma(z) sigma(-z), accurate at both tails."""
        return sigmoid_slope(z)


class Tanh(Activation):
    """f(z) = tanh z = 2 sigma(2z) - 1: between -1 and 1, centred."""

    kind, saves_output, range = "tanh", True, (-1.0, 1.0)

    def slope(self, z: Any) -> np.ndarray:
        """4 sigma(2z) sigma(-2z), accurate at both tails."""
        with np.errstate(all="ignore"):
            return 4 * sigmoid_slope(2 * as_float(z, "z"))


class CenteredSigmoid(Activation):
    """f(z) = sigma(z) - 1/2 = tanh(z/2) / 2: the sigmoid without its mean."""

    kind, saves_output, range, largest_slope = "centered_sigmoid", True, (-0.5, 0.5), 0.25

    def slope(self, z: Any) -> np.ndarray:
        """sigma(z) sigma(-z), accurate at both tails."""
        return sigmoid_slope(z)


class ReLU(Activation):
    """f(z) = max(z, 0); the slope at 0 is taken as 0."""

    kind, saves_output, range = "relu", True, (0.0, math.inf)


class LeakyReLU(Activation):
    """f(z) = z above 0, negative_slope z below; the slope at 0 is taken as negative_slope."""

    kind, saves_output = "leaky_relu", True

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.alpha = real_number(negative_slope, "negative_slope", 0, open_low=True)
        self.largest_slope = max(1.0, self.alpha)

    def config(self) -> dict[str, Any]:
        return {} if self.alpha == 0.01 else {"negative_slope": self.alpha}


class ELU(Activation):
    """f(z) = z above 0, alpha (e^z - 1) below. Clevert et al. 2016."""

    kind = "elu"

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = real_number(alpha, "alpha", 0, open_low=True)
        self.range = (-self.alpha, math.inf)
        self.largest_slope = max(1.0, self.alpha)

    def config(self) -> dict[str, Any]:
        return {} if self.alpha == 1.0 else {"alpha": self.alpha}


class SELU(Activation):
    """f(z) = 1.0507 (z above 0, 1.6733 (e^z - 1) below): N(0, 1) in, N(0, 1) out. Klambauer et al. 2017."""

    kind, range, largest_slope = "selu", (-1.7580993408473766, math.inf), 1.7580993408473766


class GELU(Activation):
    """f(z) = z Phi(z), Phi the normal distribution function: the exact form. Hendrycks and Gimpel 2016."""

    kind, range, largest_slope = "gelu", (-0.16997120747990369, math.inf), 1.1289042867000527


class SiLU(Activation):
    """f(z) = z sigma(z)."""

    kind, range, largest_slope = "silu", (-0.27846454276107380, math.inf), 1.0998393194101570


class Mish(Activation):
    """f(z) = z tanh(log(1 + e^z)). Misra 2019."""

    kind, range, largest_slope = "mish", (-0.30884341301725043, math.inf), 1.0884981612517279


class Softplus(Activation):
    """f(z) = log(1 + e^z), exact for all z (PyTorch's is z itself above a threshold of 20)."""

    kind, range = "softplus", (0.0, math.inf)


# kind -> class: derived, so that to write the class is all. One without a kernel is an ImportError.
ACTIVATIONS: dict[str, type[Activation]] = kinds_of(Activation, core.ACTIVATIONS)


def activation(name: str) -> Activation:
    """The activation of that name: 'sigmoid', 'tanh', 'relu', 'leaky_relu', ..."""
    return ACTIVATIONS[one_of(name, "activation", ACTIVATIONS)]()
