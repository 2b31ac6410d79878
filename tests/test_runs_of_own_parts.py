"""Runs with layers, losses, optimizers and callbacks of one's own: what they keep, draw, change and raise."""

import numpy as np
import pytest
from oracles import same_bits, snapshot
from own_layers import Doubled

import minigrad as mg

X = np.random.default_rng(0).standard_normal((13, 3))
Y = (X[:, 0] > 0).astype(int)
QUIET = {"progress": False, "batch_size": 5, "rng": 0}


class Keeping(mg.Layer):
    """Keeps what it saw, as one does to look at it later."""

    def forward(self, x):
        self.seen, self.calls = x, getattr(self, "calls", 0) + 1
        return x, None

    def backward(self, delta, saved):
        return delta, {}


class Noise(mg.Layer):
    """Draws from a generator of its own."""

    def __init__(self, rng=None):
        self.source = np.random.default_rng(rng)

    def forward(self, x):
        return x + 0.1 * self.source.standard_normal(x.shape), None

    def backward(self, delta, saved):
        return delta, {}


def net_of(layer, seed=0):
    return mg.Sequential(mg.Linear(3, 3, rng=seed), layer, mg.Residual(mg.Tanh()), mg.Linear(3, 2, rng=seed + 1))


def train(net, opt=None, epochs=3, path=None, **others):
    settings = QUIET | others
    return mg.fit(net, mg.CrossEntropyLoss(), opt or mg.Adam(), X, Y, epochs=epochs, checkpoint=path, **settings)


def test_what_a_layer_keeps_to_be_looked_at_does_not_belong_to_the_run(tmp_path):
    path = tmp_path / "run"
    train(net_of(Keeping()), epochs=2, path=path, callbacks=[mg.early_stopping(5, "loss"), lambda *_: None])
    net, whole = net_of(Keeping()), net_of(Keeping())
    train(net, epochs=4, path=path)
    train(whole, epochs=4)
    assert same_bits(net.state_dict(), whole.state_dict())


def test_a_generator_of_a_layers_own_goes_on_where_it_was(tmp_path):
    path = tmp_path / "run"
    for epochs in (1, 3):
        net = net_of(Noise(7))
        train(net, epochs=epochs, path=path)
    whole = net_of(Noise(7))
    train(whole)
    assert same_bits(net.state_dict(), whole.state_dict())
    mg.gradcheck(whole, mg.CrossEntropyLoss(), X, Y)  # with the same numbers each time


def test_a_refused_callback_leaves_the_layers_in_their_places(engine):
    net = mg.mlp([3, 3, 3, 2], "tanh", rng=0)
    layers, reference = list(net), mg.mlp([3, 3, 3, 2], "tanh", rng=0)
    with pytest.raises(ValueError, match="changed the layers"):
        train(net, callbacks=[lambda epoch, net, history: net.layers.insert(0, mg.Linear(3, 3))], engine=engine)
    assert all(a is b for a, b in zip(net, layers, strict=True))
    train(reference, epochs=1)
    assert same_bits(net.state_dict(), reference.state_dict())


def test_the_engine_is_chosen_again_where_a_callback_changed_the_layers():
    def tie(epoch, net, history):
        net[2].weight, net[2].bias = net[0].weight, net[0].bias

    def drop(epoch, net, history):
        net.layers[1] = mg.Dropout(0.5, rng=0)

    for change in (tie, drop):
        nets = [mg.mlp([3, 3, 3, 2], "tanh", rng=0) for _ in "12"]
        for net, engine in zip(nets, ("auto", "python"), strict=True):
            train(net, mg.Adam(0.01), callbacks=[change], engine=engine)
        assert same_bits(nets[0].state_dict(), nets[1].state_dict())


def test_a_note_in_the_history_is_left_alone(tmp_path):
    def note(epoch, net, history):
        history.best = min(history.loss)
        if epoch == 2:
            raise KeyboardInterrupt

    net, path = mg.mlp([3, 2], rng=0), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(net, callbacks=[note], path=path)
    assert len(train(mg.mlp([3, 2], rng=0), path=path)) == 3


@pytest.mark.parametrize(
    "before",
    [
        lambda opt, net: opt.step(net, {"0.weight": np.ones((2, 3))}),
        lambda opt, net: opt.state.update({"9.weight": (np.ones(3), np.ones(3))}),
    ],
)
def test_what_was_in_the_optimizer_before_makes_no_file_that_is_refused(before, tmp_path):
    def interrupt(epoch, *_):
        raise KeyboardInterrupt

    for how in ([interrupt], []):
        path, net, opt = tmp_path / f"run {len(how)}", mg.mlp([3, 2], rng=0), mg.Adam()
        before(opt, net)
        if how:
            with pytest.raises(KeyboardInterrupt):
                train(net, opt, path=path, callbacks=how)
        else:
            train(net, opt, epochs=1, path=path)
        assert len(train(mg.mlp([3, 2], rng=0), mg.Adam(), path=path)) == 3


