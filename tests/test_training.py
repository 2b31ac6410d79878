"""fit: the epochs in the documented order, the History, and everything that can end or interrupt a run."""

import numpy as np
import pytest
from catalogue import OPTIMIZERS
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits, snapshot
from strategies import seeds

import minigrad as mg

SIZES = [3, 5, 2]


def data(N=23, seed=0):
    x = np.random.default_rng(seed).standard_normal((N, 3))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def fit(net, opt, x, y, *, epochs=3, batch_size=5, **others):
    others = {"rng": 0, "progress": False} | others
    return mg.fit(net, mg.CrossEntropyLoss(), opt, x, y, epochs=epochs, batch_size=batch_size, **others)


# ---- an epoch --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@given(st.integers(1, 12), st.integers(1, 14), st.booleans(), seeds)
def test_fit_is_backprop_and_step_batch_by_batch_in_the_shuffled_order(engine, optimizer, N, batch_size, shuffle, seed):
    (x, y), loss = data(N, seed), mg.CrossEntropyLoss()
    net, again = mg.mlp(SIZES, rng=seed), mg.mlp(SIZES, rng=seed)
    opt = OPTIMIZERS[optimizer](lr=0.02, weight_decay=0.01)
    history = fit(net, opt, x, y, epochs=2, batch_size=batch_size, shuffle=shuffle, rng=seed, engine=engine)

    rng, by_hand, losses, shares = (
        np.random.default_rng(seed),
        OPTIMIZERS[optimizer](lr=0.02, weight_decay=0.01),
        [],
        [],
    )
    for _ in range(2):
        order, seen, right = rng.permutation(N) if shuffle else np.arange(N), [], 0
        for start in range(0, N, batch_size):  # the last batch may be short
            batch = order[start : start + batch_size]
            bp = mg.backprop(again, loss, x[batch], y[batch])
            by_hand.step(again, bp)
            seen.append(bp.loss)
            right += (bp.output.argmax(axis=1) == y[batch]).sum()
        losses.append(np.mean(seen))
        shares.append(right / N)
    assert same_bits(net.state_dict(), again.state_dict())
    assert snapshot(net, opt) == snapshot(again.eval(), by_hand)
    assert history.loss == pytest.approx(losses, rel=1e-12)
    assert history.accuracy == pytest.approx(shares)


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(engine):
    x, y = data()
    nets = [mg.mlp(SIZES, rng=0) for _ in range(4)]
    histories = [
        fit(net, mg.SGD(0.3), x, y, rng=rng, engine=engine)
        for net, rng in zip(nets, (1, 1, np.random.default_rng(1), 2), strict=True)
    ]
    same = [same_bits(nets[0].state_dict(), net.state_dict()) for net in nets]
    assert same == [True, True, True, False]
    assert [h == histories[0] for h in histories] == same


def test_training_lowers_the_loss(engine):
    x, y = data(200)
    history = fit(mg.mlp([3, 16, 2], activation="tanh", rng=0), mg.Adam(0.02), x, y, epochs=30, engine=engine)
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert history.accuracy[-1] > 0.9


def test_no_epochs_change_nothing(engine):
    (x, y), net, opt = data(), mg.mlp(SIZES, rng=0), mg.Adam()
    net[1].eval()
    before = snapshot(net, opt)
    assert len(fit(net, opt, x, y, epochs=0, engine=engine)) == 0
    assert snapshot(net, opt) == before


def test_data_are_not_written_to(engine):
    x, y = data()
    for array in (x, y):
        array.setflags(write=False)
    kept = x.copy(), y.copy()
    fit(mg.mlp(SIZES, rng=0), mg.SGD(0.3), x, y, validation=(x, y), engine=engine)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


# ---- History ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (mg.MSELoss(), False),
        (mg.BCELoss(), True),
        (mg.BCEWithLogitsLoss(), True),
        (mg.CrossEntropyLoss(), True),
    ],
    ids=repr,
)
def test_history_and_validation(engine, loss, classes):
    x, y = data()
    y = y if isinstance(loss, mg.CrossEntropyLoss) else y[:, None]
    end = [mg.Sigmoid()] if isinstance(loss, mg.BCELoss) else []
    net = mg.Sequential(mg.Linear(3, 2 if y.ndim == 1 else 1, rng=0), *end)
    history = mg.fit(
        net,
        loss,
        mg.SGD(0.1),
        x,
        y,
        epochs=2,
        validation=(x[:7], y[:7]),
        rng=0,
        progress=False,
        engine=engine,
    )
    assert len(history) == len(history.loss) == len(history.val_loss) == 2
    assert len(history.accuracy) == len(history.val_accuracy) == (2 if classes else 0)
    assert history.val_loss[-1] == loss(net(x[:7]), y[:7])
    if classes:
        threshold = 0.5 if end else 0.0
        assert history.val_accuracy[-1] == mg.accuracy(net(x[:7]), y[:7], threshold)


