"""Inner products of few samples with the weights of each neuron, as both lie in memory."""

from minigrad.kernels.products cimport transpose_double, transpose_float
from minigrad.kernels.tiles cimport Ahead, fetch
from minigrad.kernels.types cimport double_lanes, float_lanes, load, real, vec

cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define BLOCK 8  /* neurons at a time: as many as leave all sums in registers */
    #else
    #define BLOCK 4
    #endif
    """
    enum: BLOCK


cdef inline void sum_rows(real* total, const real* c, Py_ssize_t L) noexcept nogil:
    """The sums of the eight rows of c (8, L)."""
    cdef real columns[128]
    cdef Py_ssize_t i, j
    cdef int transposed = 0
    for j in range(L // 8):
        if real is float:
            transposed = transpose_float(columns + 64 * j, 8, c + 8 * j, L)
        else:
            transposed = transpose_double(columns + 64 * j, 8, c + 8 * j, L)
    if not transposed:
        for j in range(L):
            for i in range(8):
                columns[8 * j + i] = c[i * L + j]
    for i in range(8):
        total[i] = columns[i]
    for j in range(1, L):
        for i in range(8):
            total[i] += columns[8 * j + i]


cdef inline vec operand(const real* p, vec* lanes) noexcept nogil:
    """The vector at p; where there are registers enough, in one, not read again for each use."""
    return load(p, lanes) if BLOCK == 8 else (<const vec*> p)[0]


cdef inline void dots_in(real* z, const real* a, const real* w, const real* bias, Py_ssize_t N, Py_ssize_t J,
                         Py_ssize_t K, Ahead* ahead, vec* lanes) noexcept nogil:
    """z = a W^T + b by inner products, two samples by BLOCK neurons at a time: for few samples with long rows, where
    packing W^T would cost more than it saves. At the edges the last block overlaps the one before."""
    cdef vec c[16]
    cdef vec a0, a1, v, c0, c1, c2, c3, c4, c5, c6, c7, d0, d1, d2, d3, d4, d5, d6, d7
    cdef const real* p
    cdef const real* q
    cdef real total[16]
    cdef real zeros[16]
    cdef Py_ssize_t block, pair, n, k, j, i, s, r, L = sizeof(vec) // sizeof(real), whole = J // L * L
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for i in range(L):
            zeros[i] = 0
        for block in range((K + BLOCK - 1) // BLOCK):
            k = min(BLOCK * block, K - BLOCK)
            for pair in range((N + 1) // 2):
                n = max(min(2 * pair, N - 2), 0)
                p = a + n * J
                q = w + k * J
                r = J if N > 1 else 0  # one sample alone is done twice
                c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = (<const vec*> &zeros[0])[0]
                d0 = d1 = d2 = d3 = d4 = d5 = d6 = d7 = c0
                for i in range(J // L):
                    j = i * L
                    a0, a1 = (<const vec*> (p + j))[0], (<const vec*> (p + r + j))[0]
                    v = operand(q + j, lanes)
                    c0 += a0 * v
                    d0 += a1 * v
                    v = operand(q + J + j, lanes)
                    c1 += a0 * v
                    d1 += a1 * v
                    v = operand(q + 2 * J + j, lanes)
                    c2 += a0 * v
                    d2 += a1 * v
                    v = operand(q + 3 * J + j, lanes)
                    c3 += a0 * v
                    d3 += a1 * v
                    if BLOCK == 8:
                        v = operand(q + 4 * J + j, lanes)
                        c4 += a0 * v
                        d4 += a1 * v
                        v = operand(q + 5 * J + j, lanes)
                        c5 += a0 * v
                        d5 += a1 * v
                        v = operand(q + 6 * J + j, lanes)
                        c6 += a0 * v
                        d6 += a1 * v
                        v = operand(q + 7 * J + j, lanes)
                        c7 += a0 * v
                        d7 += a1 * v
                if ahead is not NULL:
                    fetch(ahead, 2 * BLOCK * (J // L))
                c[0], c[1], c[2], c[3] = c0, c1, c2, c3
                c[BLOCK], c[BLOCK + 1], c[BLOCK + 2], c[BLOCK + 3] = d0, d1, d2, d3
                if BLOCK == 8:
                    c[4], c[5], c[6], c[7], c[12], c[13], c[14], c[15] = c4, c5, c6, c7, d4, d5, d6, d7
                for i in range(2 * BLOCK // 8):
                    sum_rows(&total[8 * i], <const real*> &c[8 * i], L)
                for s in range(min(N, 2)):
                    for i in range(BLOCK):
                        for j in range(whole, J):
                            total[s * BLOCK + i] += p[s * J + j] * q[i * J + j]
                        z[(n + s) * K + k + i] = total[s * BLOCK + i] + (bias[k + i] if bias is not NULL else <real> 0)


cdef inline void dots(real* z, const real* a, const real* w, const real* bias, Py_ssize_t N, Py_ssize_t J,
                      Py_ssize_t K, Ahead* ahead) noexcept nogil:
    if real is float:
        dots_in(z, a, w, bias, N, J, K, ahead, <float_lanes*> NULL)
    else:
        dots_in(z, a, w, bias, N, J, K, ahead, <double_lanes*> NULL)
