"""The first two laws of the signs of delta a^T, in floating point, and the pattern that needs mixed signs.

A1    one sample: the sign of an entry is the sign of delta_k XOR the sign of a_j
A4(a) a batch: where all delta of neuron k share a sign and a >= 0, the weights into k share it too
"""

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from strategies import DTYPES, arrays, finite, mixtures

import minigrad as mg
from minigrad.gradient import WeightGradient
from minigrad.kernels import twin
from minigrad.kernels.backend import core

short = st.integers(1, 9)
long = st.one_of(st.integers(1, 9), st.integers(60, 70))
CORES = [pytest.param(module, id=module.__name__.split(".")[1]) for module in dict.fromkeys((core, twin))]
every = pytest.mark.parametrize(("dtype", "module"), [(d, m) for d in DTYPES for m in (p.values[0] for p in CORES)])
loud = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # overflow keeps its sign: it belongs to the law


@loud
@pytest.mark.parametrize("dtype", DTYPES)
@given(st.data())
def test_signs_of_one_sample_are_the_xor_of_the_signs_of_its_factors(dtype, data):
    delta = data.draw(short.flatmap(lambda K: mixtures(dtype, (1, K))))
    a = data.draw(long.flatmap(lambda J: mixtures(dtype, (1, J))))
    xor = np.signbit(delta)[0, :, None] ^ np.signbit(a)[0, None, :]
    products = WeightGradient(delta, a).per_sample()[0]
    assert products.dtype == dtype
    np.testing.assert_array_equal(np.signbit(products), xor)
    for module in dict.fromkeys((core, twin)):  # a sum that begins at +0 may turn a product of -0 into +0
        weight = module.weight_gradient(delta, a)
        np.testing.assert_array_equal(np.signbit(weight)[weight != 0], xor[weight != 0])
        np.testing.assert_array_equal(weight == 0, products == 0)


@loud
@every
@given(st.data())
def test_one_signed_delta_and_positive_activations_give_single_signed_rows(dtype, module, data):
    N, K, J = data.draw(long), data.draw(short), data.draw(long)
    positive = finite(dtype, min_value=0)
    a = data.draw(mixtures(dtype, (N, J), positive))
    signs = data.draw(mixtures(dtype, K, st.sampled_from([-1.0, 1.0])))
    delta = signs * data.draw(mixtures(dtype, (N, K), positive))
    weight = module.weight_gradient(delta, a)
    assert (signs[:, None] * weight >= 0).all()  # exactly, whatever the order of summation
    assert (signs * module.bias_gradient(delta) >= 0).all()


# ---- the converse: what positive activations forbid, others do --------------------------------------------

FORBIDDEN = np.array([[1, -1], [1, -1]])
TRIES = settings(max_examples=300, database=None)  # tanh needs far fewer


def signs_of_the_update(activation):
    """z (2 samples of 2 units) and delta -> the signs of delta f(z)^T, one sample."""
    numbers = arrays(np.float64, (2, 2), st.floats(-3, 3))
    return numbers.map(lambda v: np.sign(WeightGradient(v[:1], activation(v[1:])).weight))


@pytest.mark.parametrize("activation", [mg.Tanh(), mg.CenteredSigmoid(), mg.ELU(), mg.GELU()], ids=repr)
def test_a_centred_activation_finds_the_forbidden_pattern(activation):
    found = find(signs_of_the_update(activation), lambda signs: (signs == FORBIDDEN).all())
    np.testing.assert_array_equal(found, FORBIDDEN)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [mg.Sigmoid(), mg.Softplus(), mg.ReLU()], ids=repr)
def test_a_positive_activation_never_does(activation):
    with pytest.raises(NoSuchExample):
        find(signs_of_the_update(activation), lambda signs: (signs == FORBIDDEN).all(), settings=TRIES)


@pytest.mark.slow
@pytest.mark.parametrize("activation", [mg.Sigmoid(), mg.Tanh()], ids=repr)
def test_three_plus_and_one_minus_is_out_of_reach_for_any_activation(activation):
    with pytest.raises(NoSuchExample):
        find(signs_of_the_update(activation), lambda signs: (signs == [[1, 1], [1, -1]]).all(), settings=TRIES)


@pytest.mark.parametrize(("kind", "share"), [("sigmoid", 1.0), ("softplus", 1.0), ("tanh", 0.0)])
def test_the_law_in_a_net_on_digits(kind, share):
    x, y, _, _ = mg.datasets.load("digits")
    net = mg.mlp([64, 30, 10], activation=kind, rng=0)
    g = mg.backprop(net, mg.CrossEntropyLoss(), x[:50], y[:50]).gradients["2"]
    signs = np.sign(g.per_sample())
    assert (signs == np.sign(g.delta)[:, :, None]).all(axis=2).mean() == share


def test_per_sample_norms_of_rows_of_mixed_size():
    """Each row has a scale of its own: one for all would lose the small or the large ones."""
    sizes = np.array([1e-300, 1e300, 1.0, 0.0, 1e-160, 1e160])
    delta, a = sizes[:, None] * np.array([3.0, 4.0]), np.ones((6, 4))
    np.testing.assert_allclose(WeightGradient(delta, a).per_sample_norms(), 10 * sizes, rtol=1e-14)
    np.testing.assert_allclose(WeightGradient(a, delta).per_sample_norms(), 10 * sizes, rtol=1e-14)
