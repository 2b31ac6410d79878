"""orthant_pairs and rotate: hand-computed cases, a twin that looks at every pair, and what they refuse."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import DTYPES

import minigrad as mg
from minigrad.diagnostics import gauge_flip, orthant_pairs, rotate

# ---- orthant_pairs ---------------------------------------------------------------------------------------


def pair_by_pair(g):
    """The mean over the rows, from every orthant and every pair of outer products."""
    orthants = [np.array(s) for s in itertools.product((1, -1), repeat=g.a.shape[1])]
    shares = []
    for k in range(g.delta.shape[1]):
        rows = [d[k] * a for d, a in zip(g.delta, g.a, strict=True)]
        rows = [row for row in rows if row.any()]
        found = [
            any(all((s * row >= 0).all() or (s * row <= 0).all() for row in pair) for s in orthants)
            for pair in itertools.combinations(rows, 2)
        ]
        shares += [np.mean(found)] if found else []
    return np.mean(shares) if shares else math.nan


few = st.sampled_from([-2.0, -1.0, 0.0, 0.0, 1.0, 3.0])


@given(st.data(), st.integers(0, 7), st.integers(1, 3), st.integers(1, 4))
def test_it_counts_what_looking_at_every_pair_counts(data, N, K, J):
    delta, a = (data.draw(hnp.arrays(np.float64, (N, width), elements=few)) for width in (K, J))
    g = mg.WeightGradient(delta, a)
    np.testing.assert_allclose(orthant_pairs(g), pair_by_pair(g), rtol=1e-12)


def pair(delta, a):
    return mg.WeightGradient(np.array(delta, float), np.array(a, float))


@pytest.mark.parametrize(
    ("delta", "a", "expected"),
    [
        ([[1], [-1]], [[1, 2], [3, 1]], 1),
        ([[1], [-1]], [[1, -2], [-3, 1]], 1),  # the opposite orthant
        ([[1], [1]], [[1, 2], [3, -1]], 0),
        ([[1], [1]], [[1, 0], [0, -1]], 1),  # closed orthants: no two entries can disagree
        ([[1], [1], [1]], [[1, 2], [3, -1], [2, 2]], 1 / 3),
        ([[1], [0], [1]], [[1, 2], [3, -1], [2, 2]], 1),  # the second row is 0
        ([[1], [1], [1]], [[1, 2], [0, 0], [2, -2]], 0),
        ([[1, 1], [0, 1], [1, 1]], [[1, 2], [3, -1], [2, 2]], (1 + 1 / 3) / 2),
        ([[1, 0], [1, 0]], [[1, 2], [3, -1]], 0),  # a row without a pair does not count
        ([[1]], [[1, 2]], math.nan),
        ([[1], [0]], [[1, 2], [2, 1]], math.nan),
        ([[1e-300], [1e-300]], [[1e-300, -1], [1, -1e-300]], 1),  # the product would be no float
    ],
)
def test_by_hand(delta, a, expected):
    assert orthant_pairs(pair(delta, a)) == pytest.approx(expected, nan_ok=True)
    assert isinstance(orthant_pairs(pair(delta, a)), float)


def test_the_same_in_blocks(monkeypatch, rng):
    delta = rng.standard_normal((57, 3)) * (rng.random((57, 3)) < 0.7)  # some rows are zero
    g = mg.WeightGradient(delta, rng.standard_normal((57, 2)))
    whole = orthant_pairs(g)
    monkeypatch.setattr("minigrad.diagnostics.signs.PAIRS", 57 * 5)
    assert orthant_pairs(g) == whole == pytest.approx(pair_by_pair(g))
    assert 0 < whole < 1


def test_thousands_of_samples_take_no_square_of_their_number():
    import tracemalloc

    rng = np.random.default_rng(0)
    g = mg.WeightGradient(rng.standard_normal((6000, 20)), rng.random((6000, 50)))
    tracemalloc.start()
    assert orthant_pairs(g) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6, "6000^2 floats would be 288 MB"


def test_orthant_pairs_refuses():
    one = np.ones((2, 2))
    for g, error, message in (
        (one, TypeError, "^g is a ndarray, expected a WeightGradient"),
        (mg.WeightGradient(one * np.nan, one), ValueError, "^g.delta holds NaN"),
        (mg.WeightGradient(one, one * np.nan), ValueError, "^g.a holds NaN"),
    ):
        with pytest.raises(error, match=message):
            orthant_pairs(g)


# ---- rotate ----------------------------------------------------------------------------------------------


def test_a_quarter_turn_by_hand():
    net = mg.mlp([2, 3, 1], "sigmoid", rng=0)
    before = {name: array.tobytes() for name, array in net.state_dict().items()}
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    turned, turned_x = rotate(net, x, [[0, -1], [1, 0]])
    np.testing.assert_array_equal(turned_x, [[-2, 1], [-4, 3]])
    np.testing.assert_array_equal(turned[0].weight, np.column_stack([-net[0].weight[:, 1], net[0].weight[:, 0]]))
    for name, array in turned.state_dict().items():
        assert name == "0.weight" or array.tobytes() == before[name]
    assert {name: array.tobytes() for name, array in net.state_dict().items()} == before
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    np.testing.assert_allclose(turned(turned_x), net(x), rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_flip_is_a_rotation(dtype, rng):
    """Exactly the same net and inputs as from gauge_flip, in the net's own float type; the arrays are new."""
    net, x, signs = mg.mlp([4, 3, 1], "tanh", dtype=dtype, rng=0), rng.standard_normal((5, 4)), [1, -1, -1, 1]
    turned, turned_x = rotate(net, x, np.diag(signs))
    flipped, flipped_x = gauge_flip(net, x, signs)
    np.testing.assert_array_equal(turned_x, flipped_x, strict=True)
    np.testing.assert_array_equal(turned[0].weight, flipped[0].weight, strict=True)
    same, same_x = rotate(net, flipped_x, np.eye(4))
    assert not np.shares_memory(same_x, flipped_x)
    assert not np.shares_memory(same[2].weight, net[2].weight)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_counts_as_orthogonal(dtype, rng):
    J = 300
    net, x = mg.mlp([J, 2], rng=0), np.ones((1, J))
    Q = np.linalg.qr(rng.standard_normal((J, J)).astype(dtype))[0]
    assert Q.dtype == dtype
    rotate(net, x, Q)
    with pytest.raises(ValueError, match=r"^Q is not orthogonal: Q Q\^T differs from the identity by 0\.02"):
        rotate(net, x, Q * dtype(1.01))
    with pytest.raises(ValueError, match="^Q is not orthogonal"):
        rotate(net, x, Q * dtype(1 + 1000 * np.finfo(dtype).eps))


