"""Matrix products, in vectors.

All three products of a linear layer are C[i, :] = sum_p A[i, p] B[p, :] with rows of B contiguous and A read entry by
entry in any layout, so that delta^T needs no transposition; only W^T, or a^T, is packed.
"""

from libc.string cimport memcpy, memset

from minigrad.kernels.math cimport multiply_add
from minigrad.kernels.tiles cimport PAIRS, Ahead, fetch, tile, two_strips
from minigrad.kernels.types cimport double_lanes, float_lanes, real, vec

cdef extern from *:
    """
    /* An 8 x 8 block is transposed by exchanging half-blocks of 1, then 2, then 4 numbers between rows. */
    #if defined(__has_builtin)
    #if __has_builtin(__builtin_shufflevector)
    #define EXCHANGE(s, a0, a1, a2, a3, a4, a5, a6, a7, b0, b1, b2, b3, b4, b5, b6, b7)                       \
        for (i = 0; i < 8; i++)                                                                               \
            if (!(i & s)) {                                                                                   \
                t = r[i];                                                                                     \
                r[i] = __builtin_shufflevector(t, r[i + s], a0, a1, a2, a3, a4, a5, a6, a7);                  \
                r[i + s] = __builtin_shufflevector(t, r[i + s], b0, b1, b2, b3, b4, b5, b6, b7);              \
            }
    #define TRANSPOSE_8X8(name, real, octet)                                                                  \
        static inline int name(real *to, Py_ssize_t row_to, const real *from, Py_ssize_t row_from) {          \
            octet r[8], t;                                                                                    \
            int i;                                                                                            \
            for (i = 0; i < 8; i++) r[i] = *(const octet *)(from + i * row_from);                             \
            EXCHANGE(1, 0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15)                                 \
            EXCHANGE(2, 0, 1, 8, 9, 4, 5, 12, 13, 2, 3, 10, 11, 6, 7, 14, 15)                                 \
            EXCHANGE(4, 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)                                 \
            for (i = 0; i < 8; i++) *(octet *)(to + i * row_to) = r[i];                                       \
            return 1;                                                                                         \
        }
    TRANSPOSE_8X8(transpose_float, float, float_octet)
    TRANSPOSE_8X8(transpose_double, double, double_octet)
    #endif
    #endif
    #ifndef TRANSPOSE_8X8
    static inline int transpose_float(float *a, Py_ssize_t b, const float *c, Py_ssize_t d) { return 0; }
    static inline int transpose_double(double *a, Py_ssize_t b, const double *c, Py_ssize_t d) { return 0; }
    #endif
    """
    int transpose_float(float*, Py_ssize_t, const float*, Py_ssize_t) noexcept nogil
    int transpose_double(double*, Py_ssize_t, const double*, Py_ssize_t) noexcept nogil

cdef enum:
    FLAT = 12  # rows up to which C is done two vectors at a time even where A is read by columns
    SMALL = 32  # multiply-adds up to which a product is done number by number,
    LARGE = 8000000  # and from which it is done in blocks:
    DEEP = 512  # so many terms of each sum at a time

