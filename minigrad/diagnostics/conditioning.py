"""Conditioning: what the inputs of a layer, by their mean and their spread, make of the speed of gradient descent.

Every function takes a sample of activations a (N, J), such as bp.gradients["2"].a, and works on
the uncentred second moment H = E[a a^T] = S + mu mu^T: the curvature of half the squared error in one row of
weights. With bias=True the input has one more entry, the constant 1 that a bias is a weight of. Cost: one
singular value decomposition of (N, J).

Index legend: n sample (N), j input (J); H (J, J), or (J+1, J+1) with the bias.
"""

from typing import NamedTuple

import numpy as np

from .._checks import as_batch, instance, quiet, real_number
from ..gradient import WeightGradient
from ..losses import BCELoss, Loss
from .pairs import checked_flag, checked_pair

BLOCK = 2**22  # entries of the Gram matrix that are looked at in one go


@quiet
def second_moment(a, bias=False):
    """H = a^T a / N, (J, J); with bias (J+1, J+1), the constant input last.

    Unit: that of a, squared. Uncentred: a mean of mu adds mu mu^T. Source: LeCun, Kanter, Solla 1991.
    """
    a = inputs_of(a, bias)
    return a.T @ a / len(a)


@quiet
def spectrum(a, bias=False):
    """The eigenvalues of the second moment, largest first, (J,) or (J+1,); from the singular values of a /
    sqrt(N).

    Exact zeros where there are fewer samples than inputs. A relative error of about 1e-16 holds for the
    largest; the others carry the same absolute error in their square roots.
    """
    return _scales(a, bias) ** 2


@quiet
def condition_number(a, bias=False, null_space=True):
    """kappa = largest / smallest eigenvalue of the second moment: 1 or more, inf where a direction is never
    seen.

    N samples show N directions at most, so that kappa is inf for every batch smaller than the number of inputs,
    the bias's constant included: see `rank`. null_space=False leaves the unseen directions out: gradient descent
    does not move in them, so that this kappa is the one that sets its speed on these samples. inf for a = 0.

    Gradient descent at its best lr needs about (kappa / 2) ln(1 / tolerance) steps in the worst case (theorem
    C4). iid inputs of mean mu and standard deviation s: 1 + J mu^2 / s^2, and with the bias lambda_+^2 / s^2
    (C6). A constant input is such a direction only next to a bias; an input that is always 0 is one by
    itself.
    """
    null_space = checked_flag(null_space, "null_space")
    scales = _scales(a, bias)
    seen = _seen(scales, len(a))
    if seen == 0 or (null_space and seen < len(scales)):
        return np.inf
    return float((scales[0] / scales[seen - 1]) ** 2)


@quiet
def rank(a, bias=False):
    """How many independent directions the samples show: an int from 0 to min(N, J), with bias min(N, J + 1).

    The numerical rank of a, with its column of ones where there is a bias: singular values that rounding alone
    can make, up to max(N, J) eps times the largest, count as 0. Not tr H / lambda_1, the "effective rank" that
    weighs directions by their power: that is `critical_batch`.
    """
    return _seen(_scales(a, bias), len(a))


@quiet
def coherence(a):
    """c = |E a|^2 / E|a|^2, from 0 (centred) to 1 (constant): the share of the second moment that the mean
    makes.

    a (N, J). A pure number; 0/0 counts as 0. For iid units c = r^2 / (1 + r^2) with r = mean / standard deviation; it
    is about the mean cosine between two samples (theorem C3), and 1 / (1 - c) = 1 + r^2.
    """
    a = moderate(inputs_of(a))
    power = np.square(a).sum(axis=1).mean()
    return float(np.square(a.mean(axis=0)).sum() / power) if power > 0 else 0.0


@quiet
def critical_batch(a, bias=False):
    """B* = tr H / lambda_1, from 1 to J: the batch size from which more samples hardly save steps (theorem
    C8).

    Unit: samples. About 1 + 1/r^2 for iid units with a mean, J for centred ones of equal power. 1 for a = 0.
    Source: Ma, Bassily, Belkin 2018; theirs has the largest |a|^2 instead of its mean.
    """
    scales = _scales(a, bias)
    return float(np.square(scales / scales[0]).sum()) if scales[0] > 0 else 1.0


