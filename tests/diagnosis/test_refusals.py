"""Bad input: what fit refuses of x and y is a finding that says the same; no net, no loss, no optimizer an error."""

import copy
import re

import numpy as np
import pytest
import test_advice
import test_bad_input
from advice import advised
from test_advice import CE, LOGITS, MSE, TARGETS, Y, built

import minigrad as mg
from minigrad.diagnosis.finding import NAMES

X = test_advice.X


def said_by_fit(net, loss, x, y):
    """The error of fit."""
    with pytest.raises((ValueError, TypeError)) as caught:
        mg.fit(copy.deepcopy(net), loss, mg.SGD(0.1), x, y, epochs=1, progress=False)
    return str(caught.value)


def refused(net, loss, x, y):
    """The one finding."""
    before = [array.copy() for array in net.parameters().values()]
    diagnosis = mg.diagnose(net, loss, x, y, mg.SGD(0.1))
    assert not diagnosis.ok
    (found,) = diagnosis.findings
    assert found.level == "fault"
    assert found.name in [name for names in NAMES.values() for name in names]
    assert [type(number) for number in (found.measured, *found.expected)] == [float] * 3
    assert found.text.strip()
    assert found.remedy.strip()
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, net.parameters().values(), strict=True))
    return found


def check_same(found, error):
    """The text of a finding names what the error of fit names, but for the line that it advises."""
    assert error.partition("; use ")[0] in found.text, (found.text, error)


# ---- x ---------------------------------------------------------------------------------------------------------

BAD_X = {
    **{f"advised: {case}": value for case, (value, _) in test_advice.ARRAYS.items()},
    **{f"hopeless: {case}": value for case, (value, _) in test_advice.HOPELESS.items()},
    **{f"bad input: {case}": value for case, (value, *_) in test_bad_input.INPUTS.items()},
}


@pytest.mark.parametrize("case", BAD_X)
def test_x(case):
    net = mg.mlp([3, 4, 3], rng=0)
    x = BAD_X[case]
    error = said_by_fit(net, CE, built(x), Y)
    if error.startswith("y "):  # as x says how many samples there are, it is y that is refused
        pytest.skip("fit takes this x")
    found = refused(net, CE, built(x), Y)
    assert found.name == "input_shape"
    check_same(found, error)
    for line in advised(error)[:1]:
        assert found.code == f"x = {line}"


@pytest.mark.parametrize("case", test_advice.ARRAYS)
def test_the_line_that_is_advised_for_x_is_made(case):
    value = built(test_advice.ARRAYS[case][0])
    found = refused(test_advice.NET, CE, value, Y)
    if found.apply is None:
        assert case in ("a generator", "an iterator") or not found.code
        return
    expected = eval(found.code.partition(" = ")[2], {"np": np, "x": built(test_advice.ARRAYS[case][0])})
    np.testing.assert_array_equal(np.asarray(found.apply().x), np.asarray(expected))


def test_an_iterator_is_not_used_up():
    rows = iter(X.tolist())
    refused(test_advice.NET, CE, rows, Y)
    assert len(list(rows)) == len(X)


def test_no_samples():
    found = refused(test_advice.NET, CE, X[:0], Y[:0])
    assert "no samples" in found.text
    assert found.apply is None


def test_layers_that_do_not_fit_one_another():
    net = mg.Sequential(mg.Linear(3, 4), mg.Linear(5, 3))
    check_same(refused(net, CE, X, Y), said_by_fit(net, CE, X, Y))


def test_layers_of_two_float_types(compiled):
    """The compiled core refuses them; NumPy computes."""
    net = mg.Sequential(mg.Linear(3, 4), mg.Linear(4, 3, dtype="float32"))
    check_same(refused(net, CE, X, Y), said_by_fit(net, CE, X, Y))


