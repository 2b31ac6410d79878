"""fit_many beside fit: each net ends with the bits that it would have alone, whatever stands beside it."""

import re
from itertools import pairwise

import catalogue
import numpy as np
import pytest
from catalogue import ACTIVATION_CLASSES, KINDS, OPTIMIZERS
from hypothesis import given
from hypothesis import strategies as st
from strategies import DTYPES, seeds

import minigrad as mg


def build(widths, kind, bias, dtype, seed, last=()):
    """A net of Linear and activation layers."""
    rng = np.random.default_rng(seed)
    layers = []
    for J, K in pairwise(widths):
        layers += [mg.Linear(J, K, bias=bias, dtype=dtype, rng=rng), ACTIVATION_CLASSES[kind]()]
        if bias:
            layers[-2].bias[...] = rng.uniform(-1, 1, K)
    return mg.Sequential(*layers[:-1], *last)


def left(net, opt, rng, history):
    """All that training leaves behind, comparable."""
    return (
        {name: array.tobytes() for name, array in net.state().items()},
        {name: [array.tobytes() for array in arrays] for name, arrays in opt.state.items()},
        (opt.steps, opt.lr, [layer.training for layer in net]),
        {name: [value.hex() for value in values] for name, values in history.entries().items()},
        rng.bit_generator.state,
    )


def alone(make, loss, x, y, settings):
    """[what fit leaves of each net, with the text of its DivergenceError] of make() -> nets, opts, rngs."""
    found = []
    for net, opt, rng in zip(*make(), strict=True):
        history, text = mg.History(), ""
        try:
            history = mg.fit(net, loss, opt, x, y, rng=rng, progress=False, **settings)
        except mg.DivergenceError as error:
            text, history = str(error), None
        found.append((left(net, opt, rng, history or mg.History()), text))
    return found


def check(make, loss, x, y, jobs=1, **settings):
    """fit_many leaves what fit leaves of each net alone, and as much of the History of one that diverged."""
    nets, opts, rngs = make()
    histories = mg.fit_many(nets, loss, opts, x, y, rngs=rngs, jobs=jobs, progress=False, **settings)
    expected = alone(make, loss, x, y, settings)
    for net, opt, rng, history, (state, text) in zip(nets, opts, rngs, histories, expected, strict=True):
        assert str(history.error or "") == text
        *found, losses, generator = left(net, opt, rng, history)
        assert tuple(found) == state[:3]
        assert generator == state[4]
        if not text:
            assert losses == state[3]
            assert len(history) == settings["epochs"]
        else:
            assert len(history) < settings["epochs"]
            assert all(len(values) in (0, len(history)) for values in history.entries().values())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(
    widths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    kind=st.sampled_from(KINDS),
    bias=st.booleans(),
    name=st.sampled_from(list(catalogue.LOSSES)),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    weight_decay=st.sampled_from([0.0, 0.01]),
    dtype=st.sampled_from(DTYPES),
    M=st.integers(1, 40),
    N=st.integers(1, 90),
    batch_size=st.integers(1, 100),
    shuffle=st.booleans(),
    validated=st.booleans(),
    most=st.sampled_from([0.05, 3.0, 1e4]),
    jobs=st.integers(1, 3),
    seed=seeds,
)
def test_each_net_ends_as_it_would_alone(
    widths, kind, bias, name, optimizer, weight_decay, dtype, M, N, batch_size, shuffle, validated, most, jobs, seed
):
    rng = np.random.default_rng(seed)
    example = catalogue.LOSSES[name]
    widths = [*widths[:-1], max(example.least_outputs, widths[-1])]
    x, y = rng.standard_normal((N, widths[0])), example.targets(rng, N, widths[-1])
    last = [mg.Sigmoid()] if example.of_probabilities else []
    rates = rng.uniform(0.001, most, M)

    def make():
        nets = [build(widths, kind, bias, dtype, seed + i, last) for i in range(M)]
        opts = [OPTIMIZERS[optimizer](lr=float(lr), weight_decay=weight_decay) for lr in rates]
        return nets, opts, [np.random.default_rng(seed + i) for i in range(M)]

    settings = {"epochs": 3, "batch_size": batch_size, "shuffle": shuffle}
    check(make, example.loss, x, y, jobs, **settings, validation=(x[::-1], y[::-1]) if validated else None)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [7, 40])
