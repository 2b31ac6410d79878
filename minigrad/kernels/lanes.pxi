"""Many nets of one shape, side by side in the lanes of the vector registers. Included in _core.pyx.

Every array has one axis more than in the usual kernels, the last: the lane, one net each. A number of the usual
kernels is a row of LANES numbers here, and one instruction does to all lanes what it does to one number there:

    x (R, J, lane)   w (K, J, lane)   z (R, K, lane)

Each lane has the order of samples, the rates and the gradients of its own net, and ends with the bits that the net has
alone. So all that adds does it in the order of the usual kernels: products term by term, the bias where `_affine` adds
it, columns by `vector_sums`, losses in double. What treats each entry by itself is the usual kernel, called for LANES
times as many; where its rates differ from net to net, it is made of the same expressions of one number.

From the bottom to the top: products, losses, optimizers, one step, one epoch, and Lanes, which Python calls.
"""

from libc.string cimport memcpy

from minigrad.kernels.lanes cimport LANE_BYTES, MOST_LANES, lane_product, lane_sums
from minigrad.kernels.types cimport real

cdef struct LaneOp:
    int code  # as of Op
    double alpha
    Py_ssize_t inputs
    Py_ssize_t outputs
    Py_ssize_t weight  # where its weight begins among all weights of a net
    Py_ssize_t bias  # -1 where it has none
    Py_ssize_t partner
    void* kept

cdef struct LaneData:
    const void* x  # (N, J), of which each lane has its own order
    const void* y  # (N, K), or classes
    Py_ssize_t N

cdef struct LaneNet:
    LaneOp* ops
    Py_ssize_t count
    void** value  # of each op its input, and the output of the last
    void* y  # of the batch
    void* delta
    void* other
    void* w  # all weights of a net, one parameter after the other
    void* g  # their gradients
    void* first  # the optimizer's arrays for them, NULL where it has none
    void* second
    Py_ssize_t size
    int loss
    double alpha
    double threshold
    int optimizer
    double[6][MOST_LANES] rates
    double[MOST_LANES] steps
    double[MOST_LANES] total  # of the batch losses of an epoch
    int64_t[MOST_LANES] right
    LaneData training
    LaneData validation
    Py_ssize_t batch
    Py_ssize_t rows  # samples that are gathered at a time
    void* x_rows
    void* y_rows
    void* output  # of all validation samples
    void* output_delta
    void* output_y


# ---- losses ----------------------------------------------------------------------------------------------------

cdef int lane_loss(double* total, int kind, real* delta, const real* output, const void* target, Py_ssize_t R,
                   Py_ssize_t K, real alpha) except -1 nogil:
    """total (lane) = the mean loss of each net over R samples; delta (R, K, lane) as in `_loss`.

    target: class numbers (R, lane) as int64 for CROSS_ENTROPY, else y (R, K, lane) as real.
    """
    cdef real part[64]
    cdef Py_ssize_t i, q, l, size, L = LANE_BYTES // <Py_ssize_t> sizeof(real), count = R
    cdef const real* y = <const real*> target
    for l in range(L):
        total[l] = 0
    if kind == CROSS_ENTROPY or kind == SOFT_CROSS_ENTROPY:
        lane_cross_entropy(total, kind == CROSS_ENTROPY, delta, output, target, R, K)
    else:
        count = R * K
        for i in range(0, count * L, 64):
            size = min(64, count * L - i)
            _entry_block(kind, &part[0], delta + i, output + i, y + i, size, <real> (1.0 / K), alpha)
            for q from 0 <= q < size by L:
                for l in range(L):
                    total[l] += part[q + l]
    for l in range(L):
        total[l] /= count
    return 0


