"""Matrix products of many nets at once: each number is a row of LANES numbers, one of each net. See lanes.pxi."""

from libc.string cimport memcpy, memset

from minigrad.kernels.products cimport vector_sums
from minigrad.kernels.types cimport double_lanes, float_lanes, real, vec

cdef enum:
    LANE_BYTES = 64  # of all lanes of one number: 16 floats or 8 doubles, in as many registers as that takes
    MOST_LANES = LANE_BYTES // 4


cdef inline void lane_tile(real* c, Py_ssize_t c_down, Py_ssize_t c_along, const real* a, Py_ssize_t a_down,
                           Py_ssize_t a_term, const real* b, Py_ssize_t b_along, Py_ssize_t b_term, Py_ssize_t terms,
                           const real* start, Py_ssize_t s_down, Py_ssize_t s_along, real scale, int height, int width,
                           vec* lanes) noexcept nogil:
    """height x width entries of C = scale * (start + A B), each summed in a register of its own.

    height and width are constants wherever this is called: the loops over them become straight code.
    """
    cdef vec sums[8]
    cdef vec column[4]
    cdef vec row
    cdef int i, j
    cdef Py_ssize_t s, q
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for s from 0 <= s < <Py_ssize_t> (LANE_BYTES // sizeof(real)) by <Py_ssize_t> (sizeof(vec) // sizeof(real)):
            for i in range(height):
                for j in range(width):
                    sums[4 * i + j] = (<const vec*> (start + s + i * s_down + j * s_along))[0]
            for q in range(terms):
                for j in range(width):
                    column[j] = (<const vec*> (b + s + q * b_term + j * b_along))[0]
                for i in range(height):
                    row = (<const vec*> (a + s + q * a_term + i * a_down))[0]
                    for j in range(width):
                        sums[4 * i + j] += row * column[j]
            for i in range(height):
                for j in range(width):
                    (<vec*> (c + s + i * c_down + j * c_along))[0] = sums[4 * i + j] * scale


cdef inline void lane_tiles(real* c, Py_ssize_t c_down, Py_ssize_t c_along, Py_ssize_t m, Py_ssize_t n,
                            Py_ssize_t terms, const real* a, Py_ssize_t a_down, Py_ssize_t a_term, const real* b,
                            Py_ssize_t b_along, Py_ssize_t b_term, const real* start, Py_ssize_t s_down,
                            Py_ssize_t s_along, real scale, vec* lanes) noexcept nogil:
    """C (m, n), tile by tile, n of at least m."""
    cdef Py_ssize_t i, j
    cdef real* to
    cdef const real* left
    cdef const real* right
    cdef const real* begin
    for j in range(0, n, 4):
        for i in range(0, m, 2):
            to, left, right = c + i * c_down + j * c_along, a + i * a_down, b + j * b_along
            begin = start + i * s_down + j * s_along
            if m - i > 1 and n - j > 3:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 2, 4, lanes)
            elif m - i > 1 and n - j == 3:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 2, 3, lanes)
            elif m - i > 1 and n - j == 2:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 2, 2, lanes)
            elif m - i > 1:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 2, 1, lanes)
            elif n - j > 3:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 1, 4, lanes)
            elif n - j == 3:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 1, 3, lanes)
            elif n - j == 2:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 1, 2, lanes)
            else:
                lane_tile(to, c_down, c_along, left, a_down, a_term, right, b_along, b_term, terms, begin, s_down,
                          s_along, scale, 1, 1, lanes)


cdef inline void lane_product(real* c, Py_ssize_t c_down, Py_ssize_t c_along, Py_ssize_t m, Py_ssize_t n,
                              Py_ssize_t terms, const real* a, Py_ssize_t a_down, Py_ssize_t a_term, const real* b,
                              Py_ssize_t b_along, Py_ssize_t b_term, const real* start, real scale) noexcept nogil:
    """C (m, n) = scale * (start + A B) in every lane, each sum in the order of its terms.

    An entry is LANES numbers: A's entry of row i and term q is at a + (i a_down + q a_term) LANES, B's of term q and
    column j at b + (j b_along + q b_term) LANES, C's at c + (i c_down + j c_along) LANES; start (n,), or NULL for 0.
    """
    cdef real zeros[MOST_LANES]
    cdef Py_ssize_t L = LANE_BYTES // <Py_ssize_t> sizeof(real), s_along = L
    if start is NULL:
        memset(&zeros[0], 0, LANE_BYTES)
        start, s_along = &zeros[0], 0
    c_down, c_along, a_down, a_term = c_down * L, c_along * L, a_down * L, a_term * L
    b_along, b_term = b_along * L, b_term * L
    if m <= n and real is float:
        lane_tiles(c, c_down, c_along, m, n, terms, a, a_down, a_term, b, b_along, b_term, start, 0, s_along, scale,
                   <float_lanes*> NULL)
    elif m <= n:
        lane_tiles(c, c_down, c_along, m, n, terms, a, a_down, a_term, b, b_along, b_term, start, 0, s_along, scale,
                   <double_lanes*> NULL)
    elif real is float:  # the longer side along the tiles: C^T = B^T A^T
        lane_tiles(c, c_along, c_down, n, m, terms, b, b_along, b_term, a, a_down, a_term, start, s_along, 0, scale,
                   <float_lanes*> NULL)
    else:
        lane_tiles(c, c_along, c_down, n, m, terms, b, b_along, b_term, a, a_down, a_term, start, s_along, 0, scale,
                   <double_lanes*> NULL)


cdef inline void lane_sums(real* total, const real* a, Py_ssize_t m, Py_ssize_t n, real scale) noexcept nogil:
    """total (n,) = scale * the sum of the rows of a (m, n), up to DEEP, in the order of column_sums."""
    cdef Py_ssize_t i, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    if m == 1:
        memcpy(total, a, n * L * sizeof(real))
    elif real is float:
        for i from 0 <= i < n * L by <Py_ssize_t> (sizeof(float_lanes) // sizeof(real)):
            vector_sums(total + i, a + i, m, n * L, <float_lanes*> NULL)
    else:
        for i from 0 <= i < n * L by <Py_ssize_t> (sizeof(double_lanes) // sizeof(real)):
            vector_sums(total + i, a + i, m, n * L, <double_lanes*> NULL)
    for i in range(n * L):
        total[i] *= scale
