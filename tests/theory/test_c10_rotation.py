"""C10, the rotation: no property of orthants is what makes gradient descent slow.

Statement. SGD, momentum and Nesterov, with or without L2, in any batches, know the inputs of a linear layer only
through the inner products a_m . a_n and the first outputs W_0 a_n. So for every orthogonal Q the inputs Q a_n with
the weights W_0 Q^T give the weights W_t Q^T, and the same losses, at every step; so do the inputs V a_n in a space of
another dimension, V^T V = 1. The Householder reflection that turns the mean onto an axis leaves non-negative inputs
in no orthant, unless all are multiples of one vector. Inputs can be rotated into an orthant if and only if
their Gram matrix is completely positive, for which a_m . a_n >= 0 is necessary, and not sufficient from N = 5 on.

Floats. To rounding, not to the bit.

Converse. Adam, AdamW, RMSprop; factors other than rotations.
"""

import itertools

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, KINDS, LOSSES, outputs_and_targets, seeds

import minigrad as mg
from minigrad.diagnostics import gauge_flip, gram_signs, orthant_pairs, rotate, single_signed_rows

PLAIN = {
    "sgd": lambda decay: mg.SGD(0.1, weight_decay=decay),
    "momentum": lambda decay: mg.SGD(0.05, momentum=0.9, weight_decay=decay),
    "nesterov": lambda decay: mg.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=decay),
}
DIAGONAL = {
    "rmsprop": lambda decay: mg.RMSprop(0.01, weight_decay=decay),
    "adam": lambda decay: mg.Adam(0.01, weight_decay=decay),
    "adamw": lambda decay: mg.AdamW(0.01, weight_decay=decay),
}
TOLERANCE = {np.float64: 1e-10, np.float32: 1e-3}  # of numbers about 1: what some dozen steps make of a rounding


def orthogonal(J, seed, kind="any"):
    rng = np.random.default_rng(seed)
    if kind == "householder":
        v = rng.standard_normal(J)
        return np.eye(J) - 2 * np.outer(v, v) / (v @ v)
    if kind == "permutation with signs":
        return np.eye(J)[rng.permutation(J)] * rng.choice([-1.0, 1.0], J)
    Q = np.linalg.qr(rng.standard_normal((J, J)))[0]
    if kind != "any" and (np.linalg.det(Q) < 0) == (kind == "rotation"):
        Q[0] *= -1  # from a reflection to a rotation, or back
    return Q


def onto_the_first_axis(mean):
    """The Householder reflection with Q mean = |mean| e_1."""
    v = mean / np.linalg.norm(mean) - np.eye(len(mean))[0]
    return np.eye(len(mean)) - 2 * np.outer(v, v) / max(v @ v, 1e-300)


@st.composite
def runs(draw, kinds=KINDS):
    """(net, loss, x, y): of one to three linear layers, with weights of any start, inputs about 1."""
    dtype, rng = draw(st.sampled_from(DTYPES)), np.random.default_rng(draw(seeds))
    N, J, K = (draw(st.integers(1, 9)) for _ in "NJK")
    hidden = draw(st.lists(st.integers(1, 6), max_size=2))
    name = draw(st.sampled_from(sorted(set(LOSSES) - {"bce"})))
    K = max(K, 2) if "cross_entropy" in name else K
    net = mg.mlp([J, *hidden, K], draw(st.sampled_from(kinds)), dtype=dtype, rng=rng)
    for parameter in net.parameters().values():
        parameter += (0.1 * rng.standard_normal(parameter.shape)).astype(dtype)
    x = rng.standard_normal((N, J)).astype(dtype)
    return net, LOSSES[name], x, outputs_and_targets(name, N, K, rng)[1]


def trained(net, loss, opt, x, y, batch_size, epochs=4):
    """(the loss of every epoch, the weights): a run that is cut short by divergence shows in its length."""
    try:
        history = mg.fit(net, loss, opt, x, y, epochs=epochs, batch_size=batch_size, rng=0, progress=False)
    except mg.DivergenceError:
        return np.array([]), net.state_dict()
    return np.array(history.loss), net.state_dict()


def same_run(first, second, dtype, back=None):
    """The losses agree, and the weights once the first layer's are turned back."""
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(second[0], first[0], **close)
    for name, array in first[1].items():
        other = second[1][name] @ back if name == "0.weight" and back is not None else second[1][name]
        np.testing.assert_allclose(other, array, **close, err_msg=name)


