"""The numerical core in one to three lines of NumPy per function: read this one, run the compiled `_core`.

Both modules offer the same functions. This one is the readable twin, the oracle the compiled core is tested
against, and the slow fallback where there is no compiler.

Index legend, here and everywhere: n sample (N), k output neuron (K), j input (J); "...": positions, at each of which
the same weights are used (none in an MLP).
    z = a W^T + b        delta = dc/dz of each sample        dC/dW = delta^T a / N, summed over samples and positions
"""

import math

import numpy as np

from .._checks import quiet
from .twin_steps import OPTIMIZERS, adam, rmsprop, sgd  # noqa: F401

# ---- the three products, and the mean of delta ---------------------------------------------------------


def rows(array):
    """(N, ..., J) -> (R, J): every position of every sample a row."""
    return array.reshape(math.prod(array.shape[:-1]), array.shape[-1])


@quiet
def affine(a, weight, bias):
    """z = a W^T + b: (N, ..., J), (K, J), (K,) or None -> (N, ..., K)."""
    z = (rows(a) @ weight.T).reshape(*a.shape[:-1], len(weight))
    return z if bias is None else z + bias


@quiet
def propagate(delta, weight):
    """dc/da = delta W: (N, ..., K), (K, J) -> (N, ..., J)."""
    return (rows(delta) @ weight).reshape(*delta.shape[:-1], weight.shape[1])


@quiet
def weight_gradient(delta, a):
    """dC/dW = delta^T a / N: (N, ..., K), (N, ..., J) -> (K, J). The only place where 1/N enters a weight gradient."""
    double = np.result_type(a, np.float64)  # a million float32 lose digits one by one
    total = np.matmul(rows(delta).T, rows(a), dtype=double)  # positions add up as samples do
    return (total / max(len(delta), 1)).astype(delta.dtype)


@quiet
def bias_gradient(delta):
    """dC/db = the mean over the samples of delta, summed over positions: (N, ..., K) -> (K,)."""
    total = delta.sum(axis=tuple(range(delta.ndim - 1)), dtype=np.result_type(delta, np.float64))
    return (total / max(len(delta), 1)).astype(delta.dtype)


# ---- activations: f(z), and f' from whichever of z and a the layer saved ---------------------------------

_erfc = np.vectorize(math.erfc, otypes=[np.float64])
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. 2017, appendix A


def _sigmoid(z):
    e = np.exp(np.where(z.real < 0, z, -z))  # never overflows, and keeps the negative tail down to -745
    return np.where(z.real < 0, e, 1) / (1 + e)


def _elu(z, alpha):
    return np.where(z.real > 0, z, alpha * np.expm1(np.where(z.real > 0, 0, z)))


def _elu_slope(z, alpha):
    return np.where(z.real > 0, 1, alpha * np.exp(np.where(z.real > 0, 0, z)))


def _softplus(z):
    return np.where(z.real > 0, z, 0) + np.log1p(np.exp(np.where(z.real <= 0, z, -z)))


def _mish_slope(z, _):
    t = np.tanh(_softplus(z))
    return t + z * (1 - t) * (1 + t) * _sigmoid(z)


def _normal_cdf(z):  # in float64: far out, erfc makes z^2 of an error in its argument
    return 0.5 * _erfc(-z.astype(np.float64) / math.sqrt(2))


def _normal_pdf(z):
    return np.exp(-0.5 * z.astype(np.float64) ** 2) / math.sqrt(2 * math.pi)


# name: (f(z, alpha), f'(saved, alpha)); "saved" is a where the comment says so, else z
ACTIVATIONS = {
    "identity": (lambda z, _: z.copy(), lambda z, _: np.ones_like(z)),
    "sigmoid": (lambda z, _: _sigmoid(z), lambda a, _: a * (1 - a)),  # saved: a
    "tanh": (lambda z, _: np.tanh(z), lambda a, _: 1 - a * a),  # saved: a
    "relu": (lambda z, _: np.where(z.real <= 0, 0, z), lambda a, _: 1.0 * (a > 0)),  # saved: a
    "leaky_relu": (lambda z, s: np.where(z.real > 0, z, s * z), lambda a, s: np.where(a > 0, 1, s)),  # saved: a
    "elu": (_elu, _elu_slope),
    "selu": (
        lambda z, _: SELU_SCALE * _elu(z, SELU_ALPHA),
        lambda z, _: SELU_SCALE * _elu_slope(z, SELU_ALPHA),
    ),
    "gelu": (lambda z, _: z * _normal_cdf(z), lambda z, _: _normal_cdf(z) + z * _normal_pdf(z)),
    "silu": (lambda z, _: z * _sigmoid(z), lambda z, _: _sigmoid(z) * (1 + z * _sigmoid(-z))),
    "mish": (lambda z, _: z * np.tanh(_softplus(z)), _mish_slope),
    "softplus": (lambda z, _: _softplus(z), lambda z, _: _sigmoid(z)),
    "centered_sigmoid": (lambda z, _: np.tanh(z / 2) / 2, lambda a, _: (0.5 - a) * (0.5 + a)),  # saved: a
}


