"""Whole epochs of one net in one call. Included in _core.pyx after the kernels that a step is made of.

The net arrives as a flat list of operations; op i reads value[i] and writes value[i + 1]. A short cut is a FORK, which
passes its input on, and a JOIN, which adds that input to its own.
"""

from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset

from minigrad.kernels.tiles cimport Ahead
from minigrad.kernels.types cimport real, vector_size

cdef enum:
    COLUMNS = -4, LINEAR, FORK, JOIN  # beside the numbers of the activations

cdef struct Op:
    int code  # LINEAR, COLUMNS for one sample a step, FORK, JOIN or the number of an activation
    double alpha
    Py_ssize_t inputs
    Py_ssize_t outputs
    Parameter weight
    Parameter bias
    Columns columns
    Py_ssize_t partner  # of a FORK its JOIN, of a JOIN its FORK
    void* kept  # of a JOIN: the delta that takes the short cut

cdef struct Epoch:
    Op* ops
    Py_ssize_t count
    void** value
    void* delta
    void* other
    void* scratch
    void* weight_gradient  # of one layer at a time
    void* bias_gradient
    void* y  # of the batch
    Py_ssize_t y_row  # bytes
    Py_ssize_t positions
    bint padded  # one sample a step: the widths of all ops are filled up to whole vectors
    Py_ssize_t outputs  # of the last, without what fills them up
    int loss
    double alpha
    double threshold
    int optimizer
    double[6] rates
    int64_t steps
    Ahead fetched  # the rows of the next batch
    Ahead* ahead  # NULL where all rows are near by anyway
    double total
    int64_t right


cdef inline int _update(Epoch* e, Parameter* p, const real* g) except -1 nogil:
    return update(e.optimizer, <real*> p.value, g, <real*> p.first, <real*> p.second, p.size, e.rates, <double> e.steps)


cdef int _step(Epoch* e, Py_ssize_t N, real* tag) except -1 nogil:
    """One mini-batch of N samples: forward, loss, backward, update. Returns 0 where the loss is not finite, else 1."""
    cdef Py_ssize_t i, k, R = N * e.positions
    cdef Op* op
    cdef real* x
    cdef real* out
    cdef real* delta = <real*> e.delta
    cdef real* other = <real*> e.other
    cdef double loss
    for i in range(e.count):
        op = &e.ops[i]
        x, out = <real*> e.value[i], <real*> e.value[i + 1]
        if op.code == LINEAR:
            _affine(out, x, <real*> op.weight.value, <real*> op.bias.value, R, op.inputs, op.outputs,
                    <real*> e.scratch, e.ahead)
        elif op.code == COLUMNS:
            columns_affine(out, x, &op.columns)
        elif op.code == JOIN:
            for k in range(R * op.outputs):
                out[k] = (<real*> e.value[op.partner])[k] + x[k]
        elif op.code != FORK:
            _forward(op.code, out, x, R * op.outputs, <real> op.alpha)
    out = <real*> e.value[e.count]
    if e.padded:
        memset(delta, 0, e.ops[e.count - 1].outputs * sizeof(real))
    loss = _loss(e.loss, delta, out, e.y, R, e.outputs, e.positions, <real> e.alpha)
    if not isfinite(loss):
        return 0
    e.total += loss
    e.right += _count_right(e.loss, out, e.y, R, e.outputs, <real> e.threshold)
    e.steps += 1
    for i in range(e.count - 1, -1, -1):
        op = &e.ops[i]
        if op.code == LINEAR:
            _weight_gradient(<real*> e.weight_gradient, delta, <real*> e.value[i], R, op.inputs, op.outputs, N,
                             <real*> e.scratch, e.ahead)
            if op.bias.value is not NULL:
                _bias_gradient(<real*> e.bias_gradient, delta, R, op.outputs, N)
            if i > 0:
                _propagate(other, delta, <real*> op.weight.value, R, op.inputs, op.outputs, <real*> e.scratch)
                delta, other = other, delta
            _update(e, &op.weight, <real*> e.weight_gradient)  # its old values have just been used for the last time
            if op.bias.value is not NULL:
                _update(e, &op.bias, <real*> e.bias_gradient)
        elif op.code == COLUMNS:
            columns_gradient(<real*> e.weight_gradient, delta, <real*> e.value[i], &op.columns)
            if i > 0:
                columns_propagate(other, delta, &op.columns)
                delta, other = other, delta
            _update(e, &op.columns.all, <real*> e.weight_gradient)
            if i > 0:
                renew_rows(&op.columns, x)
        elif op.code == JOIN:
            memcpy(op.kept, delta, R * op.outputs * sizeof(real))
        elif op.code == FORK:
            out = <real*> e.ops[op.partner].kept
            for k in range(R * op.outputs):
                other[k] = out[k] + delta[k]
            delta, other = other, delta
        else:
            x = <real*> e.value[i + 1] if saves_output(op.code) else <real*> e.value[i]
            _backward(op.code, other, delta, x, R * op.outputs, <real> op.alpha)
            delta, other = other, delta
    return 1


