"""The losses: delta from the definition of the derivative, values by hand, and confident mistakes."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import numeric_gradient
from strategies import DTYPES, LOSSES, outputs_and_targets, seeds

import minigrad as mg
from minigrad.kernels import twin

sizes = st.integers(1, 6)
widths = {name: st.integers(2, 6) if "cross_entropy" in name else sizes for name in LOSSES}
every = pytest.mark.parametrize("name", LOSSES)


def complex_loss(name, output, y):
    """C by the twin, which is kept from making a float of a complex result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twin, "float", lambda value: value, raising=False)
        return by_twin(name, output, y)[0]


def by_twin(name, output, y):
    """(C, delta) of the twin, with the parameter of the loss where it takes one."""
    return getattr(twin, name)(output, y, *([LOSSES[name].alpha] if LOSSES[name].alpha else []))


# ---- delta -----------------------------------------------------------------------------------------------


@every
@given(sizes, st.data(), seeds)
def test_delta_is_the_derivative_of_each_samples_loss(name, N, data, seed):
    K = data.draw(widths[name])
    output, y = outputs_and_targets(name, N, K, np.random.default_rng(seed))
    loss, expected = LOSSES[name], np.empty((N, K))
    for n, k in np.ndindex(N, K):
        moved = output.astype(complex)
        moved[n, k] += 1e-30j
        expected[n, k] = N * complex_loss(name, moved, y).imag / 1e-30  # C is the mean: N C sums c_n
    np.testing.assert_allclose(loss.delta(output, y), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(by_twin(name, output, y)[1], expected, rtol=1e-12, atol=1e-14)


@every
@given(sizes, st.data(), seeds)
def test_delta_by_central_differences(name, N, data, seed):
    K = data.draw(widths[name])
    output, y = outputs_and_targets(name, N, K, np.random.default_rng(seed))
    expected = N * numeric_gradient(lambda: LOSSES[name](output, y), output)
    np.testing.assert_allclose(LOSSES[name].delta(output, y), expected, rtol=1e-5, atol=1e-7)


@every
@given(st.integers(2, 6), st.data(), seeds)
def test_a_loss_is_the_mean_over_the_samples_and_delta_is_per_sample(name, N, data, seed):
    K = data.draw(widths[name])
    output, y = outputs_and_targets(name, N, K, np.random.default_rng(seed))
    loss = LOSSES[name]
    singly = [loss.value_and_delta(output[n : n + 1], y[n : n + 1]) for n in range(N)]
    assert loss(output, y) == pytest.approx(np.mean([c for c, _ in singly]), rel=1e-12)
    np.testing.assert_allclose(loss.delta(output, y), np.concatenate([d for _, d in singly]), rtol=1e-12)


# ---- values ----------------------------------------------------------------------------------------------

LN2, LN3 = math.log(2), math.log(3)
BY_HAND = [  # loss, output, y, C, delta
    (mg.MSELoss(), [[1, 2], [3, 4]], [[1, 0], [0, 4]], (4 + 9) / 4, [[0, 2], [3, 0]]),
    (mg.BCELoss(), [[0.5], [0.25]], [[1], [0]], (LN2 + math.log(4 / 3)) / 2, [[-2], [4 / 3]]),
    (mg.BCEWithLogitsLoss(), [[0], [-LN3]], [[1], [0]], (LN2 + math.log(4 / 3)) / 2, [[-0.5], [0.25]]),
    (mg.BCEWithLogitsLoss(), [[0, LN3]], [[0, 1]], (LN2 + math.log(4 / 3)) / 2, [[0.25, -0.125]]),
    (mg.CrossEntropyLoss(), [[LN2, 0, 0]], [0], LN2, [[-0.5, 0.25, 0.25]]),
    (mg.CrossEntropyLoss(), [[LN2, 0, 0]], [[0.5, 0.5, 0]], (LN2 + math.log(4)) / 2, [[0, -0.25, 0.25]]),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("loss", "output", "y", "value", "delta"), BY_HAND)
def test_by_hand(loss, output, y, value, delta, dtype):
    c, d = loss.value_and_delta(np.array(output, dtype), y)
    assert isinstance(c, float)
    assert d.dtype == dtype
    assert (c, loss(np.array(output, dtype), y)) == pytest.approx((value, value), rel=1e-6)
    np.testing.assert_allclose(d, delta, rtol=1e-6, atol=1e-7)


def test_class_numbers_of_any_whole_type_are_the_same():
    output = np.random.default_rng(0).standard_normal((4, 3))
    y = np.array([0, 2, 1, 2])
    values = [mg.CrossEntropyLoss()(output, y.astype(t)) for t in (np.int8, np.uint8, np.int32, np.uint64)]
    assert values == [mg.CrossEntropyLoss()(output, np.eye(3)[y])] * 4


# ---- confident mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [40.0, 800.0, 1e300])
def test_a_confident_mistake_has_a_finite_loss_and_a_full_delta(size):
    for loss, output, y, delta in [
        (mg.BCEWithLogitsLoss(), [[size]], [[0]], [[1]]),
        (mg.BCEWithLogitsLoss(), [[-size]], [[1]], [[-1]]),
        (mg.CrossEntropyLoss(), [[size, 0]], [1], [[1, -1]]),
    ]:
        c, d = loss.value_and_delta(np.array(output), y)
        assert c == pytest.approx(size)
        np.testing.assert_allclose(d, delta)


def test_bce_clamps_its_logarithms_at_minus_100():
    c, delta = mg.BCELoss().value_and_delta(np.array([[0.0], [1.0], [1.0]]), [[1.0], [0.0], [1.0]])
    assert c == pytest.approx((100 + 100 + 0) / 3)
    assert np.isfinite(delta).all()
    assert np.sign(delta).ravel().tolist() == [-1, 1, 0]


# ---- softmax and accuracy --------------------------------------------------------------------------------


@given(st.integers(0, 5), sizes, seeds, st.sampled_from([1, 100, 1e308]))
def test_softmax_rows_are_probabilities_in_the_order_of_the_logits(N, K, seed, scale):
    z = scale * np.random.default_rng(seed).uniform(-1, 1, (N, K))
    p = mg.softmax(z / 2)
    assert p.shape == (N, K)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), np.ones(N), rtol=1e-14)
    if scale == 1:
        np.testing.assert_allclose(p, np.exp(z / 2) / np.exp(z / 2).sum(axis=1, keepdims=True), rtol=1e-14)