cdef void lane_cross_entropy(double* total, bint classes, real* delta, const real* output, const void* target,
                             Py_ssize_t R, Py_ssize_t K) noexcept nogil:
    """The sum of the losses of R samples, from the softmax of each row in each lane; delta too."""
    cdef Py_ssize_t r, k, l, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef const real* y = <const real*> target
    cdef const int64_t* wanted = <const int64_t*> target
    cdef const real* z
    cdef real* d
    cdef real largest[MOST_LANES]
    cdef real weight[MOST_LANES]
    cdef double s[MOST_LANES]
    cdef double sums[MOST_LANES]
    for r in range(R):
        z, d = output + r * K * L, delta + r * K * L
        for l in range(L):
            largest[l] = z[l]
        for k in range(1, K):
            for l in range(L):
                largest[l] = z[k * L + l] if z[k * L + l] > largest[l] else largest[l]
        for k in range(K):
            for l in range(L):
                d[k * L + l] = z[k * L + l] - largest[l]
        for l in range(L if classes else 0):
            total[l] -= d[wanted[r * L + l] * L + l]
        for k in range(0 if classes else K):
            for l in range(L):
                if y[(r * K + k) * L + l] != 0:
                    total[l] = multiply_add(-<double> y[(r * K + k) * L + l], <double> d[k * L + l], total[l])
    for k in range(R * K * L):
        delta[k] = exp_minus(delta[k])
    for l in range(L):
        sums[l] = 1
    for r in range(R):
        d = delta + r * K * L
        for l in range(L):
            s[l] = 0
            weight[l] = 0
        for k in range(K):
            for l in range(L):
                s[l] += d[k * L + l]
        for l in range(L):
            largest[l] = <real> (1 / s[l])
        for k in range(K):
            for l in range(L):
                d[k * L + l] *= largest[l]
        if classes:
            for l in range(L):
                d[wanted[r * L + l] * L + l] -= 1
                sums[l] *= s[l]
                if r % 8 == 7 or r == R - 1:
                    total[l] += log(sums[l])
                    sums[l] = 1
        else:
            for k in range(K):
                for l in range(L):
                    weight[l] += y[(r * K + k) * L + l]
            for l in range(L):
                total[l] = multiply_add(<double> weight[l], log(s[l]), total[l])
            for k in range(K):
                for l in range(L):
                    d[k * L + l] = weight[l] * d[k * L + l] - y[(r * K + k) * L + l]


cdef void lane_count(int64_t* right, int kind, const real* output, const void* target, Py_ssize_t R, Py_ssize_t K,
                     real threshold) noexcept nogil:
    """Add to right (lane) how many answers are right in each lane, as `_count_right` has it."""
    cdef Py_ssize_t r, k, l, wanted, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef const real* y = <const real*> target
    cdef const real* z
    cdef bint beaten
    if kind == BCE or kind == BCE_WITH_LOGITS:
        for r in range(R * K):
            for l in range(L):
                right[l] += (output[r * L + l] > threshold) == (y[r * L + l] > 0.5)
    elif kind == CROSS_ENTROPY or kind == SOFT_CROSS_ENTROPY:
        for r in range(R):
            for l in range(L):
                z = output + r * K * L + l
                wanted = 0
                if kind == CROSS_ENTROPY:
                    wanted = <Py_ssize_t> (<const int64_t*> target)[r * L + l]
                else:
                    for k in range(1, K):
                        wanted = k if y[(r * K + k) * L + l] > y[(r * K + wanted) * L + l] else wanted
                beaten = False
                for k in range(K):
                    beaten |= z[k * L] > z[wanted * L] or z[k * L] == z[wanted * L] and k < wanted
                right[l] += not beaten


# ---- optimizers ------------------------------------------------------------------------------------------------