cdef inline void _copy(char* to, const char* source, Py_ssize_t size) noexcept nogil:
    """memcpy for a row of numbers; the call alone takes longer than copying a short one."""
    cdef Py_ssize_t i
    if size > 32:
        memcpy(to, source, size)
        return
    for i in range(0, size, 4):
        memcpy(to + i, source + i, 4)


cdef int _all_steps(Epoch* e, const char* x, Py_ssize_t x_row, const char* y, const uint32_t* order, Py_ssize_t N,
                    Py_ssize_t batch, bint single) except -1 nogil:
    """Gather each mini-batch and take its step, until the end or until the loss is not finite."""
    cdef Py_ssize_t start = 0, i, n
    cdef int good
    while start < N:
        n = min(batch, N - start)
        e.fetched.next, e.fetched.end = order + start + n, order + min(start + n + batch, N)
        e.fetched.at = e.fetched.due = 0
        for i in range(n):
            _copy(<char*> e.value[0] + i * x_row, x + order[start + i] * x_row, x_row)
            _copy(<char*> e.y + i * e.y_row, y + order[start + i] * e.y_row, e.y_row)
        good = _step(e, n, <float*> NULL) if single else _step(e, n, <double*> NULL)
        if not good:
            return 0
        start += batch
    return 1


cdef void _turn(Epoch* e, bint back, real* tag) noexcept nogil:
    """Bring the weights and the optimizer's arrays to their columns, or back, where there are any."""
    cdef Py_ssize_t i
    cdef Op* op
    cdef Columns* c
    for i in range(e.count):
        op, c = &e.ops[i], &e.ops[i].columns
        if op.code == COLUMNS:
            turn_array(c.all.value, op.weight.value, op.bias.value, c, back, tag)
            turn_array(c.all.first, op.weight.first, op.bias.first, c, back, tag)
            turn_array(c.all.second, op.weight.second, op.bias.second, c, back, tag)
            if not back:
                renew_rows(c, tag)


cdef int _epochs(Epoch* e, const char* x, Py_ssize_t x_row, const char* y, const uint32_t* orders, Py_ssize_t N,
                 Py_ssize_t epochs, Py_ssize_t batch, bint single, double* total, int64_t* right) except -1 nogil:
    """Train epochs until one is not finite; total and right are those of each."""
    cdef Py_ssize_t i, operations = 0
    cdef Py_ssize_t L = vector_size(<float*> NULL) if single else vector_size(<double*> NULL)
    cdef int good = 1
    for i in range(e.count):
        if e.ops[i].code == LINEAR:
            operations += 2 * batch * e.positions * e.ops[i].inputs * e.ops[i].outputs // L
    e.fetched.x, e.fetched.row = x, x_row
    e.fetched.pace = operations // (batch * ((x_row + 126) // 64))
    e.ahead = &e.fetched if N * x_row > CACHE else NULL
    if single:
        _turn(e, False, <float*> NULL)
    else:
        _turn(e, False, <double*> NULL)
    for i in range(epochs):
        e.total, e.right = 0, 0
        good = _all_steps(e, x, x_row, y, orders + i * N, N, batch, single)
        total[i], right[i] = e.total, e.right
        if not good:
            break
    if single:
        _turn(e, True, <float*> NULL)
    else:
        _turn(e, True, <double*> NULL)
    return good


