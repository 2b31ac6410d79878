"""Accuracy: how many answers of a net are right.

Index legend: n sample (N), k output (K); "...": positions, none in an MLP.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._checks import as_batch, finite_rows, real_number
from ._targets import answers


def accuracy(output: Any, y: Any, threshold: float = 0.5) -> float:
    """The share of right answers, a float in [0, 1]: of the samples, of all their positions where there are any.

    output (N, ..., K) and y class numbers (N, ...) or one-hot (N, ..., K): the largest output is the answer. With
    K = 1 the answer is 1 where the output exceeds the threshold (0.5 for probabilities, 0 for logits), y (N, ..., 1)
    or (N, ...) in [0, 1], 1 above 1/2. A row with a NaN is no answer.

    Takes and refuses the y that CrossEntropyLoss does (for K = 1, BCEWithLogitsLoss), in the same words; class numbers
    may be floats too. ValueError or TypeError where y does not fit or has a NaN.
    """
    output, threshold = as_output(output), real_number(threshold, "threshold")
    y = answers(y, output.shape)
    if y.dtype.kind == "f":
        finite_rows(y, "y")
    right = count_right(output, y, threshold if output.shape[-1] == 1 else None)
    return right / math.prod(output.shape[:-1])


def count_right(output: np.ndarray, y: np.ndarray, threshold: float | None = None) -> int:
    """How many answers are right, an int; the compiled core counts the same way.

    threshold None: the largest output of a row, the first of equals, is the answer; y class numbers (N, ...), or
    (N, ..., K) in which the largest entry is the class. A number: every entry is an answer, 1 above the threshold;
    y (N, ..., K), 1 above 1/2. NaN is no answer, and a row with a NaN has none of the first kind.
    """
    if threshold is None:
        right = output.argmax(axis=-1) == (y.argmax(axis=-1) if y.ndim == output.ndim else y)
        return int((right & ~np.isnan(output).any(axis=-1)).sum())
    right = (np.asarray(output, np.float64) > threshold) == (y > 0.5)
    return int((right & ~np.isnan(output)).sum())


def as_output(output: Any) -> np.ndarray:
    """An output (N, ..., K) of at least one number: the mean of none is not defined."""
    output = as_batch(output, "output")
    if not output.size:
        what = "outputs" if len(output) else "samples"
        raise ValueError(f"output has shape {output.shape}: there are no {what} to take the mean of")
    return output
