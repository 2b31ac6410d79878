"""The compiled numerical core: every hot loop. Its readable twin, function by function, is kernels/twin.py.

Index legend: n sample (N), p position (P), r row (R = N P), k output neuron (K), j input (J).
    z = a W^T + b        delta = dc/dz of each sample        dC/dW = delta^T a / N, summed over samples and positions

Why it is built as it is:

a) Rows and samples are two numbers. The products and the activations see R rows; only the 1/N of a mean over samples
   and the 1/P of a loss ask what the rows are. Without positions R is N, and P is 1.
b) A kernel works on pointers, without the GIL. What Python calls has looked at every array before: type, layout, shape.
c) Kernels are written once and compiled for float and for double; kernels/types.pxd says how.
d) The kernels of activations, losses and optimizers are in kernels/*.pxi, of each kind one list. Included, they are
   compiled as part of this file, so that what Python calls and the fused epoch are the same machine code.
e) So there is one meaning for two drivers: the fused epoch calls the kernels in the order of the Python loop, and both
   end with the same bits. Where a sum has an order it is written out, and no flag lets the compiler change it.
f) A fused epoch is compiled once, to a flat list of operations and all the memory that they need: a step allocates
   nothing, and asks Python for nothing.
g) Products are done in one of five ways, by size: small ones are not worth a vector, long rows of few samples not worth
   packing, large ones have to stay in a cache. NumPy's BLAS has the largest, if it may use several cores. Where one
   sample makes a step, the fused epoch keeps the weights in columns, which need no packing: kernels/single.pxi.
"""

cimport numpy as cnp
from libc.stdlib cimport free, malloc

from minigrad.kernels.dots cimport BLOCK, dots
from minigrad.kernels.math cimport exp_minus, normal_tail as _normal_tail
from minigrad.kernels.products cimport DEEP, LARGE, SMALL, column_sums, multiply, transpose
from minigrad.kernels.tiles cimport Ahead
from minigrad.kernels.types cimport double_lanes, float_lanes, real, vector_size

import numpy as np

from .kernels.cpu import blas_cores as _blas_cores

cnp.import_array()

cdef Py_ssize_t FEW = 16  # samples up to which long rows are multiplied without packing
cdef Py_ssize_t SHARED = 32000000  # multiply-adds from which NumPy's BLAS has a product, if it may use several cores
cdef Py_ssize_t CACHE = 262144  # bytes that stay in a core's caches anyway


# ---- the three products ------------------------------------------------------------------------------------

cdef object _dot = np.dot
cdef bint several_cores = _blas_cores() > 1


cdef object _view(const real* data, Py_ssize_t rows, Py_ssize_t columns):
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = rows, columns
    return cnp.PyArray_SimpleNewFromData(2, shape, cnp.NPY_FLOAT32 if real is float else cnp.NPY_FLOAT64,
                                         <void*> data)


cdef Py_ssize_t _scratch_size(Py_ssize_t R, Py_ssize_t J, Py_ssize_t K) noexcept nogil:
    """Entries of scratch that the three products of one linear layer need at most."""
    cdef Py_ssize_t small = max((J + 1) * (max(R, K) + 15), 16 * max(R, K))
    cdef Py_ssize_t long_sums = 3 * J * K + 16 if R > DEEP else 0
    return R * K + 16 + long_sums + max(small, DEEP * (K + 80) if R * J * K >= LARGE else 0)


cdef enum:
    PLAIN, TURNED, DOTS, BLAS  # the ways in which _affine multiplies