@pytest.mark.parametrize("name", list(catalogue.LOSSES))
def test_many_samples_are_taken_part_by_part(name, batch_size, shuffle, dtype):
    """More than are gathered at a time, and more in a batch than are computed at a time; some outputs are NaN."""
    rng, example = np.random.default_rng(0), catalogue.LOSSES[name]
    x, y = rng.standard_normal((75, 3)), example.targets(rng, 75, 4)
    beyond = np.where(np.arange(75)[:, None] % 9 < 2, np.finfo(dtype).max, x)  # inf - inf in the second layer
    last = [mg.Sigmoid()] if example.of_probabilities else []

    def make():
        nets = [build([3, 5, 4], "relu", True, dtype, i, last) for i in range(16)]
        for net in nets:
            net[0].weight[...] *= 10
        return nets, [mg.SGD(0.01 * (i + 1)) for i in range(16)], [np.random.default_rng(i) for i in range(16)]

    check(make, example.loss, x, y, epochs=2, batch_size=batch_size, shuffle=shuffle, validation=(beyond, y))


# ---- nets of many kinds together ---------------------------------------------------------------------------

X = np.random.default_rng(1).standard_normal((13, 3))
Y = X[:, :2] * 0.5


class Own(mg.Tanh):
    """A layer of a reader's own."""


def shared():
    layer = mg.Linear(3, 3, rng=0)
    return mg.Sequential(layer, mg.Tanh(), layer, mg.Linear(3, 2, rng=1))


@pytest.fixture(params=[1, 99], ids=["in lanes", "alone"])
def least(request, monkeypatch):
    monkeypatch.setattr("minigrad.training.many.least", lambda run: request.param)


def with_short_cut(seed):
    inner = mg.Residual(mg.Linear(3, 3, rng=seed + 1), mg.ELU(0.3))
    return mg.Sequential(mg.Linear(3, 3, rng=seed), inner, mg.Linear(3, 2, rng=seed))


def mixed():
    """Nets that have little in common, and one that has trained before."""
    nets = [
        mg.mlp([3, 4, 2], "tanh", rng=0),
        mg.mlp([3, 4, 2], "tanh", rng=1),
        mg.mlp([3, 5, 2], "tanh", rng=2),
        mg.mlp([3, 4, 2], "relu", rng=3),
        mg.mlp([3, 4, 2], "tanh", dtype=np.float32, rng=4),
        mg.mlp([3, 4, 2], "tanh", rng=5),
        mg.mlp([3, 4, 2], "tanh", rng=6),
        mg.Sequential(mg.Linear(3, 4, rng=7), Own(), mg.Linear(4, 2, rng=7)),
        mg.Sequential(mg.Linear(3, 4, rng=8), mg.BatchNorm(4), mg.Dropout(0.5, rng=1), mg.Linear(4, 2, rng=8)),
        shared(),
        mg.mlp([3, 4, 2], "tanh", rng=9),
        mg.mlp([3, 4, 2], "tanh", rng=10),
        mg.mlp([3, 4, 2], "tanh", rng=11),
        with_short_cut(12),
        with_short_cut(14),
    ]
    opts = [mg.SGD(0.1) for _ in nets]
    opts[5], opts[6] = mg.Adam(0.01), mg.Adam(0.02, betas=(0.8, 0.99), weight_decay=0.1)
    opts[10] = mg.SGD(lambda epoch: 0.2 / epoch)
    opts[11], opts[12] = mg.SGD(0.1, momentum=0.9), mg.SGD(0.1, momentum=0.5, nesterov=True, weight_decay=0.01)
    mg.fit(nets[1], mg.MSELoss(), opts[1], X, Y, epochs=2, rng=0, progress=False)
    mg.fit(nets[5], mg.MSELoss(), opts[5], X, Y, epochs=2, rng=0, progress=False)
    mg.fit(nets[12], mg.MSELoss(), opts[12], X, Y, epochs=2, rng=0, progress=False)
    return nets, opts, [np.random.default_rng(i) for i in range(len(nets))]


