"""The losses: how wrong the output is, and delta, the error signal that starts the way back.

C is the mean over the samples of c_n. delta[n] = d c_n / d output[n], (N, K), without the 1/N.

Two of them take logits and so contain the output's activation. Its derivative cancels there: with the logistic
output, (a - y) / (a (1 - a)) from the logarithm meets a (1 - a) from the sigmoid, and with softmax the same happens
across the classes. What is left is delta = a - y. That is why no derivative of sigmoid or softmax appears below, and
why a confident mistake still sends back a full error; written unfused it would be 0/0 for large logits.
"""

import numpy as np

from ._checks import as_batch, finite_rows, real_number
from ._targets import answers, classes, probabilities, values
from .kernels.backend import core


class Loss:
    """What all losses share. A loss of your own needs value_and_delta."""

    of_classes = False  # are there right and wrong answers?
    alpha = 0.0  # the parameter of the loss, where its kernel takes one
    threshold: float | None = None  # for losses of two classes: the output above which an entry counts as class 1

    def value_and_delta(self, output, y):
        """(C, delta): a float, and (N, K)."""
        raise NotImplementedError(f"{type(self).__name__}.value_and_delta")

    def __call__(self, output, y):
        """C, the mean over the samples."""
        return self.value_and_delta(output, y)[0]

    def delta(self, output, y):
        """d c_n / d output_n, (N, K): per sample, without the 1/N."""
        return self.value_and_delta(output, y)[1]

    def largest_curvature(self, K):
        """The largest that an eigenvalue of the second derivatives of c_n in its K outputs can be; None: not known."""

    def targets(self, y, shape, dtype):
        """y as an array fit for outputs of this shape; a ValueError or TypeError where it is not."""
        return values(y, shape, dtype)

    def right(self, output, y):
        """How many answers are right, an int; only for losses that are of_classes. y as targets() returns it."""
        return count_right(output, y, self.threshold)

    def __repr__(self):
        return f"{type(self).__name__}()"


def count_right(output, y, threshold=None):
    """How many answers are right, an int; the compiled core counts the same way.

    threshold None: the largest output of a row, the first of equals, is the answer; y class numbers (N,), or (N, K) in
    which the largest entry is the class. A number: every entry is an answer, 1 above the threshold; y (N, K), 1 above
    1/2. NaN is no answer, and a row with a NaN has none of the first kind.
    """
    if threshold is None:
        right = output.argmax(axis=1) == (y.argmax(axis=1) if y.ndim == 2 else y)
        return int((right & ~np.isnan(output).any(axis=1)).sum())
    right = (output.astype(np.float64, copy=False) > threshold) == (y > 0.5)
    return int((right & ~np.isnan(output)).sum())


def as_output(output):
    """An output (N, K) of at least one number: the mean of none is not defined."""
    output = as_batch(output, "output")
    if not output.size:
        what = "outputs" if len(output) else "samples"
        raise ValueError(f"output has shape {output.shape}: there are no {what} to take the mean of")
    return output


class MSELoss(Loss):
    """c_n = mean_k (a_k - y_k)^2, y (N, K)."""

    def value_and_delta(self, output, y):
        """delta = 2 (a - y) / K."""
        output = as_output(output)
        return core.mse(output, self.targets(y, output.shape, output.dtype))

    def largest_curvature(self, K):
        """2 / K, everywhere."""
        return 2 / K


class HuberLoss(Loss):
    """c_n = mean_k of d^2 / 2 where |d| <= delta, d = a_k - y_k, else delta (|d| - delta / 2), y (N, K). Huber 1964.

    Errors beyond delta > 0 pull with the same force, however large. ValueError or TypeError where delta is no number
    above 0.
    """

    kind = "huber"

    def __init__(self, delta=1.0):
        self.alpha = real_number(delta, "delta", 0, open_low=True)

    def value_and_delta(self, output, y):
        """delta = d between -delta and delta, or the nearer of these, / K."""
        output = as_output(output)
        return core.huber(output, self.targets(y, output.shape, output.dtype), self.alpha)

    def largest_curvature(self, K):
        """1 / K, inside."""
        return 1 / K

    def __repr__(self):
        return "HuberLoss()" if self.alpha == 1.0 else f"HuberLoss(delta={self.alpha!r})"