cdef int _way(Py_ssize_t R, Py_ssize_t J, Py_ssize_t K, real* tag) noexcept nogil:
    """How z = a W^T + b is computed. PLAIN: the bias first, then term by term. TURNED, as z^T = W a^T, where packing a
    is less work than packing W: term by term, and the bias last."""
    cdef Py_ssize_t L = vector_size(tag)
    cdef Py_ssize_t R_padded = (R + L - 1) // L * L, K_padded = (K + L - 1) // L * L
    if R * J * K >= SHARED and several_cores:
        return BLAS
    if R <= FEW and R % L != 0 and J >= 8 * L and K >= BLOCK:
        return DOTS
    if (R_padded * (K + 8) * J + 4 * R * K < K_padded * (R + 8) * J and R * J * K > SMALL
            and R * K * <Py_ssize_t> sizeof(real) <= CACHE):
        return TURNED
    return PLAIN


cdef int _way_of(Py_ssize_t R, Py_ssize_t J, Py_ssize_t K, bint single) noexcept nogil:
    return _way(R, J, K, <float*> NULL) if single else _way(R, J, K, <double*> NULL)


def term_by_term(Py_ssize_t R, Py_ssize_t J, Py_ssize_t K, bint single):
    """Does `affine` of these sizes add its terms one by one, so that another kernel can do the same?"""
    return _way_of(R, J, K, single) in (PLAIN, TURNED)


