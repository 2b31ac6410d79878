"""Curvature: how much of it scaling the inputs can take away, and how much of it the mean of the inputs makes.

best_diagonal_condition asks what a method that gives every weight a step size of its own could make of the
inputs of a layer (theorem C11). curvature_outlier gives the largest curvature of every layer of a net, beside
what the mean of that layer's inputs makes it at least (C12). sharpness takes the whole net, and knows no more of it
than its gradients.

Index legend: n sample (N), p position (P), k output neuron (K), j input (J).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._checks import Rng, generator, instance, quiet, real_number
from ..backprop import Backprop, backprop
from ..gradcheck import repeatable
from ..layers.containers import Sequential
from ..losses import Loss
from .conditioning import condition_number, inputs_of
from .pairs import by_sample, checked_pair, has_bias, moderate, positions_of_output, rows_of, signals

EPS = np.finfo(np.float64).eps

# ---- C11: the best scaling of the inputs -----------------------------------------------------------------

GAP = 1e-4  # the search ends when what it attained is so close to its lower bound
TIGHTER, ROUNDS, STEPS = 8.0, 12, 50


@quiet
def best_diagonal_condition(a: ArrayLike, bias: bool = False) -> float:
    """The smallest condition number of D H D over all diagonal D > 0: 1 or more, inf where H is singular.

    a (N, ..., J); H is the mean of a a^T over samples and positions. With bias=True the input has one more entry, the
    constant 1, and D too. Gradient descent with a step size D_j^2 of its own for each weight converges as plain descent
    does on D H D. So this is what the best of all fixed diagonal preconditioners leaves of `condition_number` (theorem
    C11). Columns of unit length, the usual choice, are at most J times worse (van der Sluis 1969), and can be.

    The value is attained by a D that was found: an upper bound, and less than 0.1 % above a lower bound that
    the search finds with it, up to condition numbers of about 1e10; beyond, rounding may end the search
    earlier. ValueError where a is empty or not finite. Cost: some fifty singular value decompositions of
    (J, J). Source: Boyd, El Ghaoui, Feron, Balakrishnan 1994, section 3.1; the method is `_best_scaling`'s.
    """
    columns = moderate(inputs_of(a, bias), axis=0)
    R, J = columns.shape
    lengths = np.linalg.norm(columns, axis=0)
    if R < J or not (lengths > 0).all():
        return float("inf")
    root = np.asarray(np.linalg.qr(columns / lengths, mode="r"))  # root^T root is H scaled to a unit diagonal
    scales = np.linalg.svd(root, compute_uv=False)
    if scales[-1] <= scales[0] * max(R, J) * EPS:
        return float("inf")
    return float(min(condition_number(a, bias), _ratio(scales**2), _best_scaling(root)[0]))


def _best_scaling(root: np.ndarray) -> tuple[float, float]:
    """(attained, bound): the smallest condition number found of D H D, H = root^T root, and one from below.

    kappa(D H D) <= t for some D means: some diagonal E > 0 has E <= H <= t E, as quadratic forms. Write E = e^x,
    t = e^y, and C = E^(-1/2) H E^(-1/2), whose eigenvalues must lie between 1 and t. They do where

        weight y - log det(1 - 1/C) - log det(1 - C/t)

    exists. This is convex in (x, y); minimise it by Newton's method, for larger and larger weights.
    """
    J = root.shape[1]
    values = _scaled(root, np.zeros(J + 1))[0]
    z = np.append(np.full(J, np.log(values[-1] / 2)), np.log(4 * _ratio(values)))  # (x, y)
    weight, attained, bound = float(J), np.inf, 1.0
    for _ in range(ROUNDS):
        z = _centre(root, z, weight)
        values, axes = _scaled(root, z)
        attained = min(attained, _ratio(values))
        bound = max(bound, _lower_bound(values, axes, np.exp(z[J])))
        if attained <= bound * (1 + GAP):
            break
        weight *= TIGHTER
    return attained, bound


def _lower_bound(values: np.ndarray, axes: np.ndarray, t: float) -> float:
    """tr(CY) / tr(CX) for some X, Y >= 0 of equal diagonals: no diagonal scaling of C has a smaller kappa.

    For E <= C <= t E gives tr(CY) <= t tr(EY) = t tr(EX) <= t tr(CX). At the minimum the two resolvents have
    nearly equal diagonals; d makes them equal.
    """
    X, Y = _resolvents(values, axes, t)
    d = (np.diag(Y) / np.diag(X)) ** 0.25
    C = (axes.T * values) @ axes
    return float((C * (Y / np.outer(d, d))).sum() / (C * (X * np.outer(d, d))).sum())


def _centre(root: np.ndarray, z: np.ndarray, weight: float) -> np.ndarray:
    """The minimum, over z = (x, y), of weight y + barrier, from a z inside of its domain."""
    J = len(z) - 1
    values, axes = _scaled(root, z)
    value = _objective(values, z, weight)
    for _ in range(STEPS):
        lower, upper = _resolvents(values, axes, np.exp(z[J]))
        b, u = np.diag(lower), np.diag(upper)
        slope = np.append(b - u + 1, weight + J - u.sum())
        rest = upper**2 - np.diag(u)
        rows = rest.sum(axis=1, keepdims=True)
        step = np.linalg.solve(np.block([[lower**2 + np.diag(b) + rest, rows], [rows.T, rows.sum()]]), -slope)
        decrease, size = -(slope @ step), 1.0
        while decrease > 1e-3 and size > 1e-6:
            values, axes = _scaled(root, z + size * step)
            if _objective(values, z + size * step, weight) <= value - 0.1 * size * decrease:
                break
            size /= 2
        else:  # the centre, or as near to it as rounding lets us come
            return z
        z = z + size * step
        value = _objective(values, z, weight)
    return z


def _objective(values: np.ndarray, z: np.ndarray, weight: float) -> float:
    """weight y + barrier: NaN outside of its domain, and less than nothing there."""
    return float(weight * z[-1] - np.log1p(-1 / values).sum() - np.log1p(-values / np.exp(z[-1])).sum())


def _scaled(root: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvalues of C, largest first, and its eigenvectors as rows."""
    scales, axes = np.linalg.svd(root * np.exp(-z[:-1] / 2))[1:]
    return scales**2, axes