class BCELoss(Loss):
    """Binary cross-entropy of probabilities: c_n = -mean_k [y log a + (1 - y) log(1 - a)], y (N, K) in [0, 1].

    The output must lie in [0, 1] (end the net with a Sigmoid). Logs are clamped at -100, as in PyTorch, and a (1 - a)
    at 1e-12. For training, BCEWithLogitsLoss on the logits is the better conditioned form.
    """

    of_classes, threshold = True, 0.5

    def value_and_delta(self, output, y):
        """delta = (a - y) / (a (1 - a)) / K: the sigmoid's derivative comes later, in its own layer."""
        output = as_output(output)
        if output.min() < 0 or output.max() > 1:
            raise ValueError(
                f"output of BCELoss reaches from {output.min():g} to {output.max():g}, expected probabilities in "
                "[0, 1]; for logits use BCEWithLogitsLoss"
            )
        return core.bce(output, self.targets(y, output.shape, output.dtype))

    def targets(self, y, shape, dtype):
        return probabilities(y, shape, dtype)


class BCEWithLogitsLoss(Loss):
    """Sigmoid and binary cross-entropy in one: c_n = mean_k [max(z, 0) - y z + log(1 + e^-|z|)], y (N, K) in [0, 1]."""

    of_classes, threshold = True, 0.0

    def value_and_delta(self, output, y):
        """delta = (sigma(z) - y) / K: the sigmoid's derivative has cancelled."""
        output = as_output(output)
        return core.bce_with_logits(output, self.targets(y, output.shape, output.dtype))

    def largest_curvature(self, K):
        """sigma' / K at z = 0."""
        return 0.25 / K

    def targets(self, y, shape, dtype):
        return probabilities(y, shape, dtype)


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy in one: c_n = -sum_k y_k log softmax(z)_k, K at least 2.

    y is class numbers (N,), whole numbers from 0 to K-1 (or bool, of two classes), or probabilities (N, K) whose rows
    sum to 1.
    """

    of_classes = True

    def value_and_delta(self, output, y):
        """delta = softmax(z) - y, as the y of a sample sum to 1: the softmax's derivative has cancelled."""
        output = as_output(output)
        y = self.targets(y, output.shape, output.dtype)
        return (core.cross_entropy if y.ndim == 1 else core.soft_cross_entropy)(output, y)

    def largest_curvature(self, K):
        """1/2, of diag(p) - p p^T where two classes have probability 1/2 each; 0 for a single class."""
        return 0.5 if K > 1 else 0.0

    def targets(self, y, shape, dtype):
        if shape[1] == 1:
            raise ValueError(
                f"output has shape {shape}, but CrossEntropyLoss needs an output for each class: the softmax of one is "
                "always 1. Give the net two outputs, or use BCEWithLogitsLoss() with y (N, 1) in [0, 1]"
            )
        return classes(y, shape, dtype)


def softmax(z):
    """Probabilities (N, K) from logits (N, K): e^z_k / sum_k e^z_k, without overflow."""
    z = as_batch(z, "z")
    with np.errstate(all="ignore"):  # an infinity gives NaN
        e = np.exp(z - z.max(axis=1, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=1, keepdims=True)


def accuracy(output, y, threshold=0.5):
    """The share of right answers, a float in [0, 1].

    output (N, K) and y class numbers (N,) or one-hot (N, K): the largest output is the answer. With K = 1 the answer
    is 1 where the output exceeds the threshold (0.5 for probabilities, 0 for logits), y (N, 1) or (N,) in [0, 1],
    1 above 1/2. A row with a NaN is no answer.

    Takes and refuses the y that CrossEntropyLoss does (for K = 1, BCEWithLogitsLoss), in the same words; class numbers
    may be floats too. ValueError or TypeError where y does not fit or has a NaN.
    """
    output, threshold = as_output(output), real_number(threshold, "threshold")
    y = answers(y, output.shape, output.dtype)
    if y.dtype.kind == "f":
        finite_rows(y, "y")
    return count_right(output, y, threshold if output.shape[1] == 1 else None) / len(output)
