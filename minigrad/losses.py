"""The losses: how wrong the output is, and delta, the error signal that starts the way back.

C is the mean over the samples of c_n, and c_n the mean over the sample's positions where there are any.
delta[n] = d c_n / d output[n], (N, ..., K), without the 1/N.

Two of them take logits and so contain the output's activation. Its derivative cancels there: with the logistic
output, (a - y) / (a (1 - a)) from the logarithm meets a (1 - a) from the sigmoid, and with softmax the same happens
across the classes. What is left is delta = a - y. That is why no derivative of sigmoid or softmax appears below, and
why a confident mistake still sends back a full error; written unfused it would be 0/0 for large logits.

Index legend: n sample (N), k output (K); "...": positions (P of them), none in an MLP.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._checks import as_batch, kinds_of, real_number
from ._targets import classes, probabilities, values
from .accuracy import as_output, count_right
from .kernels.backend import core


class Loss:
    """What all losses share. A loss of your own needs value_and_delta."""

    kind = ""  # the name of the kernel, in both cores
    alpha = 0.0  # the parameter of the kernel, where it takes one
    of_classes = False  # there are right and wrong answers
    threshold: float | None = None  # for losses of two classes: the output above which an entry counts as class 1

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """(C, delta): a float, and (N, ..., K)."""
        raise NotImplementedError(f"{type(self).__name__}.value_and_delta")

    def __call__(self, output: Any, y: Any) -> float:
        """C, the mean over the samples."""
        return self.value_and_delta(output, y)[0]

    def delta(self, output: Any, y: Any) -> np.ndarray:
        """d c_n / d output_n, (N, ..., K): per sample, without the 1/N."""
        return self.value_and_delta(output, y)[1]

    def largest_curvature(self, K: int) -> float | None:
        """The largest eigenvalue that the second derivatives of c_n in its K outputs can have; None: not known.

        Of a sample without positions; with P of them it is the P-th part, at each.
        """

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """y as an array fit for outputs of this shape; a ValueError or TypeError where it is not."""
        return values(y, shape, dtype)

    def right(self, output: np.ndarray, y: np.ndarray) -> int:
        """How many answers are right, an int; only for losses that are of_classes. y as targets() returns it."""
        return count_right(output, y, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class MSELoss(Loss):
    """c_n = mean_k (a_k - y_k)^2, y (N, ..., K)."""

    kind = "mse"

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta = 2 (a - y) / K / P."""
        output = as_output(output)
        return core.mse(output, self.targets(y, output.shape, output.dtype))

    def largest_curvature(self, K: int) -> float:
        """2 / K, everywhere."""
        return 2 / K


class HuberLoss(Loss):
    """c_n = mean_k of d^2 / 2 where |d| <= delta, d = a_k - y_k, else delta (|d| - delta / 2). Huber 1964.

    y (N, ..., K). Errors beyond delta > 0 pull with the same force, however large. ValueError or TypeError where delta
    is no number above 0.
    """

    kind = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.alpha = real_number(delta, "delta", 0, open_low=True)

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta = d between -delta and delta, or the nearer of these, / K / P."""
        output = as_output(output)
        return core.huber(output, self.targets(y, output.shape, output.dtype), self.alpha)

    def largest_curvature(self, K: int) -> float:
        """1 / K, inside."""
        return 1 / K

    def __repr__(self) -> str:
        return "HuberLoss()" if self.alpha == 1.0 else f"HuberLoss(delta={self.alpha!r})"


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: c_n = -mean_k [y log a + (1 - y) log(1 - a)], y (N, ..., K) in [0, 1].

    The output must lie in [0, 1] (end the net with a Sigmoid). Logs are clamped at -100, as in PyTorch, and a (1 - a)
    at 1e-12. For training, BCEWithLogitsLoss on the logits is the better conditioned form.
    """

    kind = "bce"
    of_classes, threshold = True, 0.5

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta = (a - y) / (a (1 - a)) / K / P: the sigmoid's derivative comes later, in its own layer."""
        output = as_output(output)
        if output.min() < 0 or output.max() > 1:
            raise ValueError(
                f"output of BCELoss reaches from {output.min():g} to {output.max():g}, expected probabilities in "
                "[0, 1]; for logits use BCEWithLogitsLoss"
            )
        return core.bce(output, self.targets(y, output.shape, output.dtype))

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return probabilities(y, shape, dtype)


class BCEWithLogitsLoss(Loss):
    """Sigmoid and binary cross-entropy in one: c_n = mean_k [max(z, 0) - y z + log(1 + e^-|z|)].

    y (N, ..., K) in [0, 1].
    """

    kind = "bce_with_logits"
    of_classes, threshold = True, 0.0

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta = (sigma(z) - y) / K / P: the sigmoid's derivative has cancelled."""
        output = as_output(output)
        return core.bce_with_logits(output, self.targets(y, output.shape, output.dtype))

    def largest_curvature(self, K: int) -> float:
        """sigma' / K at z = 0."""
        return 0.25 / K

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return probabilities(y, shape, dtype)


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy in one: c_n = -sum_k y_k log softmax(z)_k, K at least 2.

    y is class numbers (N, ...), whole numbers from 0 to K-1 (or bool, of two classes), or probabilities (N, ..., K)
    whose rows sum to 1: which of the two, its number of axes says.
    """

    kind, soft_kind = "cross_entropy", "soft_cross_entropy"  # of class numbers, of probabilities
    of_classes = True

    def value_and_delta(self, output: Any, y: Any) -> tuple[float, np.ndarray]:
        """delta = (softmax(z) - y) / P, as the y of a sample sum to 1: the softmax's derivative has cancelled."""
        output = as_output(output)
        y = self.targets(y, output.shape, output.dtype)
        return (core.cross_entropy if y.dtype.kind == "i" else core.soft_cross_entropy)(output, y)

    def largest_curvature(self, K: int) -> float:
        """1/2, of diag(p) - p p^T where two classes have probability 1/2 each; 0 for a single class."""
        return 0.5 if K > 1 else 0.0

    def targets(self, y: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if shape[-1] == 1:
            raise ValueError(
                f"output has shape {shape}, but CrossEntropyLoss needs an output for each class: the softmax of one is "
                "always 1. Give the net two outputs, or use BCEWithLogitsLoss() with y (N, 1) in [0, 1]"
            )
        return classes(y, shape, dtype)


# kind -> class: derived, so that to write the class is all. One without a kernel is an ImportError.
LOSSES: dict[str, type[Loss]] = kinds_of(Loss, set(core.LOSSES) - {CrossEntropyLoss.soft_kind})


def softmax(z: Any) -> np.ndarray:
    """Probabilities (N, ..., K) from logits (N, ..., K): e^z_k / sum_k e^z_k, without overflow."""
    z = as_batch(z, "z")
    with np.errstate(all="ignore"):  # an infinity gives NaN
        e = np.exp(z - z.max(axis=-1, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=-1, keepdims=True)