cdef int lane_update(LaneNet* e, real* tag) except -1 nogil:
    """One step of all weights, each lane with the rates of its net."""
    cdef Py_ssize_t i, l, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef real* w = <real*> e.w
    cdef real* g = <real*> e.g
    cdef real* m = <real*> e.first
    cdef real* s = <real*> e.second
    cdef real a
    cdef bint nesterov = e.optimizer == SGD and e.rates[2][0] != 0
    cdef real[MOST_LANES] lr, keep, more, rest, keep2, more2, rest2, root, eps, decay, shrink
    if e.optimizer == SGD:
        for l in range(L):
            lr[l], decay[l], rest[l] = <real> e.rates[0][l], <real> e.rates[3][l], <real> e.rates[1][l]
            keep[l] = _first_part(e.rates[1][l], w)
            more[l] = <real> (e.rates[1][l] - keep[l])
        if m is NULL:
            for i in range(e.size):
                for l in range(L):
                    w[i * L + l] = _sgd_plain(w[i * L + l], g[i * L + l], lr[l], decay[l])
        else:
            for i in range(e.size):
                for l in range(L):
                    a = m[i * L + l] = _sgd_velocity(w[i * L + l], g[i * L + l], m[i * L + l], keep[l], more[l],
                                                     decay[l])
                    if nesterov:
                        w[i * L + l] = _sgd_nesterov(w[i * L + l], g[i * L + l], a, lr[l], rest[l], decay[l])
                    else:
                        w[i * L + l] -= lr[l] * a
    elif e.optimizer == RMSprop:
        for l in range(L):
            lr[l], eps[l], decay[l] = <real> e.rates[0][l], <real> e.rates[2][l], <real> e.rates[3][l]
            keep[l] = _first_part(e.rates[1][l], w)
            more[l], rest[l] = <real> (e.rates[1][l] - keep[l]), <real> (1 - e.rates[1][l])
        for i in range(e.size):
            for l in range(L):
                a = g[i * L + l] + decay[l] * w[i * L + l]
                m[i * L + l] = _mean_square(a, m[i * L + l], keep[l], more[l], rest[l])
                w[i * L + l] = _rmsprop_step(w[i * L + l], a, m[i * L + l], lr[l], eps[l])
    elif e.optimizer == Adam or e.optimizer == AdamW:
        for l in range(L):
            keep[l], keep2[l] = _first_part(e.rates[1][l], w), _first_part(e.rates[2][l], w)
            more[l], rest[l] = <real> (e.rates[1][l] - keep[l]), <real> (1 - e.rates[1][l])
            more2[l], rest2[l] = <real> (e.rates[2][l] - keep2[l]), <real> (1 - e.rates[2][l])
            eps[l] = <real> e.rates[3][l]
            decay[l] = 0 if e.optimizer == AdamW else <real> e.rates[4][l]
            shrink[l] = <real> (e.rates[0][l] * e.rates[4][l]) if e.optimizer == AdamW else 0
            lr[l] = <real> (e.rates[0][l] / (1 - pow(e.rates[1][l], e.steps[l])))
            root[l] = <real> (1 / sqrt(1 - pow(e.rates[2][l], e.steps[l])))
        for i in range(e.size):
            for l in range(L):
                a = g[i * L + l] + decay[l] * w[i * L + l]
                m[i * L + l] = _adam_mean(a, m[i * L + l], keep[l], more[l], rest[l])
                s[i * L + l] = _mean_square(a, s[i * L + l], keep2[l], more2[l], rest2[l])
                w[i * L + l] = _adam_step(w[i * L + l], m[i * L + l], s[i * L + l], shrink[l], lr[l], root[l], eps[l])
    else:
        _without_branch("OPTIMIZERS", e.optimizer)
    return 0


# ---- a step, and an epoch --------------------------------------------------------------------------------------

cdef void lane_affine(real* z, const real* a, const real* w, const real* bias, Py_ssize_t R, Py_ssize_t J,
                      Py_ssize_t K, int way) noexcept nogil:
    """z = a W^T + b, the bias where the usual kernel adds it."""
    cdef Py_ssize_t r, i, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef const real* start = NULL
    if way != TURNED:
        start = bias
    lane_product(z, K, 1, R, K, J, a, J, 1, w, J, 1, start, <real> 1)
    if way == TURNED and bias is not NULL:
        for r in range(R):
            for i in range(K * L):
                z[r * K * L + i] += bias[i]


