# cython: language_level=3, cdivision=True
"""exp, tanh and their kin, branch-free, so that the compiler vectorises every loop of _core.pyx that calls them.

e^x = 2^n e^r with |r| <= ln(2)/2; 2^n is made by writing its exponent. The polynomials are minimax (Remez's algorithm): a little off the terms of Taylor's
series, with two terms fewer or more for the same error. Numbers beside a `real` are written <real> 1: a bare 1 would
reach C as a double, and drag float arithmetic along at half its speed. What computes on the bits of a float may wrap
around, NaN's bits above all: so the integers are unsigned, and there are no overflow checks.
"""

cimport cython
from libc.math cimport copysign, copysignf, fabs, fabsf
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    #define FUSED 1  /* x * y + z is one instruction, with one rounding */
    #else
    #define FUSED 0
    #endif
    """
    enum: FUSED

ctypedef fused real:
    float
    double


cdef inline double beyond_64(double r) noexcept nogil:
    """(e^r - 1 - r) / r^2 for |r| <= ln(2)/2, such that e^r comes out to 4e-18."""
    cdef double q = 2.500001637788809074e-8
    q = q * r + 2.7630306247961874948e-7
    q = q * r + 2.7557586811282348625e-6
    q = q * r + 2.4801492949664839763e-5
    q = q * r + 1.9841269505766041682e-4
    q = q * r + 1.3888888943759892546e-3
    q = q * r + 8.3333333334949804434e-3
    q = q * r + 4.1666666666529728823e-2
    q = q * r + 1.6666666666666411505e-1
    q = q * r + 5.0000000000000106686e-1
    return q


cdef inline float beyond_32(float r) noexcept nogil:
    """The same, to 4e-9."""
    cdef float q = <float> 1.3814540063843824355e-3
    q = q * r + <float> 8.3687451066615867255e-3
    q = q * r + <float> 4.1668390784236841504e-2
    q = q * r + <float> 1.6666520399084747072e-1
    q = q * r + <float> 4.9999993432139046679e-1
    return q


@cython.overflowcheck(False)
cdef inline double exp_minus_64(double x) noexcept nogil:
    # Adding 1.5 * 2^52 rounds to the nearest integer n; 1087 more, and the lowest bits are the exponent of 2^(n + 64).
    cdef double magic = 6755399441055744.0 + 1087
    cdef double shifted, n, r, power
    cdef uint64_t bits
    x = -fabs(x)
    x = -746.0 if x < -746.0 else x
    shifted = x * 1.4426950408889634 + magic
    n = shifted - magic
    memcpy(&bits, &shifted, 8)
    bits = bits << 52
    memcpy(&power, &bits, 8)
    r = x - n * 6.93147180369123816490e-01  # ln 2 in two parts; the first has trailing zeros, so n times it is exact
    r = r - n * 1.90821492927058770002e-10
    return (1.0 + r * (1.0 + r * beyond_64(r))) * power * 5.421010862427522e-20  # 2^-64: the one step that can underflow


@cython.overflowcheck(False)
cdef inline float exp_minus_32(float x) noexcept nogil:
    cdef float magic = 12582912.0 + 159  # 1.5 * 2^23, and the exponent of 2^(0 + 32)
    cdef float shifted, n, r, power
    cdef uint32_t bits
    x = -fabsf(x)
    x = -104.0 if x < -104.0 else x
    shifted = x * <float> 1.44269504 + magic
    n = shifted - magic
    memcpy(&bits, &shifted, 4)
    bits = bits << 23
    memcpy(&power, &bits, 4)
    r = x - n * <float> 0.693359375
    r = r - n * <float> -2.12194440e-4
    return (<float> 1.0 + r * (<float> 1.0 + r * beyond_32(r))) * power * <float> 2.3283064365386963e-10


@cython.overflowcheck(False)
cdef inline double expm1_64(double x) noexcept nogil:
    cdef double magic = 6755399441055744.0 + 1023
    cdef double shifted, n, r, p
    cdef uint64_t bits
    shifted = x * 1.4426950408889634 + magic
    n = shifted - magic
    memcpy(&bits, &shifted, 8)
    bits = bits << 52
    memcpy(&p, &bits, 8)
    r = x - n * 6.93147180369123816490e-01
    r = r - n * 1.90821492927058770002e-10
    return p * (r * r * beyond_64(r)) + (p * r + (p - 1.0))  # the second part is exact


@cython.overflowcheck(False)
cdef inline float expm1_32(float x) noexcept nogil:
    cdef float magic = 12582912.0 + 127
    cdef float shifted, n, r, p
    cdef uint32_t bits
    shifted = x * <float> 1.44269504 + magic
    n = shifted - magic
    memcpy(&bits, &shifted, 4)
    bits = bits << 23
    memcpy(&p, &bits, 4)
    r = x - n * <float> 0.693359375
    r = r - n * <float> -2.12194440e-4
    return p * (r * r * beyond_32(r)) + (p * r + (p - <float> 1.0))


cdef inline real exp_minus(real x) noexcept nogil:
    """e^-|x|: all that anything here needs, and it cannot overflow."""
    if real is double:
        return exp_minus_64(x)
    else:
        return exp_minus_32(x)


cdef inline real expm1(real x) noexcept nogil:
    """e^x - 1 for -40 <= x <= 40, accurate down to zero."""
    if real is double:
        return expm1_64(x)
    else:
        return expm1_32(x)


cdef inline real tanh(real x) noexcept nogil:
    """t = e / (e + 2) with e = e^2|x| - 1: odd to the last bit. What rounding lost, e - t (e + 2), is put back; where
    t e is rounded by itself (no FMA) and both are large, in a form that does not lose it again."""
    cdef real size = <real> 2 * (fabs(x) if real is double else fabsf(x))
    cdef real e = expm1(<real> 40 if size > 40 else size)
    cdef real inverse = <real> 1 / (<real> 2 + e)
    cdef real t = e * inverse
    t += ((e - <real> 2 * t) - t * e if FUSED or e < 2 else e * (<real> 1 - t) - <real> 2 * t) * inverse
    if real is double:
        return copysign(t, x)
    else:
        return copysignf(t, x)


cdef inline real sigmoid_of(real e, real z) noexcept nogil:
    """1 / (1 + e^-z), given e = e^-|z|: never overflows, and keeps the negative tail down to -745."""
    cdef real top = <real> (z >= 0)  # e or 1, whichever is larger: no branch for the processor to guess
    return (e if e > top else top) / (<real> 1 + e)


cdef inline real sigmoid(real z) noexcept nogil:
    return sigmoid_of(exp_minus(z), z)


cdef inline real log1p_unit(real x) noexcept nogil:
    """log(1 + x) for x in [0, 1]: 2 artanh(s), s = x / (2 + x) <= 1/3, artanh(s) = s + s^3 q(s^2)."""
    cdef real s = x / (<real> 2 + x)
    cdef real t = s * s
    cdef real q
    if real is double:
        q = 8.5098092212085344624e-2
        q = q * t + 4.1697767362460592806e-2
        q = q * t + 6.0531040578109683826e-2
        q = q * t + 6.6504793301363371362e-2
        q = q * t + 7.6932805103395560535e-2
        q = q * t + 9.0908719377017679516e-2
        q = q * t + 1.1111111985537115514e-1
        q = q * t + 1.4285714273916697363e-1
        q = q * t + 2.0000000000078697425e-1
        q = q * t + 3.3333333333333151709e-1
    else:
        q = <float> 1.4012570712230117929e-1
        q = q * t + <float> 1.3999506575195493169e-1
        q = q * t + <float> 2.0010853077331555205e-1
        q = q * t + <float> 3.3333206511875099787e-1
    return <real> 2 * (s + s * (t * q))


cdef inline real softplus(real z) noexcept nogil:
    """log(1 + e^z)."""
    return (z if z > 0 else <real> 0) + log1p_unit(exp_minus(z))