cdef int _affine(real* z, const real* a, const real* w, const real* bias, Py_ssize_t R, Py_ssize_t J,
                 Py_ssize_t K, real* scratch, Ahead* ahead) except -1 nogil:
    """z = a W^T + b."""
    cdef Py_ssize_t r, k
    cdef int way = _way(R, J, K, scratch)
    if way == BLAS:
        with gil:
            _dot(_view(a, R, J), _view(w, K, J).T, _view(z, R, K))
    elif way == DOTS:
        dots(z, a, w, bias, R, J, K, ahead)
    elif way == TURNED:
        multiply(scratch, K, R, J, w, J, 1, a, True, <const real*> NULL, <real> 1,
                 scratch + (R * K + 15) // 16 * 16, ahead)
        transpose(z, K, scratch, R, K, R)
    else:
        multiply(z, R, K, J, a, J, 1, w, True, bias, <real> 1, scratch, ahead)
    if bias is not NULL and (way == BLAS or way == TURNED):
        for r in range(R):
            for k in range(K):
                z[r * K + k] += bias[k]
    return 0


cdef int _propagate(real* below, const real* delta, const real* w, Py_ssize_t R, Py_ssize_t J, Py_ssize_t K,
                    real* scratch) except -1 nogil:
    """delta W."""
    if R * J * K >= SHARED and several_cores:
        with gil:
            _dot(_view(delta, R, K), _view(w, K, J), _view(below, R, J))
    else:
        multiply(below, R, J, K, delta, K, 1, w, False, <const real*> NULL, <real> 1, scratch, NULL)
    return 0


cdef int _weight_gradient(real* g, const real* delta, const real* a, Py_ssize_t R, Py_ssize_t J, Py_ssize_t K,
                          Py_ssize_t N, real* scratch, Ahead* ahead) except -1 nogil:
    """delta^T a / N: a sum over R rows, a mean over N samples."""
    cdef Py_ssize_t i
    cdef real scale = <real> (1.0 / max(N, 1))
    if R * J * K >= SHARED and several_cores:
        for i in range(R * K):  # delta is the smaller of the two to scale
            scratch[i] = delta[i] * scale
        with gil:
            _dot(_view(scratch, R, K).T, _view(a, R, J), _view(g, K, J))
    elif R > DEEP:
        _long_weight_gradient(g, delta, a, R, J, K, scale, scratch, ahead)
    else:
        multiply(g, K, J, R, delta, 1, K, a, False, <const real*> NULL, scale, scratch, ahead)
    return 0


cdef void _long_weight_gradient(real* g, const real* delta, const real* a, Py_ssize_t R, Py_ssize_t J, Py_ssize_t K,
                                real scale, real* scratch, Ahead* ahead) noexcept nogil:
    """scale * delta^T a over so many rows that float32 would lose digits: some at a time, added in double."""
    cdef Py_ssize_t some = DEEP if J * K * DEEP < LARGE else 8 * DEEP  # multiply adds large ones DEEP at a time itself
    cdef Py_ssize_t r, i
    cdef double* whole = <double*> scratch
    cdef real* part = scratch + J * K * <Py_ssize_t> (sizeof(double) // sizeof(real))
    for i in range(J * K):
        whole[i] = 0
    for r from 0 <= r < R by some:
        multiply(part, K, J, min(some, R - r), delta + r * K, 1, K, a + r * J, False, <const real*> NULL, <real> 1,
                 part + J * K, ahead)
        for i in range(J * K):
            whole[i] += part[i]
    for i in range(J * K):
        g[i] = <real> (whole[i] * scale)


cdef void _bias_gradient(real* g, const real* delta, Py_ssize_t R, Py_ssize_t K, Py_ssize_t N) noexcept nogil:
    """The sum of delta over R rows, its mean over N samples."""
    column_sums(g, delta, R, K, <real> (1.0 / max(N, 1)))


# ---- activations, losses and optimizers ---------------------------------------------------------------------

cdef int _without_branch(str table, int number) except -1 with gil:
    """A kind that was entered in a list and given no branch: an error, never the memory that happened to be there."""
    raise ValueError(f"number {number} of {table} has no branch in kernels/")


include "kernels/activations.pxi"
include "kernels/losses.pxi"
include "kernels/optimizers.pxi"


cdef int _forward(int kind, real* a, const real* z, Py_ssize_t size, real alpha) except -1 nogil:
    """a = f(z)."""
    return activate(kind, a, z, <const real*> NULL, size, alpha, <forward*> NULL)


cdef int _backward(int kind, real* below, const real* delta, const real* saved, Py_ssize_t size,
                   real alpha) except -1 nogil:
    """dc/dz = dc/da f'(z)."""
    return activate(kind, below, saved, delta, size, alpha, <backward*> NULL)


# ---- what Python calls -----------------------------------------------------------------------------------------

cdef int _float_type(object array, str name) except -1:
    """The NumPy type number of a float32 or float64 array."""
    cdef int type = cnp.PyArray_TYPE(<cnp.ndarray> array) if isinstance(array, np.ndarray) else -1
    if type != cnp.NPY_FLOAT32 and type != cnp.NPY_FLOAT64:
        found = getattr(array, "dtype", array.__class__.__name__)
        raise TypeError(f"{name} must be a float32 or float64 array, not {found}")
    return type


cdef int _is_array(object array, str name) except -1:
    """A TypeError where it is none, or one whose numbers do not all count."""
    if not cnp.PyArray_CheckExact(array):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name} must be an array, not {type(array).__name__}")
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array; fill or drop its masked entries first")
    return 0


cdef cnp.ndarray _ready(object array, int type, int ndim, str name):
    """The array itself, or a contiguous copy; a TypeError or ValueError where it cannot be what is asked for."""
    _is_array(array, name)
    cdef cnp.ndarray a = array
    if cnp.PyArray_TYPE(a) != type:
        raise TypeError(f"{name} has dtype {a.dtype}, expected {cnp.PyArray_DescrFromType(type)}")
    if cnp.PyArray_NDIM(a) != ndim:
        raise ValueError(f"{name} has {cnp.PyArray_NDIM(a)} dimensions, expected {ndim}")
    if cnp.PyArray_ISCARRAY_RO(a):
        return a
    return np.array(a, dtype=cnp.PyArray_DescrFromType(type), order="C")


cdef cnp.ndarray _target(object array, int type, object weight, str name):
    """An array of the weight's shape, or the weight itself, that is updated in place."""
    _is_array(array, name)
    cdef cnp.ndarray a = array
    if cnp.PyArray_TYPE(a) != type:
        raise TypeError(f"{name} must be an array of {cnp.PyArray_DescrFromType(type)}, not {a.dtype}")
    if not cnp.PyArray_ISCARRAY(a):
        _refuse_target(a, name)
    _same_shape(a, weight, name)
    return a


cdef int _refuse_target(cnp.ndarray a, str name) except -1:
    """Why an array cannot be updated in place, and what can."""
    faults = [
        fault
        for fault, found in (
            ("is in the byte order of another machine", not cnp.PyArray_ISNOTSWAPPED(a)),
            ("is not aligned in memory", not cnp.PyArray_ISALIGNED(a)),
            ("is not C-contiguous", not cnp.PyArray_IS_C_CONTIGUOUS(a)),
            ("is read-only", not cnp.PyArray_ISWRITEABLE(a)),
        )
        if found
    ]
    type = cnp.PyArray_DescrFromType(cnp.PyArray_TYPE(a))
    raise ValueError(f"{name} {' and '.join(faults)}, so it cannot be updated in place; "
                     f"a copy can: np.array(array, dtype=np.{type}, order='C')")


cdef int _same_shape(cnp.ndarray array, cnp.ndarray weight, str name) except -1:
    if not cnp.PyArray_SAMESHAPE(array, weight):
        raise ValueError(f"{name} has shape {(<object> array).shape}, expected {(<object> weight).shape}")
    return 0


cdef cnp.ndarray _rows(object array, int type, str name):
    """_ready, for arrays (N, ..., J): of rows, one at each position of each sample."""
    _check_rows(array, name)
    return _ready(array, type, cnp.PyArray_NDIM(array), name)


cdef int _check_rows(object array, str name) except -1:
    _is_array(array, name)
    if cnp.PyArray_NDIM(array) < 2:
        raise ValueError(f"{name} has shape {array.shape}, expected (N, ..., features): two dimensions or more")
    return 0


cdef Py_ssize_t _width(cnp.ndarray array) noexcept:
    """J of an array (N, ..., J)."""
    return cnp.PyArray_DIM(array, cnp.PyArray_NDIM(array) - 1)


cdef Py_ssize_t _row_count(cnp.ndarray array) noexcept:
    """R = N P of an array (N, ..., J)."""
    cdef Py_ssize_t R = 1
    cdef int i
    for i in range(cnp.PyArray_NDIM(array) - 1):
        R *= cnp.PyArray_DIM(array, i)
    return R


cdef int _fits(cnp.ndarray array, cnp.ndarray like, Py_ssize_t width, str name) except -1:
    """A ValueError where the array does not have width numbers, or one (width -1), for each row of another."""
    cdef int i, last = cnp.PyArray_NDIM(like) - 1
    cdef bint fits = cnp.PyArray_NDIM(array) == last + (width >= 0)
    for i in range(last if fits else 0):
        fits = fits and cnp.PyArray_DIM(array, i) == cnp.PyArray_DIM(like, i)
    if not fits or width >= 0 and cnp.PyArray_DIM(array, last) != width:
        expected = (<object> like).shape[:last] + ((width,) if width >= 0 else ())
        raise ValueError(f"{name} has shape {(<object> array).shape}, expected {expected}")
    return 0


cdef cnp.ndarray _empty(cnp.ndarray like, Py_ssize_t width, int type):
    """Uninitialised memory for rows like those of an array (N, ..., J), of another width."""
    cdef cnp.npy_intp shape[64]  # as many axes as NumPy has
    cdef int i, last = cnp.PyArray_NDIM(like) - 1
    for i in range(last):
        shape[i] = cnp.PyArray_DIM(like, i)
    shape[last] = width
    return cnp.PyArray_EMPTY(last + 1, shape, type, 0)


cdef int _same(Py_ssize_t got, Py_ssize_t expected, str what) except -1:
    if got != expected:
        raise ValueError(f"{what} is {got}, expected {expected}")
    return 0


cdef int _in_classes(object y, Py_ssize_t K) except -1:
    if not (0 <= y.min() and y.max() < K):
        raise ValueError(f"y holds class numbers from {y.min()} to {y.max()}, expected 0 to {K - 1}")
    return 0


cdef void* _scratch(Py_ssize_t R, Py_ssize_t J, Py_ssize_t K) except NULL:
    cdef void* memory = malloc(8 * _scratch_size(R, J, K))
    if memory is NULL:
        raise MemoryError()
    return memory


def affine(a, weight, bias):
    """z = a W^T + b: (N, ..., J), (K, J), (K,) or None -> (N, ..., K)."""
    cdef int type = _float_type(a, "a")
    cdef cnp.ndarray a_ = _rows(a, type, "a"), w_ = _ready(weight, type, 2, "weight"), b_ = None
    cdef Py_ssize_t R = _row_count(a_), J = _width(a_), K = cnp.PyArray_DIM(w_, 0)
    cdef cnp.ndarray z = _empty(a_, K, type)
    cdef void* b = NULL
    cdef void* scratch
    _same(cnp.PyArray_DIM(w_, 1), J, "the width of weight")
    if bias is not None:
        b_ = _ready(bias, type, 1, "bias")
        _same(cnp.PyArray_DIM(b_, 0), K, "the length of bias")
        b = cnp.PyArray_DATA(b_)
    scratch = _scratch(R, J, K)
    try:
        if type == cnp.NPY_FLOAT32:
            _affine(<float*> cnp.PyArray_DATA(z), <float*> cnp.PyArray_DATA(a_), <float*> cnp.PyArray_DATA(w_),
                    <float*> b, R, J, K, <float*> scratch, NULL)
        else:
            _affine(<double*> cnp.PyArray_DATA(z), <double*> cnp.PyArray_DATA(a_), <double*> cnp.PyArray_DATA(w_),
                    <double*> b, R, J, K, <double*> scratch, NULL)
    finally:
        free(scratch)
    return z


def propagate(delta, weight):
    """dc/da = delta W: (N, ..., K), (K, J) -> (N, ..., J)."""
    cdef int type = _float_type(delta, "delta")
    cdef cnp.ndarray d_ = _rows(delta, type, "delta"), w_ = _ready(weight, type, 2, "weight")
    cdef Py_ssize_t R = _row_count(d_), K = _width(d_), J = cnp.PyArray_DIM(w_, 1)
    cdef cnp.ndarray below = _empty(d_, J, type)
    cdef void* scratch
    _same(cnp.PyArray_DIM(w_, 0), K, "the number of rows of weight")
    scratch = _scratch(R, J, K)
    try:
        if type == cnp.NPY_FLOAT32:
            _propagate(<float*> cnp.PyArray_DATA(below), <float*> cnp.PyArray_DATA(d_),
                       <float*> cnp.PyArray_DATA(w_), R, J, K, <float*> scratch)
        else:
            _propagate(<double*> cnp.PyArray_DATA(below), <double*> cnp.PyArray_DATA(d_),
                       <double*> cnp.PyArray_DATA(w_), R, J, K, <double*> scratch)
    finally:
        free(scratch)
    return below


def weight_gradient(delta, a):
    """dC/dW = delta^T a / N: (N, ..., K), (N, ..., J) -> (K, J). The only place where 1/N enters a weight gradient."""
    cdef int type = _float_type(delta, "delta")
    cdef cnp.ndarray d_ = _rows(delta, type, "delta"), a_ = _rows(a, type, "a")
    cdef cnp.npy_intp[2] shape = [_width(d_), _width(a_)]
    cdef Py_ssize_t N = cnp.PyArray_DIM(d_, 0), R = _row_count(d_), K = shape[0], J = shape[1]
    cdef cnp.ndarray g = cnp.PyArray_EMPTY(2, shape, type, 0)
    cdef void* scratch
    _fits(a_, d_, J, "a")
    scratch = _scratch(R, J, K)
    try:
        if type == cnp.NPY_FLOAT32:
            _weight_gradient(<float*> cnp.PyArray_DATA(g), <float*> cnp.PyArray_DATA(d_),
                             <float*> cnp.PyArray_DATA(a_), R, J, K, N, <float*> scratch, NULL)
        else:
            _weight_gradient(<double*> cnp.PyArray_DATA(g), <double*> cnp.PyArray_DATA(d_),
                             <double*> cnp.PyArray_DATA(a_), R, J, K, N, <double*> scratch, NULL)
    finally:
        free(scratch)
    return g


def bias_gradient(delta):
    """dC/db = the mean over the samples of delta, summed over positions: (N, ..., K) -> (K,)."""
    cdef int type = _float_type(delta, "delta")
    cdef cnp.ndarray d_ = _rows(delta, type, "delta")
    cdef cnp.npy_intp N = cnp.PyArray_DIM(d_, 0), K = _width(d_)
    cdef cnp.ndarray g = cnp.PyArray_EMPTY(1, &K, type, 0)
    if type == cnp.NPY_FLOAT32:
        _bias_gradient(<float*> cnp.PyArray_DATA(g), <float*> cnp.PyArray_DATA(d_), _row_count(d_), K, N)
    else:
        _bias_gradient(<double*> cnp.PyArray_DATA(g), <double*> cnp.PyArray_DATA(d_), _row_count(d_), K, N)
    return g


def activation(str kind, z, double alpha=0.0):
    """a = f(z), entry by entry, for z of any shape."""
    cdef int type = _float_type(z, "z")
    cdef cnp.ndarray z_ = _ready(z, type, cnp.PyArray_NDIM(z), "z")
    cdef cnp.ndarray a = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(z_), cnp.PyArray_DIMS(z_), type, 0)
    cdef int number = ACTIVATIONS[kind]
    if type == cnp.NPY_FLOAT32:
        _forward(number, <float*> cnp.PyArray_DATA(a), <float*> cnp.PyArray_DATA(z_), cnp.PyArray_SIZE(z_),
                 <float> alpha)
    else:
        _forward(number, <double*> cnp.PyArray_DATA(a), <double*> cnp.PyArray_DATA(z_), cnp.PyArray_SIZE(z_), alpha)
    return a


