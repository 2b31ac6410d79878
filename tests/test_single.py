"""One sample a step, whose weights stand in columns; and several epochs in one call of the compiled core."""

import catalogue
import numpy as np
import pytest
from catalogue import ACTIVATION_CLASSES, KINDS, OPTIMIZERS
from epochs import as_orders
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import DTYPES, seeds
from test_engines import everything, random_net

import minigrad as mg
from minigrad.training import fit as fit_module
from minigrad.training.orders import EPOCHS

pytestmark = pytest.mark.filterwarnings("ignore:training diverged", "ignore:nothing was learned")

# ---- one sample a step -----------------------------------------------------------------------------------------


def problem(widths, loss, dtype, N, seed, zeros=False):
    """(widths, x, y) for a loss; zeros: many of x are 0 or -0."""
    rng, known = np.random.default_rng(seed), catalogue.LOSSES[loss]
    widths = [*widths[:-1], max(known.least_outputs, widths[-1])]
    x = rng.standard_normal((N, widths[0])).astype(dtype)
    x[:: 1 + zeros] *= rng.choice([-1, 0, 1], x[:: 1 + zeros].shape) if zeros else 1
    y = known.targets(rng, N, widths[-1])
    return widths, x, y if y.dtype.kind == "i" else y.astype(dtype)


@given(
    widths=st.lists(st.integers(1, 20) | st.sampled_from([31, 32, 33, 63, 64, 65, 90]), min_size=2, max_size=4),
    kind=st.sampled_from(KINDS), first=st.booleans(), residual=st.booleans(), bias=st.booleans(),
    loss=st.sampled_from(list(catalogue.LOSSES)), optimizer=st.sampled_from(list(OPTIMIZERS)),
    weight_decay=st.sampled_from([0.0, 0.01]), dtype=st.sampled_from(DTYPES), N=st.integers(1, 9), zeros=st.booleans(),
    seed=seeds,
)  # fmt: skip
@example([3, 90, 2], "tanh", False, False, True, "mse", "sgd", 0.0, np.float32, 5, False, 0)  # the bias is last
@example([64, 64, 1], "tanh", False, False, True, "mse", "sgd", 0.0, np.float32, 5, False, 0)  # no columns
def test_one_sample_a_step_ends_with_the_same_bits(
    compiled, widths, kind, first, residual, bias, loss, optimizer, weight_decay, dtype, N, zeros, seed
):
    widths, x, y = problem(widths, loss, dtype, N, seed, zeros)
    left = []
    for engine in ("fused", "python"):
        net = random_net(widths, kind, residual, bias, dtype, seed)
        net.layers[:0] = [ACTIVATION_CLASSES[kind]()] * first
        net.layers += [mg.Sigmoid()] * catalogue.LOSSES[loss].of_probabilities
        opt = OPTIMIZERS[optimizer](lr=0.01, weight_decay=weight_decay)
        history = mg.fit(net, catalogue.LOSSES[loss].loss, opt, x, y, epochs=3, batch_size=1, rng=seed, engine=engine)
        left.append(everything(net, opt, history))
    assert left[0] == left[1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_numbers_that_fill_up_columns_are_nobodys(compiled, optimizer):
    """Widths that fill no vector: the bits do not depend on what an earlier call left in the rest of it."""
    widths, x, y = problem([3, 5, 2], "mse", np.float32, 6, 0)
    left = []
    for calls in (1, 6):
        net, opt = mg.mlp(widths, "softplus", dtype=np.float32, rng=0), OPTIMIZERS[optimizer](lr=0.05)
        opt.adopt(net)
        train = mg.training.fused.compiled_epochs()
        orders = as_orders(*[np.roll(np.arange(6), i) for i in range(6)])
        for part in np.split(orders, calls):
            train(net, mg.MSELoss(), opt, x, y, part, 1)
        left.append(everything(net, opt, None))
    assert left[0] == left[1]


# ---- several epochs in one call --------------------------------------------------------------------------------


def trained(callbacks=(), lr=0.1, momentum=0.0, N=4, epochs=40, batch_size=3, seed=0, **settings):
    """What is left of a run, its words where it diverged, and the next number that its generator draws."""
    widths, x, y = problem([2, 4, 1], "mse", np.float32, N, seed)
    net, opt, rng = (
        mg.mlp(widths, "relu", dtype=np.float32, rng=seed),
        mg.SGD(lr, momentum),
        np.random.default_rng(seed),
    )
    words, history = "", None
    try:
        fit = {"epochs": epochs, "batch_size": batch_size, "rng": rng, "callbacks": callbacks, "engine": "fused"}
        history = mg.fit(net, mg.MSELoss(), opt, 50 * x, y, **fit | settings)
    except mg.DivergenceError as error:
        words = str(error)
    return everything(net, opt, history), words, rng.integers(2**32)


def go_on(epoch, net, history):
    """A callback that changes nothing, but wants to be asked after every epoch."""


@given(
    lr=st.sampled_from([1e-5, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0, 1e30]), momentum=st.sampled_from([0.0, 0.9]),
    N=st.integers(1, 9), epochs=st.integers(1, 60), batch_size=st.integers(1, 9), shuffle=st.booleans(), seed=seeds,
)  # fmt: skip
@example(lr=1e-3, momentum=0.9, N=2, epochs=3, batch_size=1, shuffle=False, seed=1)  # the arrays of momentum, put back
def test_epochs_in_one_call_end_as_one_by_one(compiled, **settings):
    assert trained(**settings) == trained(callbacks=[go_on], **settings)


def test_a_run_that_diverges_late_says_where(compiled):
    """The rate is such that some epochs go by before the loss overflows."""
    found = trained(lr=1e-3, epochs=200)
    epoch = int(found[1].partition("in epoch ")[2].partition(",")[0])
    assert 3 < epoch < 200
    assert found == trained(lr=1e-3, epochs=200, callbacks=[go_on])


def test_a_last_step_that_overflows_is_found_among_several_epochs(compiled):
    """The losses of the four epochs are finite, the weights after them are not."""
    settings = {"lr": 1e3, "N": 2, "batch_size": 2, "epochs": 4}
    found = trained(**settings)
    assert "stopped being finite in the last step of epoch 4" in found[1]
    assert found == trained(**settings, callbacks=[go_on])


@pytest.fixture
def drawn(monkeypatch):
    """How many orders were drawn at a time."""
    counts, draw = [], fit_module.draw
    monkeypatch.setattr(fit_module, "draw", lambda orders, rng: (counts.append(len(orders)), draw(orders, rng)))
    return counts


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, [EPOCHS, 44]),
        ({"callbacks": [go_on], "epochs": 3}, [1, 1, 1]),
        ({"validation": (np.ones((1, 2)), np.ones((1, 1))), "epochs": 3}, [1, 1, 1]),
        ({"lr": lambda epoch: 0.01 / epoch, "epochs": 3}, [1, 1, 1]),
        ({"engine": "python", "epochs": 3}, [1, 1, 1]),
        ({"N": 2**12, "epochs": 10}, [4, 4, 2]),
        ({"N": 2**15, "epochs": 2, "batch_size": 2**15}, [1, 1]),
    ],
)
def test_how_many_epochs_are_one_call(compiled, drawn, settings, counts):
    """As many as there are samples whose order may be drawn ahead; one where something happens after each."""
    trained(**{"lr": 1e-5, "epochs": 300} | settings)
    assert drawn == counts


