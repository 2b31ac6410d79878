"""Conditioning: what the inputs of a layer, by their mean and their spread, make of the speed of gradient descent.

Every function takes activations a (N, ..., J), such as bp.gradients["2"].a, and counts rows: every position of every
sample is one input of the layer, R = N P in all; without positions the rows are the samples. It works on the uncentred
second moment of the rows, H = E[a a^T] = S + mu mu^T: the curvature of half the squared error in one row of weights,
where c_n is the mean over the positions. With bias=True the input has one more entry, the constant 1 that a bias is a
weight of. Cost: one singular value decomposition of (R, J).

Index legend: n sample (N), p position (P), r row (R = N P), j input (J); H (J, J), or (J+1, J+1) with the bias.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .._checks import as_batch, instance, quiet, real_number
from .._norms import blocks
from ..gradient import WeightGradient
from ..losses import BCELoss, Loss
from .pairs import checked_flag, checked_pair, moderate, rows_of

BLOCK = 2**22  # entries of the Gram matrix that are looked at in one go


@quiet
def second_moment(a: ArrayLike, bias: bool = False) -> np.ndarray:
    """H = a^T a / R, the mean over samples and positions, (J, J); with bias (J+1, J+1), the constant input last.

    a (N, ..., J). Unit: that of a, squared. Uncentred: a mean of mu adds mu mu^T. Source: LeCun, Kanter, Solla 1991.
    """
    rows = inputs_of(a, bias)
    H: np.ndarray = rows.T @ rows / len(rows)
    return H


@quiet
def spectrum(a: ArrayLike, bias: bool = False) -> np.ndarray:
    """The eigenvalues of the second moment, largest first, (J,) or (J+1,), from the singular values of a.

    a (N, ..., J). Exact zeros where there are fewer rows than inputs. A relative error of about 1e-16 holds for the
    largest; the others carry the same absolute error in their square roots.
    """
    return _scales(a, bias)[0] ** 2


@quiet
def condition_number(a: ArrayLike, bias: bool = False, null_space: bool = True) -> float:
    """kappa = largest / smallest eigenvalue of the second moment: 1 or more, inf where a direction is never seen.

    a (N, ..., J). R rows show R directions at most, so that kappa is inf for every batch with fewer rows than inputs,
    the bias's constant included: see `rank`. null_space=False leaves the unseen directions out: gradient descent
    does not move in them, so that this kappa is the one that sets its speed on these samples. inf for a = 0.

    Gradient descent at its best lr needs about (kappa / 2) ln(1 / tolerance) steps in the worst case (theorem
    C4). iid inputs of mean mu and standard deviation s: 1 + J mu^2 / s^2, and with the bias lambda_+^2 / s^2
    (C6). An input that is always 0 is a direction that is never seen; a constant input makes one next to a bias.
    """
    null_space = checked_flag(null_space, "null_space")
    scales, R = _scales(a, bias)
    seen = _seen(scales, R)
    if seen == 0 or (null_space and seen < len(scales)):
        return float("inf")
    return float((scales[0] / scales[seen - 1]) ** 2)


@quiet
def rank(a: ArrayLike, bias: bool = False) -> int:
    """How many independent directions the rows show: an int from 0 to min(R, J), with bias min(R, J + 1).

    a (N, ..., J). The numerical rank of a, with its column of ones where there is a bias: singular values that
    rounding alone can make, up to max(R, J) eps times the largest, count as 0. Not tr H / lambda_1, the "effective
    rank" that weighs directions by their power: that is `critical_batch`.
    """
    return _seen(*_scales(a, bias))


@quiet
def coherence(a: ArrayLike) -> float:
    """c = |E a|^2 / E|a|^2, from 0 (centred) to 1 (constant): the share of the second moment that the mean makes.

    a (N, ..., J), E the mean over samples and positions. A pure number; 0/0 counts as 0. For iid units
    c = r^2 / (1 + r^2) with r = mean / standard deviation; it is about the mean cosine between two
    rows (theorem C3), and 1 / (1 - c) = 1 + r^2.
    """
    rows = moderate(inputs_of(a))
    power = np.square(rows).sum(axis=1).mean()
    return float(np.square(rows.mean(axis=0)).sum() / power) if power > 0 else 0.0


@quiet
def critical_batch(a: ArrayLike, bias: bool = False) -> float:
    """B* = tr H / lambda_1, from 1 to J: the batch size from which more samples hardly save steps (theorem C8).

    a (N, ..., J). Unit: rows, which without positions are samples. A sample with P positions brings P rows at once, so
    B* / P samples are enough where these are independent, and up to B* where they are alike. About 1 + 1/r^2 for iid
    units with a mean, J for centred ones of equal power. 1 for a = 0.
    Source: Ma, Bassily, Belkin 2018; theirs has the largest |a|^2 instead of its mean.
    """
    scales = _scales(a, bias)[0]
    return float(np.square(scales / scales[0]).sum()) if scales[0] > 0 else 1.0


@quiet
def max_stable_lr(
    a: ArrayLike | WeightGradient, bias: bool = False, curvature: float | None = None, *, loss: Loss | None = None
) -> float:
    """2 / (curvature * lambda_1): gradient descent on this layer alone converges below it and diverges above.

    a (N, ..., J), or the WeightGradient that holds it; lambda_1 of the second moment of all its rows.
    curvature: d^2 c / dz^2 in one of the layer's outputs z; 1, that of half the squared error, where neither it nor the
    loss is given. With positions c_n is the mean over them of a loss at each, and c is that one: it is P times
    d^2 c_n / dz_np^2, as delta and the second derivatives of c_n both carry 1/P and the sum over the rows has P terms
    for each sample.
    loss: that of the net, if the layer is its last and neither an activation nor a pooling over positions follows: the
    curvature is then the largest that this loss can have. 2/K for MSELoss, which has it everywhere; 1/4/K for
    BCEWithLogitsLoss and 1/2 for CrossEntropyLoss, which have it at undecided outputs only: for them the result is
    what is safe, and larger rates may work. Losses that divide by K need a WeightGradient, since a does not tell K.

    inf for a = 0. SGD with momentum (not Nesterov's) bears 1 + momentum times as much. The best lr is
    2 / (lambda_1 + lambda_J), not 1 / lambda_1 (theorem C4). All layers together bear less than each alone: the
    limit of a whole net, at the weights it has, is 2 / `sharpness`.
    """
    K = None
    if isinstance(a, WeightGradient):
        delta, a = checked_pair(a)
        K = delta.shape[-1]
    if loss is not None:
        if curvature is not None:
            raise ValueError("curvature and loss are both given, and each sets the curvature: leave one out")
        bend = _curvature_of(instance(loss, Loss, "loss"), K)
    else:
        bend = 1.0 if curvature is None else real_number(curvature, "curvature", 0, open_low=True)
    largest = float(spectrum(a, bias)[0])
    return 2 / bend / largest if bend > 0 and largest > 0 else float("inf")


def _curvature_of(loss: Loss, K: int | None) -> float:
    """The largest curvature of the loss in its K outputs; K None where they are not known."""
    # Without K, any two numbers of outputs tell whether it matters.
    found: float | None = loss.largest_curvature(K or 2)
    if found is None:
        remedy = "; for logits use BCEWithLogitsLoss()" if isinstance(loss, BCELoss) else ""
        raise ValueError(f"loss {loss!r} does not say its largest curvature: give curvature= instead{remedy}")
    if K is None and found != loss.largest_curvature(3):
        raise ValueError(
            f"the curvature of loss {loss!r} depends on the number of outputs, which the array a does not tell: give "
            "the WeightGradient, as bp.gradients[...], instead of its a"
        )
    return found


# ---- pairs of rows ---------------------------------------------------------------------------------------


class GramSigns(NamedTuple):
    """The pairs of different rows: shares (0..1) with a_m . a_n above, below and at 0, and mean cosine."""

    positive: float
    negative: float
    zero: float
    mean_cosine: float


@quiet
def gram_signs(a: ArrayLike, bias: bool = False) -> GramSigns:
    """How many inputs pull an output the same way: GramSigns of the R (R-1) / 2 pairs of rows, a_q . a_r (theorem C3).

    a (N, ..., J); a pair may be two positions of one sample. One SGD step of a linear layer on row q moves the output
    of row r by -lr delta_q (a_q . a_r), plus 1 in the brackets for the bias: with a > 0 all outputs move together. The
    cosine of a row that is 0 counts as 0. The Gram matrix (R, R) is never held whole. ValueError where there is only
    one row.
    """
    rows = moderate(inputs_of(a, bias), axis=1)  # the signs and the cosines do not depend on the rows' sizes
    R = len(rows)
    if R < 2:
        raise ValueError(f"a has shape {np.shape(a)}: one sample has no pairs")
    positive = negative = 0
    for part in blocks(R, R, BLOCK):
        block = np.triu(rows[part] @ rows.T, part.start + 1)
        positive += int((block > 0).sum())
        negative += int((block < 0).sum())
    norms = np.linalg.norm(rows, axis=1)
    units = rows / np.where(norms > 0, norms, 1)[:, None]
    total = np.square(units.sum(axis=0)).sum() - np.square(units).sum()
    pairs = R * (R - 1) / 2
    zero = (pairs - positive - negative) / pairs
    return GramSigns(positive / pairs, negative / pairs, zero, float(total / (2 * pairs)))


def inputs_of(a: ArrayLike, bias: bool = False) -> np.ndarray:
    """a (N, ..., J) as float64 rows (R, J), with the bias's column of ones; a ValueError where there is no entry."""
    rows = np.asarray(rows_of(as_batch(a, "a")), np.float64)
    if rows.size == 0:
        raise ValueError(f"a has shape {np.shape(a)}: there is nothing to measure")
    if not np.isfinite(rows).all():
        raise ValueError("a holds NaN or infinity")
    return np.column_stack([rows, np.ones(len(rows))]) if checked_flag(bias, "bias") else rows


def _seen(scales: np.ndarray, R: int) -> int:
    """How many of the descending scales are not 0: larger than the rounding error of a singular value."""
    return int((scales > scales[0] * (max(R, len(scales)) * np.finfo(np.float64).eps)).sum())


def _scales(a: ArrayLike, bias: bool) -> tuple[np.ndarray, int]:
    """The roots of the second moment's eigenvalues, largest first: the singular values of a / sqrt(R). And R."""
    rows = inputs_of(a, bias)
    scales = np.zeros(rows.shape[1])
    singular = np.linalg.svd(rows / np.sqrt(len(rows)), compute_uv=False)
    scales[: len(singular)] = singular
    return scales, len(rows)