@pytest.mark.parametrize(
    ("output", "y", "threshold", "share"),
    [
        ([[1, 2, 0], [3, 0, 0], [0, 0, 1]], [1, 0, 0], 0.5, 2 / 3),
        ([[1, 2, 0], [3, 0, 0]], [[0, 1, 0], [0, 0, 1]], 0.5, 1 / 2),
        ([[0.4], [0.6], [0.7]], [0, 1, 0], 0.5, 2 / 3),
        ([[0.4], [0.6], [0.7]], [[0], [1], [0]], 0.0, 1 / 3),
        ([[-2], [0.1]], [[0], [1]], 0.0, 1),
        ([[1, 2, 0], [3, 0, 0]], [[0, 1, 0], [1, 0, 0]], 0.5, 1),
        ([[0.5], [0.6]], [[0.0], [0.5]], 0.5, 1 / 2),
    ],
)
def test_accuracy(output, y, threshold, share):
    assert mg.accuracy(np.array(output), np.array(y), threshold) == pytest.approx(share)
    if threshold == 0.5:
        assert mg.accuracy(output, y) == pytest.approx(share)


@pytest.mark.parametrize("name", ["bce", "bce_with_logits", "cross_entropy", "soft_cross_entropy"])
@given(st.integers(1, 9), st.integers(1, 4), st.sampled_from([np.float32, np.float64]), seeds)
def test_all_that_count_right_answers_count_the_same(name, N, K, dtype, seed):
    """By hand; the loss; accuracy; and both engines, of which the compiled one counts for itself. Ties are frequent."""
    rng, loss = np.random.default_rng(seed), LOSSES[name]
    classes = "cross_entropy" in name
    K += classes
    z = rng.integers(-1, 2, (N, K)).astype(dtype)  # many equal outputs, and many at the threshold
    output = mg.sigmoid(z) if name == "bce" else z
    if name == "cross_entropy":
        y = rng.integers(0, K, N)
        wanted = y
    elif name == "soft_cross_entropy":
        y = rng.integers(1, 3, (N, K)).astype(dtype)
        y /= y.sum(axis=1, keepdims=True)
        wanted = [row.tolist().index(max(row)) for row in y]
    else:
        y = rng.choice([0.0, 0.5, 1.0], (N, K)).astype(dtype)
    if classes:
        right = sum(row.tolist().index(max(row)) == k for row, k in zip(output, wanted, strict=True))
    else:
        right = sum((a > loss.threshold) == (t > 0.5) for a, t in zip(output.ravel(), y.ravel(), strict=True))
    assert loss.right(output, y) == right
    if classes or K == 1:
        assert mg.accuracy(output, y, loss.threshold or 0.0) == right / N
    for engine in ("auto", "python"):
        net = mg.Sequential(mg.Linear(K, K, bias=False, dtype=dtype), *[mg.Sigmoid()] * (name == "bce"))
        net[0].weight[...] = np.eye(K)
        history = mg.fit(net, loss, mg.SGD(0.1), z, y, epochs=1, batch_size=N, progress=False, engine=engine)
        assert history.accuracy == [pytest.approx(right / (N if classes else N * K), rel=1e-15)]