@quiet
def activation(kind, z, alpha=0.0):
    """a = f(z), entry by entry."""
    return ACTIVATIONS[kind][0](z, alpha).astype(z.dtype, copy=False)


@quiet
def activation_backward(kind, delta, saved, alpha=0.0):
    """dc/dz = dc/da * f'(z), entry by entry."""
    return (delta * ACTIVATIONS[kind][1](saved, alpha)).astype(delta.dtype, copy=False)


@quiet
def exponential(x):
    """e^-|x|, entry by entry."""
    return np.exp(-np.abs(x))


@quiet
def normal_tail(x):
    """Phi(-|x|) = erfc(|x| / sqrt 2) / 2, entry by entry."""
    return _normal_cdf(-np.abs(x)).astype(x.dtype)


# ---- losses: (C, delta), C the mean over the samples of c_n, delta = dc_n/d output (N, ..., K) -----------------
# c_n is the mean over the positions of the formula given.


def _entries(output):
    """P K: how many numbers there are for each sample."""
    return math.prod(output.shape[1:])


def _mean(losses):
    """In float64: a sum of large float32 losses may leave float32."""
    return float(losses.mean(dtype=np.result_type(losses, np.float64)))


@quiet
def mse(output, y):
    """c_n = mean_k (a - y)^2, delta = 2 (a - y) / K / P."""
    d = output - y
    return _mean(d * d), 2 * d / _entries(d)


@quiet
def huber(output, y, alpha):
    """c_n = mean_k of d^2 / 2 for |d| <= alpha, d = a - y, else alpha (|d| - alpha / 2); delta = clip(d) / K / P."""
    d = output - y
    inside = np.clip(d, -alpha, alpha)
    return _mean(inside * (d - inside / 2)), inside / _entries(d)


@quiet
def bce(output, y):
    """c_n = -mean_k [y log a + (1-y) log(1-a)], logs clamped at -100; delta = (a - y) / (a (1-a)) / K / P."""
    log_a, log_b = np.maximum(np.log(output), -100), np.maximum(np.log1p(-output), -100)  # log 0 is meant
    delta = (output - y) / np.maximum(output * (1 - output), 1e-12) / _entries(output)
    return -_mean(y * log_a + (1 - y) * log_b), delta.astype(output.dtype)


@quiet
def bce_with_logits(output, y):
    """c_n = mean_k [max(z, 0) - y z + log(1 + e^-|z|)], delta = (sigma(z) - y) / K / P."""
    loss = y * _softplus(-output) + (1 - y) * _softplus(output)  # no cancellation where z is large
    return _mean(loss), (_sigmoid(output) - y) / _entries(output)


def cross_entropy(output, y):
    """c_n = log sum_k e^z_k - z_y for class numbers y (N, ...); delta = (softmax(z) - onehot(y)) / P."""
    return soft_cross_entropy(output, np.eye(output.shape[-1], dtype=output.dtype)[y])


@quiet
def soft_cross_entropy(output, y):
    """c_n = -sum_k y_k log softmax(z)_k for probabilities y (N, ..., K); delta = (softmax(z) sum_k y_k - y) / P."""
    z = output - output.max(axis=-1, keepdims=True)  # -inf where a class is infinitely unlikely
    log_sum = np.log(np.exp(z).sum(axis=-1, keepdims=True))
    loss = y * np.where(y == 0, 0, log_sum - z)  # and costs nothing where it is not wanted
    delta = np.exp(z - log_sum) * y.sum(axis=-1, keepdims=True) - y
    return _mean(loss.sum(axis=-1)), delta / (_entries(output) // output.shape[-1])


LOSSES = {f.__name__: f for f in (mse, huber, bce, bce_with_logits, cross_entropy, soft_cross_entropy)}
