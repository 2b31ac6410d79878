"""Messages that advise a line for a number, a name or an object of another library: the line is run, and works."""

import foreign_objects
import numpy as np
import pytest
from advice import advised, mend, refusal

import minigrad as mg

X = np.random.default_rng(0).standard_normal((6, 3)).round(3)
Y = np.array([0, 1, 2, 1, 0, 2])
TWO = Y % 2
CE, NET = mg.CrossEntropyLoss(), mg.mlp([3, 4, 3], rng=0)

SINGLE = {  # name, what comes, call, what the message says
    "a float for a width": ("in_features", 3.0, lambda v: mg.Linear(v, 2), "number, not 3.0; use int("),
    "a 0-d array": ("n", np.array(4), lambda v: mg.datasets.moons(v), "n must be a whole number, not array(4)"),
    "a number as text": ("lr", "0.1", lambda v: mg.SGD(v), "lr must be a number, not '0.1'; use float(lr)"),
    "a 0-d float": ("lr", np.array(0.1), lambda v: mg.SGD(v), "; use float(lr)"),
    "another case": ("unknown", "ReLU", lambda v: mg.mlp([3, 2], v), "activation 'ReLU', expected .*use 'relu'"),
    "an activation": ("unknown", mg.LeakyReLU(), lambda v: mg.mlp([3, 2], v), "use 'leaky_relu'"),
    "a class": ("unknown", mg.Tanh, lambda v: mg.mlp([3, 2], v), "use 'tanh'"),
    "a slip": ("unknown", "glorot-uniform", lambda v: mg.mlp([3, 2], init=v), "use 'glorot_uniform'"),
    "another's float type": ("dtype", foreign_objects.FLOAT32, lambda v: mg.mlp([3, 2], dtype=v), "; use 'float32'"),
    "a class of ours": ("loss", mg.MSELoss, lambda v: mg.backprop(NET, v, X, X), "loss is the class MSELoss"),
    "a layer": ("net", mg.Linear(3, 2), lambda v: mg.backprop(v, CE, X, TWO), "net is a Linear, expected a Sequential"),
    "a list of layers": ("net", [mg.Linear(3, 2)], lambda v: mg.backprop(v, CE, X, TWO), "; use mg.Sequential(*net)"),
    "a net for its state": ("state", NET, lambda v: NET.load_state_dict(v), "; use state.state_dict()"),
}  # fmt: skip


@pytest.mark.parametrize("case", SINGLE)
def test_what_is_advised_for_one_argument_works(case):
    name, value, call, fragment = SINGLE[case]
    error = str(refusal(call, value))
    assert all(words in error for words in fragment.split(".*")), error
    mend(call, name, value, "")


OTHER = foreign_objects.Sequential()
STRANGERS = {  # name, what comes, call, what the message says instead of a line
    "text for a width": ("3", lambda v: mg.Linear(v, 2), "in_features must be a whole number, not '3'"),
    "a half": (2.5, lambda v: mg.Linear(v, 2), "in_features must be a whole number, not 2.5"),
    "True": (True, lambda v: mg.SGD(v), "lr must be a number, not True"),
    "complex": (1j, lambda v: mg.SGD(v), "lr must be a number, not 1j"),
    "RandomState": (
        np.random.RandomState(0), lambda v: mg.Linear(1, 1, rng=v), "number, a numpy.random.Generator or None, not R"
    ),
    "no such word": ("sine", lambda v: mg.mlp([3, 2], v), "unknown activation 'sine', expected one of: identity,"),
    "another's Sequential": (OTHER, lambda v: mg.backprop(v, CE, X, Y), "foreign_objects.Sequential, expected a mini"),
    "another's layer": (OTHER, mg.Sequential, "layer 0 is a foreign_objects.Sequential, expected a minigrad Layer"),
    "an optimizer for a loss": (mg.SGD(1), lambda v: mg.backprop(NET, v, X, Y), "loss is a SGD, expected a Loss"),
    "the class of all losses": (mg.Loss, lambda v: mg.backprop(NET, v, X, Y), "the class Loss, expected a Loss"),
    "a word for a loss": ("mse", lambda v: mg.backprop(NET, v, X, Y), "loss is 'mse', expected a Loss"),
    "None for a loss": (None, lambda v: mg.backprop(NET, v, X, Y), "loss is None, expected a Loss"),
    "layers in a list": ([mg.Tanh()], mg.Sequential, "layer 0 is a list, expected a Layer; give the layers one by one"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
def test_what_cannot_be_mended_by_a_line_is_named(case):
    value, call, fragment = STRANGERS[case]
    error = str(refusal(call, value))
    assert fragment in error
    assert not advised(error) or "another's Sequential" in case


foreign, Module = foreign_objects.foreign, foreign_objects.Module
FOREIGN = {  # argument, what comes, how the message ends
    "a PyTorch net": (
        "net", foreign("Sequential", "torch.nn", Module)(), "expected a minigrad Sequential: this is a PyTorch model; "
        "build the same layers with mg.Sequential, then net.load_state_dict(model.state_dict()) fills them"
    ),
    "a model derived from one": ("net", foreign("Mine", "__main__", Module)(), "(model.state_dict()) fills them"),
    "a PyTorch loss": (
        "loss", foreign("MSELoss", "torch.nn.modules.loss", foreign("_Loss", "torch.nn.modules.loss", Module))(),
        "expected a minigrad Loss: this is a PyTorch loss; use mg.MSELoss()"
    ),
    "a PyTorch loss of its own": (
        "loss", foreign("L1Loss", "torch.nn", foreign("_Loss", "torch.nn", Module))(), "this is a PyTorch loss"
    ),
    "the class of an optimizer": (
        "opt", foreign("SGD", "torch.optim.sgd", foreign("Optimizer", "torch.optim")),
        "opt is the class torch.optim.sgd.SGD, expected an Optimizer: this is a PyTorch optimizer; use mg.SGD(lr=...)"
    ),
    "an estimator": (
        "net", foreign("MLPClassifier", "sklearn.neural_network", foreign("BaseEstimator", "sklearn.base"))(),
        "this is a scikit-learn model; build a net with mg.mlp or mg.Sequential"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_what_another_framework_made_is_called_so(case):
    name, value, end = FOREIGN[case]
    arguments = {"net": NET, "loss": CE, "opt": mg.SGD(0.1), "x": X, "y": Y, "epochs": 1} | {name: value}
    error = refusal(lambda _: mg.fit(**arguments), None)
    assert str(error).startswith(f"{name} is ")
    assert str(error).endswith(end)
    for line in advised(error):
        assert isinstance(eval(line.replace("...", "0.1"), {"mg": mg}), mg.Loss | mg.Optimizer)


def test_a_class_that_needs_arguments_is_shown_with_them():
    call = lambda v: mg.fit(NET, CE, v, X, Y, epochs=1)  # noqa: E731
    assert advised(refusal(call, mg.SGD)) == ["mg.SGD(lr=...)"]
    assert advised(refusal(call, mg.Adam)) == ["mg.Adam()"]
    assert advised(refusal(lambda v: mg.backprop(v, CE, X, Y), mg.Residual)) == ["mg.Residual(...)"]