def activation_backward(str kind, delta, saved, double alpha=0.0):
    """dc/dz = dc/da f'(z), entry by entry; saved is a for sigmoid, tanh, (leaky) relu, centered_sigmoid, else z."""
    cdef int type = _float_type(delta, "delta")
    cdef cnp.ndarray d_ = _ready(delta, type, cnp.PyArray_NDIM(delta), "delta")
    cdef cnp.ndarray s_ = _ready(saved, type, cnp.PyArray_NDIM(d_), "saved")
    cdef cnp.ndarray below = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(d_), cnp.PyArray_DIMS(d_), type, 0)
    cdef int number = ACTIVATIONS[kind]
    cdef int i
    for i in range(cnp.PyArray_NDIM(d_)):
        _same(cnp.PyArray_DIM(s_, i), cnp.PyArray_DIM(d_, i), f"dimension {i} of saved")
    if type == cnp.NPY_FLOAT32:
        _backward(number, <float*> cnp.PyArray_DATA(below), <float*> cnp.PyArray_DATA(d_),
                  <float*> cnp.PyArray_DATA(s_), cnp.PyArray_SIZE(d_), <float> alpha)
    else:
        _backward(number, <double*> cnp.PyArray_DATA(below), <double*> cnp.PyArray_DATA(d_),
                  <double*> cnp.PyArray_DATA(s_), cnp.PyArray_SIZE(d_), alpha)
    return below