@given(
    runs(),
    st.sampled_from(("any", "rotation", "reflection", "householder", "permutation with signs")),
    seeds,
    st.sampled_from(sorted(PLAIN)),
    st.sampled_from((0.0, 0.1)),
    st.integers(1, 9),
)
def test_a_rotated_net_is_trained_the_same_way(run, kind, seed, name, decay, batch_size):
    net, loss, x, y = run
    Q = orthogonal(x.shape[1], seed, kind)
    turned, turned_x = rotate(net, x, Q)
    first = trained(net, loss, PLAIN[name](decay), x, y, batch_size)
    second = trained(turned, loss, PLAIN[name](decay), turned_x, y, batch_size)
    same_run(first, second, x.dtype.type, back=Q)


@given(runs(), st.integers(0, 4), seeds, st.sampled_from(sorted(PLAIN)), st.sampled_from((0.0, 0.1)))
def test_only_the_inner_products_count(run, more, seed, name, decay):
    """Other inputs, of another width, with the same a_m . a_n and the same first outputs: the same losses.

    What the weights have across all inputs is no matter at all.
    """
    net, loss, x, y = run
    J, rng = x.shape[1], np.random.default_rng(seed)
    V = np.linalg.qr(rng.standard_normal((J + more, J)))[0]
    wide = mg.Sequential(mg.Linear(J + more, net[0].out_features, dtype=x.dtype, rng=0), *net.layers[1:])
    state = net.state_dict()
    across = rng.standard_normal((net[0].out_features, J + more)) @ (np.eye(J + more) - V @ V.T)
    wide.load_state_dict(state | {"0.weight": state["0.weight"] @ V.T + across})
    second = trained(wide, loss, PLAIN[name](decay), (x @ V.T).astype(x.dtype), y, 3)
    net.load_state_dict(state)  # the layers behind the first are shared
    first = trained(net, loss, PLAIN[name](decay), x, y, 3)
    np.testing.assert_allclose(second[0], first[0], rtol=TOLERANCE[x.dtype.type], atol=TOLERANCE[x.dtype.type])


@given(st.integers(2, 8), st.integers(2, 8), seeds)
def test_with_the_mean_on_an_axis_the_inputs_lie_in_no_orthant(N, J, seed):
    """Every entry but the first has mean zero, so both signs unless it is 0 throughout."""
    a = np.random.default_rng(seed).random((N, J))
    turned = a @ onto_the_first_axis(a.mean(axis=0)).T
    np.testing.assert_allclose(turned.mean(axis=0), [np.linalg.norm(a.mean(axis=0))] + [0] * (J - 1), atol=1e-12)
    assert ((turned.max(axis=0) > 1e-9) & (turned.min(axis=0) < -1e-9))[1:].any()
    alike = np.outer(np.arange(1.0, N + 1), a[0])  # multiples of one vector stay on their ray
    assert abs(alike @ onto_the_first_axis(alike.mean(axis=0)).T)[:, 1:].max() < 1e-9


def digits_run(make, twin, steps=200):
    """(losses, single-signed rows, pairs that share their orthants) of the first layer of a sigmoid net."""
    x, y, _, _ = mg.datasets.load("digits")
    net, x = mg.mlp([64, 30, 10], "sigmoid", rng=0), x / 16 + 0.02
    if twin == "flipped":
        net, x = gauge_flip(net, x, np.resize([1, -1], 64))
    if twin == "rotated":
        net, x = rotate(net, x, onto_the_first_axis(x.mean(axis=0)))
    start, losses, opt = mg.backprop(net, mg.CrossEntropyLoss(), x, y).gradients["0"], [], make(0.0)
    for n in range(steps):
        bp = mg.backprop(net, mg.CrossEntropyLoss(), x[n : n + 1], y[n : n + 1])
        losses.append(bp.loss)
        opt.step(net, bp)
    return np.array(losses), single_signed_rows(start, per_sample=True).mean(), orthant_pairs(start)


