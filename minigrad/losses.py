"""The losses: how wrong the output is, and delta, the error signal that starts the way back.

C is the mean over the samples of c_n. delta[n] = d c_n / d output[n], (N, K), without the 1/N.

Two of them take logits and so contain the output's activation. Its derivative cancels there: with the logistic
output, (a - y) / (a (1 - a)) from the logarithm meets a (1 - a) from the sigmoid, and with softmax the same happens
across the classes. What is left is delta = a - y. That is why no derivative of sigmoid or softmax appears below, and
why a confident mistake still sends back a full error; written unfused it would be 0/0 for large logits.
"""

import numpy as np

from ._backend import core
from ._checks import as_batch, as_float, real_number, rectangular


class Loss:
    """What all losses share. A loss of your own needs value_and_delta."""

    of_classes = False  # are there right and wrong answers?
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
        return targets_like(y, shape, dtype)

    def right(self, output, y):
        """How many answers are right, an int; only for losses that are of_classes."""
        return int(((output > self.threshold) == (y > 0.5)).sum())

    def __repr__(self):
        return f"{type(self).__name__}()"


def targets_like(y, shape, dtype):
    """y as floats of the output's shape (N, K)."""
    y = as_float(y, "y", dtype)
    if y.shape != shape:
        fix = "; use y[:, None]" if shape[1] == 1 and y.shape == shape[:1] else ""
        raise ValueError(f"y has shape {y.shape}, expected {shape} as the output{fix}")
    return y


def probabilities_like(y, shape, dtype):
    """y as floats of the output's shape (N, K), each in [0, 1]."""
    y = targets_like(y, shape, dtype)
    if y.size and (y.min() < 0 or y.max() > 1):
        raise ValueError(f"y reaches from {y.min():g} to {y.max():g}, expected numbers in [0, 1]")
    return y


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
        return probabilities_like(y, shape, dtype)


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
        return probabilities_like(y, shape, dtype)


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy in one: c_n = -sum_k y_k log softmax(z)_k.

    y is class numbers (N,), whole numbers from 0 to K-1, or probabilities (N, K) whose rows sum to 1.
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

    def right(self, output, y):
        return int((output.argmax(axis=1) == (y.argmax(axis=1) if y.ndim == 2 else y)).sum())

    def targets(self, y, shape, dtype):
        y = rectangular(y, "y")
        if y.ndim == 2 and y.shape == (shape[0], 1) != shape:
            raise ValueError(f"y has shape {y.shape}, expected {shape[:1]} class numbers; use y[:, 0]")
        if y.ndim == 2:
            y = targets_like(y, shape, dtype)
            with np.errstate(all="ignore"):
                sums = y.sum(axis=1)
            if y.size and (y.min() < 0 or np.abs(sums - 1).max() > 1e-3):
                raise ValueError("y holds rows that are no probabilities: expected entries >= 0 that sum to 1")
            return y
        if y.dtype.kind not in "iu":
            raise TypeError(f"y has dtype {y.dtype}, expected class numbers as integers; use y.astype(int)")
        if y.shape != shape[:1]:
            raise ValueError(f"y has shape {y.shape}, expected {shape[:1]} class numbers or {shape} probabilities")
        if len(y) and not (0 <= y.min() and y.max() < shape[1]):
            raise ValueError(f"y holds class numbers from {y.min()} to {y.max()}, expected 0 to {shape[1] - 1}")
        return y.astype(np.int64, copy=False)


def softmax(z):
    """Probabilities (N, K) from logits (N, K): e^z_k / sum_k e^z_k, without overflow."""
    z = as_batch(z, "z")
    with np.errstate(all="ignore"):  # an infinity gives NaN
        e = np.exp(z - z.max(axis=1, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=1, keepdims=True)


def accuracy(output, y, threshold=0.5):
    """The share of right answers, a float in [0, 1].

    output (N, K) and y class numbers (N,) or one-hot (N, K): the largest output is the answer. With K = 1 the answer
    is 1 where the output exceeds the threshold (0.5 for probabilities, 0 for logits), y (N, 1) or (N,) of 0 and 1.
    """
    output, y = as_output(output), rectangular(y, "y")
    threshold = real_number(threshold, "threshold")
    if y.dtype.kind not in "biuf":
        raise TypeError(f"y has dtype {y.dtype}, expected numbers")
    if y.shape not in (output.shape, output.shape[:1]):
        raise ValueError(f"y has shape {y.shape}, expected {output.shape[:1]} or {output.shape}")
    if output.shape[1] == 1:
        right = (output[:, 0].astype(np.float64) > threshold) == (y.reshape(-1) > 0.5)
    else:
        right = output.argmax(axis=1) == (y.argmax(axis=1) if y.ndim == 2 else y)
    return float((right & ~np.isnan(output).any(axis=1)).mean())  # NaN is no answer