# ---- y ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("y", "K", "loss"), [(t[1], t[2], t[4]) for t in TARGETS], ids=[t[0] for t in TARGETS])
def test_y(y, K, loss):
    net = mg.mlp([3, K], rng=0)
    found, error = refused(net, loss, X, built(y)), said_by_fit(net, loss, X, built(y))
    assert found.name in ("target_shape", "target_range")
    check_same(found, error)
    assert found.code == f"y = {advised(error)[0]}"
    if "generator" in error:  # which the line would use up
        assert found.apply is None
        return
    made = found.apply()
    for _ in range(2):  # a line may lead to a second one, as in fit
        again = [f for f in mg.diagnose(made.net, made.loss, made.x, made.y).findings if f.measured == 0]
        made = again[0].apply() if again and again[0].name in ("target_shape", "target_range") else made
    mg.fit(made.net, made.loss, mg.SGD(0.1), made.x, made.y, epochs=1, progress=False)


@pytest.mark.parametrize("case", test_advice.HOPELESS_TARGETS)
def test_y_for_which_no_line_works(case):
    y, K, loss, _ = test_advice.HOPELESS_TARGETS[case]
    net = mg.mlp([3, K], rng=0)
    found, error = refused(net, loss, X, y), said_by_fit(net, loss, X, y)
    if case in ("NaN", "infinity"):
        assert "entry 1 is" in error
        assert (found.name, found.text) == ("nan_data", "1 of 6 samples hold NaN or infinity (y, rows 1).")
        return
    check_same(found, error)
    assert (found.code, found.apply) == ("", None)


@pytest.mark.parametrize("case", test_bad_input.LABELS)
def test_the_table_of_bad_labels(case):
    loss, y, *_ = test_bad_input.LABELS[case]
    net = mg.mlp([3, 4, 2], rng=0)
    check_same(refused(net, loss, test_bad_input.X, y), said_by_fit(net, loss, test_bad_input.X, y))


def test_one_output_for_cross_entropy():
    for y in (Y % 2, (Y % 2)[:, None], np.ones((6, 1))):
        net = mg.mlp([3, 1], rng=0)
        found = refused(net, CE, X, y)
        assert found.name == "softmax_of_one"
        check_same(found, said_by_fit(net, CE, X, y))
        made = found.apply()
        mg.fit(made.net, made.loss, mg.SGD(0.1), made.x, made.y, epochs=1, progress=False)
    assert refused(mg.mlp([3, 1], rng=0), CE, X, Y).apply is None  # three classes are no yes or no


# ---- NaN and infinity ------------------------------------------------------------------------------------------

BAD = {
    "NaN in x": (test_bad_input.NAN, test_bad_input.Y, CE, [4, 5]),
    "infinity in x": (test_bad_input.INF, test_bad_input.Y, CE, [2]),
    "NaN in y": (test_bad_input.X, test_bad_input.NAN[:, :2], MSE, [4, 5]),
    "NaN in both": (test_bad_input.INF, test_bad_input.NAN[:, :2], MSE, [2, 4, 5]),
    "lists": (test_bad_input.NAN.tolist(), test_bad_input.Y.tolist(), CE, [4, 5]),
    "positions": (np.stack([test_bad_input.NAN] * 2, axis=1), np.stack([test_bad_input.Y] * 2, axis=1), CE, [4, 5]),
}


@pytest.mark.parametrize("case", BAD)
def test_samples_that_are_not_finite_are_named_and_left_out(case):
    x, y, loss, rows = BAD[case]
    net = mg.mlp([3, 2], rng=0)
    found = refused(net, loss, x, y)
    assert (found.name, found.measured) == ("nan_data", len(rows))
    assert re.search(r"rows ([\d, ]+)\)", found.text)[1] == ", ".join(map(str, rows))
    assert "NaN or infinity" in said_by_fit(net, loss, x, y)
    made = found.apply()
    kept = np.setdiff1d(np.arange(6), rows)
    np.testing.assert_array_equal(made.x, np.asarray(x)[kept])
    np.testing.assert_array_equal(made.y, np.asarray(y)[kept])
    names = {"np": np, "x": np.asarray(x), "y": np.asarray(y)}
    exec(found.code, names)
    np.testing.assert_array_equal(names["x"], made.x)
    np.testing.assert_array_equal(names["y"], made.y)


def test_nothing_is_left_of_all_bad_samples():
    found = refused(mg.mlp([3, 2], rng=0), CE, np.full((6, 3), np.nan), test_bad_input.Y)
    assert found.measured == 6
    assert found.apply is None


