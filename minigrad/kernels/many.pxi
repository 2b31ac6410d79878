"""Epochs of many nets, side by side: what Python calls. Included in _core.pyx after lanes.pxi, which takes steps."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t
from numpy.random cimport bitgen_t

from minigrad.kernels.lanes cimport L
from minigrad.kernels.types cimport real

cdef enum:
    GATHERED = 32  # samples at least that are gathered at a time: a number that was just written is slow to read

LANES = L  # for Python

cdef void draw_order(uint32_t* order, Py_ssize_t N, bitgen_t* bits) noexcept nogil:
    """order (N,) = 0, ..., N - 1, shuffled: each, from the last, is exchanged with one up to itself.

    Which one is drawn as NumPy draws it: as many bits as the number of the last has, until they are not too large. What
    is too large takes the same path through the code, because nothing can foresee a branch that hangs on random bits.
    """
    cdef Py_ssize_t i, drawn, last = N - 1
    cdef bint fits
    cdef uint32_t other, mask = 1
    for i in range(N):
        order[i] = <uint32_t> i
    while <Py_ssize_t> mask < last:
        mask = 2 * mask + 1
    while last > 0:
        if last <= <Py_ssize_t> (mask >> 1):
            mask >>= 1
        drawn = bits.next_uint32(bits.state) & mask
        fits = drawn <= last
        drawn = drawn if fits else last  # exchanged with itself
        other = order[last]
        order[last] = order[drawn]
        order[drawn] = other
        last -= fits


def draw_orders(orders, bit_generator):
    """Fill each row of orders (epochs, N) uint32 with what Generator.permutation(N) would draw."""
    cdef Py_ssize_t epoch
    cdef bitgen_t* bits = <bitgen_t*> PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
    _is_array(orders, "orders")
    if (cnp.PyArray_TYPE(orders) != cnp.NPY_UINT32 or cnp.PyArray_NDIM(orders) != 2
            or not cnp.PyArray_ISBEHAVED(orders) or cnp.PyArray_STRIDE(orders, 1) != sizeof(uint32_t)):
        raise ValueError(f"orders is of {orders.dtype} and shape {orders.shape}, expected rows of uint32")
    cdef char* row = <char*> cnp.PyArray_DATA(orders)
    cdef Py_ssize_t apart = cnp.PyArray_STRIDE(orders, 0), N = cnp.PyArray_DIM(orders, 1)
    cdef Py_ssize_t epochs = cnp.PyArray_DIM(orders, 0)
    with bit_generator.lock, nogil:
        for epoch in range(epochs):
            draw_order(<uint32_t*> (row + epoch * apart), N, bits)


ctypedef fused gathered:
    float
    double
    int64_t


cdef inline void lane_gather(gathered* to, const gathered* rows, const uint32_t* order, Py_ssize_t apart, Py_ssize_t n,
                             Py_ssize_t width) noexcept nogil:
    """to (n, width, lane) = n rows for each lane, in its order: those of two lanes are apart. NULL: the first n."""
    cdef Py_ssize_t i, j, l
    cdef const gathered* row[L]
    for i in range(n):
        for l in range(L):
            row[l] = rows + (i if order is NULL else order[l * apart + i]) * width
        for j in range(width):
            for l in range(L):
                to[(i * width + j) * L + l] = row[l][j]


cdef inline void lane_targets(LaneNet* e, void* to, const real* y, const uint32_t* order, Py_ssize_t apart,
                              Py_ssize_t n) noexcept nogil:
    if e.loss == CROSS_ENTROPY:
        lane_gather(<int64_t*> to, <const int64_t*> y, order, apart, n, 1)
    else:
        lane_gather(<real*> to, y, order, apart, n, e.ops[e.count - 1].outputs)


cdef int lane_epoch(LaneNet* e, const uint32_t* order, Py_ssize_t apart, real* tag) except -1 nogil:
    """All mini-batches once, each lane in its order; NULL: as they are. Sets total and right."""
    cdef Py_ssize_t start, n, at, l, J = e.ops[0].inputs
    cdef Py_ssize_t y_row = lane_target_bytes(e, tag)
    cdef const real* x = <const real*> e.training.x
    cdef const char* y = <const char*> e.training.y
    for l in range(L):
        e.total[l], e.right[l] = 0, 0
    for start from 0 <= start < e.training.N by e.rows:
        n = min(e.rows, e.training.N - start)
        if order is NULL:
            lane_gather(<real*> e.x_rows, x + start * J, order, apart, n, J)
            lane_targets(e, e.y_rows, <const real*> (y + start * (y_row // L)), order, apart, n)
        else:
            lane_gather(<real*> e.x_rows, x, order + start, apart, n, J)
            lane_targets(e, e.y_rows, <const real*> y, order + start, apart, n)
        for at from 0 <= at < n by e.batch:
            e.value[0] = <real*> e.x_rows + at * J * L
            e.y = <char*> e.y_rows + at * y_row
            lane_step(e, min(e.batch, n - at), tag)
    return 0


cdef int lane_validate(LaneNet* e, double* loss, int64_t* right, real* tag) except -1 nogil:
    """The mean loss of each net over all validation samples, and its right answers."""
    cdef Py_ssize_t start, n, V = e.validation.N, J = e.ops[0].inputs
    cdef Py_ssize_t y_row = lane_target_bytes(e, tag) // L  # in one lane
    e.value[0], e.y = e.x_rows, e.y_rows
    for start from 0 <= start < V by PART:
        n = min(<Py_ssize_t> PART, V - start)
        lane_gather(<real*> e.x_rows, <const real*> e.validation.x + start * J, NULL, 0, n, J)
        lane_targets(e, e.y_rows, <const real*> (<const char*> e.validation.y + start * y_row), NULL, 0, n)
        lane_forward(e, n, V, tag)
        lane_loss(e, n, tag)
        lane_count(e, right, n, tag)
    lane_mean(e, loss, V, tag)
    return 0


cdef void lane_finite(LaneNet* e, char* finite, real* tag) noexcept nogil:
    """False for each lane whose losses or weights are not finite."""
    cdef Py_ssize_t i, l
    cdef real nothing[L]  # the sum of 0 times each weight: NaN where one is not finite
    cdef const real* w = <const real*> e.w
    for l in range(L):
        nothing[l] = 0
    for i in range(e.size):
        for l in range(L):
            nothing[l] += w[i * L + l] * 0
    for l in range(L):
        finite[l] = finite[l] and isfinite(e.total[l]) and nothing[l] == 0


cdef int lane_epochs(LaneNet* e, const uint32_t* orders, Py_ssize_t epochs, double* total, int64_t* right,
                     char* finite, real* tag) except -1 nogil:
    """Some epochs. orders (epochs, lane, N), or NULL; total and right (epochs, 2, lane): of training and validation."""
    cdef Py_ssize_t epoch, l, N = e.training.N
    for epoch in range(epochs):
        lane_epoch(e, orders, N, tag)
        if orders is not NULL:
            orders += L * N
        for l in range(L):
            total[2 * epoch * L + l], right[2 * epoch * L + l] = e.total[l], e.right[l]
        if e.validation.N > 0:
            lane_validate(e, total + (2 * epoch + 1) * L, right + (2 * epoch + 1) * L, tag)
        lane_finite(e, finite, tag)
    return 0


cdef class Lanes:
    """Nets of one shape, compiled: run() trains as many as there are lanes for some epochs.

    No twin: fit_many trains one net after the other where there is none, to the same bits.

    ops         (("linear", inputs, outputs, whether it has a bias), (activation, alpha), ("fork", index of its join),
                ("join", index of its fork), ...)
    loss, alpha, threshold, optimizer, batch_size        as for Program
    x, y        (N, J); (N, K), or classes (N,) as int64
    validation  None, or such a pair

    One thread at a time may run it.
    """

    cdef LaneNet e
    cdef list memory
    cdef int type
    cdef void* slots  # both arrays of the optimizer

    def __cinit__(self, ops not None, str loss, double alpha, double threshold, str optimizer, x, y,
                  Py_ssize_t batch_size, validation):
        cdef LaneNet* e = &self.e
        cdef Py_ssize_t i, widest, width, V
        self.memory, self.type = [], _float_type(x, "x")
        e.loss, e.alpha, e.threshold, e.optimizer = LOSSES[loss], alpha, threshold, OPTIMIZERS[optimizer]
        if cnp.PyArray_NDIM(x) != 2 or cnp.PyArray_DIM(x, 0) == 0 or not ops or not 1 <= batch_size <= DEEP:
            raise ValueError(f"nothing to train: x has shape {x.shape}, batch_size is {batch_size}, {len(ops)} ops")
        e.batch = min(batch_size, cnp.PyArray_DIM(x, 0))
        e.rows = e.batch * max(1, GATHERED // e.batch)
        e.count, e.size = len(ops), 0
        e.ops = <LaneOp*> self.buffer(e.count * sizeof(LaneOp), cnp.NPY_INT8)
        e.value = <void**> self.buffer((e.count + 1) * sizeof(void*), cnp.NPY_INT8)
        widest = width = cnp.PyArray_DIM(x, 1)
        e.x_rows = self.numbers(e.rows * width)
        for i in range(e.count):
            width = self.add(i, ops[i], width)
            widest = max(widest, width)
        e.y_rows = self.buffer(e.rows * width * L, cnp.NPY_FLOAT64)
        e.delta, e.other, e.g = self.numbers(PART * widest), self.numbers(PART * widest), self.numbers(e.size)
        e.w, self.slots = self.numbers(e.size), self.numbers(2 * e.size)
        self.keep(&e.training, x, y)
        e.validation.N = 0
        if validation is not None:
            self.keep(&e.validation, validation[0], validation[1])
        V = max(e.batch, e.validation.N)
        V = V if e.loss == SOFT_CROSS_ENTROPY else (V + 7) // 8 if e.loss == CROSS_ENTROPY else 0
        e.late = <double*> self.buffer(2 * L * V, cnp.NPY_FLOAT64)

    cdef void* buffer(self, Py_ssize_t size, int type):
        return _buffer(self.memory, size, type)

    cdef void* numbers(self, Py_ssize_t count):
        """Memory for so many numbers in all lanes."""
        return _buffer(self.memory, count * L, self.type)

    cdef int keep(self, LaneData* data, object x, object y) except -1:
        """Check samples and hold on to them."""
        cdef bint classes = self.e.loss == CROSS_ENTROPY
        cdef Py_ssize_t K = self.e.ops[self.e.count - 1].outputs
        cdef cnp.ndarray x_ = _ready(x, self.type, 2, "x")
        cdef cnp.ndarray y_ = _ready(y, cnp.NPY_INT64 if classes else self.type, 2 - classes, "y")
        _same(cnp.PyArray_DIM(x_, 1), self.e.ops[0].inputs, "the width of x")
        _fits(y_, x_, -1 if classes else K, "y")
        if classes:
            _in_classes(y_, K)
        data.x, data.y, data.N = cnp.PyArray_DATA(x_), cnp.PyArray_DATA(y_), cnp.PyArray_DIM(x_, 0)
        self.memory.append((x_, y_))
        return 0

    cdef Py_ssize_t add(self, Py_ssize_t i, tuple entry, Py_ssize_t width) except -1:
        """Fill in op i, whose input has this width, and give its output memory; returns the output's width."""
        cdef LaneNet* e = &self.e
        cdef LaneOp* op = &e.ops[i]
        op.inputs = op.outputs = width
        op.alpha, op.kept = 0, NULL
        if entry[0] == "linear":
            op.code, op.outputs, op.weight, op.bias = LINEAR, entry[2], e.size, -1
            _same(entry[1], width, "the width of a weight")
            e.size += op.inputs * op.outputs
            if entry[3]:
                op.bias, op.sums = e.size, self.numbers(4 * op.outputs)
                e.size += op.outputs
        elif entry[0] == "fork" or entry[0] == "join":
            op.code, op.partner = FORK if entry[0] == "fork" else JOIN, entry[1]
        else:
            op.code, op.alpha = ACTIVATIONS[entry[0]], entry[1]
        if op.code != FORK:
            e.value[i + 1] = self.numbers(PART * op.outputs)
        if op.code == JOIN:
            if not 0 <= op.partner < i or e.ops[op.partner].code != FORK or e.ops[op.partner].partner != i:
                raise ValueError(f"op {i} joins op {op.partner}, which is no fork that leads to it")
            _same(e.ops[op.partner].outputs, width, "the width of a short cut")
            op.kept = self.numbers(PART * width)
        return op.outputs

    def run(self, weights, slots, orders, Py_ssize_t epochs, rates, steps):
        """Train some epochs in place -> (loss, right, finite).

        weights  (P, lane): all P weights of each net, one parameter after the other
        slots    (S, P, lane): the optimizer's arrays for them
        orders   (epochs, lane, N) uint32: the order of the samples in each epoch; None: as they are
        rates    (rates, lane) float64, in the order of the optimizer's kernel
        steps    (lane,) int64: how many have been taken before

        loss     (epochs, 2, lane): the sum of the batch losses, and the mean loss of the validation samples, after it
        right    (epochs, 2, lane): right answers of both
        finite   (lane,): whether all losses and, after each epoch, all weights were
        """
        cdef LaneNet* e = &self.e
        cdef Py_ssize_t i, l, size, S = 0 if e.optimizer == SGD and not len(slots) else slot_count(e.optimizer)
        cdef const uint32_t* order = NULL
        cdef cnp.ndarray orders_ = None
        self.fits(weights, "weights", self.type, (e.size, L))
        self.fits(slots, "slots", self.type, (S, e.size, L))
        self.fits(rates, "rates", cnp.NPY_FLOAT64, (rate_count(e.optimizer), L))
        self.fits(steps, "steps", cnp.NPY_INT64, (L,))
        if e.optimizer == SGD and bool(rates[1].any()) != (S == 1):
            raise ValueError(f"momentum is {rates[1]}, with {S} arrays for each parameter")
        if orders is not None:
            self.fits(orders, "orders", cnp.NPY_UINT32, (epochs, L, e.training.N))
            if orders.max(initial=0) >= e.training.N:
                raise ValueError(f"orders reach to {orders.max()}, expected {e.training.N - 1} at most")
            order = <const uint32_t*> cnp.PyArray_DATA(orders)
        size = e.size * L * cnp.PyArray_ITEMSIZE(weights)  # bytes
        e.first = self.slots if S > 0 else NULL
        e.second = <char*> self.slots + size if S > 1 else NULL
        for l in range(L):
            e.steps[l] = <double> (<int64_t*> cnp.PyArray_DATA(steps))[l]
            for i in range(rate_count(e.optimizer)):
                e.rates[i][l] = (<double*> cnp.PyArray_DATA(rates))[i * L + l]
        memcpy(e.w, cnp.PyArray_DATA(weights), size)  # in lines of the cache, as no array promises to be
        memcpy(self.slots, cnp.PyArray_DATA(slots), S * size)
        found = self.trained(order, epochs)
        memcpy(cnp.PyArray_DATA(weights), e.w, size)
        memcpy(cnp.PyArray_DATA(slots), self.slots, S * size)
        return found

    cdef int fits(self, object array, str name, int type, tuple shape) except -1:
        """A TypeError or ValueError where an array is not of this type and shape, contiguous and writeable."""
        _is_array(array, name)
        if cnp.PyArray_TYPE(array) != type or array.shape != shape or not cnp.PyArray_ISCARRAY(array):
            raise ValueError(f"{name} is of {array.dtype} and shape {array.shape}, expected a contiguous array of "
                             f"{cnp.PyArray_DescrFromType(type)} and shape {shape}")
        return 0

    cdef tuple trained(self, const uint32_t* order, Py_ssize_t epochs):
        cdef cnp.npy_intp[3] shape = [epochs, 2, L]
        cdef cnp.ndarray loss = cnp.PyArray_ZEROS(3, shape, cnp.NPY_FLOAT64, 0)
        cdef cnp.ndarray right = cnp.PyArray_ZEROS(3, shape, cnp.NPY_INT64, 0)
        cdef cnp.ndarray finite = cnp.PyArray_ZEROS(1, shape + 2, cnp.NPY_BOOL, 0)
        cdef double* total = <double*> cnp.PyArray_DATA(loss)
        cdef int64_t* count = <int64_t*> cnp.PyArray_DATA(right)
        cdef char* good = <char*> cnp.PyArray_DATA(finite)
        cdef bint single = self.type == cnp.NPY_FLOAT32
        finite[...] = True
        with nogil:
            if single:
                lane_epochs(&self.e, order, epochs, total, count, good, <float*> NULL)
            else:
                lane_epochs(&self.e, order, epochs, total, count, good, <double*> NULL)
        return loss, right, finite