@pytest.mark.parametrize("y", [[0.0, 1.0], [1.0, 0.0]])
def test_nan_is_no_answer_of_any_kind(y):
    column, first = np.full((2, 1), np.nan), np.array([[np.nan, 1.0], [2.0, 1.0]])
    assert BCE.right(column, np.array(y)[:, None]) == LOGITS.right(column, np.array(y)[:, None]) == 0
    assert mg.accuracy(column, y) == 0
    assert CE.right(first, np.array(y, int)) == (y[1] == 0)
    assert CE.right(first, np.eye(2)[np.array(y, int)]) == (y[1] == 0)
    assert mg.accuracy(first, y) == (y[1] == 0) / 2


@pytest.mark.parametrize(("loss", "edge"), [(mg.BCELoss(), 0.5), (mg.BCEWithLogitsLoss(), 0.0)], ids=repr)
def test_at_the_threshold_the_answer_is_0(loss, edge):
    assert loss.right(np.array([[edge], [edge], [edge + 0.1]]), np.array([[0.0], [0.5], [1.0]])) == 3


def test_an_output_is_held_against_the_threshold_in_float64():
    """The float32 nearest to 0.1 lies above it, that nearest to 0.7 below."""
    assert mg.accuracy(np.array([[0.1]], np.float32), [1], 0.1) == 1
    assert mg.accuracy(np.array([[0.7]], np.float32), [0], 0.7) == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_outputs_the_first_is_the_answer(dtype):
    first = [0, 1, 0, 0]
    output = np.array([[1, 1, 0], [0, 2, 2], [3, 3, 3], [-0.0, 0.0, -1]], dtype)
    every_label = np.array(list(np.ndindex(3, 3, 3, 3)))
    for y in every_label:
        right = int((y == first).sum())
        assert mg.accuracy(output, y) == mg.accuracy(output, np.eye(3)[y]) == right / 4
        assert CE.right(output, y) == CE.right(output, np.eye(3, dtype=dtype)[y]) == right


def test_of_equal_targets_the_first_is_meant():
    output, y = np.eye(3)[[0, 1, 2, 0]], np.array([[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0.5, 0.5], [0.2, 0.4, 0.4]])
    assert mg.accuracy(output, y) == 2 / 4
    assert CE.right(output, y) == 2


def test_softmax_of_no_classes():
    assert mg.softmax(np.zeros((2, 0))).shape == (2, 0)


def test_thresholds_fit_what_the_loss_takes():
    assert (mg.BCELoss.threshold, mg.BCEWithLogitsLoss.threshold, mg.MSELoss.threshold) == (0.5, 0.0, None)
    assert [loss.of_classes for loss in (BCE, LOGITS, CE, mg.MSELoss())] == [True, True, True, False]


