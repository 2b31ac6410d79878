"""Many nets of one shape, side by side in the lanes of the vector registers. Included in _core.pyx.

Every array has one axis more than in the usual kernels, the last: the lane, one net each. A number of the usual
kernels is a row of L numbers here, and one instruction does to all lanes what it does to one number there:

    x (R, J, lane)   w (K, J, lane)   z (R, K, lane)

Each lane has the order of samples, the rates and the gradients of its own net, and ends with the bits that the net has
alone. So all that adds does it in the order of the usual kernels: products term by term, the bias where `_affine` adds
it, columns by fours, losses in double. What treats each entry by itself is the usual kernel, called for L
times as many; where its rates differ from net to net, it is made of the same expressions of one number.

From the bottom to the top: products, losses, optimizers, one step, one epoch, and Lanes, which Python calls.
"""

from libc.string cimport memcpy, memset

from minigrad.kernels.lanes cimport L, lane_product, lane_sums
from minigrad.kernels.types cimport real

cdef enum:
    PART = 16  # samples at a time, so that their numbers stay in the first cache; eight of them share a logarithm

cdef struct LaneOp:
    int code  # as of Op
    double alpha
    Py_ssize_t inputs
    Py_ssize_t outputs
    Py_ssize_t weight  # where its weight begins among all weights of a net
    Py_ssize_t bias  # -1 where it has none
    void* sums  # (4, outputs): parts of the sum of delta over the samples
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
    double[6][L] rates
    double[L] steps
    double[L] total  # of the batch losses of an epoch
    int64_t[L] right
    double[L] sum  # of the losses of a batch
    double* late  # what is added to it last: pairs of (weight, logarithm), in each lane
    Py_ssize_t late_count
    LaneData training
    LaneData validation
    Py_ssize_t batch
    Py_ssize_t rows  # samples that are gathered at a time
    void* x_rows
    void* y_rows


# ---- losses ----------------------------------------------------------------------------------------------------

cdef int lane_loss(LaneNet* e, Py_ssize_t R, real* tag) except -1 nogil:
    """Add the losses of R samples, a batch or a part of it, to the sum of each lane; delta (R, K, lane) as in `_loss`.

    y: class numbers (R, lane) as int64 for CROSS_ENTROPY, else (R, K, lane) as real.
    """
    cdef real part[64]
    cdef Py_ssize_t i, q, l, size, K = e.ops[e.count - 1].outputs
    cdef real* delta = <real*> e.delta
    cdef const real* output = <const real*> e.value[e.count]
    cdef const real* y = <const real*> e.y
    if e.loss == CROSS_ENTROPY or e.loss == SOFT_CROSS_ENTROPY:
        lane_cross_entropy(e, delta, output, R, K)
        return 0
    for i in range(0, R * K * L, 64):
        size = min(64, R * K * L - i)
        _entry_block(e.loss, &part[0], delta + i, output + i, y + i, size, <real> (1.0 / K), <real> e.alpha)
        for q from 0 <= q < size by L:
            for l in range(L):
                e.sum[l] += part[q + l]
    return 0


cdef void lane_cross_entropy(LaneNet* e, real* delta, const real* output, Py_ssize_t R, Py_ssize_t K) noexcept nogil:
    """lane_loss of a softmax of each row, in each lane. `_loss` adds the logarithms last, so they are kept for it."""
    cdef Py_ssize_t r, k, l
    cdef bint classes = e.loss == CROSS_ENTROPY
    cdef const real* y = <const real*> e.y
    cdef const int64_t* wanted = <const int64_t*> e.y
    cdef const real* z
    cdef real* d
    cdef real largest[L]
    cdef real weight[L]
    cdef double s[L]
    cdef double sums[L]
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
            e.sum[l] -= d[wanted[r * L + l] * L + l]
        for k in range(0 if classes else K):
            for l in range(L):
                if y[(r * K + k) * L + l] != 0:
                    e.sum[l] = multiply_add(-<double> y[(r * K + k) * L + l], <double> d[k * L + l], e.sum[l])
    for k in range(R * K * L):
        delta[k] = exp_minus(delta[k])
    for l in range(L):
        sums[l] = 1
    for r in range(R):
        d = delta + r * K * L
        for l in range(L):
            s[l] = 0
            weight[l] = 0 if not classes else 1
        for k in range(K):
            for l in range(L):
                s[l] += d[k * L + l]
        for l in range(L):
            largest[l] = <real> (1 / s[l])
        for k in range(K):
            for l in range(L):
                d[k * L + l] *= largest[l]
        for l in range(L):
            sums[l] *= s[l]
        if classes:
            for l in range(L):
                d[wanted[r * L + l] * L + l] -= 1
        else:
            for k in range(K):
                for l in range(L):
                    weight[l] += y[(r * K + k) * L + l]
            for k in range(K):
                for l in range(L):
                    d[k * L + l] = weight[l] * d[k * L + l] - y[(r * K + k) * L + l]
        if not classes or r % 8 == 7 or r == R - 1:
            for l in range(L):
                e.late[2 * (e.late_count * L + l)] = weight[l]
                e.late[2 * (e.late_count * L + l) + 1] = log(sums[l])
                sums[l] = 1
            e.late_count += 1


