"""The optimizers: one step on one parameter, in place. Included in _core.pyx; the readable twin of each is in twin.py.

A rate is kept in two parts, the first of them 1 where it is half or more: rounded to float32 alone, .999999 would let
1.3 % more remain out of a million steps. 1 - rate, and the share that weight decay takes, are rounded by themselves.

A new one is a name in the list, a branch of `update` and of `slot_count` and `rate_count`, and its function in
_core.pyx.
"""

from libc.math cimport pow, sqrt

from minigrad.kernels.math cimport multiply_add
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


cdef inline real _sgd_velocity(real w, real g, real v, real keep, real more, real weight_decay) noexcept nogil:
    return keep * v + (more * v + (g + weight_decay * w))


cdef inline real _sgd_nesterov(real w, real g, real v, real lr, real whole, real weight_decay) noexcept nogil:
    """w, once the velocity v is the new one."""
    return w - lr * ((g + weight_decay * w) + whole * v)


cdef inline real _sgd_plain(real w, real g, real lr, real weight_decay) noexcept nogil:
    return w - lr * (g + weight_decay * w)


cdef void _sgd(real* w, const real* gradient, real* velocity, Py_ssize_t size, real lr, double momentum,
               bint nesterov, real weight_decay) noexcept nogil:
    """v = momentum v + g; w -= lr v, or lr (g + momentum v) for Nesterov; velocity NULL: w -= lr g."""
    cdef Py_ssize_t i
    cdef real v, keep = _first_part(momentum, w), more = <real> (momentum - keep), whole = <real> momentum
    if velocity is NULL:
        for i in range(size):
            w[i] = _sgd_plain(w[i], gradient[i], lr, weight_decay)
    elif nesterov:
        for i in range(size):
            v = velocity[i] = _sgd_velocity(w[i], gradient[i], velocity[i], keep, more, weight_decay)
            w[i] = _sgd_nesterov(w[i], gradient[i], v, lr, whole, weight_decay)
    else:
        for i in range(size):
            v = velocity[i] = _sgd_velocity(w[i], gradient[i], velocity[i], keep, more, weight_decay)
            w[i] -= lr * v


cdef inline real _mean_square(real g, real s, real keep, real more, real rest) noexcept nogil:
    """keep s + rest g^2, keep in two parts."""
    return keep * s + multiply_add(more, s, rest * g * g)


cdef inline real _rmsprop_step(real w, real g, real s, real lr, real eps) noexcept nogil:
    return w - lr * g / (<real> sqrt(s) + eps)


cdef void _rmsprop(real* w, const real* gradient, real* square, Py_ssize_t size, real lr, double alpha, real eps,
                   real weight_decay) noexcept nogil:
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps)."""
    cdef Py_ssize_t i
    cdef real g, keep = _first_part(alpha, w), more = <real> (alpha - keep), rest = <real> (1 - alpha)
    for i in range(size):
        g = gradient[i] + weight_decay * w[i]
        square[i] = _mean_square(g, square[i], keep, more, rest)
        w[i] = _rmsprop_step(w[i], g, square[i], lr, eps)


cdef inline real _adam_mean(real g, real m, real keep, real more, real rest) noexcept nogil:
    """keep m + rest g, keep in two parts."""
    return keep * m + multiply_add(more, m, rest * g)


cdef inline real _adam_step(real w, real m, real s, real shrink, real rate, real root, real eps) noexcept nogil:
    return w - (shrink * w + rate * m / (<real> sqrt(s) * root + eps))


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
        mean[i] = _adam_mean(g, mean[i], b1, more1, c1)
        square[i] = _mean_square(g, square[i], b2, more2, c2)
        w[i] = _adam_step(w[i], mean[i], square[i], shrink, rate, root, eps)


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
