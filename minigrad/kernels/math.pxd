"""exp, tanh, erfc and their kin, branch-free, so that the compiler vectorises every loop of _core.pyx that calls them.

e^x = 2^n e^r with |r| <= ln(2)/2; 2^n is made by writing its exponent. The polynomials are minimax (Remez's algorithm):
a little off the terms of Taylor's series, with two terms fewer or more for the same error. Numbers beside a `real` are
written <real> 1: a bare 1 would reach C as a double, and drag float arithmetic along at half its speed. What computes
on the bits of a float may wrap around, NaN's bits above all: so the integers are unsigned, and there are no overflow
checks.
"""

cimport cython
from libc.math cimport copysign, copysignf, fabs, fabsf, fma, fmaf
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy

from minigrad.kernels.types cimport real

cdef extern from *:
    """
    #if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    #define FUSED 1  /* x * y + z is one instruction, with one rounding */
    #else
    #define FUSED 0
    #endif
    """
    enum: FUSED


cdef inline real multiply_add(real x, real y, real z) noexcept nogil:
    """x * y + z with one rounding where the machine has that, else with two: in scalar code and in vectors the same,
    which the compiler does not promise of the plain expression."""
    if not FUSED:
        return x * y + z
    if real is double:
        return fma(x, y, z)
    else:
        return fmaf(x, y, z)


@cython.overflowcheck(False)
cdef inline real power_of_two(real shifted) noexcept nogil:
    """2^(n + k), made of the lowest bits of shifted = n + magic, magic = 1.5 * 2^52 + 1023 + k (1.5 * 2^23 + 127 + k).

    Adding magic rounds to the nearest integer n; 1023 more, and the lowest bits are an exponent.
    """
    cdef uint64_t bits
    cdef uint32_t bits_32
    if real is double:
        memcpy(&bits, &shifted, 8)
        bits = bits << 52
        memcpy(&shifted, &bits, 8)
    else:
        memcpy(&bits_32, &shifted, 4)
        bits_32 = bits_32 << 23
        memcpy(&shifted, &bits_32, 4)
    return shifted