cdef void lane_mean(LaneNet* e, double* mean, Py_ssize_t R, real* tag) noexcept nogil:
    """mean (lane) of the losses that were added, of R samples in all; the sums begin anew."""
    cdef Py_ssize_t i, l
    if e.loss != CROSS_ENTROPY and e.loss != SOFT_CROSS_ENTROPY:
        R *= e.ops[e.count - 1].outputs
    for i in range(e.late_count):
        for l in range(L):
            e.sum[l] = multiply_add(e.late[2 * (i * L + l)], e.late[2 * (i * L + l) + 1], e.sum[l])
    for l in range(L):
        mean[l] = e.sum[l] / R
        e.sum[l] = 0
    e.late_count = 0


cdef void lane_count(LaneNet* e, int64_t* right, Py_ssize_t R, real* tag) noexcept nogil:
    """Add to right (lane) how many of R answers are right in each lane, as `accuracy.count_right`: NaN is no answer."""
    cdef Py_ssize_t r, k, l, wanted, K = e.ops[e.count - 1].outputs
    cdef const real* output = <const real*> e.value[e.count]
    cdef const real* y = <const real*> e.y
    cdef const real* z
    cdef real threshold = <real> e.threshold
    cdef bint beaten
    if e.loss == BCE or e.loss == BCE_WITH_LOGITS:
        for r in range(R * K):
            for l in range(L):
                z = output + r * L + l
                right[l] += (z[0] > threshold) == (y[r * L + l] > 0.5) and z[0] == z[0]
    elif e.loss == CROSS_ENTROPY or e.loss == SOFT_CROSS_ENTROPY:
        for r in range(R):
            for l in range(L):
                z = output + r * K * L + l
                wanted = 0
                if e.loss == CROSS_ENTROPY:
                    wanted = <Py_ssize_t> (<const int64_t*> e.y)[r * L + l]
                else:
                    for k in range(1, K):
                        wanted = k if y[(r * K + k) * L + l] > y[(r * K + wanted) * L + l] else wanted
                beaten = False
                for k in range(K):
                    beaten |= z[k * L] > z[wanted * L] or z[k * L] == z[wanted * L] and k < wanted
                    beaten |= z[k * L] != z[k * L]
                right[l] += not beaten


cdef inline Py_ssize_t lane_target_bytes(LaneNet* e, real* tag) noexcept nogil:
    """Of one sample, in all lanes."""
    if e.loss == CROSS_ENTROPY:
        return L * sizeof(int64_t)
    return L * e.ops[e.count - 1].outputs * sizeof(real)


# ---- optimizers ------------------------------------------------------------------------------------------------

cdef int lane_update(LaneNet* e, real* tag) except -1 nogil:
    """One step of all weights, each lane with the rates of its net."""
    cdef Py_ssize_t i, l
    cdef real* w = <real*> e.w
    cdef real* g = <real*> e.g
    cdef real* m = <real*> e.first
    cdef real* s = <real*> e.second
    cdef real a
    cdef bint nesterov = e.optimizer == SGD and e.rates[2][0] != 0
    cdef real[L] lr, keep, more, rest, keep2, more2, rest2, root, eps, decay, shrink
    if e.optimizer == SGD:
        for l in range(L):
            lr[l], decay[l] = <real> e.rates[0][l], <real> e.rates[3][l]
        if m is NULL:
            for i in range(e.size):
                for l in range(L):
                    w[i * L + l] = _sgd_plain(w[i * L + l], g[i * L + l], lr[l], decay[l])
        else:
            for l in range(L):
                keep[l], rest[l] = _first_part(e.rates[1][l], w), <real> e.rates[1][l]
                more[l] = <real> (e.rates[1][l] - keep[l])
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
    cdef Py_ssize_t r, i
    cdef const real* start = NULL
    if way != TURNED:
        start = bias
    lane_product(z, K, 1, R, K, J, a, J, 1, w, J, 1, start, 0, 1, <real> 1)
    if way == TURNED and bias is not NULL:
        for r in range(R):
            for i in range(K * L):
                z[r * K * L + i] += bias[i]