cdef tuple _loss_and_delta(int kind, object output, object y, double alpha=0):
    cdef int type = _float_type(output, "output")
    cdef cnp.ndarray o_ = _rows(output, type, "output")
    cdef Py_ssize_t R = _row_count(o_), K = _width(o_), P = R // max(cnp.PyArray_DIM(o_, 0), 1)
    cdef bint classes = kind == CROSS_ENTROPY
    cdef cnp.ndarray y_ = _ready(y, cnp.NPY_INT64 if classes else type, cnp.PyArray_NDIM(o_) - classes, "y")
    cdef cnp.ndarray delta = _empty(o_, K, type)
    cdef double loss
    if R == 0 or K == 0:
        raise ValueError(f"output has shape {output.shape}: the mean loss of nothing is not defined")
    _fits(y_, o_, -1 if classes else K, "y")
    if classes:
        _in_classes(y_, K)
    if type == cnp.NPY_FLOAT32:
        loss = _loss(kind, <float*> cnp.PyArray_DATA(delta), <float*> cnp.PyArray_DATA(o_),
                     cnp.PyArray_DATA(y_), R, K, P, <float> alpha)
    else:
        loss = _loss(kind, <double*> cnp.PyArray_DATA(delta), <double*> cnp.PyArray_DATA(o_),
                     cnp.PyArray_DATA(y_), R, K, P, alpha)
    return loss, delta


