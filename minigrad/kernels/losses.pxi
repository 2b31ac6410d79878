"""The losses: the mean over the R rows is returned, delta (R, K) is written, with the 1/P of P positions.

Included in _core.pyx; the readable twin of each is in twin.py. A new one is a name in the list, which in small letters
is what Python calls it, a branch below, and its function in _core.pyx.
"""

from libc.math cimport log, log1p
from libc.stdint cimport int64_t

from minigrad.kernels.math cimport exp_minus, log1p_unit, multiply_add, sigmoid_of
from minigrad.kernels.types cimport real

cpdef enum _Loss:
    # those that take each entry by itself:
    MSE, HUBER, BCE, BCE_WITH_LOGITS,
    # those of classes, a row at a time:
    CROSS_ENTROPY, SOFT_CROSS_ENTROPY

LOSSES = {name.lower(): int(number) for name, number in _Loss.__members__.items()}


cdef int _entry_block(int kind, real* part, real* delta, const real* output, const real* y, Py_ssize_t size, real share,
                      real alpha) except -1 nogil:
    """The loss of each of up to 64 entries, of a loss that treats each by itself; delta is multiplied by share."""
    cdef Py_ssize_t q
    cdef real s, e, inside
    if kind == MSE:
        for q in range(size):
            s = output[q] - y[q]
            part[q] = s * s
            delta[q] = <real> 2 * s * share
    elif kind == HUBER:  # inside: d, or alpha with d's sign beyond; its square / 2 and the rest of d, linear
        for q in range(size):
            s = output[q] - y[q]
            inside = alpha if s > alpha else s
            inside = -alpha if inside < -alpha else inside
            part[q] = inside * (s - <real> 0.5 * inside)
            delta[q] = inside * share
    elif kind == BCE:
        for q in range(size):
            s = output[q]
            part[q] = <real> -multiply_add(<double> y[q], max(log(s), -100.0), (1 - y[q]) * max(log1p(-s), -100.0))
            delta[q] = (s - y[q]) / max(s * (<real> 1 - s), <real> 1e-12) * share
    elif kind == BCE_WITH_LOGITS:
        for q in range(size):
            s = output[q]
            e = exp_minus(s)
            part[q] = multiply_add(s, <real> (s > 0) - y[q], log1p_unit(e))
            delta[q] = (sigmoid_of(e, s) - y[q]) * share
    else:
        _without_branch("LOSSES", kind)
    return 0


cdef double _entry_losses(int kind, real* delta, const real* output, const real* y, Py_ssize_t size, real share,
                          real alpha) except? -1 nogil:
    """The sum over all entries of a loss that treats each by itself; delta is multiplied by share = 1/(K P)."""
    cdef real part[64]  # so that only the sum is done one by one
    cdef Py_ssize_t i, q, end
    cdef double total = 0
    for i in range(0, size, 64):
        end = min(64, size - i)
        _entry_block(kind, &part[0], delta + i, output + i, y + i, end, share, alpha)
        for q in range(end):
            total += part[q]
    return total


cdef inline real _largest(const real* z, Py_ssize_t K) noexcept nogil:
    cdef Py_ssize_t k
    cdef real largest = z[0]
    for k in range(1, K):
        largest = z[k] if z[k] > largest else largest
    return largest


cdef inline Py_ssize_t _argmax(const real* z, Py_ssize_t K) noexcept nogil:
    """The place of the first of the largest."""
    cdef Py_ssize_t k, best = 0
    cdef real largest = z[0]
    for k in range(1, K):
        best = k if z[k] > largest else best
        largest = z[k] if z[k] > largest else largest
    return best


cdef double _loss(int kind, real* delta, const real* output, const void* target, Py_ssize_t R, Py_ssize_t K,
                  Py_ssize_t P, real alpha) except? -1 nogil:
    """target: class numbers (R,) as int64 for CROSS_ENTROPY, else y (R, K) as real. alpha: where it has a parameter."""
    cdef Py_ssize_t r, k
    cdef const real* y = <const real*> target
    cdef real* d
    cdef real largest, inverse, weight
    cdef double total = 0, sums = 1, s
    if kind != CROSS_ENTROPY and kind != SOFT_CROSS_ENTROPY:
        return _entry_losses(kind, delta, output, y, R * K, <real> (1.0 / (K * P)), alpha) / (R * K)
    for r in range(R):
        largest, d = _largest(output + r * K, K), delta + r * K
        for k in range(K):
            d[k] = output[r * K + k] - largest
        if kind == CROSS_ENTROPY:
            total -= d[(<const int64_t*> target)[r]]
        else:
            for k in range(K):
                if y[r * K + k] != 0:  # a class that is not wanted costs nothing, however unlikely it is
                    total = multiply_add(-<double> y[r * K + k], <double> d[k], total)
    for k in range(R * K):  # all rows at once: ten classes alone do not fill the vectors
        delta[k] = exp_minus(delta[k])
    for r in range(R):
        s, d = 0, delta + r * K
        for k in range(K):
            s += d[k]
        inverse = <real> (1 / s)
        for k in range(K):
            d[k] *= inverse
        if kind == CROSS_ENTROPY:
            d[(<const int64_t*> target)[r]] -= 1
            sums *= s  # from 1 to K^8: one logarithm does for eight samples
            if r % 8 == 7 or r == R - 1:
                total += log(sums)
                sums = 1
        else:
            weight = 0
            for k in range(K):
                weight += y[r * K + k]
            total = multiply_add(<double> weight, log(s), total)
            for k in range(K):
                d[k] = weight * d[k] - y[r * K + k]
    if P > 1:
        inverse = <real> (1.0 / P)
        for k in range(R * K):
            delta[k] *= inverse
    return total / R


cdef int64_t _count_right(int kind, const real* output, const void* target, Py_ssize_t R, Py_ssize_t K,
                          real threshold) except -1 nogil:
    """How many of the R K entries (of the R rows, for classes) are on the right side; 0 where none is."""
    cdef Py_ssize_t r, k, wanted, beaten
    cdef const real* y = <const real*> target
    cdef const real* z
    cdef int64_t right = 0
    if kind == MSE or kind == HUBER:
        return 0
    if kind == BCE or kind == BCE_WITH_LOGITS:
        for k in range(R * K):
            right += (output[k] > threshold) == (y[k] > 0.5)
        return right
    if kind != CROSS_ENTROPY and kind != SOFT_CROSS_ENTROPY:
        _without_branch("LOSSES", kind)
    for r in range(R):
        z = output + r * K
        wanted = <Py_ssize_t> (<const int64_t*> target)[r] if kind == CROSS_ENTROPY else _argmax(y + r * K, K)
        beaten = 0  # by how many; of equal outputs, the first is the answer
        for k in range(K):
            beaten += (z[k] > z[wanted]) + (z[k] == z[wanted]) * (k < wanted)
        right += beaten == 0
    return right