cdef int lane_forward(LaneNet* e, Py_ssize_t R, Py_ssize_t all_rows, real* tag) except -1 nogil:
    """The outputs of R samples, of all_rows that the usual kernel would take at once."""
    cdef Py_ssize_t i, k
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


cdef void lane_bias(LaneNet* e, LaneOp* op, const real* delta, Py_ssize_t R, Py_ssize_t before,
                    Py_ssize_t all_rows) noexcept nogil:
    """The gradient of a bias, as lane_backward."""
    cdef Py_ssize_t i, size = op.outputs * L
    cdef real* g = <real*> e.g + op.bias * L
    cdef real* parts = <real*> op.sums
    cdef real scale = <real> (1.0 / all_rows)
    if all_rows == 1:
        memcpy(g, delta, size * sizeof(real))
        return
    if before == 0:
        memset(parts, 0, 4 * size * sizeof(real))
    if real is float:
        lane_sums(parts, delta, R, op.outputs, <float_lanes*> NULL)
    else:
        lane_sums(parts, delta, R, op.outputs, <double_lanes*> NULL)
    if before + R == all_rows:
        for i in range(size):
            g[i] = ((parts[i] + parts[size + i]) + (parts[2 * size + i] + parts[3 * size + i])) * scale


cdef int lane_backward(LaneNet* e, Py_ssize_t R, Py_ssize_t before, Py_ssize_t all_rows, real* tag) except -1 nogil:
    """The gradients of all weights, from delta at the output: of R samples of a batch, and of those before them."""
    cdef Py_ssize_t i, k
    cdef LaneOp* op
    cdef real* delta = <real*> e.delta
    cdef real* other = <real*> e.other
    cdef real* g
    cdef real* out
    cdef real scale = <real> (1.0 / all_rows) if before + R == all_rows else <real> 1
    for i in range(e.count - 1, -1, -1):
        op = &e.ops[i]
        if op.code == LINEAR:
            g = <real*> e.g + op.weight * L
            lane_product(g, op.inputs, 1, op.outputs, op.inputs, R, delta, 1, op.outputs, <real*> e.value[i], 1,
                         op.inputs, <const real*> (g if before > 0 else NULL), op.inputs, 1, scale)
            if op.bias >= 0:
                lane_bias(e, op, delta, R, before, all_rows)
            if i > 0:
                lane_product(other, op.inputs, 1, R, op.inputs, op.outputs, delta, op.outputs, 1,
                             <real*> e.w + op.weight * L, 1, op.inputs, <const real*> NULL, 0, 0, <real> 1)
                delta, other = other, delta
        elif op.code == JOIN:
            memcpy(op.kept, delta, R * op.outputs * L * sizeof(real))
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
    """One mini-batch of R samples in every lane: forward, loss, backward, update.

    The first three a few samples at a time, so that what is computed is still in the first cache when it is used. The
    sums over the batch go on from one part to the next, in the order of the samples.
    """
    cdef Py_ssize_t l, at, n
    cdef Py_ssize_t x_row = e.ops[0].inputs * L * sizeof(real), y_row = lane_target_bytes(e, tag)
    cdef char* x = <char*> e.value[0]
    cdef char* y = <char*> e.y
    cdef double loss[L]
    for at from 0 <= at < R by PART:
        n = min(<Py_ssize_t> PART, R - at)
        e.value[0], e.y = x + at * x_row, y + at * y_row
        lane_forward(e, n, R, tag)
        lane_loss(e, n, tag)
        lane_count(e, &e.right[0], n, tag)
        lane_backward(e, n, at, R, tag)
    lane_mean(e, &loss[0], R, tag)
    for l in range(L):
        e.total[l] += loss[l]  # what is not finite stays so: that net is trained again, alone
        e.steps[l] += 1
    lane_update(e, tag)
    return 0