def test_what_the_flip_leaves_and_the_rotation_ends():
    first, flipped, rotated = (digits_run(PLAIN["sgd"], twin) for twin in ("as it is", "flipped", "rotated"))
    assert [run[1] for run in (first, flipped)] == [1, 0]
    assert [run[2] for run in (first, flipped)] == [1, 1], "one pair of opposite orthants, mirrored"
    assert rotated[1] == 0
    assert rotated[2] < 1e-4
    assert (flipped[0] == first[0]).all()
    assert abs(rotated[0] - first[0]).max() < 1e-13


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_figure_of_the_others(name):
    difference = abs(digits_run(PLAIN[name], "rotated")[0] - digits_run(PLAIN[name], "as it is")[0])
    assert difference.max() < 1e-12


# ---- which inputs can be rotated into an orthant ---------------------------------------------------------


@given(st.integers(2, 6), st.integers(1, 6), seeds)
def test_inputs_of_an_orthant_have_no_negative_inner_product_however_they_are_turned(N, J, seed):
    a = np.random.default_rng(seed).random((N, J))
    assert gram_signs(a @ orthogonal(J, seed).T).negative == 0


def ring(t):
    """The Gram matrix of five inputs: t on the diagonal, 1 between neighbours in a ring, else 0."""
    return t * np.eye(5) + np.roll(np.eye(5), 1, axis=0) + np.roll(np.eye(5), -1, axis=0)


@pytest.mark.parametrize("t", [1.62, 1.8, 1.99])
def test_five_inputs_none_at_an_obtuse_angle_that_no_rotation_puts_in_an_orthant(t):
    """If G = B B^T with B >= 0, each column of B has its support on one edge of the ring, since other entries of G are
    0. Turning the sign of one of its two entries turns G into G' = 2 diag(G) - G, so G' would have no negative
    eigenvalue. But 1^T G' 1 = 5 (t - 2) < 0.
    """
    G = ring(t)
    assert (G >= 0).all()
    assert np.linalg.eigvalsh(G)[0] > 0
    turned = 2 * np.diag(np.diag(G)) - G
    assert turned.sum() < 0
    assert np.linalg.eigvalsh(turned)[0] < 0


def test_from_t_equal_to_2_on_they_can():
    """The same ring with longer vectors: one entry for each edge."""
    B = np.eye(5) + np.roll(np.eye(5), 1, axis=0)
    np.testing.assert_array_equal(B @ B.T, ring(2))
    assert (B >= 0).all()


@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=3), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_three_inputs_without_an_obtuse_angle_always_can(lengths, cosines):
    """The smallest case that needs an argument, by a factor with no negative entry for one order of the three."""
    G = np.eye(3)
    G[np.triu_indices(3, 1)] = cosines
    G = np.maximum(G, G.T) * np.outer(lengths, lengths)
    if np.linalg.eigvalsh(G)[0] <= 1e-9:
        return
    factors = []
    for order in itertools.permutations(range(3)):
        factors.append(np.linalg.cholesky(G[np.ix_(order, order)]).min())
    assert max(factors) >= -1e-12


# ---- converse -------------------------------------------------------------------------------------------

SEARCH = settings(max_examples=200, phases=[Phase.generate], database=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DIAGONAL))
def test_converse_methods_that_take_the_axes_one_by_one(name):
    difference = abs(digits_run(DIAGONAL[name], "rotated")[0] - digits_run(DIAGONAL[name], "as it is")[0])
    assert difference[0] < 1e-13
    assert difference.max() > 0.1
    assert (digits_run(DIAGONAL[name], "flipped", 50)[0] == digits_run(DIAGONAL[name], "as it is", 50)[0]).all()


def test_converse_a_matrix_that_is_no_rotation():
    """The same outputs at the start, W Q^-1 for Q x, and another second loss."""

    def parts(run):
        net, loss, x, y = run
        if x.dtype != np.float64:
            return False
        Q = orthogonal(x.shape[1], 0) * 1.5
        wide, _ = rotate(net, x, np.eye(x.shape[1]))
        wide[0].weight[...] = net[0].weight @ np.linalg.inv(Q)
        first, second = (trained(n, loss, mg.SGD(0.1), a, y, 99, 2)[0] for n, a in ((net, x), (wide, x @ Q.T)))
        return np.isclose(first[0], second[0], rtol=1e-9) and abs(first[1] - second[1]) > 1e-3

    find(runs(kinds=("tanh",)), parts, settings=SEARCH)
