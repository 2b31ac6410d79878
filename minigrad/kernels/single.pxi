"""One sample a step. Included in _core.pyx before epoch.pxi, which takes the steps.

A net that sees one sample at a time uses each weight three times between two updates, and that takes less time than to
bring a matrix into the layout that suits a product. So while an epoch lasts the weights stand in columns, filled up
with zeros to whole vectors, the bias as one column more. Only delta W wants rows: a copy, made anew after each update.
Then every term of every product is a vector times a number:

    z = b + sum_j a_j column_j        below = sum_k delta_k row_k        gradient of column_j = a_j delta

Sums are taken term by term, and the bias is added where `_affine` adds it, so the bits are those of the usual kernels.
Layers that `_affine` multiplies otherwise have no columns.
"""

from libc.string cimport memcpy, memset

from minigrad.kernels.types cimport double_lanes, float_lanes, real, vec, vector_size

cdef struct Parameter:
    void* value
    void* first  # the optimizer's arrays, NULL where it has none
    void* second
    Py_ssize_t size

cdef struct Columns:
    Py_ssize_t inputs
    Py_ssize_t outputs
    Py_ssize_t row  # inputs, filled up to whole vectors
    Py_ssize_t column  # outputs, likewise
    bint bias
    bint bias_last
    Parameter all  # (inputs + bias, column), with the optimizer's arrays
    void* rows  # (outputs, row)


cdef inline Py_ssize_t filled(Py_ssize_t size, int type) noexcept nogil:
    """size numbers, filled up to whole vectors."""
    cdef Py_ssize_t L = vector_size(<float*> NULL) if type == cnp.NPY_FLOAT32 else vector_size(<double*> NULL)
    return (size + L - 1) // L * L


cdef inline void combine(real* out, const real* start, const real* factors, const real* vectors, Py_ssize_t count,
                         Py_ssize_t size, vec* lanes) noexcept nogil:
    """out = start + sum_i factors_i vectors_i, of vectors (count, size); start NULL: 0."""
    cdef vec total
    cdef Py_ssize_t i, s
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        for s from 0 <= s < size by <Py_ssize_t> (sizeof(vec) // sizeof(real)):
            if start is NULL:
                memset(&total, 0, sizeof(total))
            else:
                total = (<const vec*> (start + s))[0]
            for i in range(count):
                total += (<const vec*> (vectors + i * size + s))[0] * factors[i]
            (<vec*> (out + s))[0] = total


cdef inline void multiples(real* out, const real* factors, const real* vector, Py_ssize_t count, Py_ssize_t size,
                           vec* lanes) noexcept nogil:
    """out_i = 0 + factors_i vector (count, size); 0, as in a sum of one term, makes -0 to 0."""
    cdef vec zero
    cdef Py_ssize_t i, s
    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):
        memset(&zero, 0, sizeof(zero))
        for i in range(count):
            for s from 0 <= s < size by <Py_ssize_t> (sizeof(vec) // sizeof(real)):
                (<vec*> (out + i * size + s))[0] = zero + (<const vec*> (vector + s))[0] * factors[i]


cdef void columns_affine(real* z, const real* a, const Columns* c) noexcept nogil:
    """z = W a + b."""
    cdef Py_ssize_t k
    cdef const real* w = <real*> c.all.value
    cdef const real* bias = w + c.inputs * c.column
    cdef const real* start = NULL
    if c.bias and not c.bias_last:
        start = bias
    if real is float:
        combine(z, start, a, w, c.inputs, c.column, <float_lanes*> NULL)
    else:
        combine(z, start, a, w, c.inputs, c.column, <double_lanes*> NULL)
    if c.bias and c.bias_last:
        for k in range(c.column):
            z[k] += bias[k]


cdef void columns_propagate(real* below, const real* delta, const Columns* c) noexcept nogil:
    """delta W."""
    if real is float:
        combine(below, <const real*> NULL, delta, <real*> c.rows, c.outputs, c.row, <float_lanes*> NULL)
    else:
        combine(below, <const real*> NULL, delta, <real*> c.rows, c.outputs, c.row, <double_lanes*> NULL)


cdef void columns_gradient(real* g, const real* delta, const real* a, const Columns* c) noexcept nogil:
    """delta a^T, by columns, and delta as the bias's."""
    if real is float:
        multiples(g, a, delta, c.inputs, c.column, <float_lanes*> NULL)
    else:
        multiples(g, a, delta, c.inputs, c.column, <double_lanes*> NULL)
    if c.bias:
        memcpy(g + c.inputs * c.column, delta, c.column * sizeof(real))


cdef void renew_rows(const Columns* c, real* tag) noexcept nogil:
    cdef Py_ssize_t j, k
    for k in range(c.outputs):
        for j in range(c.inputs):
            (<real*> c.rows)[k * c.row + j] = (<real*> c.all.value)[j * c.column + k]


cdef void turn_array(void* columns, void* weight, void* bias, const Columns* c, bint back, real* tag) noexcept nogil:
    """Copy an array of the weight's size, and one of the bias's, to columns, or back; columns NULL: there is none."""
    cdef Py_ssize_t j, k
    cdef real* to = <real*> columns
    cdef real* w = <real*> weight
    if columns is NULL:
        return
    for k in range(c.outputs):
        for j in range(c.inputs):
            if back:
                w[k * c.inputs + j] = to[j * c.column + k]
            else:
                to[j * c.column + k] = w[k * c.inputs + j]
    to += c.inputs * c.column
    if c.bias and back:
        memcpy(bias, to, c.outputs * sizeof(real))
    elif c.bias:
        memcpy(to, bias, c.outputs * sizeof(real))