@quiet
def max_stable_lr(a, bias=False, curvature=None, *, loss=None):
    """2 / (curvature * lambda_1): gradient descent on this layer alone converges below it and diverges above.

    a (N, J), or the WeightGradient that holds it. curvature: d^2 c / dz^2 of one of the layer's outputs z; 1, that
    of half the squared error, where neither it nor the loss is given.
    loss: that of the net, if the layer is its last and no activation follows: the curvature is then the largest that
    this loss can have. 2/K for MSELoss, which has it everywhere; 1/4/K for BCEWithLogitsLoss and 1/2 for
    CrossEntropyLoss, which have it at undecided outputs only: for them the result is what is safe, and larger
    rates may work. Losses that divide by K need a WeightGradient, since a does not tell K.

    inf for a = 0. SGD with momentum (not Nesterov's) bears 1 + momentum times as much. The best lr is
    2 / (lambda_1 + lambda_J), not 1 / lambda_1 (theorem C4). All layers together bear less than each alone: the
    limit of a whole net, at the weights it has, is 2 / `sharpness`.
    """
    K = None
    if isinstance(a, WeightGradient):
        delta, a = checked_pair(a)
        K = delta.shape[1]
    if loss is not None:
        if curvature is not None:
            raise ValueError("curvature and loss are both given, and each sets the curvature: leave one out")
        curvature = _curvature_of(instance(loss, Loss, "loss"), K)
    elif curvature is None:
        curvature = 1.0
    else:
        curvature = real_number(curvature, "curvature", 0, open_low=True)
    largest = float(spectrum(a, bias)[0])
    return 2 / curvature / largest if curvature > 0 and largest > 0 else np.inf


def _curvature_of(loss, K):
    """The largest curvature of the loss in its K outputs; K None where they are not known."""
    found = loss.largest_curvature(K or 2)  # without K: any two numbers of outputs tell whether it matters
    if found is None:
        remedy = "; for logits use BCEWithLogitsLoss()" if isinstance(loss, BCELoss) else ""
        raise ValueError(f"loss {loss!r} does not say its largest curvature: give curvature= instead{remedy}")
    if K is None and found != loss.largest_curvature(3):
        raise ValueError(
            f"the curvature of loss {loss!r} depends on the number of outputs, which the array a does not tell: give "
            "the WeightGradient, as bp.gradients[...], instead of its a"
        )
    return found


# ---- pairs of samples ------------------------------------------------------------------------------------


class GramSigns(NamedTuple):
    """The pairs of different samples: shares (0..1) with a_m . a_n above, below and at 0, and mean cosine."""

    positive: float
    negative: float
    zero: float
    mean_cosine: float


@quiet
def gram_signs(a, bias=False):
    """Do two samples pull an output the same way? GramSigns of the N (N-1) / 2 pairs a_m . a_n (theorem C3).

    One SGD step of a linear layer on sample m moves the output of sample n by -lr delta_m (a_m . a_n), plus 1
    in the brackets for the bias: with a > 0 all outputs move together. The cosine of a sample that is 0
    counts as 0. The Gram matrix (N, N) is never held whole. ValueError for fewer than two samples.
    """
    a = moderate(inputs_of(a, bias), axis=1)  # the signs and the cosines do not depend on the samples' sizes
    N = len(a)
    if N < 2:
        raise ValueError(f"a has shape {a.shape}: one sample has no pairs")
    positive = negative = 0
    rows = max(1, BLOCK // N)
    for start in range(0, N, rows):
        block = np.triu(a[start : start + rows] @ a.T, start + 1)
        positive += int((block > 0).sum())
        negative += int((block < 0).sum())
    norms = np.linalg.norm(a, axis=1)
    units = a / np.where(norms > 0, norms, 1)[:, None]
    total = np.square(units.sum(axis=0)).sum() - np.square(units).sum()
    pairs = N * (N - 1) / 2
    zero = (pairs - positive - negative) / pairs
    return GramSigns(positive / pairs, negative / pairs, zero, float(total / (2 * pairs)))


def inputs_of(a, bias=False):
    """a as float64 (N, J), with a column of ones behind it if asked for; a ValueError where it is empty."""
    a = as_batch(a, "a").astype(np.float64, copy=False)
    if a.size == 0:
        raise ValueError(f"a has shape {a.shape}: there is nothing to measure")
    if not np.isfinite(a).all():
        raise ValueError("a holds NaN or infinity")
    return np.column_stack([a, np.ones(len(a))]) if checked_flag(bias, "bias") else a


def _seen(scales, N):
    """How many of the descending scales are not 0: larger than the rounding error of a singular value."""
    return int((scales > scales[0] * (max(N, len(scales)) * np.finfo(np.float64).eps)).sum())


def _scales(a, bias):
    """The roots of the second moment's eigenvalues, largest first: the singular values of a / sqrt(N)."""
    a = inputs_of(a, bias)
    scales = np.zeros(a.shape[1])
    singular = np.linalg.svd(a / np.sqrt(len(a)), compute_uv=False)
    scales[: len(singular)] = singular
    return scales


def moderate(a, axis=None):
    """a times the power of two that brings the largest entry near 1, of all or of each row: exact, and then
    no square overflows.
    """
    largest = np.abs(a).max(axis=axis, keepdims=True)
    return np.ldexp(a, -np.frexp(largest)[1])