cdef object _entry_by_entry(object x, bint tail):
    cdef int type = _float_type(x, "x")
    cdef cnp.ndarray x_ = _ready(x, type, cnp.PyArray_NDIM(x), "x")
    cdef cnp.ndarray out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x_), cnp.PyArray_DIMS(x_), type, 0)
    cdef Py_ssize_t i
    cdef float* single = <float*> cnp.PyArray_DATA(out)
    cdef double* double_ = <double*> cnp.PyArray_DATA(out)
    for i in range(cnp.PyArray_SIZE(x_)):
        if type == cnp.NPY_FLOAT32:
            single[i] = (<float*> cnp.PyArray_DATA(x_))[i]
            single[i] = _normal_tail(single[i]) if tail else exp_minus(single[i])
        else:
            double_[i] = (<double*> cnp.PyArray_DATA(x_))[i]
            double_[i] = _normal_tail(double_[i]) if tail else exp_minus(double_[i])
    return out


def exponential(x):
    """e^-|x|, entry by entry: what the kernels use, here for tests and measurements."""
    return _entry_by_entry(x, False)


def normal_tail(x):
    """Phi(-|x|) = erfc(|x| / sqrt 2) / 2, entry by entry: likewise."""
    return _entry_by_entry(x, True)


def mse(output, y):
    """c_n = mean_k (a - y)^2, delta = 2 (a - y) / K / P."""
    return _loss_and_delta(MSE, output, y)