@pytest.mark.usefixtures("least")
@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("shuffle", [True, False])
def test_nets_that_have_little_in_common(jobs, shuffle):
    check(mixed, mg.MSELoss(), X, Y, jobs, epochs=4, batch_size=5, shuffle=shuffle, validation=(X[:4], Y[:4]))


def test_no_epochs_and_no_nets():
    check(mixed, mg.MSELoss(), X, Y, epochs=0)
    assert mg.fit_many([], mg.MSELoss(), [], X, Y, epochs=3) == []


def test_seeds_are_generators_of_these_seeds():
    ends = []
    for rngs in ([3, 4], [np.random.default_rng(3), np.random.default_rng(4)]):
        nets = [mg.mlp([3, 2], rng=0) for _ in range(2)]
        mg.fit_many(nets, mg.MSELoss(), [mg.SGD(0.1) for _ in nets], X, Y, epochs=2, batch_size=4, rngs=rngs)
        ends.append([net[0].weight.tobytes() for net in nets])
    assert ends[0] == ends[1]
    assert ends[0][0] != ends[0][1]


def test_without_rngs_each_net_has_an_order_of_its_own():
    nets = [mg.mlp([3, 2], rng=0) for _ in range(4)]
    mg.fit_many(nets, mg.MSELoss(), [mg.SGD(0.1) for _ in nets], X, Y, epochs=2, batch_size=4)
    assert len({net[0].weight.tobytes() for net in nets}) == 4


# ---- divergence ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("least")
def test_a_net_that_diverges_keeps_what_fit_keeps_and_the_others_go_on():
    def make():
        rates = [0.01, 1e3, 0.02, 8.0, 0.03, 1e200]
        nets = [mg.mlp([3, 8, 2], "relu", rng=i) for i in range(6)]
        return nets, [mg.SGD(lr) for lr in rates], [np.random.default_rng(i) for i in range(6)]

    with np.errstate(all="raise"):  # nothing is said of what overflows
        check(make, mg.MSELoss(), X, Y, epochs=60, batch_size=4)
        nets, opts, rngs = make()
        histories = mg.fit_many(nets, mg.MSELoss(), opts, X, Y, epochs=60, batch_size=4, rngs=rngs)
    assert [history.error is None for history in histories] == [True, False, True, False, True, False]
    assert all(isinstance(history.error, mg.DivergenceError) for history in histories[1::2])
    assert [len(history) for history in histories[::2]] == [60] * 3
    assert 0 < len(histories[3]) < 60  # some epochs were finite, and stand in the History
    assert histories[3].error.__traceback__ is None


@pytest.mark.usefixtures("least")
def test_weights_that_overflow_in_the_last_step_of_an_epoch_are_found():
    """Every loss is finite, and still the epoch does not count."""

    def make():
        nets = [mg.Sequential(mg.Linear(1, 1, bias=False, rng=0), mg.Sigmoid()) for _ in range(3)]
        for net in nets:
            net[0].weight[...] = 1.0
        return nets, [mg.SGD(0.1), mg.SGD(1e308), mg.SGD(0.2)], [np.random.default_rng(0) for _ in nets]

    x = np.array([[1e3], [-1.0]])
    check(make, mg.MSELoss(), x, np.array([[0.5], [1e5]]), epochs=3, batch_size=2, shuffle=False)


# ---- what is refused, before anything changes ----------------------------------------------------------------


def pair():
    return [mg.mlp([3, 4, 2], rng=i) for i in range(2)], [mg.SGD(0.1) for _ in range(2)]


def used():
    nets, opts = pair()
    mg.fit(mg.mlp([3, 2], rng=0), mg.MSELoss(), opts[1], X, Y, epochs=1, progress=False)
    return nets, opts


def sharing():
    nets, opts = pair()
    memory = np.zeros(20)
    nets[0][0].bias, nets[1][2].bias = memory[:4], memory[3:5]
    return nets, opts


