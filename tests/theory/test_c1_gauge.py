"""C1, the gauge theorem: which signs the activations have does not matter to training, to the last bit.

Statement. Turn the sign of any inputs together with the weights they meet, a_j -> s_j a_j and w_kj -> s_j
w_kj with s_j = +-1. Then z, the outputs, the losses and delta are the same, the gradient of w_kj turns its
sign with w_kj, and under SGD, momentum, Nesterov, RMSprop, Adam and AdamW, with weight decay or without, the
flipped net stays the flipped net after every step. The same holds for hidden units of an odd activation,
whose incoming weights and biases turn with them. Rows that were single-signed (all a > 0) are mixed
afterwards; the run of losses does not notice.

Floats. Not to rounding but bit for bit, in round-to-nearest and in any fixed order of summation, with fused
multiply-adds too: negation is exact, products and sums commute with it, and these optimisers are odd
functions of (g, w), entry by entry. Zeros may differ in sign, and nothing else.

Converse. Weights left alone, factors other than +-1 (2 and 1/2 keep the outputs bit for bit, but not the
second loss), a general rotation under Adam (plain GD and momentum commute with it, up to rounding), or a
sigmoid's hidden units: for each a run that goes elsewhere is found.
"""

import numpy as np
import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from strategies import DTYPES, KINDS, LOSSES, arrays, finite, outputs_and_targets, seeds, sizes

import minigrad as mg
from minigrad.diagnostics import gauge_flip, single_signed_rows

OPTIMIZERS = {
    "sgd": lambda decay: mg.SGD(0.1, weight_decay=decay),
    "momentum": lambda decay: mg.SGD(0.1, momentum=0.9, weight_decay=decay),
    "nesterov": lambda decay: mg.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=decay),
    "rmsprop": lambda decay: mg.RMSprop(0.01, weight_decay=decay),
    "adam": lambda decay: mg.Adam(0.01, weight_decay=decay),
    "adamw": lambda decay: mg.AdamW(0.01, weight_decay=decay),
}
optimizers = st.builds(
    lambda make, decay: (make, decay), st.sampled_from(sorted(OPTIMIZERS)), st.sampled_from((0.0, 0.1))
)


def trained(net, loss, optimizer, x, y, **how):
    """(losses, state_dict, message) of a run; a run that diverges ends with a message."""
    name, decay = optimizer
    run = {"epochs": 3, "batch_size": 2, "rng": 0, "progress": False} | how
    losses, message = [], ""
    with np.errstate(all="ignore"):
        try:
            losses = mg.fit(net, loss, OPTIMIZERS[name](decay), x, y, **run).loss
        except mg.DivergenceError as error:
            message = str(error)
    return losses, net.state_dict(), message


def same_run(first, second, signs_of):
    """Losses alike in every bit; states alike once the signs are turned back."""
    assert np.array(first[0]).tobytes() == np.array(second[0]).tobytes()
    assert first[2] == second[2]
    for name, array in first[1].items():
        np.testing.assert_array_equal(array, second[1][name] * signs_of.get(name, 1), err_msg=name, strict=True)


@st.composite
def flips(draw, J):
    return draw(arrays(np.int8, (J,), st.sampled_from((-1, 1))))


@st.composite
def runs(draw, kinds=KINDS, layers=2):
    """(net, loss, x, y, optimizer): inputs and weights are any floats up to 4 in size, tiny ones included."""
    dtype = draw(st.sampled_from(DTYPES))
    N, J, H, K = (draw(sizes) for _ in "NJHK")
    kind, name = draw(st.sampled_from(kinds)), draw(st.sampled_from(sorted(LOSSES)))
    K = max(K, 2) if "cross_entropy" in name else K  # which needs two outputs
    net = mg.mlp([J] + [H] * (layers - 1) + [K], kind, dtype=dtype, rng=0)
    if name == "bce":
        net = mg.Sequential(*net, mg.Sigmoid())
    moderate = finite(dtype, min_value=-4, max_value=4)
    for parameter in net.parameters().values():
        parameter[...] = draw(arrays(dtype, parameter.shape, moderate))
    x = draw(arrays(dtype, (N, J), moderate))
    y = outputs_and_targets(name, N, K, np.random.default_rng(draw(seeds)))[1]
    return net, LOSSES[name], x, y, draw(optimizers)


@given(st.data(), runs(), st.integers(1, 5), st.sampled_from(("auto", "python")))
def test_flipped_inputs_leave_every_bit_of_the_run(data, run, batch_size, engine):
    net, loss, x, y, optimizer = run
    signs = data.draw(flips(x.shape[1]))
    flipped, flipped_x = gauge_flip(net, x, signs)
    first = trained(net, loss, optimizer, x, y, batch_size=batch_size, engine=engine)
    second = trained(flipped, loss, optimizer, flipped_x, y, batch_size=batch_size, engine=engine)
    same_run(first, second, {"0.weight": signs})


