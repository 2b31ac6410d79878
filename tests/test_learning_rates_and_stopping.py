"""What steers a run from outside: a learning rate by the epoch, early stopping, and callbacks that break the run."""

import copy
import pickle

import numpy as np
import pytest
from oracles import same_bits, snapshot

import minigrad as mg

X = np.random.default_rng(0).standard_normal((13, 3))
CLASSES = (X[:, 0] > 0).astype(int)

# ---- the learning rate -----------------------------------------------------------------------------------


def train(opt, epochs=4, path=None, net=None, **others):
    net = net or mg.mlp([3, 4, 2], rng=0)
    settings = {"rng": 0, "progress": False, "batch_size": 5} | others
    return mg.fit(net, mg.CrossEntropyLoss(), opt, X, CLASSES, epochs=epochs, checkpoint=path, **settings), net


def test_a_function_is_asked_once_an_epoch_and_opt_lr_is_its_number(engine):
    asked, seen = [], []

    def halve(epoch):
        asked.append(epoch)
        return 0.5**epoch

    opt = mg.SGD(lr=halve)
    assert opt.lr is None
    train(opt, callbacks=[lambda *_: seen.append(opt.lr)], engine=engine)
    assert asked == [1, 2, 3, 4]
    assert seen == [0.5, 0.25, 0.125, 0.0625]
    assert opt.lr == 0.0625


def test_a_function_trains_as_the_numbers_set_by_hand(engine):
    by_function = train(mg.Adam(lr=lambda epoch: 0.1 / epoch), engine=engine)
    opt = mg.Adam(0.1)

    def set_next(epoch, *_):
        opt.lr = 0.1 / (epoch + 1)

    by_hand = train(opt, callbacks=[set_next], engine=engine)
    assert by_function[0] == by_hand[0]
    assert same_bits(by_function[1].state_dict(), by_hand[1].state_dict())


def test_a_resumed_function_is_asked_for_the_epochs_of_the_run(tmp_path, engine):
    path, asked = tmp_path / "run", []
    train(mg.SGD(lr=lambda epoch: 0.5**epoch), 2, path, engine=engine)
    train(mg.SGD(lr=lambda epoch: asked.append(epoch) or 0.5**epoch), 4, path, engine=engine)
    assert asked == [1, 2, 3, 4]  # the past ones to compare them


@pytest.mark.parametrize("other", [0.5, lambda epoch: 0.5**epoch + (epoch == 2) * 1e-9])
def test_another_function_is_refused(other, tmp_path):
    path = tmp_path / "run"
    train(mg.SGD(lr=lambda epoch: 0.5**epoch), 3, path)
    kept, net, opt = path.read_bytes(), mg.mlp([3, 4, 2], rng=0), mg.SGD(lr=other)
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match="another (lr: its function gave 0.25 for epoch 2|optimizer)"):
        train(opt, 4, path, net)
    assert path.read_bytes() == kept
    assert snapshot(net, opt) == before


def test_outside_fit_nobody_calls_the_function():
    opt, net = mg.SGD(lr=lambda epoch: 0.1), mg.mlp([3, 4, 2], rng=0)
    bp = mg.backprop(net, mg.CrossEntropyLoss(), X, CLASSES)
    before = snapshot(net, opt)
    with pytest.raises(ValueError, match=r"lr is a function of the epoch, which only fit calls.*opt\.lr = 0\.1"):
        opt.step(net, bp)
    assert snapshot(net, opt) == before
    train(opt, 1, net=net)
    with pytest.raises(ValueError, match="only fit calls"):
        opt.step(net, bp)
    opt.lr = 0.1
    opt.step(net, bp)


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, "fast", None, True, [0.1]])
def test_a_learning_rate_is_checked_when_it_is_set_and_when_a_function_gives_it(value):
    opt = mg.SGD(0.1)
    with pytest.raises((ValueError, TypeError), match="^lr "):
        opt.lr = value
    assert opt.lr == 0.1
    scheduled, net = mg.SGD(lr=lambda epoch: 0.1 if epoch == 1 else value), mg.mlp([3, 4, 2], rng=0)
    with pytest.raises((ValueError, TypeError), match=r"^lr\(2\) "):
        train(scheduled, net=net)
    assert same_bits(net.state_dict(), train(mg.SGD(0.1), 1)[1].state_dict())


def test_a_learning_rate_that_takes_no_epoch_is_told_that_it_gets_one():
    with pytest.raises(TypeError, match="positional argument") as caught:
        train(mg.SGD(lr=lambda: 0.1))
    assert caught.value.__notes__ == ["lr is called with the number of the epoch: lr=lambda epoch: ..."]


def test_repr_and_config_tell_what_the_constructor_got():
    opt = mg.SGD(0.5)
    opt.lr = 0.1
    assert repr(opt) == "SGD(lr=0.5, weight_decay=0.0, momentum=0.0, nesterov=False)"
    assert repr(mg.RMSprop(lambda epoch: 1)).startswith("RMSprop(lr=<function of the epoch>, ")


