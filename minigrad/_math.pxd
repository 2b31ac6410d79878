# cython: language_level=3, cdivision=True
"""exp, tanh and their kin, branch-free, so that the compiler vectorises every loop of _core.pyx that calls them.

e^x = 2^n e^r with |r| <= ln(2)/2, by Taylor's series, cut where the next term is below half an ulp. Numbers beside a
`real` are written <real> 1: a bare 1 would reach C as a double, and drag float arithmetic along at half its speed.
What computes on the bits of a float may wrap around, NaN's bits above all: no overflow checks there.
"""

cimport cython
from libc.math cimport copysign, copysignf
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

ctypedef fused real:
    float
    double

@cython.overflowcheck(False)
cdef inline double two_to_64(int64_t n) noexcept nogil:
    cdef int64_t bits = (n + 1023) << 52
    cdef double power
    memcpy(&power, &bits, 8)
    return power


@cython.overflowcheck(False)
cdef inline float two_to_32(int32_t n) noexcept nogil:
    cdef int32_t bits = (n + 127) << 23
    cdef float power
    memcpy(&power, &bits, 4)
    return power


cdef inline double expm1_reduced_64(double r) noexcept nogil:
    """e^r - 1 for |r| <= ln(2)/2."""
    cdef double q = 1.0 / 6227020800.0
    q = q * r + 1.0 / 479001600.0
    q = q * r + 1.0 / 39916800.0
    q = q * r + 1.0 / 3628800.0
    q = q * r + 1.0 / 362880.0
    q = q * r + 1.0 / 40320.0
    q = q * r + 1.0 / 5040.0
    q = q * r + 1.0 / 720.0
    q = q * r + 1.0 / 120.0
    q = q * r + 1.0 / 24.0
    q = q * r + 1.0 / 6.0
    q = q * r + 0.5
    return r + r * r * q


cdef inline float expm1_reduced_32(float r) noexcept nogil:
    cdef float q = <float> (1.0 / 40320.0)
    q = q * r + <float> (1.0 / 5040.0)
    q = q * r + <float> (1.0 / 720.0)
    q = q * r + <float> (1.0 / 120.0)
    q = q * r + <float> (1.0 / 24.0)
    q = q * r + <float> (1.0 / 6.0)
    q = q * r + <float> 0.5
    return r + r * r * q


@cython.overflowcheck(False)
cdef inline double exp_64(double x) noexcept nogil:
    cdef double magic = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to the nearest integer
    cdef double shifted, n, r
    cdef int64_t i, j
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    shifted = x * 1.4426950408889634 + magic
    n = shifted - magic
    memcpy(&i, &shifted, 8)
    memcpy(&j, &magic, 8)
    i = i - j
    r = x - n * 6.93147180369123816490e-01  # ln 2 in two parts; the first has trailing zeros, so n times it is exact
    r = r - n * 1.90821492927058770002e-10
    j = <int64_t> ((<uint64_t> (i + 2048)) >> 1) - 1024  # half of n, rounded down
    return (1.0 + expm1_reduced_64(r)) * two_to_64(j) * two_to_64(i - j)


@cython.overflowcheck(False)
cdef inline float exp_32(float x) noexcept nogil:
    cdef float magic = 12582912.0  # 1.5 * 2^23
    cdef float shifted, n, r
    cdef int32_t i, j
    x = -104.0 if x < -104.0 else x
    x = 89.0 if x > 89.0 else x
    shifted = x * <float> 1.44269504 + magic
    n = shifted - magic
    memcpy(&i, &shifted, 4)
    memcpy(&j, &magic, 4)
    i = i - j
    r = x - n * <float> 0.693359375
    r = r - n * <float> -2.12194440e-4
    j = <int32_t> ((<uint32_t> (i + 256)) >> 1) - 128
    return (<float> 1.0 + expm1_reduced_32(r)) * two_to_32(j) * two_to_32(i - j)


