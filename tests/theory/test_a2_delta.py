"""A2, delta is not free: with K outputs the error signals of a hidden layer fill at most K dimensions.

Statement. For fixed weights and one sample delta^l = M^T delta_out, M (K, n) the Jacobian of the outputs.
With delta_out free in R^K, delta^l meets at most C(n, K) = 2 sum_{i<K} C(n-1, i) sign patterns without zeros,
and exactly that many for M in general position; with sum delta_out = 0 (softmax) C(n, K-1); with one-hot
targets the whole gradient takes at most K patterns. One output with sigmoid and BCE, 0 < a < 1: the gradient
of the whole net is known up to one scalar, and the labels 0 and 1 give opposite signs everywhere. Softmax
with cross-entropy, a one-hot target and K > 1: delta_out has exactly one negative entry while the right class
has p < 1, so its entries do not share one sign.

Floats. "Opposite everywhere" is exact as long as an entry is one product (one hidden layer); where delta is a
sum, its sign is right only above the rounding of that sum: deeper nets with the same computed sign for both
labels exist. delta_out never has a negative entry elsewhere than at the right class; there it is 0 once p
rounds to 1.

Converse. Soft targets give two negative entries; a saturated output none; a second output breaks "opposite".
"""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from theory_strategies import CORES, DTYPES, SEARCH, arrays, finite, seeds, signs_of

import minigrad as mg
from minigrad.diagnostics import delta_agreement, is_reachable, pattern_count, sign_pattern

by_core = pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__.rsplit(".", 1)[-1])


def deltas_below(net, x, delta_out):
    """delta = dc/dz of every Linear layer, for one sample x (J,) and many delta_out (T, K)."""
    _, saved = net.forward(np.repeat(x[None], len(delta_out), axis=0))
    return [g.delta for name, g in net.backward(delta_out, saved)[1].items() if name.endswith("weight")]


def sweep(plane):
    """One delta_out in each sector that the columns of plane (2, n) cut the circle into: all patterns,
    exactly."""
    angles = np.sort(np.concatenate([np.arctan2(plane[0], -plane[1]), np.arctan2(-plane[0], plane[1])]))
    middle = (angles + np.append(angles[1:], angles[0] + 2 * math.pi)) / 2
    return np.stack([np.cos(middle), np.sin(middle)], axis=1)


def different(rows):
    return len(np.unique(signs_of(rows), axis=0))


# ---- law: how many patterns -------------------------------------------------------------------------------


@given(seed=seeds, n=st.integers(2, 9), kind=st.sampled_from(("sigmoid", "tanh", "softplus")))
def test_two_free_outputs_reach_exactly_2n_patterns_of_a_hidden_layer(seed, n, kind):
    rng = np.random.default_rng(seed)
    net = mg.mlp([3, 6, n, 2], activation=kind, rng=rng)
    x = rng.standard_normal(3)
    M = deltas_below(net, x, np.eye(2))[1]  # (2, n): what the two outputs send to the last hidden layer
    delta = deltas_below(net, x, sweep(M))[1]
    assert different(delta) == pattern_count(n, 2) == 2 * n


@given(seed=seeds, n=st.integers(2, 9))
def test_outputs_that_sum_to_zero_have_one_dimension_less(seed, n):
    rng = np.random.default_rng(seed)
    net, x = mg.mlp([3, n, 3], rng=rng), rng.standard_normal(3)
    plane = np.array([[1.0, -1, 0], [1, 1, -2]])  # softmax: sum delta_out = 0
    M = deltas_below(net, x, plane)[0]
    assert different(deltas_below(net, x, sweep(M) @ plane)[0]) == pattern_count(n, 2)


@given(seed=seeds, K=st.integers(1, 3), n=st.integers(1, 6))
def test_no_choice_of_delta_out_gives_more(seed, K, n):
    rng = np.random.default_rng(seed)
    net, x = mg.mlp([3, n, 5, K], rng=rng), rng.standard_normal(3)
    for delta in deltas_below(net, x, rng.standard_normal((200, K))):
        assert different(delta) <= pattern_count(delta.shape[1], K)
        assert np.linalg.matrix_rank(delta / abs(delta).max()) <= K


def test_three_free_outputs_reach_cover_s_number():
    pytest.importorskip("scipy")
    rng = np.random.default_rng(0)
    M = deltas_below(mg.mlp([3, 6, 3], rng=rng), rng.standard_normal(3), np.eye(3))[0]
    reached = sum(bool(is_reachable(s, M)) for s in itertools.product((-1, 1), repeat=6))
    assert reached == pattern_count(6, 3) == 2 * (1 + 5 + 10)


@given(seed=seeds, K=st.integers(2, 5))
def test_one_hot_targets_give_the_whole_gradient_at_most_one_pattern_per_class(seed, K):
    rng = np.random.default_rng(seed)
    net, x = mg.mlp([3, 4, 4, K], rng=rng), rng.standard_normal((1, 3))
    seen = set()
    for label in list(range(K)) * 2:
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x, np.array([label]))
        seen.add(b"".join(sign_pattern(g).tobytes() for g in bp.gradients.values()))
    assert len(seen) <= K


def test_the_figures_of_the_theorem():
    bits = [math.log2(count) for count in (pattern_count(100, 10), pattern_count(100, 9), 10)]
    np.testing.assert_allclose(bits, [41.8, 38.4, 3.3], atol=0.05)


@given(st.integers(1, 12), st.integers(0, 14))
def test_pattern_count_is_the_recurrence_of_schlaefli(J, r):
    """C(J, r) = C(J-1, r) + C(J-1, r-1), C(1, r) = 2, C(J, 0) = 0: adding one hyperplane at a time."""

    def count(J, r):
        return 0 if r == 0 else 2 if J == 1 else count(J - 1, r) + count(J - 1, r - 1)

    assert pattern_count(J, r) == count(J, r)
    assert pattern_count(J, J) == pattern_count(J, J + 5) == 2**J


