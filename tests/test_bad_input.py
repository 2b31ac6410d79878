"""Every kind of bad input: the error's type, what its message names, and that nothing has been changed."""

import numpy as np
import pytest
from oracles import snapshot

import minigrad as mg
from minigrad import diagnostics as dg

X, Y = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1, 1, 0, 1, 0])
NAN, INF = X.copy(), X.copy()
NAN[4, 1], NAN[5, 0], INF[2, 0] = np.nan, np.nan, np.inf
CE, MSE = mg.CrossEntropyLoss(), mg.MSELoss()


def check(call, error, words, *state):
    """call() raises exactly that error, its message holds all the words, and the state is as before."""
    before = snapshot(*state) if state else None
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    message = str(caught.value) if isinstance(caught.value, OSError) else caught.value.args[0]
    assert [word for word in words if word not in message] == [], message
    assert before is None or snapshot(*state) == before


# ---- building --------------------------------------------------------------------------------------------

BUILD = {
    "a width of 0": (lambda: mg.Linear(0, 2), ValueError, ["in_features is 0", "at least 1"]),
    "a width below 0": (lambda: mg.Linear(3, -2), ValueError, ["out_features is -2", "at least 1"]),
    "a width of 1.5": (lambda: mg.Linear(3, 1.5), TypeError, ["out_features must be a whole number", "1.5"]),
    "a width of True": (
        lambda: mg.Linear(True, 1),
        TypeError,
        ["in_features must be a whole number", "True"],
    ),
    "no features": (lambda: mg.BatchNorm(0), ValueError, ["num_features is 0", "at least 1"]),
    "a size of 0": (lambda: mg.mlp([3, 0, 2]), ValueError, ["sizes[1] is 0", "at least 1"]),
    "one size": (lambda: mg.mlp([3]), ValueError, ["sizes is [3]", "at least an input and an output"]),
    "no list of sizes": (lambda: mg.mlp(3), TypeError, ["sizes must be a list", "3"]),
    "no layers": (lambda: mg.Sequential(), ValueError, ["Sequential needs at least one layer"]),
    "no layers inside": (lambda: mg.Residual(), ValueError, ["Residual needs at least one layer"]),
    "no layer": (
        lambda: mg.Sequential(mg.Tanh(), "tanh"),
        TypeError,
        ["layer 1 is 'tanh'", "expected a Layer"],
    ),
    "a list": (lambda: mg.Sequential([mg.Tanh()]), TypeError, ["layer 0 is a list", "Sequential(*layers)"]),
    "a class": (lambda: mg.Sequential(mg.Tanh), TypeError, ["layer 0 is the class Tanh", "use mg.Tanh()"]),
    "activation": (
        lambda: mg.mlp([3, 2], "sine"),
        ValueError,
        ["activation 'sine'", "sigmoid, tanh, centered_sigmoid, relu"],
    ),
    "no word": (
        lambda: mg.mlp([3, 2], mg.Tanh()),
        ValueError,
        ["unknown activation Tanh()", "centered_sigmoid"],
    ),
    "init": (
        lambda: mg.mlp([3, 2], init="xavier"),
        ValueError,
        ["init 'xavier'", "glorot_uniform", "torch_default"],
    ),
    "init of tanh": (
        lambda: mg.mlp([3, 2], "tanh", "tanh_equivalent"),
        ValueError,
        ["'tanh_equivalent' is for sigmoid"],
    ),
    "dtype": (lambda: mg.mlp([3, 2], dtype=int), ValueError, ["dtype must be float32 or float64", "int"]),
    "dtype of no sense": (lambda: mg.Linear(3, 2, dtype="wide"), ValueError, ["dtype must be", "'wide'"]),
    "seed": (lambda: mg.Linear(3, 2, rng=-1), ValueError, ["rng is -1", "at least 0"]),
    "a word for a seed": (lambda: mg.mlp([3, 2], rng="0"), TypeError, ["rng must be a whole number", "'0'"]),
    "p of 1": (lambda: mg.Dropout(1), ValueError, ["p is 1", "[0, 1)"]),
    "a word for p": (lambda: mg.Dropout("half"), TypeError, ["p must be a number", "'half'"]),
    "eps": (lambda: mg.BatchNorm(3, eps=0), ValueError, ["eps is 0", "(0, inf]"]),
    "momentum": (lambda: mg.BatchNorm(3, momentum=2), ValueError, ["momentum is 2", "[0, 1]"]),
    "data set": (lambda: mg.datasets.load("cifar"), ValueError, ["cifar", "digits", "iris", "spirals"]),
}


