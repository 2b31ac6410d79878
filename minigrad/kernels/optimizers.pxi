"""The optimizers: one step on one parameter, in place. Included in _core.pyx; the readable twin of each is in twin.py.

A rate is kept in two parts, the first of them 1 where it is half or more: rounded to float32 alone, .999999 would let
1.3 % more remain out of a million steps. 1 - rate, and the share that weight decay takes, are rounded by themselves.

A new one is a name in the list, a branch of `update` and of `slot_count` and `rate_count`, and its function in
_core.pyx.
"""

from libc.math cimport pow, sqrt

from minigrad.kernels.types cimport real

cpdef enum _Optimizer:
    SGD, RMSprop, Adam, AdamW

OPTIMIZERS = {name.lower(): int(number) for name, number in _Optimizer.__members__.items()}


cdef Py_ssize_t slot_count(int optimizer) noexcept nogil:
    """How many arrays it keeps for each parameter; SGD may do without, where it has no momentum."""
    return 2 if optimizer == Adam or optimizer == AdamW else 1


cdef Py_ssize_t rate_count(int optimizer) noexcept nogil:
    """How many numbers its kernel takes."""
    return 5 if optimizer == Adam or optimizer == AdamW else 4


cdef inline real _first_part(double rate, real* tag) noexcept nogil:
    return <real> (1.0 if rate >= 0.5 else rate)


cdef void _sgd(real* w, const real* gradient, real* velocity, Py_ssize_t size, real lr, double momentum,
               bint nesterov, real weight_decay) noexcept nogil:
    """v = momentum v + g; w -= lr v, or lr (g + momentum v) for Nesterov; velocity NULL: w -= lr g."""
    cdef Py_ssize_t i
    cdef real g, keep = _first_part(momentum, w), more = <real> (momentum - keep), whole = <real> momentum
    if velocity is NULL:
        for i in range(size):
            w[i] -= lr * (gradient[i] + weight_decay * w[i])
    elif nesterov:
        for i in range(size):
            g = gradient[i] + weight_decay * w[i]
            velocity[i] = keep * velocity[i] + (more * velocity[i] + g)
            w[i] -= lr * (g + whole * velocity[i])
    else:
        for i in range(size):
            velocity[i] = keep * velocity[i] + (more * velocity[i] + (gradient[i] + weight_decay * w[i]))
            w[i] -= lr * velocity[i]


cdef void _rmsprop(real* w, const real* gradient, real* square, Py_ssize_t size, real lr, double alpha, real eps,
                   real weight_decay) noexcept nogil:
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps)."""
    cdef Py_ssize_t i
    cdef real g, keep = _first_part(alpha, w), more = <real> (alpha - keep), rest = <real> (1 - alpha)
    for i in range(size):
        g = gradient[i] + weight_decay * w[i]
        square[i] = keep * square[i] + (more * square[i] + rest * g * g)
        w[i] -= lr * g / (<real> sqrt(square[i]) + eps)


cdef void _adam(real* w, const real* gradient, real* mean, real* square, Py_ssize_t size, double t, double lr,
                double beta1, double beta2, real eps, double weight_decay, bint decoupled) noexcept nogil:
    """m, v: running means of g and g^2; w -= lr m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps)."""
    cdef Py_ssize_t i
    cdef real g
    cdef real shrink = <real> (lr * weight_decay) if decoupled else 0
    cdef real decay = 0 if decoupled else <real> weight_decay
    cdef real b1 = _first_part(beta1, w), b2 = _first_part(beta2, w), c1 = <real> (1 - beta1), c2 = <real> (1 - beta2)
    cdef real more1 = <real> (beta1 - b1), more2 = <real> (beta2 - b2)
    cdef real rate = <real> (lr / (1 - pow(beta1, t)))
    cdef real root = <real> (1 / sqrt(1 - pow(beta2, t)))
    for i in range(size):
        g = gradient[i] + decay * w[i]
        mean[i] = b1 * mean[i] + (more1 * mean[i] + c1 * g)
        square[i] = b2 * square[i] + (more2 * square[i] + c2 * g * g)
        w[i] -= shrink * w[i] + rate * mean[i] / (<real> sqrt(square[i]) * root + eps)


cdef int update(int optimizer, real* w, const real* g, real* first, real* second, Py_ssize_t size, const double* rates,
                double t) except -1 nogil:
    """Step t, from 1, of one parameter; first and second: its arrays, NULL where it has none."""
    if optimizer == SGD:
        _sgd(w, g, first, size, <real> rates[0], rates[1], rates[2] != 0, <real> rates[3])
    elif optimizer == RMSprop:
        _rmsprop(w, g, first, size, <real> rates[0], rates[1], <real> rates[2], <real> rates[3])
    elif optimizer == Adam or optimizer == AdamW:
        _adam(w, g, first, second, size, t, rates[0], rates[1], rates[2], <real> rates[3], rates[4], optimizer == AdamW)
    else:
        _without_branch("OPTIMIZERS", optimizer)
    return 0