def test_an_interruption_stays_one_where_nothing_can_be_saved(tmp_path, capsys):
    path = tmp_path / "gone" / "run"
    path.parent.mkdir()

    def interrupt(epoch, net, history):
        if epoch == 2:
            path.unlink()
            path.parent.rmdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mg.mlp([3, 2], rng=0), path=path, callbacks=[interrupt])
    said = capsys.readouterr().err
    assert "interrupted: the net is as after epoch 2 of 3; not saved: " in said


@pytest.mark.parametrize(
    ("name", "value"), [("lr", "abc"), ("lr", -1.0), ("lr", True), ("lr", None), ("ended", 1), ("asked", "no")]
)
def test_numbers_of_a_file_are_checked(name, value, tmp_path):
    from minigrad.files.archive import read_archive, write_archive
    from minigrad.training.run import RUN_FORMAT

    path = tmp_path / "run"
    train(mg.mlp([3, 2], rng=0), epochs=1, path=path)
    text, arrays = read_archive(path, RUN_FORMAT)
    write_archive(path, text | {name: value}, arrays)
    net, opt = mg.mlp([3, 2], rng=0), mg.Adam()
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match="does not hold the arrays and numbers of this run"):
        train(net, opt, path=path)
    assert snapshot(net, opt) == before
    assert opt.lr == 0.001


def test_the_optimizer_of_a_finished_run_is_its_nets(tmp_path):
    path, opt = tmp_path / "run", mg.Adam()
    train(mg.mlp([3, 2], rng=0), path=path)
    net = mg.mlp([3, 2], rng=0)
    train(net, opt, path=path)  # nothing is left to be done
    with pytest.raises(ValueError, match="another net"):
        train(mg.mlp([3, 2], rng=0), opt)


class Positive(mg.Loss):
    """Refuses what only training's own outputs are not."""

    def value_and_delta(self, output, y):
        if output.min() <= 0 or len(output) > 5:
            raise ValueError("needs a few positive outputs")
        return float(np.square(output - y).mean()), 2 * (output - y) / output.shape[1]


def test_a_loss_that_refuses_a_question_of_ours_does_not_end_a_run():
    net = mg.Sequential(mg.Linear(3, 1, rng=0), mg.Softplus())
    assert len(mg.fit(net, Positive(), mg.SGD(0.01), X, np.ones((13, 1)), epochs=2, **QUIET)) == 2


@pytest.mark.parametrize("make", [lambda: mg.Residual(mg.Linear(3, 3, rng=0)), lambda: Doubled(mg.Linear(3, 3, rng=0))])
def test_a_net_with_a_forward_of_its_own_is_refused(make):
    net, y = make(), np.zeros((13, 3))
    for call in (
        lambda: mg.backprop(net, mg.MSELoss(), X, y),
        lambda: mg.fit(net, mg.MSELoss(), mg.SGD(0.1), X, y, epochs=1),
    ):
        with pytest.raises(
            TypeError, match=r"with a forward of its own, expected a Sequential; use mg\.Sequential\(net\)"
        ):
            call()
    wrapped = mg.Sequential(net)
    np.testing.assert_array_equal(mg.backprop(wrapped, mg.MSELoss(), X, y).output, wrapped(X))


class Counting(mg.SGD):
    """An optimizer that counts, which is no setting."""

    def update(self, weight, gradient, slots):
        self.count = getattr(self, "count", 0) + 1
        super().update(weight, gradient, slots)


def test_what_an_optimizer_counts_does_not_belong_to_the_run(tmp_path):
    path = tmp_path / "run"
    train(mg.mlp([3, 2], rng=0), Counting(0.1), epochs=1, path=path, callbacks=[lambda *_: None])
    assert len(train(mg.mlp([3, 2], rng=0), Counting(0.1), path=path)) == 3
    assert repr(Counting(0.1)) == "Counting(lr=0.1, weight_decay=0.0, momentum=0.0, nesterov=False)"


@pytest.mark.parametrize("which", ["x", "y"])
def test_numbers_beyond_the_nets_float_type_are_called_so(which):
    net, data = mg.mlp([3, 2], dtype=np.float32, rng=0), {"x": X, "y": X[:, :2]}
    data[which] = data[which] * 1e60
    with pytest.raises(
        ValueError, match=f"^{which} holds NaN or infinity, first in row 0, once it is float32 as the net is: scale it"
    ):
        mg.fit(net, mg.MSELoss(), mg.SGD(0.1), **data, epochs=1, **QUIET)


def test_another_mask_is_not_blamed_on_the_loss():
    net = mg.Sequential(mg.Dropout(0.5, rng=0), mg.Linear(1, 1, init=lambda rng, K, J: np.full((K, J), 2.0)))
    x = np.full((1, 1), 1.7e308)
    said = []
    for seed in range(6):
        net[0].rng = np.random.default_rng(seed)
        try:
            mg.fit(net, mg.MSELoss(), mg.SGD(1e-300), x, [[0.0]], epochs=1, progress=False)
        except mg.DivergenceError as error:
            said.append(str(error))
    assert any("looked at again, with other random numbers" in text for text in said)
    assert not any("every output is finite, the largest is 0" in text for text in said)