cdef void* _buffer(list memory, Py_ssize_t size, int type):
    """Uninitialised memory that lives as long as the list, on a boundary of 64 bytes: no vector spans two lines."""
    cdef cnp.npy_intp length = max(size, 1) + 64
    cdef cnp.ndarray array = cnp.PyArray_EMPTY(1, &length, type, 0)
    memory.append(array)
    return <void*> ((<size_t> cnp.PyArray_DATA(array) + 63) // 64 * 64)


cdef class Program:
    """The epochs of a net, compiled: run() trains some. No twin: fit's Python loop does the same, to the same bits.

    ops        [("linear", weight, bias, slots of weight, slots of bias), (activation, alpha), ("fork", index of its
               join), ("join", index of its fork), ...]; weights and slots are changed in place
    loss       a name in LOSSES; of "cross_entropy" y is class numbers. alpha: its parameter, where it has one
    threshold  the output above which an entry counts as class 1
    optimizer  a name in OPTIMIZERS
    x          (N, ..., J): the samples, or others of the same shape and type
    batch_size how many samples a step takes

    The program holds on to the arrays in ops and to its own memory, of batch_size samples at every layer. One thread
    at a time may run it.
    """

    cdef Epoch e
    cdef list memory
    cdef tuple shape
    cdef int type
    cdef Py_ssize_t batch_size, rows, slots, scratch, largest, widest

    def __cinit__(self, list ops not None, str loss, double alpha, double threshold, str optimizer, x,
                  Py_ssize_t batch_size):
        cdef Epoch* e = &self.e
        cdef Py_ssize_t i, width, forks = 0, joins = 0
        self.type = _float_type(x, "x")
        _check_rows(x, "x")
        if cnp.PyArray_DIM(x, 0) == 0 or _row_count(x) == 0 or batch_size < 1 or not ops:
            raise ValueError(f"nothing to train: x has shape {x.shape}, batch_size is {batch_size}, {len(ops)} ops")
        self.shape, self.memory = x.shape, []
        self.batch_size = min(batch_size, cnp.PyArray_DIM(x, 0))
        e.positions = _row_count(x) // cnp.PyArray_DIM(x, 0)
        e.loss, e.alpha, e.threshold, e.optimizer = LOSSES[loss], alpha, threshold, OPTIMIZERS[optimizer]
        self.rows, self.slots = self.batch_size * e.positions, -1
        self.scratch = self.largest = 1
        self.widest = width = _width(x)
        e.count = len(ops)
        e.ops = <Op*> self.buffer(e.count * sizeof(Op), cnp.NPY_INT8)
        e.value = <void**> self.buffer((e.count + 1) * sizeof(void*), cnp.NPY_INT8)
        e.value[0] = self.numbers(self.rows, width)
        for i in range(e.count):
            self.add(i, ops[i], width)
            width = e.ops[i].outputs
            forks += e.ops[i].code == FORK
            joins += e.ops[i].code == JOIN
        _same(joins, forks, "the number of joins")
        e.outputs, e.padded = width, self.rows == 1 and self.by_columns()
        e.delta, e.other = self.numbers(self.rows, self.widest), self.numbers(self.rows, self.widest)
        e.scratch = self.buffer(self.scratch, self.type)
        e.weight_gradient, e.bias_gradient = self.buffer(self.largest, self.type), self.buffer(self.widest, self.type)
        e.y_row = e.positions * (8 if e.loss == CROSS_ENTROPY else width * cnp.PyArray_ITEMSIZE(x))
        e.y = self.buffer(self.batch_size * e.y_row, cnp.NPY_INT8)

    cdef void* buffer(self, Py_ssize_t size, int type):
        return _buffer(self.memory, size, type)

    cdef void* numbers(self, Py_ssize_t rows, Py_ssize_t width):
        """Memory for rows of so many numbers, filled up with zeros to whole vectors where there is only one."""
        cdef Py_ssize_t size = rows * width if rows > 1 else filled(width, self.type)
        cdef void* memory = _buffer(self.memory, size, self.type)
        if rows == 1:
            memset(memory, 0, size * (4 if self.type == cnp.NPY_FLOAT32 else 8))
        return memory

    cdef bint by_columns(self):
        """Of one sample a step: give all layers columns and return True, if they can have them."""
        cdef Py_ssize_t i
        cdef Op* op
        for i in range(self.e.count):
            op = &self.e.ops[i]
            if op.code == LINEAR and not term_by_term(1, op.inputs, op.outputs, self.type == cnp.NPY_FLOAT32):
                return False
        for i in range(self.e.count):
            op = &self.e.ops[i]
            if op.code == LINEAR:
                self.add_columns(op)
            op.inputs, op.outputs = filled(op.inputs, self.type), filled(op.outputs, self.type)
        return True

    cdef int add_columns(self, Op* op) except -1:
        cdef Columns* c = &op.columns
        op.code = COLUMNS
        c.inputs, c.row = op.inputs, filled(op.inputs, self.type)
        c.outputs, c.column = op.outputs, filled(op.outputs, self.type)
        c.bias = op.bias.value is not NULL
        c.bias_last = _way_of(1, op.inputs, op.outputs, self.type == cnp.NPY_FLOAT32) == TURNED
        c.rows = self.numbers(1, c.outputs * c.row)
        c.all.size = (c.inputs + c.bias) * c.column
        c.all.value = self.numbers(1, c.all.size)
        c.all.first = self.numbers(1, c.all.size) if self.slots > 0 else NULL
        c.all.second = self.numbers(1, c.all.size) if self.slots > 1 else NULL
        self.largest = max(self.largest, c.all.size)
        return 0

    cdef int add(self, Py_ssize_t i, object entry, Py_ssize_t width) except -1:
        """Fill in op i, whose input has this width, and give its output memory."""
        cdef Epoch* e = &self.e
        cdef Op* op = &e.ops[i]
        if not isinstance(entry, tuple) or not entry:
            raise TypeError(f"ops must hold tuples, not {type(entry).__name__}")
        _same(len(entry), 5 if entry[0] == "linear" else 2, f"the length of op {i}")
        op.inputs = op.outputs = width
        op.kept = NULL
        op.alpha = 0
        if entry[0] == "linear":
            self.add_linear(op, entry)
        elif entry[0] == "fork" or entry[0] == "join":
            op.code = FORK if entry[0] == "fork" else JOIN
            op.partner = entry[1]
        else:
            op.code, op.alpha = ACTIVATIONS[entry[0]], entry[1]
        e.value[i + 1] = e.value[i] if op.code == FORK else self.numbers(self.rows, op.outputs)
        if op.code == JOIN:
            if not 0 <= op.partner < i or e.ops[op.partner].code != FORK or e.ops[op.partner].partner != i:
                raise ValueError(f"op {i} joins op {op.partner}, which is no fork that leads to it")
            _same(e.ops[op.partner].outputs, width, "the width of a short cut")
            op.kept = self.numbers(self.rows, width)
        return 0

    cdef int add_linear(self, Op* op, tuple entry) except -1:
        cdef cnp.ndarray weight = _ready(entry[1], self.type, 2, "a weight")
        op.code = LINEAR
        _same(cnp.PyArray_DIM(weight, 1), op.inputs, "the width of a weight")
        op.outputs = cnp.PyArray_DIM(weight, 0)
        if entry[2] is not None:
            _same(cnp.PyArray_DIM(_ready(entry[2], self.type, 1, "a bias"), 0), op.outputs, "the length of a bias")
        self.add_parameter(&op.weight, entry[1], entry[3])
        self.add_parameter(&op.bias, entry[2], entry[4])
        self.scratch = max(self.scratch, _scratch_size(self.rows, op.inputs, op.outputs))
        self.largest = max(self.largest, op.outputs * op.inputs)
        self.widest = max(self.widest, op.outputs)
        return 0

    cdef int add_parameter(self, Parameter* p, object array, object slots) except -1:
        """Fill in where a weight and the optimizer's arrays for it are."""
        p.value = p.first = p.second = NULL
        if array is None:
            return 0
        if not isinstance(slots, tuple):
            raise TypeError(f"the optimizer state of a parameter must be a tuple, not {type(slots).__name__}")
        if self.slots < 0:  # the first parameter says whether SGD has momentum
            self.slots = 0 if self.e.optimizer == SGD and not slots else slot_count(self.e.optimizer)
        _same(len(slots), self.slots, "the number of arrays in the optimizer state of a parameter")
        p.size = cnp.PyArray_SIZE(array)
        p.value = cnp.PyArray_DATA(_target(array, self.type, array, "a parameter"))
        if self.slots > 0:
            p.first = cnp.PyArray_DATA(_target(slots[0], self.type, array, "optimizer state"))
        if self.slots > 1:
            p.second = cnp.PyArray_DATA(_target(slots[1], self.type, array, "optimizer state"))
        self.memory.append((array, slots))
        return 0

    def run(self, x, y, orders, tuple rates not None, int64_t steps):
        """Train some epochs in place -> (loss, right, steps taken, all steps finite?), and no more once one is not.

        x, y       x (N, ..., J); y (N, ..., K), or classes (N, ...) as int64
        orders     (epochs, N) uint32: the samples in the order in which they are visited
        rates      the optimizer's numbers, in the order of its kernel; steps: how many it has taken before

        loss       (epochs,): the sums of the batch losses
        right      (epochs,): right answers, counted at each position
        """
        cdef Epoch* e = &self.e
        cdef bint classes = e.loss == CROSS_ENTROPY
        cdef Py_ssize_t i, N
        cdef cnp.ndarray x_ = _ready(x, self.type, len(self.shape), "x")
        cdef cnp.ndarray orders_ = _ready(orders, cnp.NPY_UINT32, 2, "orders")
        cdef cnp.ndarray y_ = _ready(y, cnp.NPY_INT64 if classes else self.type, len(self.shape) - classes, "y")
        cdef cnp.npy_intp epochs = cnp.PyArray_DIM(orders_, 0)
        cdef cnp.ndarray loss = cnp.PyArray_ZEROS(1, &epochs, cnp.NPY_FLOAT64, 0)
        cdef cnp.ndarray right = cnp.PyArray_ZEROS(1, &epochs, cnp.NPY_INT64, 0)
        cdef int finite
        if x.shape != self.shape:
            raise ValueError(f"x has shape {x.shape}, expected {self.shape}, as compiled")
        N = cnp.PyArray_DIM(x_, 0)
        _same(cnp.PyArray_DIM(orders_, 1), N, "the length of orders")
        if orders_.max(initial=0) >= N:
            raise ValueError(f"orders reach to {orders_.max()}, expected {N - 1} at most")
        _fits(y_, x_, -1 if classes else e.outputs, "y")
        if classes:
            _in_classes(y_, e.outputs)
        _same(len(rates), rate_count(e.optimizer), "the number of rates")
        if e.optimizer == SGD and (rates[1] != 0) != (self.slots == 1):
            raise ValueError(f"momentum is {rates[1]}, with {self.slots} arrays for each parameter")
        for i in range(len(rates)):
            e.rates[i] = rates[i]
        e.steps = steps
        with nogil:
            finite = _epochs(e, <const char*> cnp.PyArray_DATA(x_), cnp.PyArray_NBYTES(x_) // N,
                             <const char*> cnp.PyArray_DATA(y_), <const uint32_t*> cnp.PyArray_DATA(orders_), N, epochs,
                             self.batch_size, self.type == cnp.NPY_FLOAT32, <double*> cnp.PyArray_DATA(loss),
                             <int64_t*> cnp.PyArray_DATA(right))
        return loss, right, e.steps - steps, bool(finite)
