"""Activations, deltas and gradients against scikit-learn's private _backprop, with the same weights."""

import inspect

import numpy as np
import pytest
from peers import CASES, TOLERANCE, record, relative_error

import minigrad as mg

neural_network = pytest.importorskip("sklearn.neural_network")

COUNT = max(CASES // 2, 1)
ACTIVATIONS = {"identity": "identity", "sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
OUTPUTS = ("softmax", "logistic", "identity")


def peer(net, activation, out, labels):
    """An MLP of scikit-learn with the weights of net; coefs are W^T there. alpha = 0: no weight decay."""
    make = neural_network.MLPRegressor if out == "identity" else neural_network.MLPClassifier
    model = make(activation=ACTIVATIONS[activation], alpha=0.0)
    linears = [layer for layer in net if isinstance(layer, mg.Linear)]
    model.n_layers_, model.n_outputs_, model.out_activation_ = len(linears) + 1, labels.shape[1], out
    model.loss = "squared_error" if out == "identity" else "log_loss"
    model.coefs_ = [np.ascontiguousarray(layer.weight.T) for layer in linears]
    model.intercepts_ = [layer.bias.copy() for layer in linears]
    return model


def backprop_there(model, x, labels):
    """(loss, activations, deltas, coef_grads, intercept_grads); older versions know no sample weights."""
    n = model.n_layers_
    lists = [[x] + [None] * (n - 1), [None] * (n - 1), [None] * (n - 1), [None] * (n - 1)]
    weights = [None] if "sample_weight" in inspect.signature(model._backprop).parameters else []
    loss, *_ = model._backprop(x, labels, *weights, *lists)
    return loss, *lists


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("out", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_backprop(activation, out, dtype):
    for seed in range(max(COUNT // 12, 1)):
        rng = np.random.default_rng([seed, 11])
        sizes = [int(size) for size in rng.integers(1, 9, size=rng.integers(2, 7))]
        if out == "softmax":
            sizes[-1] = max(sizes[-1], 2)
        N, K = int(rng.integers(1, 13)), sizes[-1]
        net = mg.mlp(sizes, activation=activation, dtype=dtype, rng=seed)
        for array in net.parameters().values():
            array[...] = rng.normal(size=array.shape) / np.sqrt(array.shape[-1])
        x = rng.normal(size=(N, sizes[0])).astype(dtype)
        # Theirs is half the squared error, and the log loss is a sum over the outputs where ours is a mean.
        if out == "softmax":
            loss, y, factor, labels = mg.CrossEntropyLoss(), rng.integers(K, size=N), 1, None
            labels = np.eye(K, dtype=dtype)[y]
        elif out == "logistic":
            loss, factor = mg.BCEWithLogitsLoss(), K
            y = labels = rng.integers(2, size=(N, K)).astype(dtype)
        else:
            loss, factor = mg.MSELoss(), K / 2
            y = labels = rng.normal(size=(N, K)).astype(dtype)
        bp = mg.backprop(net, loss, x, y)
        value, activations, deltas, coefs, intercepts = backprop_there(peer(net, activation, out, labels), x, labels)

        ours_out = {"softmax": mg.softmax, "logistic": mg.sigmoid, "identity": lambda z: z}[out](bp.output)
        pairs = [("loss", np.array(bp.loss) * (0.5 if out == "identity" else factor), value)]
        hidden = [*bp.activations[::2], ours_out]  # x, then what the activations gave, then the probabilities
        pairs += [(f"activations {i}", a, b) for i, (a, b) in enumerate(zip(hidden, activations, strict=True))]
        for i, (g, delta) in enumerate(zip(bp.gradients.values(), deltas, strict=True)):
            pairs.append((f"delta of layer {i}", factor * g.delta, delta))
            pairs.append((f"weight of layer {i}", factor * g.weight, coefs[i].T))
            pairs.append((f"bias of layer {i}", factor * g.bias, intercepts[i]))
        pairs += [(f"deltas[{2 * i + 1}]", factor * bp.deltas[2 * i + 1], d) for i, d in enumerate(deltas)]
        for name, ours, theirs in pairs:
            error, where = (
                relative_error(ours, theirs),
                f"{name}, case {seed}: {N = }, {sizes}, {activation}, {out}",
            )
            if dtype == np.float64:
                record("sklearn _backprop, float64", error, where)
                assert error <= TOLERANCE, where
            else:
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=where)
    record(f"sklearn _backprop, {np.dtype(dtype)}", cases=max(COUNT // 12, 1))