@cython.overflowcheck(False)
cdef inline double expm1_64(double x) noexcept nogil:
    """e^x - 1 for x clipped to [-40, 40], accurate down to zero."""
    cdef double magic = 6755399441055744.0
    cdef double shifted, n, r, p
    cdef int64_t i, j
    x = -40.0 if x < -40.0 else x
    x = 40.0 if x > 40.0 else x
    shifted = x * 1.4426950408889634 + magic
    n = shifted - magic
    memcpy(&i, &shifted, 8)
    memcpy(&j, &magic, 8)
    r = x - n * 6.93147180369123816490e-01
    r = r - n * 1.90821492927058770002e-10
    p = two_to_64(i - j)
    return p * expm1_reduced_64(r) + (p - 1.0)


@cython.overflowcheck(False)
cdef inline float expm1_32(float x) noexcept nogil:
    cdef float magic = 12582912.0
    cdef float shifted, n, r, p
    cdef int32_t i, j
    x = -40.0 if x < -40.0 else x
    x = 40.0 if x > 40.0 else x
    shifted = x * <float> 1.44269504 + magic
    n = shifted - magic
    memcpy(&i, &shifted, 4)
    memcpy(&j, &magic, 4)
    r = x - n * <float> 0.693359375
    r = r - n * <float> -2.12194440e-4
    p = two_to_32(i - j)
    return p * expm1_reduced_32(r) + (p - <float> 1.0)


cdef inline real exp(real x) noexcept nogil:
    if real is double:
        return exp_64(x)
    else:
        return exp_32(x)


cdef inline real expm1(real x) noexcept nogil:
    if real is double:
        return expm1_64(x)
    else:
        return expm1_32(x)


cdef inline real tanh(real x) noexcept nogil:
    """e / (e + 2) with e = e^2|x| - 1: odd to the last bit. What rounding e + 2 and the quotient lost is put back."""
    cdef real e = expm1(<real> 2 * (-x if x < 0 else x))
    cdef real s = <real> 2 + e
    cdef real lost = e - (s - <real> 2)
    cdef real inverse = <real> 1 / s
    cdef real t = e * inverse
    t += ((e - t * s) - t * lost) * inverse
    if real is double:
        return copysign(t, x)
    else:
        return copysignf(t, x)


cdef inline real sigmoid(real z) noexcept nogil:
    cdef real e = exp(z if z < 0 else -z)  # never overflows, and keeps the negative tail down to -745
    return (e if z < 0 else <real> 1) / (<real> 1 + e)


cdef inline real log1p_unit(real x) noexcept nogil:
    """log(1 + x) for x in [0, 1]: 2 artanh(s), s = x / (2 + x) <= 1/3, by its series in s^2 <= 1/9."""
    cdef real s = x / (<real> 2 + x)
    cdef real t = s * s
    cdef real q
    if real is double:
        q = 1.0 / 35
        q = q * t + 1.0 / 33
        q = q * t + 1.0 / 31
        q = q * t + 1.0 / 29
        q = q * t + 1.0 / 27
        q = q * t + 1.0 / 25
        q = q * t + 1.0 / 23
        q = q * t + 1.0 / 21
        q = q * t + 1.0 / 19
        q = q * t + 1.0 / 17
        q = q * t + 1.0 / 15
    else:
        q = <float> (1.0 / 15)
    q = q * t + <real> (1.0 / 13)
    q = q * t + <real> (1.0 / 11)
    q = q * t + <real> (1.0 / 9)
    q = q * t + <real> (1.0 / 7)
    q = q * t + <real> (1.0 / 5)
    q = q * t + <real> (1.0 / 3)
    return <real> 2 * (s + s * (t * q))


cdef inline real softplus(real z) noexcept nogil:
    """log(1 + e^z)."""
    return (z if z > 0 else <real> 0) + log1p_unit(exp(z if z < 0 else -z))