@pytest.mark.parametrize("case", BUILD)
def test_building(case):
    check(*BUILD[case])


# ---- calling a net ---------------------------------------------------------------------------------------

INPUTS = {
    "width": (np.ones((2, 4)), ValueError, ["x has shape (2, 4)", "expected (N, 3)"]),
    "one dimension": (np.ones(3), ValueError, ["x has shape (3,)", "expected (N, 3)", "x[None, :]"]),
    "three dimensions": (np.ones((2, 3, 1)), ValueError, ["x has shape (2, 3, 1)", "expected (N, 3)"]),
    "no dimension": (1.0, ValueError, ["x has shape ()", "expected (N, 3)"]),
    "complex": (X + 1j, TypeError, ["x has dtype complex128", "expected float32, float64 or integers"]),
    "objects": (X.astype(object), TypeError, ["x has dtype object", "expected float32"]),
    "half floats": (X.astype(np.float16), TypeError, ["x has dtype float16", "expected float32"]),
    "truth values": (X > 0, TypeError, ["x has dtype bool", "expected float32"]),
    "words": ([["a", "b", "c"]], TypeError, ["x has dtype <U1", "expected float32"]),
    "ragged rows": ([[1, 2, 3], [4, 5]], ValueError, ["x is not a rectangular array"]),
    "masked": (np.ma.masked_invalid(NAN), TypeError, ["x is a masked array", "fill or drop"]),
    "None": (None, TypeError, ["x is None", "expected an array"]),
}
CALLS = {
    "net(x)": lambda net, opt, x: net(x),
    "backprop": lambda net, opt, x: mg.backprop(net, CE, x, Y),
    "gradcheck": lambda net, opt, x: mg.gradcheck(net, CE, x, Y),
    "fit": lambda net, opt, x: mg.fit(net, CE, opt, x, Y, epochs=2, progress=False),
}


def net_and_optimizer():
    """A net with all the state there is, and an optimiser in the middle of its work."""
    net, opt = (
        mg.Sequential(*mg.mlp([3, 4], rng=0), mg.BatchNorm(4), mg.Dropout(0.5, rng=0), mg.Linear(4, 2)),
        mg.Adam(),
    )
    mg.fit(net, CE, opt, X, Y, epochs=1, rng=0, progress=False)
    return net, opt


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("case", INPUTS)
def test_x(case, call):
    (net, opt), (x, error, words) = net_and_optimizer(), INPUTS[case]
    check(lambda: CALLS[call](net, opt, x), error, words, net, opt)


@pytest.mark.parametrize("layer", [mg.Linear(3, 2), mg.BatchNorm(3), mg.Residual(mg.Linear(3, 2))], ids=repr)
def test_a_layer_alone_checks_its_width(layer):
    check(lambda: layer(np.ones((2, 4))), ValueError, ["(2, 4)", "expected (N, 3)"], layer)
    if not isinstance(layer, mg.Residual):
        check(lambda: layer.forward(np.ones(3)), ValueError, [repr(layer), "(3,)", "expected (N, 3)"], layer)


def test_layers_that_do_not_fit_one_another():
    narrow = mg.Residual(mg.Linear(3, 2))
    check(lambda: narrow(X), ValueError, ["Residual", "(6, 3)", "(6, 2)", "keep"], narrow)
    net = mg.Sequential(mg.Linear(3, 4), mg.Linear(5, 2))
    check(lambda: net(X), ValueError, ["Linear(5, 2)", "(6, 4)", "expected (N, 5)"], net)


def test_batchnorm_needs_two_samples_in_training():
    net = mg.Sequential(mg.BatchNorm(3))
    check(lambda: net(X[:1]), ValueError, ["BatchNorm(3)", "at least 2 samples", "got 1"], net)
    assert net.eval()(X[:1]).shape == (1, 3)


# ---- labels ----------------------------------------------------------------------------------------------

