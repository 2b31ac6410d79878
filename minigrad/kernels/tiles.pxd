"""Tiles: so many entries of a matrix product that their sums stay in registers. And what is fetched meanwhile."""

from libc.stdint cimport uint32_t

from minigrad.kernels.types cimport double_lanes, float_lanes, load, real, vec

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define FETCH(line) __builtin_prefetch(line, 0, 2)  /* to the second cache, in the background */
    #else
    #define FETCH(line)
    #endif

    /* AVX-512 multiplies by a number in memory. AVX2 has to load it first, so that it is worth two vectors. */
    #if defined(__AVX2__) && !defined(__AVX512F__)
    #define PAIRS 1
    #else
    #define PAIRS 0
    #endif
    """
    void FETCH(const void*) noexcept nogil
    bint PAIRS

cdef struct Ahead:  # rows of memory that will be needed soon
    const char* x
    Py_ssize_t row  # bytes
    const uint32_t* next  # the rows to fetch: from here
    const uint32_t* end  # to before here
    Py_ssize_t at  # where in the next row
    Py_ssize_t pace  # vector operations from one line of 64 bytes to the next
    Py_ssize_t due  # operations since the last line


cdef inline void fetch(Ahead* ahead, Py_ssize_t operations) noexcept nogil:
    """Ask the memory for what is due after these operations. A core waits for about twenty lines at a time, and stands
    still when asked for more: so not all at once, but one now and then, while it multiplies."""
    ahead.due += operations
    while ahead.due >= ahead.pace and ahead.next != ahead.end:
        FETCH(ahead.x + ahead.next[0] * ahead.row + min(ahead.at, ahead.row - 1))
        ahead.due -= ahead.pace
        ahead.at += 64
        if ahead.at >= ahead.row + 63:  # a row that begins within a line ends in one more
            ahead.at = 0
            ahead.next += 1


cdef inline void tile(real* c, Py_ssize_t ldc, const real* a, Py_ssize_t row, Py_ssize_t step, const real* b,
                      Py_ssize_t ldb, Py_ssize_t p, const real* start, real scale, int height,
                      vec* lanes) noexcept nogil:
    """Up to eight rows of C, one vector wide: scale * (start + A B), each row summed in a register of its own.

    height is a constant wherever this is called, so that the compiler makes eight functions without branches of it.
    """
    cdef vec w, c0, c1, c2, c3, c4, c5, c6, c7
    cdef Py_ssize_t _
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        c0 = (<const vec*> start)[0]
        c1 = c2 = c3 = c4 = c5 = c6 = c7 = c0
        for _ in range(p):
            w = (<const vec*> b)[0]
            c0 += w * a[0]
            if height > 1:
                c1 += w * a[row]
            if height > 2:
                c2 += w * a[2 * row]
            if height > 3:
                c3 += w * a[3 * row]
            if height > 4:
                c4 += w * a[4 * row]
            if height > 5:
                c5 += w * a[5 * row]
            if height > 6:
                c6 += w * a[6 * row]
            if height > 7:
                c7 += w * a[7 * row]
            a += step
            b += ldb
        (<vec*> c)[0] = c0 * scale
        if height > 1:
            (<vec*> (c + ldc))[0] = c1 * scale
        if height > 2:
            (<vec*> (c + 2 * ldc))[0] = c2 * scale
        if height > 3:
            (<vec*> (c + 3 * ldc))[0] = c3 * scale
        if height > 4:
            (<vec*> (c + 4 * ldc))[0] = c4 * scale
        if height > 5:
            (<vec*> (c + 5 * ldc))[0] = c5 * scale
        if height > 6:
            (<vec*> (c + 6 * ldc))[0] = c6 * scale
        if height > 7:
            (<vec*> (c + 7 * ldc))[0] = c7 * scale


cdef inline void wide_tile(real* c, Py_ssize_t ldc, const real* a, Py_ssize_t row, Py_ssize_t step, const real* b,
                           Py_ssize_t next_strip, Py_ssize_t ldb, Py_ssize_t p, const real* start, real scale,
                           int height, vec* lanes) noexcept nogil:
    """As tile, up to six rows, two vectors wide: the second is next_strip numbers behind the first in B."""
    cdef vec v, w
    cdef vec first[6]
    cdef vec second[6]
    cdef Py_ssize_t _, L = sizeof(vec) // sizeof(real)
    cdef int i
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for i in range(height):
            first[i] = (<const vec*> start)[0]
            second[i] = (<const vec*> (start + L))[0]
        for _ in range(p):
            v = load(b, lanes)
            w = load(b + next_strip, lanes)
            for i in range(height):
                first[i] += v * a[i * row]
                second[i] += w * a[i * row]
            a += step
            b += ldb
        for i in range(height):
            (<vec*> (c + i * ldc))[0] = first[i] * scale
            (<vec*> (c + i * ldc + L))[0] = second[i] * scale


cdef inline void two_strips(real* c, Py_ssize_t ldc, Py_ssize_t m, const real* a, Py_ssize_t row, Py_ssize_t step,
                            const real* b, Py_ssize_t next_strip, Py_ssize_t ldb, Py_ssize_t p, const real* start,
                            real scale, Ahead* ahead, vec* lanes) noexcept nogil:
    """m rows of C, two vectors wide, shared out evenly."""
    cdef Py_ssize_t i = 0, q, tiles = (m + 5) // 6
    cdef int h
    for q in range(tiles):
        h = <int> ((m * (q + 1)) // tiles - i)
        if h == 6:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 6, lanes)
        elif h == 5:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 5, lanes)
        elif h == 4:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 4, lanes)
        elif h == 3:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 3, lanes)
        elif h == 2:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 2, lanes)
        else:
            wide_tile(c + i * ldc, ldc, a + i * row, row, step, b, next_strip, ldb, p, start, scale, 1, lanes)
        i += h
        if ahead is not NULL:
            fetch(ahead, 2 * h * p)