def test_a_checkpoint_is_written_when_it_is_due(compiled, drawn, tmp_path):
    path = tmp_path / "run"
    whole = trained(lr=1e-5, epochs=50)
    assert trained(lr=1e-5, epochs=30, checkpoint=path, every=20)[1] == ""
    assert drawn[1:] == [20, 10]
    assert trained(lr=1e-5, epochs=50, checkpoint=path, every=20)[0] == whole[0]
    assert drawn[3:] == [10, 10]


def test_ctrl_c_between_two_calls_keeps_whole_epochs(compiled, drawn, monkeypatch):
    """The generator too is as after them, though the orders of the next had been drawn."""
    widths, x, y = problem([2, 4, 1], "mse", np.float64, 4, 0)
    nets, rngs = [mg.mlp(widths, rng=0) for _ in range(2)], [np.random.default_rng(0) for _ in range(2)]

    def interrupted(orders, rng):
        draw(orders, rng)
        if len(drawn) == 2:
            raise KeyboardInterrupt

    draw = fit_module.draw
    monkeypatch.setattr(fit_module, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mg.fit(nets[0], mg.MSELoss(), mg.SGD(0.1), x, y, epochs=1000, rng=rngs[0])
    monkeypatch.setattr(fit_module, "draw", draw)
    mg.fit(nets[1], mg.MSELoss(), mg.SGD(0.1), x, y, epochs=EPOCHS, rng=rngs[1])
    assert [a.tobytes() for a in nets[0].state().values()] == [a.tobytes() for a in nets[1].state().values()]
    assert rngs[0].bit_generator.state == rngs[1].bit_generator.state