# ---- a loss of one's own, and arguments ------------------------------------------------------------------


class AbsoluteError(mg.Loss):
    def value_and_delta(self, output, y):
        return float(np.abs(output - y).mean()), np.sign(output - y) / output.shape[1]


def test_a_loss_needs_value_and_delta_only():
    loss, output, y = AbsoluteError(), np.array([[1.0, -2.0]]), np.zeros((1, 2))
    assert loss(output, y) == 1.5
    assert loss.delta(output, y).tolist() == [[0.5, -0.5]]
    assert repr(loss) == "AbsoluteError()"
    with pytest.raises(NotImplementedError, match=r"Loss\.value_and_delta"):
        mg.Loss()(output, y)


@every
def test_repr_reads_back(name):
    assert type(eval(repr(LOSSES[name]), vars(mg))) is type(LOSSES[name])


O, BCE, LOGITS, CE = np.full((3, 2), 0.5), mg.BCELoss(), mg.BCEWithLogitsLoss(), mg.CrossEntropyLoss()
BAD = [  # loss, output, y, error, its message
    (mg.MSELoss(), O, O[:, 0], ValueError, r"y has shape \(3,\), expected \(3, 2\) as the output$"),
    (mg.MSELoss(), O[:, :1], O[:, 0], ValueError, r".*expected \(3, 1\) as the output; use y\[:, None\]$"),
    (mg.MSELoss(), O[:, :1], O, ValueError, r".*expected \(3, 1\) as the output$"),
    (mg.MSELoss(), O[0], O[0], ValueError, r"output has shape \(2,\), expected \(N, features\)"),
    (mg.MSELoss(), O[:0], O[:0], ValueError, r"output has shape \(0, 2\): there are no samples"),
    (mg.MSELoss(), O, O + 1j, TypeError, "y has dtype complex128, expected float"),
    (mg.MSELoss(), O.astype(object), O, TypeError, "output has dtype object, expected float"),
    (BCE, 3 * O, O, ValueError, r"output of BCELoss reaches from 1.5 to 1.5.* in \[0, 1\]; .*use BCEWithLogitsLoss$"),
    (BCE, O, 4 * O - 3, ValueError, r"y reaches from -1 to -1, expected numbers in \[0, 1\]"),
    (LOGITS, O, 4 * O, ValueError, r"y reaches from 2 to 2, expected numbers in \[0, 1\]"),
    (CE, O, [0, 1, 2], ValueError, "y holds class numbers from 0 to 2, expected 0 to 1"),
    (CE, O, [0, -1, 1], ValueError, "y holds class numbers from -1 to 1, expected 0 to 1"),
    (
        CE,
        O,
        [0, 1],
        ValueError,
        r"y has shape \(2,\), expected \(3,\) class numbers or \(3, 2\) probabilities",
    ),
    (CE, O, [[0], [1], [1]], ValueError, r".*expected \(3,\) class numbers; use np.asarray\(y\)\[:, 0\]$"),
    (CE, O, np.array([[0], [1], [1]]), ValueError, r"y has shape \(3, 1\), expected .*; use y\[:, 0\]$"),
    (CE, O, [0.0, 1.0, 1.0], TypeError, r"y has dtype float64.*; use np.asarray\(y, int\)$"),
    (CE, O, np.array([0.0, 1.0, 1.0]), TypeError, r"y has dtype float64.*; use y.astype\(int\)$"),
    (CE, O, ["a", "b", "a"], TypeError, r"y has dtype <U1, expected class numbers as integers; use np.unique\("),
    (CE, O, 2 * O, ValueError, "y holds rows that are no probabilities"),
    (CE, O, [[2, -1]] * 3, ValueError, "y holds rows that are no probabilities"),
    (CE, O[:0], np.zeros(0, int), ValueError, r"output has shape \(0, 2\): there are no samples"),
]


@pytest.mark.parametrize(("loss", "output", "y", "error", "message"), BAD)
def test_bad_arguments(loss, output, y, error, message):
    with pytest.raises(error, match=f"^{message}"):
        loss.value_and_delta(output, y)