# ---- law: one output --------------------------------------------------------------------------------------

moderate = st.floats(-100, 100)


def both_labels(net, x):
    loss = mg.BCEWithLogitsLoss()
    return [mg.backprop(net, loss, x, np.array([[label]])) for label in (0.0, 1.0)]


@given(
    arrays(np.float64, (3, 2), moderate),
    arrays(np.float64, (1, 3), moderate),
    arrays(np.float64, (1, 2), moderate),
)
def test_labels_0_and_1_never_give_the_same_sign_with_one_hidden_layer(W, w, x):
    """Not even in floats: each entry is one product. (Where it underflows, one of the two signs may be 0.)"""
    net = mg.mlp([2, 3, 1], activation="sigmoid", rng=0)
    net[0].weight[...], net[2].weight[...] = W, w / 100  # so that 0 < sigma(z) < 1 in floats
    zero, one = both_labels(net, x)
    assert (sign_pattern(zero.gradients["2"]) == -sign_pattern(one.gradients["2"])).all()
    assert (sign_pattern(zero.gradients["0"]) * sign_pattern(one.gradients["0"]) <= 0).all()


@given(seed=seeds, kind=st.sampled_from(("sigmoid", "tanh", "softplus")))
def test_with_one_output_the_gradient_is_known_up_to_one_scalar(seed, kind):
    rng = np.random.default_rng(seed)
    net, x = mg.mlp([3, 5, 4, 1], activation=kind, rng=rng), rng.standard_normal((1, 3))
    zero, one = both_labels(net, x)
    p = mg.sigmoid(zero.output).item()
    for path, g in zero.gradients.items():
        other = one.gradients[path].weight
        np.testing.assert_allclose(g.weight * (p - 1), other * p, rtol=1e-9, atol=1e-13 * abs(g.weight).max())


def test_floats_a_sum_can_have_the_same_computed_sign_for_both_labels():
    """Linear layers with weights (q, -s) below (p, r): the gradient is a multiple of p q - r s, which is not
    0."""
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(100):
        p, q, r = rng.random(3)
        s = p * q / r  # rounded, so that p q - r s is not 0 but small
        net = mg.Sequential(mg.Linear(1, 1), mg.Linear(1, 2), mg.Linear(2, 1))
        net[2].weight[...], net[2].bias[...] = (p, r), rng.standard_normal()
        net[1].weight[...] = [[q], [-s]]
        zero, one = both_labels(net, np.ones((1, 1)))
        same = (zero.gradients["0"].weight * one.gradients["0"].weight).item() > 0
        found += same and Fraction(p) * Fraction(q) != Fraction(r) * Fraction(s)
    assert found > 0


def test_converse_a_second_output_breaks_the_opposition():
    net, x = mg.mlp([2, 3, 2], rng=0), np.array([[1.0, 2.0]])
    y = np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])
    first, second = (sign_pattern(mg.backprop(net, mg.BCEWithLogitsLoss(), x, t).gradients["0"]) for t in y)
    assert not np.array_equal(first, -second)


# ---- law: softmax with a one-hot target -------------------------------------------------------------------


@by_core
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_delta_out_is_negative_nowhere_but_at_the_right_class(core, dtype, data):
    """All finite logits."""
    K = data.draw(st.integers(1, 5))
    z, y = data.draw(arrays(dtype, (1, K), finite(dtype))), data.draw(st.integers(0, K - 1))
    with np.errstate(all="ignore"):
        _, delta = core.cross_entropy(z, np.array([y]))
    assert delta[0, y] <= 0
    assert (np.delete(delta[0], y) >= 0).all()


@by_core
@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 7), (np.float64, 17)])
@given(data=st.data())
def test_exactly_one_entry_is_negative_and_the_others_positive(core, dtype, limit, data):
    """Logits within +-limit, where no output is saturated: 1 - p > e^(-2 limit), above the spacing of floats
    at 1."""
    K = data.draw(st.integers(2, 5))
    z = data.draw(arrays(dtype, (3, K), finite(dtype, min_value=-limit, max_value=limit)))
    y = np.array([data.draw(st.integers(0, K - 1)) for _ in range(3)])
    _, delta = core.cross_entropy(z, y)
    assert ((delta < 0).sum(axis=1) == 1).all()
    assert (delta[np.arange(3), y] < 0).all()
    assert ((delta > 0).sum(axis=1) == K - 1).all()


@given(seeds)
def test_so_the_output_layer_never_agrees_while_a_single_unit_always_does(seed):
    rng = np.random.default_rng(seed)
    net = mg.mlp([3, 1, 4], rng=rng)
    x, y = rng.standard_normal((6, 3)), rng.integers(0, 4, 6)
    assert delta_agreement(mg.backprop(net, mg.CrossEntropyLoss(), x, y)) == {"0": 1.0, "2": 0.0}


def test_converse_a_saturated_output_has_no_negative_entry():
    for core in CORES:
        assert not core.cross_entropy(np.array([[800.0, 0.0]]), np.array([0]))[1].any()


def test_converse_soft_targets_give_several_negative_entries():
    def two(drawn):
        y = np.array([drawn]) / sum(drawn)
        return (mg.CrossEntropyLoss().delta(np.zeros((1, 3)), y) < 0).sum() == 2

    shares = find(st.tuples(*[st.integers(1, 9)] * 3), two, settings=SEARCH)
    assert max(shares) > min(shares)
