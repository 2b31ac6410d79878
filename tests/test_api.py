"""The public names, each with the signature the design gives it, and the design's own example."""

import inspect

import numpy as np
import pytest

import minigrad as mg

SIGNATURES = {
    # nets and layers
    "Sequential": "(*layers)",
    "Residual": "(*layers)",
    "mlp": "(sizes, activation='sigmoid', init='glorot_uniform', dtype=float64, rng=None)",
    "Linear": "(in_features, out_features, bias=True, init='glorot_uniform', dtype=float64, rng=None)",
    "BatchNorm": "(num_features, eps=1e-05, momentum=0.1, dtype=float64)",
    "Dropout": "(p=0.5, rng=None)",
    # activations
    **dict.fromkeys(["Identity", "Sigmoid", "Tanh", "ReLU", "SELU", "GELU", "SiLU", "Mish", "Softplus"], "()"),
    "CenteredSigmoid": "()",
    "LeakyReLU": "(negative_slope=0.01)",
    "ELU": "(alpha=1.0)",
    "sigmoid": "(z)",
    # losses
    **dict.fromkeys(["MSELoss", "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss"], "()"),
    "HuberLoss": "(delta=1.0)",
    "softmax": "(z)",
    "accuracy": "(output, y, threshold=0.5)",
    # gradients
    "backprop": "(net, loss, x, y)",
    "WeightGradient": "(delta, a)",
    "gradcheck": "(net, loss, x, y, *, eps=1e-06, tolerance=1e-05)",
    # optimisers
    "SGD": "(lr, momentum=0.0, nesterov=False, weight_decay=0.0)",
    "RMSprop": "(lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0)",
    "Adam": "(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0)",
    "AdamW": "(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)",
    # training
    "fit": "(net, loss, opt, x, y, *, epochs, batch_size=32, shuffle=True, rng=None, validation=None, "
    "callbacks=(), checkpoint=None, every=1, progress=True, engine='auto')",
    "fit_many": "(nets, loss, opts, x, y, *, epochs, batch_size=32, shuffle=True, rngs=None, validation=None, jobs=1, "
    "progress=True)",
    "show_lanes": "(nets, loss, opts, x, y, *, batch_size=32, validation=None)",
    "save": "(net, path, encoder=None)",
    "load": "(path)",
    "show_config": "()",
    "datasets.load": "(name)",
    # methods
    "Loss.delta": "(self, output, y)",
    "Loss.__call__": "(self, output, y)",
    "Optimizer.step": "(self, net, bp)",
    "Layer.forward": "(self, x)",
    "Layer.backward": "(self, delta, saved)",
    "Sequential.__call__": "(self, x)",
    "Sequential.state_dict": "(self)",
    "Sequential.load_state_dict": "(self, state)",
    "Sequential.train": "(self, mode=True)",
    "Sequential.eval": "(self)",
    "Sequential.summary": "(self)",
    "Sigmoid.slope": "(self, z)",
    "Sigmoid.moments": "(self)",
    "WeightGradient.per_sample": "(self)",
    "WeightGradient.per_sample_norms": "(self)",
    "Backprop.parameter_gradients": "(self)",
    "History.plot": "(self, ax=None)",
}


def find(path):
    found = mg
    for name in path.split("."):
        found = getattr(found, name)
    return found


@pytest.mark.parametrize("path", SIGNATURES)
def test_signature(path):
    found = inspect.signature(find(path))
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]  # annotations are not part of the design
    text = str(found.replace(parameters=bare, return_annotation=found.empty))
    assert text.replace("<class 'numpy.float64'>", "float64") == SIGNATURES[path]


@pytest.mark.parametrize("path", SIGNATURES)
def test_docstring(path):
    assert inspect.getdoc(find(path))


def test_every_other_name_of_the_design_is_there():
    others = {"Layer", "Loss", "Optimizer", "Backprop", "History", "DivergenceError", "initializers", "datasets"}
    assert others <= set(vars(mg))
    assert issubclass(mg.DivergenceError, ArithmeticError)
    assert mg.__version__.count(".") == 2


def test_the_example_of_the_design(tmp_path, rng):
    x, y = rng.standard_normal((20, 64)), rng.integers(0, 10, 20)
    net = mg.Sequential(mg.Linear(64, 32, rng=0), mg.Sigmoid(), mg.Linear(32, 10, rng=1))
    loss, opt = mg.CrossEntropyLoss(), mg.SGD(lr=0.1, momentum=0.9)
    bp = mg.backprop(net, loss, x, y)
    g = bp.gradients["0"]
    assert isinstance(bp.loss, float)
    assert bp.output.shape == (20, 10) == net(x).shape
    assert [a.shape for a in bp.activations] == [a.shape for a in bp.deltas] == [(20, 64), (20, 32), (20, 32), (20, 10)]
    assert list(bp.gradients) == ["0", "2"]
    assert (g.delta.shape, g.a.shape, g.weight.shape, g.bias.shape) == ((20, 32), (20, 64), (32, 64), (32,))
    assert (g.per_sample().shape, g.per_sample_norms().shape) == ((20, 32, 64), (20,))
    np.testing.assert_allclose(g.weight, g.delta.T @ g.a / 20, rtol=1e-12, atol=1e-15)
    opt.step(net, bp)
    history = mg.fit(net, loss, opt, x, y, epochs=2, rng=0, progress=False)
    assert len(history.loss) == len(history.accuracy) == 2
    mg.save(net, tmp_path / "net.npz")
    np.testing.assert_array_equal(mg.load(tmp_path / "net.npz")(x), net(x))
    assert 0 <= mg.accuracy(net(x), y) <= 1
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(net) == 3
    assert net[0].weight.shape == (32, 64)