@pytest.mark.parametrize(
    ("Q", "dtype", "good"),
    [
        ([[1, 1000], [0, 1]], np.float64, True),
        ([[1, 1000.5], [0, 1]], np.float64, False),
        ([[1, 999], [0, 1]], np.float32, True),
        ([[500.0]], np.float32, False),
    ],
)
def test_a_thousand_roundings_are_orthogonal_enough(Q, dtype, good):
    """Q Q^T - I, measured in float64: of 1 + 500 eps it is 1000 eps and a little."""
    eps = np.finfo(dtype).eps
    Q = np.array(Q, float)
    Q = (1 + Q * eps if len(Q) == 1 else np.where(Q > 1, Q * eps, Q)).astype(dtype)
    net, x = mg.mlp([len(Q), 2], rng=0), np.ones((3, len(Q)))
    if good:
        rotate(net, x, Q)
    else:
        with pytest.raises(ValueError, match="^Q is not orthogonal"):
            rotate(net, x, Q)


def test_rotate_refuses():
    net, x = mg.mlp([2, 3, 1], rng=0), np.ones((4, 2))
    for Q, message in (
        (np.eye(3), r"^Q has shape \(3, 3\), expected \(2, 2\)"),
        (np.ones(2), r"^Q has shape \(2,\)"),
        (np.ones((2, 2)), "^Q is not orthogonal"),
        (np.full((2, 2), np.nan), "^Q is not orthogonal: .* by nan"),
        (np.diag([1, 2]), r"^Q is not orthogonal: .* by 3, .*; use np\.linalg\.qr\(Q\)\[0\]$"),
        (np.ma.masked_less(np.eye(2), 1), "^Q is a masked array"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            rotate(net, x, Q)
    with pytest.raises(ValueError, match=r"^x has shape \(2,\)"):
        rotate(net, x[0], np.eye(2))
    for other in (mg.Linear(2, 1), mg.Sequential(mg.Tanh(), mg.Linear(2, 1)), mg.Sequential(mg.BatchNorm(2))):
        with pytest.raises(TypeError, match="first layer of net is not a Linear layer of a Sequential"):
            rotate(other, x, np.eye(2))


@pytest.mark.parametrize("J", [127, 128, 200, 256, 1000])
def test_many_inputs_of_one_sign_are_one_orthant(J):
    """More than a byte counts, with signs of which a byte holds one."""
    rng = np.random.default_rng(0)
    g = mg.WeightGradient(rng.standard_normal((6, 3)), rng.random((6, J)) + 1)
    assert orthant_pairs(g) == 1
    assert orthant_pairs(mg.WeightGradient(g.delta, g.a * np.where(np.arange(J) < J // 2, 1, [[1], [-1]] * 3))) < 1