@pytest.mark.parametrize(
    "make", [lambda: mg.SGD(0.1), lambda: mg.SGD(0.1, momentum=0.9), mg.Adam], ids=["sgd", "momentum", "adam"]
)
def test_a_used_optimizer_is_refused_by_another_net(make):
    opt, net, other = make(), mg.mlp([3, 4, 2], rng=0), mg.mlp([3, 4, 2], rng=0)
    train(opt, net=net)
    train(opt, net=net)  # its own net goes on
    before = snapshot(other, opt)
    with pytest.raises(ValueError, match="opt has taken 24 steps (and keeps state for|on) another net; make a new"):
        train(opt, net=other)
    with pytest.raises(ValueError, match="another net"):
        opt.step(other, mg.backprop(other, mg.CrossEntropyLoss(), X, CLASSES))
    assert snapshot(other, opt) == before
    for again in (copy.deepcopy((net, opt)), pickle.loads(pickle.dumps((net, opt)))):
        train(again[1], net=again[0])  # copied together they stay together


# ---- early stopping --------------------------------------------------------------------------------------


def history_of(monitor, values):
    return mg.History(**{"loss": [0.0] * len(values), monitor: list(values)})


@pytest.mark.parametrize(
    ("monitor", "values", "patience", "ends"),
    [
        ("val_loss", [3, 2, 1, 1, 1, 1], 2, 5),
        ("val_loss", [3, 2, 2.5, 1.9, 2, 2], 2, 6),
        ("val_loss", [1, 2], 1, 2),
        ("loss", [1, np.nan, np.nan, 0.5], 3, None),
        ("loss", [np.nan, np.nan, 5], 2, None),
        ("loss", [np.inf, np.inf, np.inf], 2, 3),
        ("accuracy", [0.1, 0.5, 0.5, 0.4], 2, 4),
        ("val_accuracy", [0.1, 0.2, 0.3, 0.4], 1, None),
    ],
)
def test_early_stopping_counts_epochs_without_a_new_best(monitor, values, patience, ends):
    callback = mg.early_stopping(patience, monitor)
    told = [n for n in range(1, len(values) + 1) if callback(n, None, history_of(monitor, values[:n]))]
    assert told[:1] == ([ends] if ends else [])


def test_early_stopping_ends_a_run_and_a_resumed_one_at_the_same_epoch(engine, tmp_path):
    path, settings = tmp_path / "run", {"validation": (X[:5], 1 - CLASSES[:5]), "engine": engine}
    whole, net = train(mg.SGD(0.5), 40, callbacks=[mg.early_stopping(3)], **settings)
    assert 4 <= len(whole) < 40
    train(mg.SGD(0.5), 2, path, callbacks=[mg.early_stopping(3)], **settings)
    for _ in range(3):  # it is over, and stays so
        again, resumed = train(mg.SGD(0.5), 40, path, callbacks=[mg.early_stopping(3)], **settings)
        assert again == whole
        assert same_bits(net.state_dict(), resumed.state_dict())
    assert len(train(mg.SGD(0.5), 40, path, callbacks=[mg.early_stopping(5)], **settings)[0]) > len(whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mg.early_stopping(0), "patience is 0, expected at least 1"),
        (lambda: mg.early_stopping(2.0), "patience must be a whole number"),
        (lambda: mg.early_stopping(2, "val-loss"), "unknown monitor 'val-loss', expected one of: loss, val_loss, "),
        (
            lambda: train(mg.SGD(0.1), callbacks=[mg.early_stopping(2)]),
            "watches 'val_loss', but there is no validation",
        ),
        (
            lambda: mg.fit(
                mg.mlp([3, 2]),
                mg.MSELoss(),
                mg.SGD(0.1),
                X,
                X[:, :2],
                epochs=1,
                callbacks=[mg.early_stopping(2, "accuracy")],
            ),
            "watches 'accuracy', but MSELoss() knows no right answers",
        ),
    ],
)
def test_early_stopping_is_refused_where_it_would_find_nothing(make, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert message in str(caught.value)


# ---- callbacks that break the run ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net, history: net[0].weight.fill(np.nan), "a callback left NaN or infinity in 0.weight"),
        (lambda net, history: net.layers.append(mg.Linear(2, 2)), "a callback changed the layers of net: 3.weight"),
        (lambda net, history: history.loss.clear(), "a callback left 0 entries in history.loss, not 2"),
        (lambda net, history: history.val_loss.append(1.0), "a callback left 1 entries in history.val_loss, not 2"),
    ],
)
def test_what_a_run_cannot_go_on_with_is_said(change, message, engine):
    def callback(epoch, net, history):
        if epoch == 2:
            change(net, history)

    with pytest.raises(ValueError, match=message):
        train(mg.SGD(0.1), callbacks=[callback], engine=engine)