cdef inline void product(real* c, Py_ssize_t ldc, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, const real* a,
                         Py_ssize_t row, Py_ssize_t step, const real* b, Py_ssize_t ldb, bint packed, const real* start,
                         real scale, real* scratch, Ahead* ahead, vec* lanes) noexcept nogil:
    """C (m, n) = scale * (start + A B), a strip of one vector's width after the other.

    ldc, ldb: from a row of C or B to the next. B is (p, n) by rows or, packed, strip by strip; start likewise (n,), or
    NULL for 0.
    scratch: p vectors, for the last columns of an unpacked B. ahead: what to fetch meanwhile, or NULL.
    """
    cdef real zeros[32]
    cdef real out[128]
    cdef const real* panel
    cdef const real* first
    cdef real* target
    cdef Py_ssize_t i, j, q, r, strip, width, ld, ldt
    cdef Py_ssize_t L = sizeof(vec) // sizeof(real)
    cdef Py_ssize_t pairs = n // (2 * L) if PAIRS and (step == 1 or m <= FLAT) else 0
    cdef int h, tiles = <int> ((m + 7) // 8)
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for q in range(2 * L):
            zeros[q] = 0
        for strip in range(pairs):
            j = 2 * strip * L
            two_strips(c + j, ldc, m, a, row, step, b + j * p if packed else b + j, p * L if packed else L,
                       L if packed else ldb, p, start + j if start is not NULL else &zeros[0], scale, ahead, lanes)
        for strip in range(2 * pairs, (n + L - 1) // L):
            j = strip * L
            width = min(L, n - j)
            panel = b + j * p if packed else b + j
            ld = L if packed else ldb
            if width < L and not packed:  # a whole vector would read past the row's end
                for q in range(p):
                    for r in range(L):
                        scratch[q * L + r] = panel[q * ldb + r] if r < width else 0
                panel = scratch
                ld = L
            first = &zeros[0]
            if start is not NULL:
                first = start + j
            ldt = ldc if width == L else L
            i = 0
            for q in range(tiles):
                h = <int> ((m * (q + 1)) // tiles - i)  # rows shared out evenly: five and five, not eight and two
                target = c + i * ldc + j if width == L else &out[0]
                if h == 8:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 8, lanes)
                elif h == 7:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 7, lanes)
                elif h == 6:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 6, lanes)
                elif h == 5:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 5, lanes)
                elif h == 4:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 4, lanes)
                elif h == 3:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 3, lanes)
                elif h == 2:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 2, lanes)
                else:
                    tile(target, ldt, a + i * row, row, step, panel, ld, p, first, scale, 1, lanes)
                if width < L:
                    for r in range(h):
                        memcpy(c + (i + r) * ldc + j, out + r * L, width * sizeof(real))
                i += h
                if ahead is not NULL:
                    fetch(ahead, h * p)