@given(st.data(), runs(kinds=("tanh", "centered_sigmoid", "identity"), layers=3), st.integers(1, 5))
def test_flipped_hidden_units_of_an_odd_activation_too(data, run, batch_size):
    net, loss, x, y, optimizer = run
    signs = data.draw(flips(net[2].in_features))
    flipped, same_x = gauge_flip(net, x, signs, layer=2)
    first = trained(net, loss, optimizer, x, y, batch_size=batch_size)
    second = trained(flipped, loss, optimizer, same_x, y, batch_size=batch_size)
    same_run(first, second, {"0.weight": signs[:, None], "0.bias": signs, "2.weight": signs})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_real_widths(dtype, name, batch_size):
    """Layers wide enough for vector registers, their tails and (at 64 x 130 x 70) the products of BLAS."""
    rng = np.random.default_rng(0)
    x, y = rng.random((130, 130)).astype(dtype), rng.integers(0, 10, 130)
    net = mg.mlp([130, 70, 33, 10], "tanh", dtype=dtype, rng=1)
    inputs, hidden = (rng.choice(np.array([-1, 1], np.int8), size) for size in (130, 33))
    flipped, flipped_x = gauge_flip(net, x, inputs)
    flipped, _ = gauge_flip(flipped, flipped_x, hidden, layer=4)
    runs = [
        trained(n, mg.CrossEntropyLoss(), (name, 0.01), a, y, batch_size=batch_size, epochs=2)
        for n, a in ((net, x), (flipped, flipped_x))
    ]
    back = {"0.weight": inputs, "2.weight": hidden[:, None], "2.bias": hidden, "4.weight": hidden}
    same_run(*runs, back)
    assert len(runs[0][0]) == 2, "the run did not diverge"


@given(runs())
def test_single_signed_rows_become_mixed(run):
    """a > 0: every row of a sample is single-signed; with one sign turned, no row with delta != 0 is."""
    net, loss, x, y, _ = run
    x = np.abs(x) + x.dtype.type(0.5)
    assume(x.shape[1] > 1)
    signs = np.ones(x.shape[1])
    signs[0] = -1
    flipped, flipped_x = gauge_flip(net, x, signs)
    before = mg.backprop(net, loss, x, y)
    after = mg.backprop(flipped, loss, flipped_x, y)
    first, second = before.gradients["0"], after.gradients["0"]
    assert before.loss == after.loss
    np.testing.assert_array_equal(before.output, after.output)
    np.testing.assert_array_equal(first.delta, second.delta)
    np.testing.assert_array_equal(first.weight * signs, second.weight)
    assert single_signed_rows(first, per_sample=True).all()
    np.testing.assert_array_equal(single_signed_rows(second, per_sample=True), second.delta == 0)


# ---- converse -------------------------------------------------------------------------------------------

SEARCH = settings(max_examples=200, phases=[Phase.generate], database=None)  # a counterexample, not the smallest


@st.composite
def small_problem(draw):
    """(net, x, y) of an easy regression, the inputs of width 2 to 4."""
    rng = np.random.default_rng(draw(seeds))
    J = draw(st.integers(2, 4))
    net = mg.mlp([J, 3, 1], "tanh", rng=rng)
    return net, rng.random((6, J)), rng.standard_normal((6, 1))


def losses(net, x, y, name, W=None, decay=0.0):
    """Ten full batches; W: the first weights to use."""
    net = (
        mg.Sequential(*(mg.Linear(*l.weight.shape[::-1]) if isinstance(l, mg.Linear) else l for l in net)),
        net,
    )
    net[0].load_state_dict(net[1].state_dict())
    if W is not None:
        net[0][0].weight[...] = W
    return np.array(trained(net[0], mg.MSELoss(), (name, decay), x, y, epochs=10, batch_size=99, shuffle=False)[0])


def test_converse_weights_left_alone():
    net, x, y = find(
        small_problem(),
        lambda p: not np.allclose(losses(*p, "sgd"), losses(p[0], -p[1], p[2], "sgd")),
        settings=SEARCH,
    )
    assert net[0].weight.any()


@pytest.mark.parametrize("name", ["sgd", "momentum", "rmsprop", "adam"])
def test_converse_another_factor_keeps_the_function_and_not_the_run(name):
    """Powers of two are exact as well: the first loss agrees in every bit, later ones do not."""

    def parts(problem):
        net, x, y = problem
        first, second = losses(net, x, y, name), losses(net, 2 * x, y, name, net[0].weight / 2)
        return first[0] == second[0] and abs(first - second).max() > 1e-3

    find(small_problem(), parts, settings=SEARCH)


def rotation(J, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((J, J)))[0]


@given(small_problem(), seeds, st.sampled_from(("sgd", "momentum", "nesterov")), st.sampled_from((0.0, 0.1)))
def test_plain_gd_and_momentum_commute_with_every_rotation(problem, seed, name, decay):
    net, x, y = problem
    Q = rotation(x.shape[1], seed)
    turned = losses(net, x @ Q, y, name, net[0].weight @ Q, decay)
    np.testing.assert_allclose(losses(net, x, y, name, decay=decay), turned, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["adam", "rmsprop", "adamw"])
def test_converse_rotations_and_adaptive_methods(name):
    def parts(problem):
        net, x, y = problem
        Q = rotation(x.shape[1], 0)
        first, second = losses(net, x, y, name), losses(net, x @ Q, y, name, net[0].weight @ Q)
        return np.isclose(first[0], second[0], rtol=1e-12) and abs(first - second).max() > 1e-3

    find(small_problem(), parts, settings=SEARCH)


def test_converse_a_sigmoid_has_no_sign_to_turn():
    net = mg.mlp([2, 3, 1], "sigmoid", rng=0)
    x = np.ones((1, 2))
    with pytest.raises(ValueError, match="not odd"):
        gauge_flip(net, x, [1, -1, 1], layer=2)
    flipped = mg.mlp([2, 3, 1], "sigmoid", rng=0)
    flipped[0].weight *= -1
    flipped[2].weight *= -1
    assert abs(net(x) - flipped(x)).max() > 0.1