def one_dropout():
    rng = np.random.default_rng(0)
    return [mg.Sequential(mg.Linear(3, 2, rng=i), mg.Dropout(0.5, rng=rng)) for i in range(2)], [mg.SGD(1), mg.SGD(1)]


RNG = np.random.default_rng(0)
BAD = {
    "one net": (lambda: (pair()[0][0], pair()[1]), {}, "nets is Sequential.* expected a list of nets"),
    "one optimizer": (lambda: (pair()[0], mg.SGD(0.1)), {}, "opts is SGD.* expected a list of optimizers"),
    "fewer optimizers": (lambda: (pair()[0], [mg.SGD(0.1)]), {}, "opts has 1 entries for 2 nets"),
    "more generators": (pair, {"rngs": [1, 2, 3]}, "rngs has 3 entries for 2 nets"),
    "one seed": (pair, {"rngs": 3}, "rngs is 3, expected a list of seeds"),
    "a layer": (lambda: ([pair()[0][0], mg.Linear(3, 2)], pair()[1]), {}, r"nets\[1\] is a?.*Linear"),
    "no optimizer": (lambda: (pair()[0], [mg.SGD(0.1), 0.1]), {}, r"opts\[1\] is a float"),
    "a net twice": (lambda: ([pair()[0][0]] * 2, pair()[1]), {}, r"nets\[0\] and nets\[1\] are the same object"),
    "an optimizer twice": (lambda: (pair()[0], [pair()[1][0]] * 2), {}, r"opts\[0\] and opts\[1\] are the same"),
    "a generator twice": (pair, {"rngs": [RNG, RNG]}, r"rngs\[0\] and rngs\[1\] are the same object"),
    "one Dropout's generator": (one_dropout, {}, r"a generator in nets\[0\] and a generator in nets\[1\]"),
    "shared memory": (sharing, {}, r"0.bias of nets\[0\] and 2.bias of nets\[1\] share memory"),
    "another net's optimizer": (used, {}, r"nets\[1\]: opt has taken 1 steps"),
    "a net of other inputs": (lambda: ([pair()[0][0], mg.mlp([2, 2])], pair()[1]), {}, r"nets\[1\]: x has shape"),
    "jobs": (pair, {"jobs": 0}, "jobs"),
    "callbacks": (pair, {"callbacks": []}, "callbacks"),
    "a seed that is none": (pair, {"rngs": [0, "a"]}, r"nets\[1\]: rng"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_fit_is_refused_before_anything_changes(case):
    make, settings, message = BAD[case]
    nets, opts = make()
    listed = [net for net in nets if isinstance(net, mg.Sequential)] if isinstance(nets, list) else [nets]
    before = [{name: array.tobytes() for name, array in net.state().items()} for net in listed]
    steps = [getattr(opt, "steps", 0) for opt in opts] if isinstance(opts, list) else [opts.steps]
    with pytest.raises((TypeError, ValueError), match=message):
        mg.fit_many(nets, mg.MSELoss(), opts, X, Y, **{"epochs": 1} | settings)
    assert [{name: array.tobytes() for name, array in net.state().items()} for net in listed] == before
    assert steps == ([getattr(opt, "steps", 0) for opt in opts] if isinstance(opts, list) else [opts.steps])


# ---- an end before the end -----------------------------------------------------------------------------------


class Fails(mg.Layer):
    """A layer that raises at its third forward in training."""

    def __init__(self, error):
        self.error, self.count = error, 0

    def forward(self, x):
        self.count += self.training
        if self.count == 3:
            raise self.error
        return x, None

    def backward(self, delta, saved):
        return delta, {}


@pytest.mark.usefixtures("least")
@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("error", [RuntimeError("from a layer"), KeyboardInterrupt()])
def test_an_error_leaves_each_net_as_after_a_whole_epoch(jobs, error, capsys):
    def nets():
        return [
            mg.Sequential(mg.Linear(3, 2, rng=i), *([Fails(error)] if i == 2 else [])) for i in range(5)
        ]  # fmt: skip

    trained = nets()
    settings = {"epochs": 6, "shuffle": False, "progress": False}
    with pytest.raises(type(error)) as caught:
        mg.fit_many(trained, mg.MSELoss(), [mg.SGD(0.1) for _ in trained], X, Y, jobs=jobs, **settings)
    if isinstance(error, RuntimeError):
        assert any("nets[2]" in note for note in caught.value.__notes__)
    else:
        assert re.search(r"interrupted: \d of 5 nets are trained", capsys.readouterr().err)
    for i, net in enumerate(trained):
        ends = []
        for epochs in range(7):
            again = mg.Sequential(mg.Linear(3, 2, rng=i))
            mg.fit(again, mg.MSELoss(), mg.SGD(0.1), X, Y, **settings | {"epochs": epochs})
            ends.append(again[0].weight.tobytes())
        assert net[0].weight.tobytes() in (ends[2:3] if i == 2 else ends)


def test_the_bar_counts_nets(monkeypatch):
    counted = []
    monkeypatch.setattr("minigrad.training.many.progress_bar", lambda items, *_: counted.append(items) or items)
    nets = [mg.mlp([3, 2], rng=i) for i in range(3)]
    mg.fit_many(nets, mg.MSELoss(), [mg.SGD(0.1) for _ in nets], X, Y, epochs=0)
    assert counted[0] == range(3)


# ---- side by side --------------------------------------------------------------------------------------------


def shown(capsys, nets, loss, opts, x, y, **settings):
    mg.show_lanes(nets, loss, opts, x, y, **settings)
    return capsys.readouterr().out


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_nets_of_one_kind_stand_side_by_side(compiled, capsys, dtype):
    nets = [mg.mlp([3, 4, 2], rng=i, dtype=dtype) for i in range(25)]
    nets += [mg.mlp([3, 4, 2], "relu", rng=i, dtype=dtype) for i in range(16)]
    text = shown(capsys, nets, mg.MSELoss(), [mg.SGD(0.1 + i) for i in range(41)], X.astype(dtype), Y.astype(dtype))
    for line, places in zip(text.splitlines(), (range(16), range(16, 25), range(25, 41)), strict=True):
        assert line == f"{', '.join(map(str, places))}: side by side"


ALONE = {
    "few": (lambda: [mg.mlp([3, 4, 2]) for _ in range(2)], {"x": np.ones((3000, 3))}, "2 nets of its kind are left"),
    "own layer": (lambda: [mg.Sequential(mg.Linear(3, 2), Own()) for _ in range(16)], {}, "Own"),
    "large": (lambda: [mg.mlp([3, 200, 2]) for _ in range(16)], {}, "more than 400 weights, as its 1202"),
    "batch": (lambda: [mg.mlp([3, 2]) for _ in range(16)], {"x": np.ones((600, 3)), "batch_size": 600}, "600 samples"),
    "positions": (lambda: [mg.mlp([3, 2]) for _ in range(16)], {"x": np.ones((6, 2, 3))}, "positions"),
    "dots": (lambda: [mg.mlp([70, 5]) for _ in range(16)], {"x": np.ones((3, 70)), "batch_size": 3}, "5 x 70"),
}


@pytest.mark.parametrize("case", ALONE)
def test_why_a_net_is_trained_alone_is_said(compiled, capsys, case):
    make, settings, words = ALONE[case]
    nets, x = make(), settings.get("x", X)
    opts, batch_size = [mg.SGD(0.1) for _ in nets], settings.get("batch_size", 32)
    text = shown(capsys, nets, mg.MSELoss(), opts, x, nets[0](x), batch_size=batch_size)
    assert text.count("alone, because") == len(nets)
    assert words in text


def test_optimizers_of_other_kinds_do_not_stand_together(compiled, capsys):
    nets = [mg.mlp([3, 4, 2], rng=i) for i in range(48)]
    opts = [[mg.SGD(0.1), mg.SGD(0.1, 0.9), mg.SGD(0.1, 0.9, True)][i % 3] for i in range(48)]
    opts = [type(opt)(opt.lr, opt.momentum, opt.nesterov) for opt in opts]
    assert shown(capsys, nets, mg.MSELoss(), opts, X, Y).count("side by side") == 3