cdef inline void transpose(real* to, Py_ssize_t ldt, const real* w, Py_ssize_t ldw, Py_ssize_t K,
                           Py_ssize_t J) noexcept nogil:
    """to (J, K) = the transpose of w (K, J), by blocks of 8 x 8; ldt, ldw: from one row to the next."""
    cdef Py_ssize_t j, k, done = 0
    for j in range(0, J - 7, 8):
        for k in range(0, K - 7, 8):
            if real is float:
                done = transpose_float(to + j * ldt + k, ldt, w + k * ldw + j, ldw)
            else:
                done = transpose_double(to + j * ldt + k, ldt, w + k * ldw + j, ldw)
    for j in range(J // 8 * 8 if done else 0, J):  # the last columns, or all where the compiler has no shuffles
        for k in range(K):
            to[j * ldt + k] = w[k * ldw + j]
    for k in range(K // 8 * 8, K):
        for j in range(J // 8 * 8 if done else 0):
            to[j * ldt + k] = w[k * ldw + j]


cdef inline void pack(real* packed, const real* w, Py_ssize_t row, Py_ssize_t K, Py_ssize_t J,
                      Py_ssize_t L) noexcept nogil:
    """packed (J, L) = the transpose of w (K, J), filled up with zeros; row: from one row of w to the next."""
    cdef Py_ssize_t j, k
    transpose(packed, L, w, row, K, J)
    if K < L:
        for j in range(J):
            for k in range(K, L):
                packed[j * L + k] = 0


cdef inline void blocks(real* c, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, const real* a, Py_ssize_t row,
                        Py_ssize_t step, const real* b, bint transposed, const real* start, real scale, real* scratch,
                        Ahead* ahead, vec* lanes) noexcept nogil:
    """multiply for large matrices: eight rows by four strips by DEEP terms at a time, so that what is used again is
    still in a cache near by.

    scratch: DEEP * (m + 5 vectors), to copy into what would lie badly: columns of A, and rows of B that are a multiple
    of 4096 bytes apart, which share one place in the first cache.
    """
    cdef real begin[64]
    cdef real out[512]
    cdef Py_ssize_t i, j, k, q, r, h, block, done, deep, width, L = sizeof(vec) // sizeof(real), W = 4 * L
    cdef bint by_columns = step != 1, packed = transposed or n * sizeof(real) % 4096 == 0
    cdef const real* rows
    cdef const real* panel
    cdef real* last = scratch + W * DEEP  # for the columns of B that do not fill a vector
    cdef real* copied = last + L * DEEP
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for block in range((p + DEEP - 1) // DEEP):
            done = block * DEEP
            deep = min(DEEP, p - done)
            if by_columns:
                for i in range(0, m, 8):
                    h = min(8, m - i)
                    for q in range(deep):
                        for r in range(h):
                            copied[i * deep + q * h + r] = a[i + r + (done + q) * step]
            for j from 0 <= j < n by W:
                width = min(W, n - j)
                panel = b + done * n + j
                if transposed:
                    for k from 0 <= k < width by L:
                        pack(scratch + k * deep, b + (j + k) * p + done, p, min(L, width - k), deep, L)
                elif packed:
                    for q in range(deep):
                        for k in range(4):
                            (<vec*> (scratch + (k * deep + q) * L))[0] = (<const vec*> (panel + q * n + k * L))[0]
                if packed:
                    panel = scratch
                for k in range(W):
                    begin[k] = start[j + k] if start is not NULL and done == 0 and k < width else 0
                for i in range(0, m, 8):
                    h = min(8, m - i)
                    rows = a + i * row + done * step
                    if by_columns:
                        rows = copied + i * deep
                    product(&out[0] if done else c + i * n + j, W if done else n, h, width, deep, rows, row,
                            h if by_columns else step, panel, n, packed, &begin[0], scale, last, ahead, lanes)
                    if done:
                        for r in range(h):
                            for k in range(width):
                                c[(i + r) * n + j + k] += out[r * W + k]


cdef inline void small_product(real* c, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, const real* a, Py_ssize_t row,
                               Py_ssize_t step, const real* b, bint transposed, const real* start,
                               real scale) noexcept nogil:
    """C (m, n) = scale * (start + A B) entry by entry: a handful of numbers is not worth a vector. Each sum is taken in
    the order of its terms, as in `tile`."""
    cdef Py_ssize_t i, j, q, down = 1 if transposed else n, along = p if transposed else 1
    cdef real total
    for i in range(m):
        for j in range(n):
            total = 0 if start is NULL else start[j]
            for q in range(p):
                total = multiply_add(a[i * row + q * step], b[q * down + j * along], total)
            c[i * n + j] = scale * total


cdef inline void by_size(real* c, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, const real* a, Py_ssize_t row,
                         Py_ssize_t step, const real* b, bint transposed, const real* start, real scale, real* scratch,
                         Ahead* ahead, vec* lanes) noexcept nogil:
    cdef Py_ssize_t j, L = sizeof(vec) // sizeof(real), padded = (n + L - 1) // L * L
    cdef real* row_of_start = scratch + padded * p
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        if m * n * p <= SMALL:
            small_product(c, m, n, p, a, row, step, b, transposed, start, scale)
        elif m * n * p >= LARGE:
            blocks(c, m, n, p, a, row, step, b, transposed, start, scale, scratch, ahead, lanes)
        elif transposed:
            for j from 0 <= j < n by L:
                pack(scratch + j * p, b + j * p, p, min(L, n - j), p, L)
            for j in range(padded):
                row_of_start[j] = start[j] if start is not NULL and j < n else 0
            product(c, n, m, n, p, a, row, step, scratch, n, True, row_of_start, scale, <real*> NULL, ahead, lanes)
        else:
            product(c, n, m, n, p, a, row, step, b, n, False, start, scale, scratch, ahead, lanes)


cdef inline void multiply(real* c, Py_ssize_t m, Py_ssize_t n, Py_ssize_t p, const real* a, Py_ssize_t row,
                          Py_ssize_t step, const real* b, bint transposed, const real* start, real scale, real* scratch,
                          Ahead* ahead) noexcept nogil:
    """C (m, n) = scale * (start + A B), in the way that suits its size.

    A is a[i * row + q * step], i < m, q < p; B is b (p, n), or the transpose of b (n, p); start (n,), or NULL for 0.
    scratch: memory for what is copied, see _scratch_size. ahead: what to fetch meanwhile, or NULL.
    """
    if real is float:
        by_size(c, m, n, p, a, row, step, b, transposed, start, scale, scratch, ahead, <float_lanes*> NULL)
    else:
        by_size(c, m, n, p, a, row, step, b, transposed, start, scale, scratch, ahead, <double_lanes*> NULL)


cdef inline void add_fourths(vec* sums, const real* a, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """Add m vectors that are n numbers apart to four sums: every fourth to one, those left to the first."""
    cdef Py_ssize_t i
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for i in range(0, m - 3, 4):
            sums[0] += (<const vec*> (a + i * n))[0]
            sums[1] += (<const vec*> (a + (i + 1) * n))[0]
            sums[2] += (<const vec*> (a + (i + 2) * n))[0]
            sums[3] += (<const vec*> (a + (i + 3) * n))[0]
        for i in range(m // 4 * 4, m):
            sums[0] += (<const vec*> (a + i * n))[0]


cdef inline void vector_sums(real* part, const real* a, Py_ssize_t m, Py_ssize_t n, vec* lanes) noexcept nogil:
    """part = the sum of m vectors that are n numbers apart: every fourth in a register of its own."""
    cdef vec s[4]
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        memset(&s[0], 0, sizeof(s))
        add_fourths(&s[0], a, m, n)
        (<vec*> part)[0] = (s[0] + s[1]) + (s[2] + s[3])


cdef inline real number_sum(const real* a, Py_ssize_t m, Py_ssize_t n) noexcept nogil:
    """The same for one column."""
    cdef real s0 = 0, s1 = 0, s2 = 0, s3 = 0
    cdef Py_ssize_t i
    for i in range(0, m - 3, 4):
        s0 += a[i * n]
        s1 += a[(i + 1) * n]
        s2 += a[(i + 2) * n]
        s3 += a[(i + 3) * n]
    for i in range(m // 4 * 4, m):
        s0 += a[i * n]
    return (s0 + s1) + (s2 + s3)


cdef inline void strip_sums(real* total, const real* a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t width, real scale,
                            vec* lanes) noexcept nogil:
    """scale * the sums of the first columns: of a whole vector of them, or one by one where there are fewer in all."""
    cdef real part[16]
    cdef double whole[16]
    cdef Py_ssize_t i, q, L = sizeof(vec) // sizeof(real)
    if m <= DEEP:
        if width == L:
            vector_sums(total, a, m, n, lanes)
        for q in range(width):
            total[q] = (total[q] if width == L else number_sum(a + q, m, n)) * scale
        return
    for q in range(width):
        whole[q] = 0
    for i from 0 <= i < m by DEEP:
        if width == L:
            vector_sums(&part[0], a + i * n, min(<Py_ssize_t> DEEP, m - i), n, lanes)
        for q in range(width):
            whole[q] += part[q] if width == L else number_sum(a + i * n + q, min(<Py_ssize_t> DEEP, m - i), n)
    for q in range(width):
        total[q] = <real> (whole[q] * scale)


cdef inline void sums(real* total, const real* a, Py_ssize_t m, Py_ssize_t n, real scale, vec* lanes) noexcept nogil:
    cdef Py_ssize_t strip, j, L = sizeof(vec) // sizeof(real)
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for strip in range(n // L):
            strip_sums(total + strip * L, a + strip * L, m, n, L, scale, lanes)
        if n % L:
            j = max(n - L, 0)  # the last vector overlaps the one before
            strip_sums(total + j, a + j, m, n, n - j, scale, lanes)


cdef inline void column_sums(real* total, const real* a, Py_ssize_t m, Py_ssize_t n, real scale) noexcept nogil:
    """total (n,) = scale * the sum of the rows of a (m, n), in one order for all columns and all widths of vectors:

    DEEP rows at a time as ((s0 + s1) + (s2 + s3)), s_i the sum of rows i, i + 4, ...; s0 has the last ones too, where
    four do not divide. The sums of so many rows are added in double, one after the other.
    """
    cdef Py_ssize_t j
    if m == 1:
        for j in range(n):
            total[j] = a[j] * scale
    elif real is float:
        sums(total, a, m, n, scale, <float_lanes*> NULL)
    else:
        sums(total, a, m, n, scale, <double_lanes*> NULL)