@pytest.mark.parametrize("one_hot", [False, True])
def test_an_epoch_counts_the_first_of_equal_outputs_as_the_answer(engine, one_hot):
    y = np.array([0, 1, 2, 0, 1, 2, 0])
    net = mg.Sequential(mg.Linear(3, 3, init="zeros"))
    for biases, right in (((0, 0, 0), 3), ((0, 1, 1), 2), ((1, 0, 1), 3)):
        net[0].bias[:] = biases
        targets, x = np.eye(3)[y] if one_hot else y, np.zeros((7, 3))
        validation = (x, targets)
        settings = {"epochs": 1, "validation": validation, "progress": False, "engine": engine}
        history = mg.fit(net, mg.CrossEntropyLoss(), mg.SGD(1e-300), x, targets, **settings)
        assert history.accuracy == history.val_accuracy == [right / 7]


def test_validation_does_not_change_the_run(engine):
    (x, y), nets = (
        data(),
        [mg.Sequential(mg.Linear(3, 4, rng=0), mg.Dropout(0.5, rng=0), mg.Linear(4, 2, rng=1)) for _ in "12"],
    )
    fit(nets[0], mg.SGD(0.3), x, y)
    history = fit(nets[1], mg.SGD(0.3), x, y, validation=data(9, seed=1))
    assert same_bits(nets[0].state_dict(), nets[1].state_dict())
    assert history.val_loss[-1] == mg.CrossEntropyLoss()(nets[1].eval()(data(9, seed=1)[0]), data(9, seed=1)[1])


def test_history_plots():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    history = mg.History(loss=[3.0, 2.0], val_loss=[4.0, 5.0])
    axes = history.plot()
    assert history.plot(axes) is axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3, 2], [4, 5]] * 2
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2]] * 4
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"] * 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert [text.xy for text in axes.texts] == [(2, 2), (2, 5)] * 2
    assert [text.get_text() for text in axes.texts] == ["training", "validation"] * 2
    plt.close(axes.figure)


def test_a_history_with_validation_in_a_part_of_it_can_be_drawn():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = mg.History(loss=[3.0, 2.0, 1.0], val_loss=[4.0, 5.0]).plot()
    assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2, 3], [1, 2]]
    matplotlib.pyplot.close(axes.figure)


# ---- callbacks and modes ---------------------------------------------------------------------------------


def test_callbacks_see_each_epoch_and_can_end_the_run(engine):
    (x, y), net, seen = data(), mg.mlp(SIZES, rng=0), []

    def watch(epoch, net_, history):
        seen.append((epoch, len(history), net_ is net))

    history = fit(net, mg.SGD(0.1), x, y, epochs=9, callbacks=[watch, lambda epoch, *_: epoch == 3], engine=engine)
    assert seen == [(1, 1, True), (2, 2, True), (3, 3, True)]
    assert len(history) == 3


def test_a_callback_that_ends_the_run_keeps_no_other_from_seeing_the_epoch(engine):
    (x, y), seen = data(), []
    callbacks = [lambda epoch, *_: epoch == 2, lambda epoch, *_: seen.append(epoch)]
    fit(mg.mlp(SIZES, rng=0), mg.SGD(0.1), x, y, epochs=9, callbacks=callbacks, engine=engine)
    assert seen == [1, 2]