cdef int lane_forward(LaneNet* e, Py_ssize_t R, Py_ssize_t all_rows, real* tag) except -1 nogil:
    """The outputs of R samples, of all_rows that the usual kernel would take at once."""
    cdef Py_ssize_t i, k, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef LaneOp* op
    cdef real* x
    cdef real* out
    cdef real* bias
    for i in range(e.count):
        op = &e.ops[i]
        x, out = <real*> e.value[i], <real*> e.value[i + 1]
        if op.code == LINEAR:
            bias = NULL
            if op.bias >= 0:
                bias = <real*> e.w + op.bias * L
            lane_affine(out, x, <real*> e.w + op.weight * L, bias, R, op.inputs, op.outputs,
                        _way(all_rows, op.inputs, op.outputs, tag))
        elif op.code == FORK:
            e.value[i + 1] = x
        elif op.code == JOIN:
            for k in range(R * op.outputs * L):
                out[k] = (<real*> e.value[op.partner])[k] + x[k]
        else:
            _forward(op.code, out, x, R * op.outputs * L, <real> op.alpha)
    return 0


cdef int lane_backward(LaneNet* e, Py_ssize_t R, real* tag) except -1 nogil:
    """The gradients of all weights, from delta at the output."""
    cdef Py_ssize_t i, k, L = LANE_BYTES // <Py_ssize_t> sizeof(real)
    cdef LaneOp* op
    cdef real* delta = <real*> e.delta
    cdef real* other = <real*> e.other
    cdef real* out
    cdef real scale = <real> (1.0 / R)
    for i in range(e.count - 1, -1, -1):
        op = &e.ops[i]
        if op.code == LINEAR:
            lane_product(<real*> e.g + op.weight * L, op.inputs, 1, op.outputs, op.inputs, R, delta, 1, op.outputs,
                         <real*> e.value[i], 1, op.inputs, <const real*> NULL, scale)
            if op.bias >= 0:
                lane_sums(<real*> e.g + op.bias * L, delta, R, op.outputs, scale)
            if i > 0:
                lane_product(other, op.inputs, 1, R, op.inputs, op.outputs, delta, op.outputs, 1,
                             <real*> e.w + op.weight * L, 1, op.inputs, <const real*> NULL, <real> 1)
                delta, other = other, delta
        elif op.code == JOIN:
            memcpy(op.kept, delta, R * op.outputs * LANE_BYTES)
        elif op.code == FORK:
            out = <real*> e.ops[op.partner].kept
            for k in range(R * op.outputs * L):
                other[k] = out[k] + delta[k]
            delta, other = other, delta
        else:
            _backward(op.code, other, delta, <real*> e.value[i + 1] if saves_output(op.code) else <real*> e.value[i],
                      R * op.outputs * L, <real> op.alpha)
            delta, other = other, delta
    return 0


cdef int lane_step(LaneNet* e, Py_ssize_t R, real* tag) except -1 nogil:
    """One mini-batch of R samples in every lane: forward, loss, backward, update."""
    cdef Py_ssize_t l, L = LANE_BYTES // <Py_ssize_t> sizeof(real), K = e.ops[e.count - 1].outputs
    cdef double loss[MOST_LANES]
    lane_forward(e, R, R, tag)
    lane_loss(&loss[0], e.loss, <real*> e.delta, <real*> e.value[e.count], e.y, R, K, <real> e.alpha)
    lane_count(&e.right[0], e.loss, <real*> e.value[e.count], e.y, R, K, <real> e.threshold)
    for l in range(L):
        e.total[l] += loss[l]  # what is not finite stays so: that net is trained again, alone
        e.steps[l] += 1
    lane_backward(e, R, tag)
    lane_update(e, tag)
    return 0