def huber(output, y, double alpha):
    """c_n = mean_k of d^2 / 2 for |d| <= alpha, d = a - y, else alpha (|d| - alpha / 2); delta = clip(d) / K / P."""
    return _loss_and_delta(HUBER, output, y, alpha)


def bce(output, y):
    """c_n = -mean_k [y log a + (1-y) log(1-a)], logs clamped at -100; delta = (a - y) / (a (1-a)) / K / P."""
    return _loss_and_delta(BCE, output, y)


def bce_with_logits(output, y):
    """c_n = mean_k [max(z, 0) - y z + log(1 + e^-|z|)], delta = (sigma(z) - y) / K / P."""
    return _loss_and_delta(BCE_WITH_LOGITS, output, y)


def cross_entropy(output, y):
    """c_n = log sum_k e^z_k - z_y for class numbers y (N, ...); delta = (softmax(z) - onehot(y)) / P."""
    return _loss_and_delta(CROSS_ENTROPY, output, y)


def soft_cross_entropy(output, y):
    """c_n = -sum_k y_k log softmax(z)_k for probabilities y (N, ..., K); delta = (softmax(z) sum_k y_k - y) / P."""
    return _loss_and_delta(SOFT_CROSS_ENTROPY, output, y)


def sgd(weight, gradient, velocity, double lr, double momentum, bint nesterov, double weight_decay):
    """v = momentum v + g; w -= lr v, or lr (g + momentum v) for Nesterov; velocity None: w -= lr g."""
    cdef int type = _float_type(weight, "weight")
    cdef Py_ssize_t size = cnp.PyArray_SIZE(weight)
    cdef cnp.ndarray g_ = _ready(gradient, type, cnp.PyArray_NDIM(weight), "gradient")
    cdef void* w = cnp.PyArray_DATA(_target(weight, type, weight, "weight"))
    cdef void* v = NULL if velocity is None else cnp.PyArray_DATA(_target(velocity, type, weight, "velocity"))
    _same_shape(g_, weight, "gradient")
    if type == cnp.NPY_FLOAT32:
        _sgd(<float*> w, <float*> cnp.PyArray_DATA(g_), <float*> v, size, <float> lr, momentum, nesterov,
             <float> weight_decay)
    else:
        _sgd(<double*> w, <double*> cnp.PyArray_DATA(g_), <double*> v, size, lr, momentum, nesterov, weight_decay)