@pytest.mark.parametrize("name", ["x", "y"])
def test_what_is_too_large_for_the_net_is_not_called_nan(name):
    net = mg.mlp([3, 2], dtype="float32", rng=0)
    x, y = test_bad_input.X, np.random.default_rng(0).standard_normal((6, 2))
    x, y = (1e100 * x, y) if name == "x" else (x, 1e100 * y)
    found = refused(net, MSE, x, y)
    assert "float32" in found.text
    assert "float32" in said_by_fit(net, MSE, x, y)
    names = {"np": np, "x": x, "y": y}
    exec(found.code, names)
    assert np.isfinite(names["x"].astype("f4")).all()
    assert np.isfinite(names["y"].astype("f4")).all()
    mg.fit(net, MSE, mg.SGD(0.1), names["x"], names["y"], epochs=1, progress=False)


# ---- what is no net, no loss, no optimizer, no number ----------------------------------------------------------

NET, OPT = mg.mlp([3, 4, 3], rng=0), mg.SGD(0.1)
GOOD = {"net": NET, "loss": CE, "x": X, "y": Y, "opt": OPT}
WRONG = {
    "a layer": ({"net": mg.Linear(3, 3)}, TypeError, "net is a Linear"),
    "no net": ({"net": None}, TypeError, "net is None"),
    "a residual": ({"net": mg.Residual(mg.Linear(3, 3))}, TypeError, "net is a Residual"),
    "a word for a loss": ({"loss": "mse"}, TypeError, "loss is 'mse'"),
    "the class of a loss": ({"loss": mg.MSELoss}, TypeError, "loss is the class MSELoss"),
    "a number for an optimizer": ({"opt": 0.1}, TypeError, "opt is a float"),
    "the class of an optimizer": ({"opt": mg.SGD}, TypeError, "opt is the class SGD"),
    "batch_size of 0": ({"batch_size": 0}, ValueError, "batch_size is 0"),
    "batch_size of 2.5": ({"batch_size": 2.5}, TypeError, "batch_size must be a whole number"),
    "trial of 0": ({"trial": 0}, ValueError, "trial is 0"),
    "trial of True": ({"trial": True}, TypeError, "trial must be a whole number"),
    "epochs of 0": ({"epochs": 0}, ValueError, "epochs is 0"),
    "epochs below 0": ({"epochs": -1}, ValueError, "epochs is -1"),
    "a word for rng": ({"rng": "seed"}, TypeError, "rng must be a whole number"),
    "rng below 0": ({"rng": -1}, ValueError, "rng is -1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_an_error(case):
    change, error, words = WRONG[case]
    with pytest.raises(error) as caught:
        mg.diagnose(**GOOD | change)
    assert type(caught.value) is error
    assert str(caught.value).startswith(words)


def test_the_arguments_after_the_optimizer_are_named():
    with pytest.raises(TypeError, match="positional"):
        mg.diagnose(NET, CE, X, Y, OPT, 32)


def test_outputs_that_bce_does_not_take():
    net, y = mg.mlp([3, 1], rng=0), (Y[:, None] > 0) * 1.0
    error = said_by_fit(net, mg.BCELoss(), X, y)
    found = refused(net, mg.BCELoss(), X, y)
    assert found.name == "bce_without_sigmoid"
    assert isinstance(found.apply().loss, mg.BCEWithLogitsLoss)
    for number in re.findall(r"-?\d+\.\d+", error)[:1]:
        assert f"{float(number):.3g}" in found.text
    assert LOGITS.targets(y, (6, 1), np.dtype(float)).shape == found.apply().y.shape


def test_nan_that_no_new_weights_mend():
    """Of running statistics: the remedy would leave the net as it is."""
    net = mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), mg.Linear(4, 3, rng=1))
    net[1].running_mean[2] = np.nan
    found = refused(net, CE, X, Y)
    assert (found.name, found.measured, found.apply) == ("nan_weights", 1, None)
    assert "1.running_mean" in found.text
    net[1].running_mean[2] = 0
    net[2].weight[0, 1] = np.nan
    assert np.isfinite(refused(net, CE, X, Y).apply().net[2].weight).all()