LABELS = {
    "class too large": (CE, 2 * Y, ValueError, ["y holds class numbers from 0 to 2", "expected 0 to 1"]),
    "class too small": (CE, Y - 1, ValueError, ["y holds class numbers from -1 to 0", "expected 0 to 1"]),
    "length": (CE, Y[:4], ValueError, ["y has shape (4,)", "expected (6,)"]),
    "one output's column": (MSE, Y[:4, None], ValueError, ["y has shape (4, 1)", "expected (6, 2)"]),
    "column": (CE, Y[:, None], ValueError, ["y has shape (6, 1)", "use y[:, 0]"]),
    "floats": (CE, Y * 1.0, TypeError, ["y has dtype float64", "y.astype(int)"]),
    "words": (
        CE,
        ["cat", "dog"] * 3,
        TypeError,
        ["y has dtype <U3", "class numbers as integers", "use np.unique(y, return_inverse=True)[1]"],
    ),
    "objects": (CE, Y.astype(object), TypeError, ["y has dtype object", "y.astype(int)"]),
    "no probabilities": (
        CE,
        np.ones((6, 2)),
        ValueError,
        ["y holds rows that are no probabilities", "sum to 1. Classes that do not exclude one another"],
    ),
    "ragged": (CE, [[0, 1], [1]], ValueError, ["y is not a rectangular array"]),
    "width": (MSE, X, ValueError, ["y has shape (6, 3)", "expected (6, 2)"]),
    "one dimension": (MSE, Y, ValueError, ["y has shape (6,)", "expected (6, 2)"]),
    "complex": (MSE, X[:, :2] + 1j, TypeError, ["y has dtype complex128", "expected float32"]),
    "not in [0, 1]": (
        mg.BCEWithLogitsLoss(),
        2 * np.eye(2)[Y] - 1,
        ValueError,
        ["y reaches from -1 to 1", "[0, 1]"],
    ),
}
LABEL_CALLS = {
    "backprop": lambda net, opt, loss, y: mg.backprop(net, loss, X, y),
    "fit": lambda net, opt, loss, y: mg.fit(net, loss, opt, X, y, epochs=2, progress=False),
}


@pytest.mark.parametrize("call", LABEL_CALLS)
@pytest.mark.parametrize("case", LABELS)
def test_y(case, call):
    loss, y, error, words = LABELS[case]
    net, opt = net_and_optimizer() if call == "fit" else (mg.mlp([3, 4, 2], rng=0), mg.SGD(0.1))
    check(lambda: LABEL_CALLS[call](net, opt, loss, y), error, words, net, opt)


def test_one_output_and_flat_labels_name_the_fix():
    net, opt = mg.mlp([3, 1], rng=0), mg.SGD(0.1)
    for call in LABEL_CALLS.values():
        for loss in (MSE, mg.BCEWithLogitsLoss()):
            check(
                lambda c=call, loss=loss: c(net, opt, loss, Y),
                ValueError,
                ["y has shape (6,)", "y[:, None]"],
                net,
                opt,
            )


# ---- fit -------------------------------------------------------------------------------------------------

FIT = {
    "NaN in x": ({"x": NAN}, ValueError, ["x holds NaN or infinity", "row 4"]),
    "infinity in x": ({"x": INF}, ValueError, ["x holds NaN or infinity", "row 2"]),
    "NaN in y": ({"y": NAN[:, :2], "loss": MSE}, ValueError, ["y holds NaN or infinity", "row 4"]),
    "NaN in probabilities": ({"y": NAN[:, :2] * 0 + 0.5}, ValueError, ["y holds NaN or infinity", "row 4"]),
    "NaN in validation": ({"validation": (NAN, Y)}, ValueError, ["validation x holds NaN", "row 4"]),
    "validation labels": (
        {"validation": (X, Y + 1)},
        ValueError,
        ["y holds class numbers from 1 to 2", "0 to 1"],
    ),
    "validation width": ({"validation": (X[:, :2], Y)}, ValueError, ["expected (N, 3)"]),
    "no samples": ({"x": X[:0], "y": Y[:0]}, ValueError, ["x has shape (0, 3)", "no samples"]),
    "batch_size of 0": ({"batch_size": 0}, ValueError, ["batch_size is 0", "at least 1"]),
    "batch_size of 2.5": ({"batch_size": 2.5}, TypeError, ["batch_size must be a whole number", "2.5"]),
    "epochs below 0": ({"epochs": -1}, ValueError, ["epochs is -1", "at least 0"]),
    "epochs of 1.5": ({"epochs": 1.5}, TypeError, ["epochs must be a whole number", "1.5"]),
    "every of 0": ({"every": 0}, ValueError, ["every is 0", "at least 1"]),
    "seed": ({"rng": "seed"}, TypeError, ["rng must be a whole number", "'seed'"]),
    "engine": ({"engine": "steam"}, ValueError, ["unknown engine 'steam'", "auto, fused, python"]),
    "fused BatchNorm": ({"engine": "fused"}, ValueError, ["engine 'fused' cannot train this"]),
    "loss": ({"loss": "mse"}, TypeError, ["loss is 'mse'", "expected a Loss"]),
    "class of a loss": ({"loss": mg.MSELoss}, TypeError, ["the class MSELoss", "expected a Loss; use mg.MSELoss()"]),
    "opt": ({"opt": 0.1}, TypeError, ["opt is a float", "expected an Optimizer"]),
    "folder": ({"checkpoint": "no such folder/run"}, FileNotFoundError, ["checkpoint", "no such folder"]),
}