def ready_to_fail(engine):
    def stop(*_):
        raise RuntimeError("a callback's mistake")

    return {"callbacks": [stop], "engine": engine}


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("evaluating", [[], [1], [0, 1, 2], ["all"]])
def test_the_net_trains_in_training_mode_and_is_looked_at_in_eval_mode(evaluating, failing):
    x, y = data()
    net = mg.Sequential(
        mg.BatchNorm(3), mg.Residual(mg.Linear(3, 3, rng=0), mg.Dropout(0.5, rng=0)), mg.Linear(3, 2, rng=1)
    )
    for i in evaluating:
        (net if i == "all" else net[i]).eval()
    statistics, seen = net[0].running_mean.copy(), []

    def modes():
        return [layer.training for layer in (net, *net, *net[1])]

    def look(*_):
        seen.append(modes())
        if failing and len(seen) == 2:
            raise RuntimeError("a callback's mistake")

    if failing:
        with pytest.raises(RuntimeError, match="mistake"):
            fit(net, mg.SGD(0.1), x, y, callbacks=[look])
    else:
        fit(net, mg.SGD(0.1), x, y, callbacks=[look])
    assert seen == [[False] * 6] * (2 if failing else 3)
    assert modes() == [False] * 6
    assert (net[0].running_mean != statistics).all()  # it did train in training mode


def test_a_run_that_fails_in_its_first_epoch_leaves_the_modes_as_they_were(engine):
    x, y = data(4)
    net = mg.mlp(SIZES, rng=0)
    net[1].eval()
    net[2].bias[1] = np.nan
    with pytest.raises(mg.DivergenceError):
        fit(net, mg.SGD(0.1), x, y, engine=engine)
    assert [layer.training for layer in (net, *net)] == [True, True, False, True]


def test_looking_at_the_net_in_a_callback_does_not_change_the_run():
    x, y = data()
    nets = [
        mg.Sequential(mg.Linear(3, 4, rng=0), mg.Dropout(0.5, rng=0), mg.BatchNorm(4), mg.Linear(4, 2, rng=1))
        for _ in "12"
    ]
    fit(nets[0], mg.SGD(0.3), x, y)
    fit(nets[1], mg.SGD(0.3), x, y, callbacks=[lambda epoch, net, history: net(x) is None])
    assert same_bits(nets[0].state_dict(), nets[1].state_dict())
    assert (nets[1](x) == nets[1](x)).all()  # fit has left it so that net(x) is what one means