def rmsprop(weight, gradient, square, double lr, double alpha, double eps, double weight_decay):
    """s = alpha s + (1 - alpha) g^2; w -= lr g / (sqrt(s) + eps)."""
    cdef int type = _float_type(weight, "weight")
    cdef Py_ssize_t size = cnp.PyArray_SIZE(weight)
    cdef cnp.ndarray g_ = _ready(gradient, type, cnp.PyArray_NDIM(weight), "gradient")
    cdef void* w = cnp.PyArray_DATA(_target(weight, type, weight, "weight"))
    cdef void* s = cnp.PyArray_DATA(_target(square, type, weight, "square"))
    _same_shape(g_, weight, "gradient")
    if type == cnp.NPY_FLOAT32:
        _rmsprop(<float*> w, <float*> cnp.PyArray_DATA(g_), <float*> s, size, <float> lr, alpha, <float> eps,
                 <float> weight_decay)
    else:
        _rmsprop(<double*> w, <double*> cnp.PyArray_DATA(g_), <double*> s, size, lr, alpha, eps, weight_decay)


def adam(weight, gradient, mean, square, double t, double lr, double beta1, double beta2, double eps,
         double weight_decay, bint decoupled):
    """m, v: running means of g and g^2; w -= lr m/(1-beta1^t) / (sqrt(v/(1-beta2^t)) + eps)."""
    cdef int type = _float_type(weight, "weight")
    cdef Py_ssize_t size = cnp.PyArray_SIZE(weight)
    cdef cnp.ndarray g_ = _ready(gradient, type, cnp.PyArray_NDIM(weight), "gradient")
    cdef void* w = cnp.PyArray_DATA(_target(weight, type, weight, "weight"))
    cdef void* m = cnp.PyArray_DATA(_target(mean, type, weight, "mean"))
    cdef void* s = cnp.PyArray_DATA(_target(square, type, weight, "square"))
    _same_shape(g_, weight, "gradient")
    if not (t >= 1 and beta1 < 1 and beta2 < 1):
        raise ValueError(f"t is {t}, beta1 {beta1}, beta2 {beta2}; expected t of at least 1 and betas below 1")
    if type == cnp.NPY_FLOAT32:
        _adam(<float*> w, <float*> cnp.PyArray_DATA(g_), <float*> m, <float*> s, size, t, lr, beta1, beta2,
              <float> eps, weight_decay, decoupled)
    else:
        _adam(<double*> w, <double*> cnp.PyArray_DATA(g_), <double*> m, <double*> s, size, t, lr, beta1, beta2, eps,
              weight_decay, decoupled)


# ---- whole epochs in one call: of one net, and of many side by side --------------------------------------------

include "kernels/single.pxi"
include "kernels/epoch.pxi"
include "kernels/lanes.pxi"
include "kernels/many.pxi"