cdef inline real less_ln_2(real x, real n) noexcept nogil:
    """x - n ln 2, with ln 2 in two parts: the first has trailing zeros, so n times it is exact."""
    if real is double:
        return (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    else:
        return (x - n * <float> 0.693359375) - n * <float> -2.12194440e-4


cdef inline real beyond(real r) noexcept nogil:
    """(e^r - 1 - r) / r^2 for |r| <= ln(2)/2, such that e^r comes out to 4e-18; for float32 to 4e-9."""
    cdef real q
    if real is double:
        q = 2.500001637788809074e-8
        q = q * r + 2.7630306247961874948e-7
        q = q * r + 2.7557586811282348625e-6
        q = q * r + 2.4801492949664839763e-5
        q = q * r + 1.9841269505766041682e-4
        q = q * r + 1.3888888943759892546e-3
        q = q * r + 8.3333333334949804434e-3
        q = q * r + 4.1666666666529728823e-2
        q = q * r + 1.6666666666666411505e-1
        q = q * r + 5.0000000000000106686e-1
    else:
        q = <float> 1.3814540063843824355e-3
        q = q * r + <float> 8.3687451066615867255e-3
        q = q * r + <float> 4.1668390784236841504e-2
        q = q * r + <float> 1.6666520399084747072e-1
        q = q * r + <float> 4.9999993432139046679e-1
    return q


cdef inline real small(real x) noexcept nogil:
    """2^-64 x (2^-32 x)."""
    return x * (<real> 5.421010862427522e-20 if real is double else <real> 2.3283064365386963e-10)


cdef inline real exp_minus(real x) noexcept nogil:
    """e^-|x|: all that anything here needs, and it cannot overflow."""
    cdef real magic = 6755399441055744.0 + 1087 if real is double else 12582912.0 + 159
    cdef real end = -746.0 if real is double else -104.0
    cdef real shifted, r
    x = -(fabs(x) if real is double else fabsf(x))
    x = end if x < end else x
    shifted = x * <real> 1.4426950408889634 + magic
    r = less_ln_2(x, shifted - magic)
    return small((<real> 1 + r * (<real> 1 + r * beyond(r))) * power_of_two(shifted))  # this alone can underflow


cdef inline real expm1(real x) noexcept nogil:
    """e^x - 1 for -40 <= x <= 40, accurate down to zero."""
    cdef real magic = 6755399441055744.0 + 1023 if real is double else 12582912.0 + 127
    cdef real shifted = x * <real> 1.4426950408889634 + magic
    cdef real r = less_ln_2(x, shifted - magic)
    cdef real power = power_of_two(shifted)
    return power * (r * r * beyond(r)) + (power * r + (power - <real> 1))  # the second part is exact


cdef inline real small_tanh(real s) noexcept nogil:
    """tanh(s) for |s| <= 0.273, to 1.7e-17 of itself, for float32 to 5.9e-9: s + s^3 q(s^2)."""
    cdef real u = s * s
    cdef real q
    if real is double:
        q = -1.2929718252361443075e-3
        q = q * u + 3.5730532110454319892e-3
        q = q * u - 8.8620637353909349515e-3
        q = q * u + 2.1869448783523632377e-2
        q = q * u - 5.3968253245221959309e-2
        q = q * u + 1.3333333332708929296e-1
        q = q * u - 3.3333333333331507646e-1
    else:
        q = <float> -5.0952389908542695028e-2
        q = q * u + <float> 1.3320434094389250489e-1
        q = q * u - <float> 3.3333175346131818471e-1
    return s + s * (u * q)


cdef inline real tanh(real x) noexcept nogil:
    """(E - 1) / (E + 1) with E = e^2|x|: odd to the last bit, and never above 1.

    E = 2^n (1 + t) / (1 - t) with t = tanh(s), s = |x| - n ln(2)/2, so that one division is enough:
    top / (top + 2 (1 - t)), top = (2^n + 1) t + 2^n - 1. The choice of n leaves s between -0.073 and 0.273: further
    below zero the two parts of top would cancel, further above t would need more terms.
    """
    cdef real magic = 3377699720527872.0 + 511.5 if real is double else 6291456.0 + 63.5  # half of expm1's
    cdef real size = fabs(x) if real is double else fabsf(x)
    cdef real shifted, power, s, t, top
    size = <real> 20 if size > 20 else size
    shifted = (size - <real> 0.1) * <real> 1.4426950408889634 + magic  # n / 2: half the magic rounds to halves
    power = power_of_two(shifted)
    if FUSED:  # as one number ln 2 errs by 2e-17: n times that is lost where tanh is that flat
        s = multiply_add(magic - shifted, <real> 0.6931471805599453, size)
    else:
        s = less_ln_2(size, shifted - magic)
    t = small_tanh(s)
    top = (power + <real> 1) * t + (power - <real> 1)
    t = top / (top + <real> 2 * (<real> 1 - t))
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


# ---- the normal distribution's tail, for GELU -----------------------------------------------------------------
# Phi(-t) = erfc(t / sqrt 2) / 2 = e^(-t^2/2) M(t) for t >= 0. M falls from 1/2 like 1/t, so that only the exponential
# underflows, and the error is relative however far out. M is 1/(t + 2) times a polynomial in 1/(t + 2), for float32 in
# 1/(t + 1.5): minimax in the relative error (Remez's algorithm, with mpmath, where M = e^(t^2/2) erfc(t / sqrt 2) / 2),
# then written about a point at which rounding does least. Long polynomials are summed in two or four parts: the
# processor would wait for one.


cdef inline real beyond_half(real i) noexcept nogil:
    """M(t) / i - 1/2, i = 1/(t + 2), such that M comes out to 6e-18; for float32 i = 1/(t + 1.5), and to 3e-9."""
    cdef real u, u2, u4, p0, p1, p2, p3
    if real is double:
        u = 0.625 - 4.0 * i
        u2 = u * u
        u4 = u2 * u2
        p0 = 4.16486278541508693e-6
        p0 = p0 * u4 - 2.28980166394386340e-5
        p0 = p0 * u4 + 7.27332153555813245e-5
        p0 = p0 * u4 + 7.88594331690777020e-6
        p0 = p0 * u4 - 1.15114555868628205e-3
        p0 = p0 * u4 - 6.24392727567818767e-3
        p0 = p0 * u4 - 2.95144015750019850e-1
        p1 = 1.22990402432700693e-6
        p1 = p1 * u4 - 2.43259811364762729e-6
        p1 = p1 * u4 + 4.82113761626324395e-5
        p1 = p1 * u4 - 1.63746831627695233e-4
        p1 = p1 * u4 - 2.95463403038360186e-4
        p1 = p1 * u4 + 3.29627332817803062e-3
        p1 = p1 * u4 + 6.57754361577947167e-2
        p2 = 2.08282480911579895e-7
        p2 = p2 * u4 + 8.83000176780776361e-6
        p2 = p2 * u4 - 4.70362724660909797e-6
        p2 = p2 * u4 - 1.12212555174247809e-4
        p2 = p2 * u4 + 3.67789315024764385e-4
        p2 = p2 * u4 + 2.62652830831793842e-3
        p2 = p2 * u4 + 2.54106246530588604e-2
        p3 = 1.56810193364255785e-8
        p3 = p3 * u4 + 8.47941646648029216e-6
        p3 = p3 * u4 - 3.14713566316806833e-5
        p3 = p3 * u4 + 1.21650855480608779e-5
        p3 = p3 * u4 + 3.29160067874776411e-4
        p3 = p3 * u4 - 4.26626690122540293e-4
        p3 = p3 * u4 - 1.45250296752977344e-2
        return 5.40538681549698222e-2 + u * ((p0 + u * p1) + u2 * (p2 + u * p3))
    else:
        u = <float> 0.625 - <float> 3 * i
        u2 = u * u
        p0 = -<float> 5.813770605e-5
        p0 = p0 * u2 - <float> 6.494425850e-4
        p0 = p0 * u2 + <float> 2.918451488e-3
        p0 = p0 * u2 - <float> 4.341680249e-4
        p0 = p0 * u2 - <float> 1.091218059e-2
        p0 = p0 * u2 + <float> 4.521751517e-2
        p0 = p0 * u2 - <float> 2.267237440e-1
        p1 = -<float> 3.465109101e-4
        p1 = p1 * u2 + <float> 2.511270595e-4
        p1 = p1 * u2 + <float> 4.313693096e-3
        p1 = p1 * u2 - <float> 1.008344758e-2
        p1 = p1 * u2 + <float> 1.409105042e-2
        p1 = p1 * u2 - <float> 2.158078302e-2
        return <float> 3.74066345e-2 + u * (p0 + u * p1)


cdef inline real upper(real x) noexcept nogil:
    """x less the last half of its bits: the product of two such numbers is exact."""
    cdef uint64_t bits
    cdef uint32_t bits_32
    if real is double:
        memcpy(&bits, &x, 8)
        bits = bits & <uint64_t> 0xFFFFFFFFF8000000
        memcpy(&x, &bits, 8)
    else:
        memcpy(&bits_32, &x, 4)
        bits_32 = bits_32 & <uint32_t> 0xFFFFF000
        memcpy(&x, &bits_32, 4)
    return x


cdef inline real scaled_tail(real z, bint slope) noexcept nogil:
    """Phi(-t), t = |z|, or Phi(-t) - t phi(t) where the slope is asked for; times 2^64 (2^32), so that what this is
    multiplied by is rounded only once where it underflows. From t = 38.8 (14.8) on the power of two is exactly 0:
    infinity times it is NaN, as in the twin."""
    cdef real magic = 6755399441055744.0 + 1087 if real is double else 12582912.0 + 159
    cdef real end = 38.8188 if real is double else 14.8463
    cdef real size = fabs(z) if real is double else fabsf(z)
    cdef real t = end if size > end else size
    cdef real head = upper(t)
    cdef real x = <real> -0.5 * head * head  # exact; the rest of -t^2/2 joins r
    cdef real shifted = x * <real> 1.4426950408889634 + magic
    cdef real n = shifted - magic
    cdef real power = power_of_two(shifted)
    cdef real rest = <real> -0.5 * (t - head) * (t + head)
    cdef real r, w, whole, i, s, m, lost
    if real is double:
        x = x - n * 6.93147180369123816490e-01
        rest = rest - n * 1.90821492927058770002e-10
        whole = t + 2.0
    else:
        x = x - n * <float> 0.693359375
        rest = rest - n * <float> -2.12194440e-4
        whole = t + <float> 1.5
    r = x + rest
    w = r * r * beyond(r)
    w = w + ((x - r) + rest)  # e^(-t^2/2) = 2^n (1 + r + w)
    i = <real> 1 / whole
    s = beyond_half(i)
    m = <real> 0.5 * i + i * s
    if slope:
        m = m - size * <real> 0.3989422804014327
        return (m + m * (r + w)) * power
    # What the roundings of t + 2 and of its inverse have lost; M errs by 1.1 to 1.7 times as much.
    if FUSED:
        lost = <real> 1 - i * whole
    else:
        head = upper(whole)
        x = upper(i)
        lost = ((<real> 1 - x * head) - x * (whole - head)) - (i - x) * whole
    if real is double:
        w = w + (lost - i * (t - (whole - 2.0))) * (1.1 + 1.2 * i)
    else:
        w = w + (lost - i * (t - (whole - <float> 1.5))) * (<float> 1.05 + <float> 0.25 * i)
    return (<real> 0.5 * i + ((i * s + m * w) + m * r)) * power  # i / 2 is exact, and most of the sum


cdef inline real normal_tail(real z) noexcept nogil:
    """Phi(-|z|) = erfc(|z| / sqrt 2) / 2, to 2 ulp (2.2 where there is no FMA)."""
    return small(scaled_tail(z, False))


cdef inline real gelu(real z) noexcept nogil:
    """z Phi(z)."""
    cdef real tail = scaled_tail(z, False)
    cdef real product = z * (<real> 1 - small(tail) if z > 0 else tail)
    return product if z > 0 else small(product)


cdef inline real gelu_slope(real z) noexcept nogil:
    """Phi(z) + z phi(z), which is 1 less what it is at -z. It has a zero at -0.7518, near which the error is relative
    to 1/2; where z < -2 it is relative to the slope."""
    cdef real tail = small(scaled_tail(z, True))
    return <real> 1 - tail if z > 0 else tail
