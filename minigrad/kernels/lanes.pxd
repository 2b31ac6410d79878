"""Matrix products of many nets at once: each number is a row of L numbers, one of each net. See lanes.pxi."""

from libc.string cimport memset

from minigrad.kernels.products cimport add_fourths
from minigrad.kernels.types cimport double_lanes, float_lanes, load, real, vec

cdef enum:
    L = 16  # lanes: nets that stand side by side, in as many registers as their numbers take
    LINE = 64  # bytes that the cache moves together


cdef struct one:
    char unused

cdef struct two:
    char unused

cdef struct three:
    char unused

cdef struct four:
    char unused

ctypedef fused tall:  # how many rows a tile has, a type so that each has a function of its own, without branches
    one
    two

ctypedef fused wide:  # and columns
    one
    two
    three
    four


cdef inline void lane_tile(real* c, Py_ssize_t c_down, Py_ssize_t c_along, const real* a, Py_ssize_t a_down,
                           Py_ssize_t a_term, const real* b, Py_ssize_t b_along, Py_ssize_t b_term, Py_ssize_t terms,
                           const real* start, Py_ssize_t s_down, Py_ssize_t s_along, real scale, tall* rows,
                           wide* columns, vec* lanes) noexcept nogil:
    """tall x wide entries of C = scale * (start + A B), in a line of lanes, each summed in a register of its own."""
    cdef vec sums[8]
    cdef vec column[4]
    cdef vec row
    cdef int i, j, height, width
    cdef Py_ssize_t s, q
    if tall is one:
        height = 1
    else:
        height = 2
    if wide is one:
        width = 1
    elif wide is two:
        width = 2
    elif wide is three:
        width = 3
    else:
        width = 4
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for s from 0 <= s < <Py_ssize_t> (LINE // sizeof(real)) by <Py_ssize_t> (sizeof(vec) // sizeof(real)):
            for i in range(height):
                for j in range(width):
                    sums[4 * i + j] = (<const vec*> (start + s + i * s_down + j * s_along))[0]
            for q in range(terms):
                for j in range(width):
                    column[j] = load(b + s + q * b_term + j * b_along, lanes)
                for i in range(height):
                    row = load(a + s + q * a_term + i * a_down, lanes)
                    for j in range(width):
                        sums[4 * i + j] += row * column[j]
            for i in range(height):
                for j in range(width):
                    (<vec*> (c + s + i * c_down + j * c_along))[0] = sums[4 * i + j] * scale


cdef inline void lane_strip(real* c, Py_ssize_t c_down, Py_ssize_t c_along, Py_ssize_t n, Py_ssize_t terms,
                            const real* a, Py_ssize_t a_down, Py_ssize_t a_term, const real* b, Py_ssize_t b_along,
                            Py_ssize_t b_term, const real* start, Py_ssize_t s_down, Py_ssize_t s_along, real scale,
                            tall* rows, vec* lanes) noexcept nogil:
    """tall rows of C (m, n), tile by tile."""
    cdef Py_ssize_t j
    cdef real* to
    cdef const real* right
    cdef const real* begin
    for j in range(0, n, 4):
        to, right, begin = c + j * c_along, b + j * b_along, start + j * s_along
        if n - j > 3:
            lane_tile(to, c_down, c_along, a, a_down, a_term, right, b_along, b_term, terms, begin, s_down, s_along,
                      scale, rows, <four*> NULL, lanes)
        elif n - j == 3:
            lane_tile(to, c_down, c_along, a, a_down, a_term, right, b_along, b_term, terms, begin, s_down, s_along,
                      scale, rows, <three*> NULL, lanes)
        elif n - j == 2:
            lane_tile(to, c_down, c_along, a, a_down, a_term, right, b_along, b_term, terms, begin, s_down, s_along,
                      scale, rows, <two*> NULL, lanes)
        else:
            lane_tile(to, c_down, c_along, a, a_down, a_term, right, b_along, b_term, terms, begin, s_down, s_along,
                      scale, rows, <one*> NULL, lanes)


cdef inline void lane_tiles(real* c, Py_ssize_t c_down, Py_ssize_t c_along, Py_ssize_t m, Py_ssize_t n,
                            Py_ssize_t terms, const real* a, Py_ssize_t a_down, Py_ssize_t a_term, const real* b,
                            Py_ssize_t b_along, Py_ssize_t b_term, const real* start, Py_ssize_t s_down,
                            Py_ssize_t s_along, real scale, vec* lanes) noexcept nogil:
    """C (m, n), n of at least m."""
    cdef Py_ssize_t i
    for i in range(0, m - 1, 2):
        lane_strip(c + i * c_down, c_down, c_along, n, terms, a + i * a_down, a_down, a_term, b, b_along, b_term,
                   start + i * s_down, s_down, s_along, scale, <two*> NULL, lanes)
    if m % 2:
        i = m - 1
        lane_strip(c + i * c_down, c_down, c_along, n, terms, a + i * a_down, a_down, a_term, b, b_along, b_term,
                   start + i * s_down, s_down, s_along, scale, <one*> NULL, lanes)


cdef inline void lane_product(real* c, Py_ssize_t c_down, Py_ssize_t c_along, Py_ssize_t m, Py_ssize_t n,
                              Py_ssize_t terms, const real* a, Py_ssize_t a_down, Py_ssize_t a_term, const real* b,
                              Py_ssize_t b_along, Py_ssize_t b_term, const real* start, Py_ssize_t s_down,
                              Py_ssize_t s_along, real scale) noexcept nogil:
    """C (m, n) = scale * (start + A B) in every lane, each sum in the order of its terms.

    An entry is L numbers: A's entry of row i and term q is at a + (i a_down + q a_term) L, B's of term q and
    column j at b + (j b_along + q b_term) L, C's at c + (i c_down + j c_along) L, and so is start's, which may
    be C, or NULL for 0.
    """
    cdef real zeros[L]
    cdef Py_ssize_t s
    if start is NULL:
        memset(&zeros[0], 0, sizeof(zeros))
        start, s_down, s_along = &zeros[0], 0, 0
    c_down, c_along, a_down, a_term = c_down * L, c_along * L, a_down * L, a_term * L
    b_along, b_term, s_down, s_along = b_along * L, b_term * L, s_down * L, s_along * L
    for s from 0 <= s < L by <Py_ssize_t> (LINE // sizeof(real)):  # all that is read again is then in the first cache
        if m <= n and real is float:
            lane_tiles(c + s, c_down, c_along, m, n, terms, a + s, a_down, a_term, b + s, b_along, b_term, start + s,
                       s_down, s_along, scale, <float_lanes*> NULL)
        elif m <= n:
            lane_tiles(c + s, c_down, c_along, m, n, terms, a + s, a_down, a_term, b + s, b_along, b_term, start + s,
                       s_down, s_along, scale, <double_lanes*> NULL)
        elif real is float:  # the longer side along the tiles: C^T = B^T A^T
            lane_tiles(c + s, c_along, c_down, n, m, terms, b + s, b_along, b_term, a + s, a_down, a_term, start + s,
                       s_along, s_down, scale, <float_lanes*> NULL)
        else:
            lane_tiles(c + s, c_along, c_down, n, m, terms, b + s, b_along, b_term, a + s, a_down, a_term, start + s,
                       s_along, s_down, scale, <double_lanes*> NULL)


cdef inline void lane_sums(real* parts, const real* a, Py_ssize_t m, Py_ssize_t n, vec* lanes) noexcept nogil:
    """Add the m rows of a (m, n) to parts (4, n) as column_sums does."""
    cdef vec s[4]
    cdef Py_ssize_t i, q, size = n * L
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for i from 0 <= i < size by <Py_ssize_t> (sizeof(vec) // sizeof(real)):
            for q in range(4):
                s[q] = (<vec*> (parts + q * size + i))[0]
            add_fourths(&s[0], a + i, m, size)
            for q in range(4):
                (<vec*> (parts + q * size + i))[0] = s[q]