@pytest.mark.parametrize("y", [[0, 1, 2], [-1, 0, 1]])
def test_class_numbers_are_refused_before_an_output_is_there(y):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        CE.targets(y, (3, 2), np.float64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.accuracy(O, [0, 1]), "y has shape (2,), expected (3,) class numbers or (3, 2) probabilities"),
        (lambda: mg.accuracy(O, [[0, 1, 2]]), "y has shape (1, 3), expected (3, 2) as the output"),
        (lambda: mg.accuracy(O, [[0, 1], [1]]), "y is not a rectangular array"),
        (lambda: mg.accuracy(O, [[0, 1], [1, 0], [np.nan, 0]]), "y holds NaN"),
        (lambda: mg.accuracy(O[:, :1], [0, 1, np.nan]), "y holds NaN"),
        (lambda: mg.accuracy(O[:0], []), "output has shape (0, 2): there are no samples"),
        (lambda: mg.accuracy(O[0], [0, 1]), "output has shape (2,)"),
        (lambda: mg.softmax(O[0]), "z has shape (2,)"),
    ],
)
def test_bad_arguments_of_accuracy_and_softmax(call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


def test_huge_targets_are_refused_under_any_errstate():
    with np.errstate(all="raise"), pytest.raises(ValueError, match="^y holds rows that are no probabilities"):
        mg.CrossEntropyLoss()(np.zeros((1, 2)), np.full((1, 2), 1e308))


def test_accuracy_takes_class_numbers_of_any_float_width_without_a_warning():
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        assert mg.accuracy(np.array([[-1.0, 2.0], [3.0, 0.0]]), np.array([1, 1], dtype)) == 0.5


def test_accuracy_takes_floats_as_class_numbers_while_they_are_exact():
    output = np.eye(1, 300, 250)
    assert mg.accuracy(output, [250.0]) == 1
    with pytest.raises(TypeError, match="^y has dtype float64, expected class numbers as integers"):
        mg.accuracy(output, [1e20])


def test_huber_bends_as_the_squared_error_does_at_the_most():
    loss, h = mg.HuberLoss(), 1e-3
    for K in (1, 4):
        z, step = np.zeros((1, K)), h * np.eye(1, K)
        bend = (loss(z + step, z) - 2 * loss(z, z) + loss(z - step, z)) / h**2
        assert loss.largest_curvature(K) == pytest.approx(bend, rel=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_huber_is_quadratic_inside_and_linear_beyond(dtype):
    """c_n and delta from the equation, on both sides of delta = 2 and on it."""
    y = np.zeros((2, 5), dtype)
    output = np.array([[0, 1, -1.5, 2, -2], [2.5, -3, 100, -100, 0.5]], dtype)
    value, delta = mg.HuberLoss(delta=2).value_and_delta(output, y)
    c = [(0 + 0.5 + 1.125 + 2 + 2) / 5, (3 + 4 + 198 + 198 + 0.125) / 5]
    assert value == pytest.approx(sum(c) / 2, rel=1e-6)
    expected = np.array([[0, 1, -1.5, 2, -2], [2, -2, 2, -2, 0.5]]) / 5
    np.testing.assert_allclose(delta, expected, rtol=1e-6)
    assert mg.HuberLoss(delta=1e4)(output, y) == pytest.approx(mg.MSELoss()(output, y) / 2, rel=1e-6)


@pytest.mark.parametrize("delta", [0, -1.0, np.nan, "1", None, True])
def test_huber_refuses_a_delta_that_is_no_number_above_zero(delta):
    with pytest.raises((TypeError, ValueError), match="^delta"):
        mg.HuberLoss(delta)


def test_huber_says_its_delta():
    assert [repr(mg.HuberLoss()), repr(mg.HuberLoss(2))] == ["HuberLoss()", "HuberLoss(delta=2.0)"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", [mg.MSELoss(), mg.BCELoss(), mg.BCEWithLogitsLoss()], ids=repr)
def test_true_and_false_are_targets_of_the_output_s_type(loss, dtype):
    y = loss.targets([[True], [False]], (2, 1), np.dtype(dtype))
    assert y.dtype == dtype
    assert y.tolist() == [[1], [0]]