@pytest.mark.parametrize("case", FIT)
def test_fit(case):
    change, error, words = FIT[case]
    net, opt = net_and_optimizer()
    arguments = {"net": net, "loss": CE, "opt": opt, "x": X, "y": Y, "epochs": 2, "progress": False} | change
    check(lambda: mg.fit(**arguments), error, words, net, opt)


def test_fit_takes_a_sequential_only():
    check(
        lambda: mg.fit(mg.Linear(3, 2), CE, mg.SGD(1), X, Y, epochs=1),
        TypeError,
        ["net is a Linear", "Sequential"],
    )


# ---- state_dict ------------------------------------------------------------------------------------------

GOOD = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}
STATES = {
    "missing": ({"0.weight": np.ones((2, 3))}, KeyError, ["missing entries ['0.bias']"]),
    "extra": (GOOD | {"1.weight": 0}, KeyError, ["unexpected entries ['1.weight']"]),
    "misshapen": (
        GOOD | {"0.bias": np.ones(3)},
        ValueError,
        ["state['0.bias'] has shape (3,)", "expected (2,)"],
    ),
    "transposed": (
        GOOD | {"0.weight": np.ones((3, 2))},
        ValueError,
        ["state['0.weight'] has shape (3, 2)", "(2, 3)"],
    ),
    "a number": (GOOD | {"0.bias": 1.0}, ValueError, ["state['0.bias'] has shape ()", "expected (2,)"]),
    "complex": (GOOD | {"0.bias": np.ones(2, complex)}, TypeError, ["state['0.bias'] has dtype complex128"]),
    "words": (GOOD | {"0.bias": ["a", "b"]}, TypeError, ["state['0.bias'] has dtype <U1"]),
    "half floats": (GOOD | {"0.bias": np.ones(2, "f2")}, TypeError, ["; use state['0.bias'].astype(float)"]),
    "a number for a name": (GOOD | {3: np.ones(2)}, KeyError, ["unexpected entries [3]"]),
    "a counter alone": ({"1.num_batches_tracked": 3}, KeyError, ["missing entries ['0.weight', '0.bias'] and", "[]"]),
    "a list": (list(GOOD.items()), TypeError, ["state is a list, expected a dict, or another mapping"]),
    "a net": (mg.mlp([3, 2]), TypeError, ["state is a Sequential", "; use state.state_dict()"]),
    "beyond float32": (GOOD | {"0.bias": np.array([1, -1e39])}, ValueError, ["state['0.bias'] holds 1e+39", "float32"]),
}


@pytest.mark.parametrize("case", STATES)
def test_state_dict(case):
    net, (state, error, words) = mg.mlp([3, 2], rng=0, dtype=np.float32), STATES[case]
    check(lambda: net.load_state_dict(state), error, words, net)


