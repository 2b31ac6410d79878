"""The compiled core against its readable twin: every function, over dtype, shape and memory layout."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from epochs import train_epoch
from hypothesis import example, given
from hypothesis import strategies as st
from memory_layouts import LAYOUTS as OTHERS
from strategies import DTYPES, KINDS, arrays, finite, outputs_and_targets, seeds, shaped

from minigrad.kernels import twin
from minigrad.training.optimizers import OPTIMIZERS

RELATIVE = {np.float32: 1e-5, np.float64: 1e-11}  # for functions of one entry, or of one row
ALPHAS = {"leaky_relu": 0.01, "elu": 1.3}
FROM_OUTPUT = ("sigmoid", "tanh", "relu", "leaky_relu", "centered_sigmoid")  # backward takes a, not z
LAYOUTS = {"C": np.ascontiguousarray} | OTHERS
layouts = st.sampled_from(sorted(LAYOUTS))
lengths = st.integers(0, 70)
axes = st.lists(st.integers(0, 4), max_size=2)  # positions: none, along one axis or two


def close(ours, theirs, rtol, atol):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    np.testing.assert_array_less(np.abs(ours - theirs), rtol * np.abs(theirs) + atol + np.finfo(ours.dtype).tiny)


# ---- the products ----------------------------------------------------------------------------------------

PRODUCTS = {  # function: (shapes of its arguments, the letter it sums over)
    "affine": (("NJ", "KJ", "K"), "J"),
    "propagate": (("NK", "KJ"), "K"),
    "weight_gradient": (("NK", "NJ"), "N"),
    "bias_gradient": (("NK",), "N"),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PRODUCTS)
@given(lengths, axes, lengths, lengths, st.lists(layouts, min_size=3, max_size=3), seeds)
@example(70, [], 70, 70, ["C"] * 3, 0)
@example(300, [], 170, 171, ["C"] * 3, 0)  # in blocks, and 1/N is not exact
@example(64, [], 64, 64, ["Fortran"] * 3, 0)
@example(1, [], 1, 1, ["C"] * 3, 0)
@example(0, [], 3, 2, ["C"] * 3, 0)
@example(3, [], 0, 2, ["C"] * 3, 0)
@example(3, [], 2, 0, ["C"] * 3, 0)
@example(67, [], 31, 33, ["gaps"] * 3, 0)
@example(3, [1], 5, 4, ["C"] * 3, 0)
@example(1, [7], 5, 4, ["C"] * 3, 0)
@example(0, [7], 5, 4, ["C"] * 3, 0)
@example(3, [0], 5, 4, ["C"] * 3, 0)
@example(5, [7, 19], 6, 4, ["C"] * 3, 0)  # 665 rows: more than are added up at a time
@example(3, [100], 170, 171, ["gaps"] * 3, 0)
def test_products(compiled, name, dtype, N, positions, J, K, layouts, seed):
    letters, summed = PRODUCTS[name]
    rng, length = np.random.default_rng(seed), {"N": N * math.prod(positions), "J": J, "K": K}
    plain = [shaped(shape, length, rng, dtype) for shape in letters]
    plain = [a.reshape(N, *positions, a.shape[1]) if s[0] == "N" else a for s, a in zip(letters, plain, strict=True)]
    stored = [LAYOUTS[layout](a) for layout, a in zip(layouts, plain, strict=False)]
    kept = [a.tobytes() for a in stored]
    # Any order of summation errs by less than (terms + 2) eps times the sum of the absolute values.
    bound = (length[summed] + 3) * np.finfo(dtype).eps * getattr(twin, name)(*map(np.abs, plain))
    close(getattr(compiled, name)(*stored), getattr(twin, name)(*plain), 0, 2 * bound)
    assert [a.tobytes() for a in stored] == kept


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", range(71))
def test_products_of_every_size_are_exact_for_whole_numbers(compiled, size, dtype):
    rng = np.random.default_rng(size)
    length = {"N": size, "J": (size * 37 + 5) % 71, "K": (size * 53 + 11) % 71}
    for name, (letters, _) in PRODUCTS.items():
        args = [np.trunc(4 * shaped(shape, length, rng, dtype)) for shape in letters]
        close(getattr(compiled, name)(*args), getattr(twin, name)(*args), 2 * np.finfo(dtype).eps, 0)


# Number by number; by strips; in blocks (also more than 512 terms, and rows 4096 bytes apart), where 1/N is a power of
# two; by BLAS, where it may use several cores; by inner products: few samples, long rows.
LARGE = [(256, 199, 203), (1024, 129, 67), (32, 130, 2100), (32, 1024, 512), (64, 513, 257), (512, 1024, 17)]
LARGE += [(64, 1024, 515)]
SHAPES = [(2, 3, 4), (5, 3, 4), (1, 1, 33), *LARGE]
SHAPES += [(N, J, K) for N in (1, 2, 15, 16, 17) for J in (63, 64, 67, 127, 128, 203) for K in (1, 2, 3, 4, 5, 8, 11)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_by_every_path_are_exact_for_whole_numbers(compiled, shape, dtype):
    rng, length = np.random.default_rng(0), dict(zip("NJK", shape, strict=True))
    for name, (letters, _) in PRODUCTS.items():
        args = [rng.integers(-4, 5, [length[letter] for letter in letters_]).astype(dtype) for letters_ in letters]
        for case in [args, [*args[:2], None]] if name == "affine" else [args]:
            close(getattr(compiled, name)(*case), getattr(twin, name)(*case), 2 * np.finfo(dtype).eps, 0)


@pytest.mark.slow
def test_products_left_to_a_blas_of_several_cores(compiled):
    by_every_path = test_products_by_every_path_are_exact_for_whole_numbers.__name__
    cases = [f"{__file__}::{by_every_path}[{LARGE[-1]}-{dtype.__name__}]" for dtype in DTYPES]
    cases += [f"{Path(__file__).with_name('test_engines.py')}::test_large_products_give_the_same_bits_too"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *cases]
    run = subprocess.run(command, env=os.environ | {"OPENBLAS_NUM_THREADS": "2"}, capture_output=True, text=True)
    assert "6 passed" in run.stdout, run.stdout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 3, 4), (17, 128, 5), (3, 128, 9), (256, 199, 203)], ids=str)
def test_a_sample_that_is_not_finite_leaves_the_others_as_they_are(compiled, shape, dtype):
    N, J, K = shape
    a, weight = np.ones((N, J), dtype), np.ones((K, J), dtype)
    a[0, 0], a[1, 1] = np.inf, np.nan
    expected = np.full((N, K), J, dtype)
    expected[0], expected[1] = np.inf, np.nan
    np.testing.assert_array_equal(compiled.affine(a, weight, None), expected)
    np.testing.assert_array_equal(compiled.propagate(a, weight.T.copy()), expected)


CORES = pytest.mark.parametrize("name", ["compiled", "twin"])


def core_of(name, request):
    return twin if name == "twin" else request.getfixturevalue("compiled")


@CORES
@pytest.mark.parametrize("numbers", ["equal", "random"])
def test_a_million_samples_are_summed_without_losing_digits(name, numbers, request):
    core, N = core_of(name, request), 1_000_003
    for K, J in ((1, 1), (3, 2)):
        rng = np.random.default_rng(K)
        delta, a = [rng.random((N, n)).astype(np.float32) for n in (K, J)]
        if numbers == "equal":
            delta[...] = a[...] = 0.1
        exact = delta.astype(float).T @ a.astype(float) / N
        # Equal numbers are the worst: each of up to 512 additions is then rounded the same way.
        np.testing.assert_allclose(core.weight_gradient(delta, a), exact, rtol=1e-5 if numbers == "equal" else 3e-7)
        bound = 2e-6 if numbers == "equal" else 3e-7
        np.testing.assert_allclose(core.bias_gradient(delta), delta.mean(axis=0, dtype=float), rtol=bound)


def in_the_order_written_out(a):
    """The sum of a column as column_sums promises it, in its own type."""
    whole = 0.0
    for start in range(0, len(a), 512):
        four = [a.dtype.type(0)] * 4
        block = a[start : start + 512]
        for i, x in enumerate(block):
            four[i % 4 if i < len(block) // 4 * 4 else 0] += x
        part = (four[0] + four[1]) + (four[2] + four[3])
        whole = part if len(a) <= 512 else whole + float(part)
    return whole


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N", [1, 3, 6, 512, 1025, 2048])
@pytest.mark.parametrize("K", [1, 2, 5, 8, 13, 16, 35])
def test_column_sums_have_one_order_for_all_columns_and_widths(compiled, K, N, dtype):
    """The same bits whatever the registers, so `make levels` runs this too."""
    delta = np.random.default_rng(0).standard_normal((N, K)).astype(dtype)
    scale = dtype(1 / N)
    expected = [dtype(in_the_order_written_out(column) * (scale if N <= 512 else float(scale))) for column in delta.T]
    np.testing.assert_array_equal(compiled.bias_gradient(delta), expected)


# ---- the activations -------------------------------------------------------------------------------------


@st.composite
def values(draw, dtype):
    """Normal numbers in a layout, beginning with some of the extremes."""
    shape = draw(st.sampled_from(["N", "NK", "NJK"]))
    length = {letter: draw(st.integers(0, 70 if len(shape) < 3 else 9)) for letter in shape}
    z = 3 * shaped(shape, length, np.random.default_rng(draw(seeds)), dtype)
    extremes = draw(arrays(dtype, min(z.size, 4), finite(dtype, min_value=-(2.0**100), max_value=2.0**100)))
    z.reshape(-1)[: extremes.size] = extremes
    return z, draw(layouts)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # e^z of what the twin then does not choose
def test_activations(compiled, kind, dtype, data):
    z, layout = data.draw(values(dtype))
    alpha, rtol = ALPHAS.get(kind, 0.0), RELATIVE[dtype]
    a = twin.activation(kind, z, alpha)
    close(compiled.activation(kind, LAYOUTS[layout](z), alpha), a, rtol, 0)

    saved, delta = (a if kind in FROM_OUTPUT else z), np.cos(np.arange(z.size)).reshape(z.shape).astype(dtype)
    below = twin.activation_backward(kind, delta, saved, alpha)
    ours = compiled.activation_backward(kind, LAYOUTS[layout](delta), LAYOUTS[layout](saved), alpha)
    close(ours, below, rtol, np.finfo(dtype).eps)  # 1 - a*a and 1 + z sigma(-z) cancel


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [1, 7, 33])
def test_a_nan_is_passed_on_so_that_divergence_is_seen(compiled, kind, dtype, n):
    z = np.full(n, np.nan, dtype)
    alpha = ALPHAS.get(kind, 0.0)
    for core in (compiled, twin):
        assert np.isnan(core.activation(kind, z, alpha)).all()
        assert np.isnan(core.activation_backward(kind, z, np.ones_like(z), alpha)).all()


def test_both_cores_know_the_same_kinds(compiled):
    assert set(compiled.ACTIVATIONS) == set(twin.ACTIVATIONS) == set(KINDS)
    assert set(compiled.LOSSES) == {name for name in LOSSES if callable(getattr(twin, name))}
    assert set(compiled.OPTIMIZERS) == set(OPTIMIZERS)


def test_a_kind_without_a_branch_is_an_error_and_never_memory(compiled, monkeypatch):
    z = np.ones((4, 3))
    linear = ("linear", np.ones((3, 3)), None, (), ())
    with_slot = ("linear", np.ones((3, 3)), None, (np.ones((3, 3)),), ())
    rest = (0.0, "sgd", (0.0, 0.0, 0.0, 0.0), 0, z, z, np.arange(4), 2)
    for table in ("ACTIVATIONS", "LOSSES", "OPTIMIZERS"):
        monkeypatch.setitem(getattr(compiled, table), "new", 99)
    for call in (
        lambda: compiled.activation("new", z),
        lambda: compiled.activation("new", z.astype(np.float32)),
        lambda: compiled.activation_backward("new", z, z),
        lambda: train_epoch(compiled, [linear, ("new", 0.0)], "mse", *rest),
        lambda: train_epoch(compiled, [linear], "new", *rest),
        lambda: train_epoch(compiled, [with_slot], "mse", 0.0, "new", *rest[2:]),
    ):
        with pytest.raises(ValueError, match="has no branch"):
            call()


# ---- the losses ------------------------------------------------------------------------------------------

LOSSES = ("mse", "huber", "bce", "bce_with_logits", "cross_entropy", "soft_cross_entropy")
PARAMETERS = {"huber": (0.75,)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
@given(st.integers(1, 70), axes, st.integers(1, 70), st.tuples(layouts, layouts), seeds, st.sampled_from([0.1, 1, 30]))
@example(4, [1], 3, ("C", "C"), 0, 1)
@example(1, [4], 3, ("C", "C"), 0, 1)
@example(3, [2, 5], 1, ("C", "C"), 0, 1)
def test_losses(compiled, name, dtype, N, positions, K, layouts, seed, scale):
    positions = [max(length, 1) for length in positions]
    output, y = outputs_and_targets(name, N * math.prod(positions), K, np.random.default_rng(seed))
    output = (output if name == "bce" else scale * output).astype(dtype).reshape(N, *positions, K)
    y = (y if name == "cross_entropy" else y.astype(dtype)).reshape(N, *positions, *y.shape[1:])
    parameters = PARAMETERS.get(name, ())
    loss, delta = getattr(compiled, name)(LAYOUTS[layouts[0]](output), LAYOUTS[layouts[1]](y), *parameters)
    expected, expected_delta = getattr(twin, name)(output, y, *parameters)
    assert isinstance(loss, float)
    assert loss == pytest.approx(expected, rel=RELATIVE[dtype], abs=RELATIVE[dtype])
    close(delta, expected_delta, RELATIVE[dtype], 4 * np.finfo(dtype).eps)


@CORES
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("N", "K"), [(128, 2000), (300, 20), (3, 3000)])
def test_the_sums_of_many_classes_neither_overflow_nor_lose_digits(name, N, K, dtype, request):
    output, y = np.zeros((N, K), dtype), np.arange(N) % K
    for loss, target in (("cross_entropy", y), ("soft_cross_entropy", np.eye(N, K, dtype=dtype))):
        value, delta = getattr(core_of(name, request), loss)(output, target[:N])
        if loss == "cross_entropy" or N <= K:
            assert value == pytest.approx(np.log(K), rel=1e-6)
        np.testing.assert_allclose(delta[0, 1:], 1 / K, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3, 0, 2), (0, 4, 2), (3, 2, 0)])
@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_nothing_is_refused(compiled, name, shape):
    y = np.zeros(shape[:-1], np.int64) if name == "cross_entropy" else np.zeros(shape)
    with pytest.raises(ValueError, match="the mean loss of nothing is not defined"):
        getattr(compiled, name)(np.zeros(shape), y, *PARAMETERS.get(name, ()))


INF = np.inf
EDGES = {  # loss, output, y, C, delta
    "p is 0 or 1": ("bce", [[0, 1, 0, 1]], [[0, 1, 1, 0]], 50, [[0, 0, -2.5e11, 2.5e11]]),
    "p close to 0": ("bce", [[1e-30]], [[1]], 30 * np.log(10), [[-1e12]]),
    "p beyond the clamp": ("bce", [[1e-38]], [[0.5]], 19 * np.log(10), [[-5e11]]),
    "logit 0": ("bce_with_logits", [[0, 0]], [[1, 0]], np.log(2), [[-0.25, 0.25]]),
    "logits far out": ("bce_with_logits", [[1e30, -1e30]], [[1, 1]], 5e29, [[0, -0.5]]),
    "equal classes": ("cross_entropy", [[3, 3, 3, 3]], [2], np.log(4), [[0.25, 0.25, -0.75, 0.25]]),
    "a class far out": ("cross_entropy", [[-1e30, 1e30]], [1], 0, [[0, 0]]),
    "one class": ("cross_entropy", [[-7], [7]], [0, 0], 0, [[0], [0]]),
    "impossible, not wanted": ("soft_cross_entropy", [[-INF, 2]], [[0, 1]], 0, [[0, 0]]),
    "weights that are no probabilities": ("soft_cross_entropy", [[1, 1]], [[3, 1]], 4 * np.log(2), [[-1, 1]]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EDGES)
def test_losses_at_the_edges(compiled, case, dtype):
    name, output, y, value, delta = EDGES[case]
    for core in (compiled, twin):
        c, d = getattr(core, name)(np.array(output, dtype), np.array(y, int if name == "cross_entropy" else dtype))
        assert c == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(d, delta, rtol=1e-6)


# ---- the optimisers --------------------------------------------------------------------------------------

UPDATES = {  # name: (function, arrays besides weight and gradient, its numbers)
    "sgd": ("sgd", 0, (0.1, 0.0, False, 0.0)),
    "sgd decay": ("sgd", 0, (0.1, 0.0, False, 0.01)),
    "momentum": ("sgd", 1, (0.1, 0.9, False, 0.01)),
    "nesterov": ("sgd", 1, (0.1, 0.9, True, 0.01)),
    "rmsprop": ("rmsprop", 1, (0.1, 0.99, 1e-8, 0.01)),
    "adam": ("adam", 2, (3, 0.1, 0.9, 0.999, 1e-8, 0.01, False)),
    "adamw": ("adam", 2, (3, 0.1, 0.9, 0.999, 1e-8, 0.01, True)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", UPDATES)
@given(st.integers(0, 70), st.integers(0, 70), layouts, seeds)
def test_updates(compiled, case, dtype, K, J, layout, seed):
    name, slots, numbers = UPDATES[case]
    rng = np.random.default_rng(seed)
    weight, gradient, *state = [rng.standard_normal((K, J)).astype(dtype) for _ in range(2 + slots)]
    state = [np.abs(a) for a in state]
    ours, theirs = [[a.copy() for a in (weight, *state)] for _ in range(2)]
    none = [None] if case.startswith("sgd") else []
    getattr(compiled, name)(ours[0], LAYOUTS[layout](gradient), *ours[1:], *none, *numbers)
    getattr(twin, name)(theirs[0], gradient, *theirs[1:], *none, *numbers)
    rounding = 4 * np.finfo(dtype).eps * (1 + np.abs(weight))  # where weight and step cancel, what they were rounded by
    for mine, other in zip(ours, theirs, strict=True):
        close(mine, other, RELATIVE[dtype], rounding)


CLOSE_TO_ONE = {  # what decays where the gradient is 0: function, how many states, its numbers
    "momentum": ("sgd", 1, (0.1, 0.999999, False, 0.0)),
    "nesterov": ("sgd", 1, (0.1, 0.999999, True, 0.0)),
    "rmsprop": ("rmsprop", 1, (0.1, 0.999999, 1e-8, 0.0)),
    "adam": ("adam", 2, (3, 0.1, 0.999999, 0.999999, 1e-8, 0.0, False)),
    "adamw's weight": ("adam", 2, (3, 0.001, 0.9, 0.999, 1e-8, 0.001, True)),
}


@CORES
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CLOSE_TO_ONE)
def test_a_rate_close_to_one_keeps_its_share(name, case, dtype, request):
    """One step by 1e-6, rounded in each entry, is right in the mean of many."""
    function, slots, numbers = CLOSE_TO_ONE[case]
    rng, zero = np.random.default_rng(0), np.zeros(200_000, dtype)
    weight, *state = [rng.uniform(0.5, 1, zero.size).astype(dtype) for _ in range(1 + slots)]
    if case == "adamw's weight":
        state = [zero.copy(), zero.copy()]
    watched = [weight] if case == "adamw's weight" else state
    before = [array.astype(float) for array in watched]
    getattr(core_of(name, request), function)(weight, zero, *state, *numbers)
    for old, new in zip(before, watched, strict=True):
        assert (old - new).mean() / old.mean() == pytest.approx(1e-6, rel=2e-3)


@CORES
@pytest.mark.parametrize("rate", [0.99, 0.9999, 0.999999])
def test_a_first_running_square_is_the_rest_of_the_gradients(name, rate, request):
    core, one = core_of(name, request), np.ones(1, np.float32)
    for function, slots, numbers in (
        ("rmsprop", 1, (0.1, rate, 1e-8, 0.0)),
        ("adam", 2, (1, 0.1, rate, rate, 1e-8, 0.0, False)),
    ):
        state = [np.zeros(1, np.float32) for _ in range(slots)]
        getattr(core, function)(one.copy(), one, *state, *numbers)
        assert [float(array[0]) for array in state] == [pytest.approx(1 - rate, rel=1e-6)] * slots