@pytest.mark.parametrize("batch_size", range(1, 8))
def test_a_batch_of_one_is_refused_before_anything_changes_where_a_batchnorm_would_meet_it(batch_size):
    x, y = data(7)
    for N in range(1, 8):
        net = mg.Sequential(mg.Linear(3, 3, rng=0), mg.Residual(mg.BatchNorm(3)), mg.Linear(3, 2, rng=1))
        before, opt = snapshot(net), mg.SGD(0.1)
        if 1 in [len(y[:N][start : start + batch_size]) for start in range(0, N, batch_size)]:
            with pytest.raises(ValueError, match=rf"batch_size {batch_size} .* the {N} samples, which layer 1\.0, B"):
                fit(net, opt, x[:N], y[:N], epochs=1, batch_size=batch_size)
            assert snapshot(net) == before
        else:
            fit(net, opt, x[:N], y[:N], epochs=1, batch_size=batch_size)
            assert opt.steps == -(-N // batch_size)


# ---- divergence ------------------------------------------------------------------------------------------

loud = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow in NumPy, on the way to the error


@loud
@pytest.mark.parametrize("bad_epoch", [1, 3])
def test_divergence_names_epoch_step_and_layer_and_keeps_the_last_finite_epoch(engine, bad_epoch):
    x, y = data(20)
    net, reference = mg.mlp(SIZES, activation="relu", rng=0), mg.mlp(SIZES, activation="relu", rng=0)
    opt, calm = mg.SGD(0.1, momentum=0.5), mg.SGD(0.1, momentum=0.5)
    fit(reference, calm, x, y, epochs=bad_epoch - 1, engine=engine)

    def accelerate(epoch, *_):
        opt.lr = 1e200 if epoch == bad_epoch - 1 else opt.lr

    if bad_epoch == 1:
        opt.lr = 1e200
    with pytest.raises(mg.DivergenceError, match=rf"epoch {bad_epoch}, step 2, beginning in layer 2, Linear\(5, 2\)"):
        fit(net, opt, x, y, epochs=9, callbacks=[accelerate], engine=engine)
    assert same_bits(net.state_dict(), reference.state_dict())
    assert snapshot(net, opt) == snapshot(reference, calm)


@loud
def test_divergence_in_the_last_step_of_an_epoch_is_seen_too(engine):
    (x, y), net = data(4), mg.mlp(SIZES, rng=0)
    net[2].weight[0] = 1e300
    before = net.state_dict()
    with pytest.raises(mg.DivergenceError, match=r"0\.(weight|bias) of layer 0, .* last step of epoch 1"):
        fit(net, mg.SGD(1e300), x, y, batch_size=4, engine=engine)
    assert same_bits(net.state_dict(), before)


@loud
@pytest.mark.parametrize("make", [lambda: mg.SGD(1e-6, momentum=0.5), lambda: mg.AdamW(0.01, weight_decay=10.0)])
@pytest.mark.parametrize("bad_epoch", [2, 3, 4])
def test_a_last_step_that_overflows_gives_back_the_last_finite_epoch(engine, make, bad_epoch):
    """The copy of the epoch that failed must not lie in the memory of the copy that is put back."""
    x, y, seen = data(20)[0], data(20)[1][:, None] * 1e4 + 1e4, []
    (net, opt), (reference, calm) = ((mg.mlp([3, 5, 1], rng=0), make()) for _ in range(2))

    def accelerate(epoch, *_):
        seen.append((net.state_dict(), {name: [a.copy() for a in arrays] for name, arrays in opt.state.items()}))
        if epoch == bad_epoch - 1:
            opt.lr = 1.7e308

    settings = {"batch_size": 20, "rng": 0, "progress": False, "engine": engine, "validation": (x[:5], y[:5])}
    with pytest.raises(mg.DivergenceError, match=rf"of layer \d, .* in the last step of epoch {bad_epoch}"):
        mg.fit(net, mg.MSELoss(), opt, x, y, epochs=9, callbacks=[accelerate], **settings)
    mg.fit(reference, mg.MSELoss(), calm, x, y, epochs=bad_epoch - 1, **settings)
    assert len(seen) == bad_epoch - 1
    assert same_bits(net.state_dict(), seen[-1][0])
    np.testing.assert_equal({name: list(arrays) for name, arrays in opt.state.items()}, seen[-1][1])
    assert snapshot(net, opt) == snapshot(reference, calm)


@pytest.mark.parametrize("i", [0, 2])
def test_divergence_names_the_first_layer_that_is_not_finite(engine, i):
    (x, y), net = data(4), mg.mlp(SIZES, rng=0)
    net[i].bias[1] = np.nan
    with pytest.raises(mg.DivergenceError, match=rf"epoch 1, step 1, beginning in layer {i}, Linear"):
        fit(net, mg.SGD(0.1), x, y, engine=engine)


@loud
def test_divergence_of_the_loss_alone(engine):
    net = mg.mlp([1, 1], rng=0)
    with pytest.raises(mg.DivergenceError, match="epoch 1, step 1, beginning in the loss itself"):
        mg.fit(net, mg.MSELoss(), mg.SGD(0.1), [[1e200]], [[-1e200]], epochs=1, progress=False, engine=engine)


# ---- Ctrl-C ----------------------------------------------------------------------------------------------


def interrupt(at):
    def callback(epoch, *_):
        if epoch == at:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("named", [False, True])
def test_ctrl_c_leaves_the_net_as_after_the_last_whole_epoch(engine, named, tmp_path, capsys):
    (x, y), net, reference = data(), mg.mlp(SIZES, rng=0), mg.mlp(SIZES, rng=0)
    path = tmp_path / "run" if named else None
    with pytest.raises(KeyboardInterrupt):
        fit(net, mg.Adam(), x, y, epochs=9, callbacks=[interrupt(2)], checkpoint=path, every=5, engine=engine)
    fit(reference, mg.Adam(), x, y, epochs=2, engine=engine)
    assert same_bits(net.state_dict(), reference.state_dict())
    said = capsys.readouterr().err
    assert "interrupted: the net is as after epoch 2 of 9" in said
    assert (f"saved in {path}" in said) == named
    assert [file.name for file in tmp_path.iterdir()] == (["run"] if named else [])


def test_ctrl_c_in_the_middle_of_an_epoch(tmp_path):
    class Tired(mg.SGD):
        def update(self, *args):
            super().update(*args)
            if self.steps == 8:  # of 5 an epoch
                raise KeyboardInterrupt

    (x, y), net, reference = data(), mg.mlp(SIZES, rng=0), mg.mlp(SIZES, rng=0)
    with pytest.raises(KeyboardInterrupt):
        fit(net, Tired(0.3), x, y, epochs=9)
    fit(reference, mg.SGD(0.3), x, y, epochs=1)
    assert same_bits(net.state_dict(), reference.state_dict())