def test_a_state_that_batchnorm_cannot_use():
    net = mg.Sequential(mg.Linear(3, 2, rng=0), mg.BatchNorm(2))
    state = net.state_dict() | {"0.weight": np.ones((2, 3)), "1.running_var": np.array([1.0, -0.5])}
    check(lambda: net.load_state_dict(state), ValueError, ["state['1.running_var'] holds -0.5", "at least 0"], net)
    net.load_state_dict(net.state_dict() | {"1.running_var": np.zeros(2)})
    inside = mg.Sequential(mg.Residual(mg.BatchNorm(2)))
    state = inside.state_dict() | {"0.0.running_var": np.array([1.0, -0.5])}
    check(lambda: inside.load_state_dict(state), ValueError, ["state['0.0.running_var'] holds -0.5"], inside)


# ---- anything else: the message begins with the argument's name, and says what it expected -----------------

NET, A = mg.mlp([2, 3, 2], rng=0), np.ones((4, 2))
PASS = mg.backprop(NET, mg.MSELoss(), A, A)
CONE, PATTERNS = dg.narrow_cone(np.eye(2)), dg.reachable_patterns(2, 2)
TEXT = " is 'x', expected an array"
MESSAGES = {
    f"d{TEXT}": [lambda: dg.sign_detour("x"), lambda: CONE.shortest("x")],
    f"u{TEXT}": [lambda: dg.fewest_reversals("x", 1, 1)],
    f"a{TEXT}": [lambda: dg.narrow_cone("x"), lambda: dg.survival_limit("x"), lambda: dg.is_reachable([1, 1], "x")],
    f"g{TEXT}": [lambda: dg.sign_entropy_bits("x"), lambda: dg.sign_pattern("x"), lambda: dg.single_signed_rows("x")],
    f"axis{TEXT}": [lambda: dg.narrow_cone(np.eye(2), axis="x")],
    f"pattern{TEXT}": [lambda: dg.is_reachable("x", A), lambda: "x" in PATTERNS],
    f"update{TEXT}": [lambda: dg.nearest_reachable("x", A)],
    f"signs{TEXT}": [lambda: dg.nearest_reachable([1, 1], A, "x"), lambda: dg.gauge_flip(NET, A, "x")],
    f"updates{TEXT}": [lambda: dg.ZigZag.of_updates("x")],
    f"weights{TEXT}": [lambda: dg.ZigZag.of_weights("x")],
    f"target{TEXT}": [lambda: dg.ZigZag.of_weights(A, "x"), lambda: dg.ZigZag.of_updates(A, "x")],
    "axis has 3 entries, expected 2 as a has": [lambda: dg.narrow_cone(np.eye(2), axis=[1, 1, 1])],
    "d of shape (3,) must be finite, (2,)": [lambda: CONE.shortest([1, 2, 3])],
    "d of shape (2,) must be finite, (2,)": [lambda: CONE.shortest([1, np.nan])],
    "length 1e+308 is beyond all floats when counted in eps 1e-09": [lambda: dg.fewest_reversals([1, -1], 1e308, 1e-9)],
    "length 1e+300 with eps 1e-05 needs 5e+304 legs, expected at most 281474976710656": [
        lambda: dg.tube_legs([1, -1], 1e300, 1e-5)
    ],
    "length is -1, expected a finite number in [0, inf]": [lambda: dg.fewest_reversals([1, -1], -1, 1)],
    "length must be a number, not 'x'": [lambda: dg.tube_legs([1, -1], "x", 1)],
    "tolerance must be a number, not 'x'": [lambda: dg.is_reachable([1, 1], A, "x")],
    "floor must be a number, not 'x'": [lambda: dg.ZigZag.of_updates(A, floor="x")],
    "floor is -1, expected a finite number in [0, inf]": [lambda: dg.ZigZag.of_updates(A, floor=-1)],
    "signs has shape (2,), expected (4,) or (4, 1)": [lambda: dg.nearest_reachable([1, 1], A, [1, 1])],
    "signs must hold -1, 0 and 1 only": [lambda: dg.nearest_reachable([1, 1], A, [1, 1, 1, 2])],
    "target has shape (3,), expected (1, 2) as an update": [lambda: dg.ZigZag.of_updates(A, [1, 2, 3])],
    "target has shape (3,), expected (2,) as a point": [lambda: dg.ZigZag.of_weights(A, [1, 2, 3])],
    "bp is an int, expected a Backprop": [
        lambda: dg.delta_agreement(3), lambda: dg.attenuation(3), lambda: dg.precondition(3, {})
    ],
    "g is an int, expected a WeightGradient": [
        lambda: dg.batch_survival(3, 1), lambda: dg.mean_fluctuation_split(3)
    ],
    "g has no samples to take the mean of": [
        lambda: dg.mean_fluctuation_split(mg.WeightGradient(np.ones((0, 2)), np.ones((0, 3))))
    ],
    "net is an int, expected a Layer": [
        lambda: dg.saturation(3, A), lambda: dg.dead_units(3, A), lambda: mg.SGD(0.1).step(3, {})
    ],
    "net is an int, expected a Sequential": [
        lambda: dg.tanh_twin(3), lambda: dg.twin_preconditioner(3), lambda: mg.backprop(3, mg.MSELoss(), A, A)
    ],
    "loss is an int, expected a Loss": [lambda: mg.backprop(NET, 3, A, A)],
    "state is an int, expected a dict, or another mapping of names to arrays": [
        lambda: mg.Linear(2, 2).load_state_dict(3)
    ],
    "matrices is an int, expected a dict": [lambda: dg.precondition(PASS, 3)],
    "matrices has layer '7', bp has no weight of that name": [lambda: dg.precondition(PASS, {"7": np.eye(3)})],
    "x has shape (4, 3), expected (N, 2)": [
        lambda: dg.saturation(NET, np.ones((4, 3))), lambda: dg.gauge_flip(NET, np.ones((4, 3)), [1, 1])
    ],
    "layer 1, Sigmoid(), gets NaN from this x: not to be judged": [
        lambda: dg.saturation(NET, A * np.nan), lambda: dg.dead_units(NET, A * np.nan)
    ],
    "activation is a list, expected an Activation": [lambda: dg.mean_field_rate([], 1)],
    "gain is 1e+101, expected a finite number in (0, 1e+100]": [lambda: dg.mean_field_rate("tanh", 1e101)],
    "gain is 0, expected a finite number in (0, 1e+100]": [lambda: dg.mean_field_rate("tanh", 0)],
    "bias_std is 1e+101, expected a finite number in [0, 1e+100]": [lambda: dg.mean_field_rate("tanh", 1, 1e101)],
    "bias_std is -1, expected a finite number in [0, 1e+100]": [lambda: dg.mean_field_rate("tanh", 1, -1)],
    "layer must be a whole number, not 'x'": [lambda: dg.gauge_flip(NET, A, [1, 1], "x")],
    "threshold must be a number, not 'x'": [lambda: mg.accuracy(A, [0] * 4, "x"), lambda: dg.saturation(NET, A, "x")],
    "y has dtype <U1, expected class numbers as integers; use np.asarray(y, int)": [
        lambda: mg.accuracy(A, list("0101"))
    ],
    "y has dtype complex128, expected class numbers as integers": [lambda: mg.accuracy(A, [0j] * 4)],
    "y is a masked array; fill or drop its masked entries first": [
        lambda: mg.accuracy(A, np.ma.masked_less([0, 1, 0, 1], 1))
    ],
    "output has shape (4, 0): there are no outputs to take the mean of": [lambda: mg.accuracy(np.ones((4, 0)), Y[:4])],
    "output has shape (0, 3): there are no samples to take the mean of": [lambda: mg.accuracy(np.ones((0, 3)), [])],
    "gradients must be a Backprop or a dict, not 3": [lambda: mg.SGD(0.1).step(NET, 3)],
    "betas must be a pair of numbers, not (0.1, 0.2, 0.3)": [lambda: mg.Adam(betas=(0.1, 0.2, 0.3))],
    "betas must be a pair of numbers, not 0.9": [lambda: mg.Adam(betas=0.9)],
}  # fmt: skip


@pytest.mark.parametrize(("message", "call"), [(message, call) for message in MESSAGES for call in MESSAGES[message]])
def test_the_message_begins_with_the_argument(message, call):
    if "is_reachable" in call.__code__.co_names or "nearest_reachable" in call.__code__.co_names:
        pytest.importorskip("scipy")
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float32])
def test_accuracy_takes_labels_of_every_kind_of_number(dtype):
    assert mg.accuracy([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], np.array([1, 1, 1], dtype)) == pytest.approx(2 / 3)
    assert mg.accuracy([[0.9], [0.2], [np.nan]], np.array([[1], [0], [0]], dtype)) == pytest.approx(2 / 3)
