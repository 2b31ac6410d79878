"""The activations: f, and f' beside it. Included in _core.pyx; the readable twin of each is in twin.py.

A new one is a name in the list and a branch of `activate`; the name in small letters is what Python calls it.
"""

from libc.string cimport memcpy

from minigrad.kernels.math cimport exp_minus, expm1, gelu, gelu_slope, sigmoid, softplus, tanh
from minigrad.kernels.types cimport backward, direction, forward, real

cpdef enum _Activation:
    # from what backward takes a, the output:
    SIGMOID, TANH, RELU, LEAKY_RELU, CENTERED_SIGMOID,
    # from what it takes z:
    IDENTITY, ELU, SELU, GELU, SILU, MISH, SOFTPLUS

ACTIVATIONS = {name.lower(): int(number) for name, number in _Activation.__members__.items()}

cdef double SELU_SCALE = 1.0507009873554805
cdef double SELU_ALPHA = 1.6732632423543772


cdef bint saves_output(int kind) noexcept nogil:
    """Does backward take a, rather than z?"""
    return kind < IDENTITY


cdef inline real positive(real z) noexcept nogil:
    return <real> 0 if z <= 0 else z  # NaN stays NaN


cdef inline real leaky(real z, real alpha) noexcept nogil:
    return alpha * z if z <= 0 else z


cdef inline real leaky_slope(real a, real alpha) noexcept nogil:
    return <real> 1 if a > 0 else alpha


cdef inline real mish(real z) noexcept nogil:
    """z tanh(log(1 + e^z)) = z n / (n + 2 m), n = e^z (e^z + 2), m = 1; for z > 0 both are divided by e^2z."""
    cdef real e = exp_minus(z)
    cdef real n = <real> 1 + <real> 2 * e if z > 0 else e * (e + <real> 2)
    cdef real m = e * e if z > 0 else <real> 1
    return z * (n / (n + <real> 2 * m))


cdef inline real mish_slope(real z) noexcept nogil:
    """t + z (1 - t^2) sigma(z), t = n / (n + 2 m) as in mish: 1 - t^2 is 4 m (n + m) / (n + 2 m)^2 = 4 m w^2 / d^2."""
    cdef real e = exp_minus(z)
    cdef real n = <real> 1 + <real> 2 * e if z > 0 else e * (e + <real> 2)
    cdef real m = e * e if z > 0 else <real> 1
    cdef real d = n + <real> 2 * m
    cdef real w = <real> 1 + e  # of both signs: n + m = w^2, and sigma(z) = top / w
    cdef real top = <real> 1 if z > 0 else e
    return n / d + z * (<real> 4 * m * w * top / (d * d))


cdef inline real half_tanh(real z) noexcept nogil:
    return <real> 0.5 * tanh(<real> 0.5 * z)


cdef inline real silu_slope(real z) noexcept nogil:
    return sigmoid(z) * (<real> 1 + z * sigmoid(-z))


cdef inline real elu(real z, real alpha) noexcept nogil:
    return z if z >= 0 else alpha * expm1(<real> -40 if z < -40 else z)


cdef inline real elu_slope(real z, real alpha) noexcept nogil:
    return <real> 1 if z > 0 else alpha * exp_minus(z)


cdef int activate(int kind, real* out, const real* x, const real* delta, Py_ssize_t size, real alpha,
                  direction* tag) except -1 nogil:
    """Forward, out = f(x); backward, out = delta f', where x is what was saved: a or z.

    The direction is a type, so that this becomes two functions, and each loop has one half of its line.
    """
    cdef Py_ssize_t i
    cdef real scale = 1
    if kind == SELU:
        scale, alpha = <real> SELU_SCALE, <real> SELU_ALPHA
    if kind == IDENTITY:
        memcpy(out, x if direction is forward else delta, size * sizeof(real))
    elif kind == SIGMOID:
        for i in range(size):
            out[i] = sigmoid(x[i]) if direction is forward else delta[i] * (x[i] * (<real> 1 - x[i]))
    elif kind == TANH:
        for i in range(size):
            out[i] = tanh(x[i]) if direction is forward else delta[i] * (<real> 1 - x[i] * x[i])
    elif kind == CENTERED_SIGMOID:
        for i in range(size):
            out[i] = half_tanh(x[i]) if direction is forward else delta[i] * ((<real> 0.5 - x[i]) * (<real> 0.5 + x[i]))
    elif kind == RELU:
        for i in range(size):
            out[i] = positive(x[i]) if direction is forward else delta[i] * leaky_slope(x[i], <real> 0)
    elif kind == LEAKY_RELU:
        for i in range(size):
            out[i] = leaky(x[i], alpha) if direction is forward else delta[i] * leaky_slope(x[i], alpha)
    elif kind == ELU or kind == SELU:
        for i in range(size):
            out[i] = scale * elu(x[i], alpha) if direction is forward else delta[i] * (scale * elu_slope(x[i], alpha))
    elif kind == GELU:
        for i in range(size):
            out[i] = gelu(x[i]) if direction is forward else delta[i] * gelu_slope(x[i])
    elif kind == SILU:
        for i in range(size):
            out[i] = x[i] * sigmoid(x[i]) if direction is forward else delta[i] * silu_slope(x[i])
    elif kind == MISH:
        for i in range(size):
            out[i] = mish(x[i]) if direction is forward else delta[i] * mish_slope(x[i])
    elif kind == SOFTPLUS:
        for i in range(size):
            out[i] = softplus(x[i]) if direction is forward else delta[i] * sigmoid(x[i])
    else:
        _without_branch("ACTIVATIONS", kind)
    return 0