def _resolvents(values: np.ndarray, axes: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """(C - 1)^-1 and (1 - C/t)^-1."""
    return (axes.T / (values - 1)) @ axes, (axes.T / (1 - values / t)) @ axes


def _ratio(values: np.ndarray) -> float:
    return float(values[0] / values[-1])


# ---- C12: the outlier of a net's curvature ----------------------------------------------------------------


@quiet
def curvature_outlier(bp: Backprop) -> dict[str, tuple[float, float]]:
    """The largest curvature of each layer, and what the mean of its inputs makes it: {layer path: (value, bound)}.

    bp: what mg.backprop returned. value is the largest eigenvalue of the layer's block of the empirical Fisher
    matrix, P E[vec G_n vec G_n^T] over the samples, with a 1 behind a where the layer has a bias; unit: loss
    per squared weight. G_n is the sample's gradient, delta_n a_n^T summed over the layer's positions. P is the number
    of positions of the net's output, 1 without: P c_n is a sum of P losses, whose gradients P G_n are made of, and
    the curvature of c_n is 1/P of E[vec(P G_n) vec(P G_n)^T]. bound = P lambda_1(E d d^T) (|mean a|^2 + 1), without
    the 1 where there is no bias; d_n is delta_n summed over positions, mean a over samples and positions.

    Where delta is independent of a, and a has the same mean at all positions, value >= bound (theorem C12), and the
    whole net's matrix has an eigenvalue at least as large as its blocks have: the mean limits the learning rate of
    every layer to 2 / bound. delta may follow a, as it does where large inputs silence a unit; then value can lie
    below.

    The Fisher matrix is the curvature of CrossEntropyLoss in so far as the labels come as the net expects them, at each
    position whatever they are at the others: about so at the start of training, not at its end, when delta is small.
    The curvature of BCEWithLogitsLoss, a mean over K outputs, is K times as large.

    Nothing of size (K J)^2 is formed: a step of Lanczos's method costs as much as a backward pass.
    """
    instance(bp, Backprop, "bp")
    found = {}
    P = positions_of_output(bp)
    for path, g in signals(bp).items():
        delta, a = (by_sample(factor.astype(np.float64)) for factor in checked_pair(g, path))
        if not (np.isfinite(delta).all() and np.isfinite(a).all()):
            raise ValueError(f"layer {path!r} has NaN or infinity in delta or a")
        if has_bias(bp, path):
            a = np.concatenate([a, np.ones((*a.shape[:2], 1))], axis=2)
        spread = np.linalg.norm(delta.sum(axis=1), 2) ** 2 / len(delta)
        bound = float(spread * np.square(rows_of(a).mean(axis=0)).sum())
        found[path] = (P * _largest_fisher(delta, a), P * bound)
    return found


def _largest_fisher(delta: np.ndarray, a: np.ndarray) -> float:
    """lambda_1 of E[vec G_n vec G_n^T], G_n = sum_p delta_np a_np^T, from delta (N, P, K) and a (N, P, J).

    The Gram matrix of the N gradients has the same eigenvalues but zeros, and times a vector it is two products.
    """
    N, delta_rows, a_rows = len(delta), rows_of(delta), rows_of(a)

    def product(v: np.ndarray) -> np.ndarray:
        summed = rows_of(v[:, None, None] * a).T @ delta_rows  # sum_n v_n G_n^T, (J, K)
        each: np.ndarray = np.einsum("npk,npk->n", delta, (a_rows @ summed).reshape(delta.shape))
        return each / N

    start = np.random.default_rng(0).standard_normal(N)
    return max(_largest_eigenpair(product, start, tolerance=1e-7, limit=N)[0], 0.0)


# ---- the curvature of a whole net ------------------------------------------------------------------------

PRODUCTS = 200  # of the Hessian with a vector, before the iteration is given up


@quiet
def sharpness(
    net: Sequential,
    loss: Loss,
    x: ArrayLike,
    y: Any,
    *,
    tolerance: float = 1e-3,
    rng: Rng = 0,
) -> float:
    """lambda_1, the largest eigenvalue of the second derivatives of C in all parameters of net at once, a float.

    At the weights that net has, on x (N, ..., J) and y; any net, any loss. Gradient descent with lr above 2 / lambda_1
    is thrown back and forth along that direction, with momentum (not Nesterov's) above 2 (1 + momentum) / lambda_1:
    where C is quadratic it diverges; of a net it is the limit while the weights are near these (Cohen et al. 2021,
    who gave it the name; Polyak 1964). 0 or less where C bends upwards in no direction.

    Lanczos iterations from a random vector (rng), each with one product H v = (grad(w + h v) - grad(w - h v)) / 2h,
    two backprops. They end when |H v - lambda_1 v| <= tolerance * |lambda_1|; ArithmeticError if that takes more than
    200. Works on a copy in float64 and in net's mode: BatchNorm in training uses the statistics of x, Dropout the same
    mask each time. ValueError where the gradient jumps at these weights, so that it has no derivative: a z lies at the
    kink of a ReLU, as on a row of x that is all zero while the biases are.
    """
    tolerance = real_number(tolerance, "tolerance", 0, 1, open_low=True)
    net, run = repeatable(net)
    arrays = net.parameters()
    start = np.concatenate([array.ravel() for array in arrays.values()] or [np.zeros(0)])
    if len(start) == 0:
        raise ValueError(f"net {net!r} has no parameters: there is no direction to look along")
    h = 1e-9 * max(1.0, float(np.linalg.norm(start)))  # so small that hardly ever a z crosses a kink in between

    def gradient(point: np.ndarray) -> np.ndarray:
        for array, part in zip(arrays.values(), np.split(point, ends[:-1]), strict=True):
            array[...] = part.reshape(array.shape)
        found = run(lambda: backprop(net, loss, x, y)).parameter_gradients()
        return np.concatenate([np.ravel(found[name]) for name in arrays])

    def product(v: np.ndarray, h: float = h) -> np.ndarray:
        bent: np.ndarray = gradient(start + h * v) - gradient(start - h * v)
        if not np.isfinite(bent).all():
            raise ArithmeticError("the gradients of net hold NaN or infinity: there is no curvature to measure")
        return bent / (2 * h)

    ends = np.cumsum([array.size for array in arrays.values()])
    value, v, error = _largest_eigenpair(product, generator(rng).standard_normal(len(start)), tolerance, PRODUCTS)
    if error > tolerance * abs(value):
        raise ArithmeticError(
            f"the sharpness is {value:.6g} to within {error:.2g} after {PRODUCTS} products: that is more than "
            f"tolerance {tolerance:g} times it"
        )
    wider = float(v @ product(v, 4 * h))  # what a jump adds is divided by h
    if not abs(wider - value) <= 10 * max(tolerance, 1e-4) * abs(value) + 1e-6 * np.linalg.norm(gradient(start)):
        raise ValueError(
            "the gradient jumps at these weights, as where x puts a z at the kink of a ReLU: there is no curvature to "
            "measure. Leave out rows of x that are all zero, or move the biases off zero"
        )
    return value


def _largest_eigenpair(
    product: Callable[[np.ndarray], np.ndarray], start: np.ndarray, tolerance: float, limit: int
) -> tuple[float, np.ndarray, float]:
    """(lambda, unit vector v, |H v - lambda v|) of the largest eigenvalue of a symmetric H, known by its products.

    Ends when the last is at most tolerance |lambda|, or after `limit` products. Lanczos: in the basis of start,
    H start, HH start, ..., made orthonormal, the matrix is tridiagonal, and the largest eigenvalue of that small matrix
    soon is the large one's. Source: Golub, Van Loan, Matrix Computations, 10.1.
    """
    basis = start[None] / np.linalg.norm(start)
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    while True:
        w = product(basis[-1])
        diagonal.append(float(basis[-1] @ w))
        for _ in range(2):  # once leaves rounding errors that grow
            w = w - (w @ basis.T) @ basis
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off_diagonal, -1))  # reads the lower triangle
        left = float(np.linalg.norm(w)) if len(basis) < len(start) else 0.0  # a full basis leaves nothing
        error = left * abs(vectors[-1, -1])
        if not error > tolerance * abs(values[-1]) or len(basis) == limit:  # NaN too, beyond the largest float
            return float(values[-1]), vectors[:, -1] @ basis, float(error)
        off_diagonal.append(left)
        basis = np.vstack([basis, w / left])
