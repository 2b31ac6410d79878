"""The peers that are timed, one function each, written as a user of that library would write it.

A peer is a function Problem -> Peer. Peer.run(epochs) trains on, from where the last call ended, and returns
the mean loss of each epoch. Peer.weights() returns the weights, which show that all have done the same work.
Plain SGD: w <- w - lr dC/dw. Compilation happens in the first run, which is never timed here.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

import minigrad as mg


@dataclass
class Peer:
    """run(epochs) -> mean loss of each epoch; weights() -> the weights (K, J), as NumPy arrays."""

    run: Callable
    weights: Callable | None


# ---- minigrad -------------------------------------------------------------------------------------------


def minigrad_net(p):
    """The net of a Problem, with its weights."""
    net = mg.mlp(p.workload.sizes, p.workload.activation, dtype=p.dtype)
    linear = [layer for layer in net if isinstance(layer, mg.Linear)]
    for layer, weight, bias in zip(linear, p.weights, p.biases, strict=True):
        layer.weight[...], layer.bias[...] = weight, bias
    return net, linear


def _minigrad(engine):
    def make(p):
        net, linear = minigrad_net(p)
        loss = mg.BCEWithLogitsLoss() if p.binary else mg.CrossEntropyLoss()
        opt, rng = mg.SGD(lr=p.workload.lr), np.random.default_rng(p.seed)

        def run(epochs):
            settings = {"epochs": epochs, "batch_size": p.workload.batch, "rng": rng}
            return mg.fit(net, loss, opt, p.x, p.y, **settings, progress=False, engine=engine).loss

        return Peer(run, lambda: [layer.weight for layer in linear])

    return make


# ---- NumPy ----------------------------------------------------------------------------------------------

NUMPY_ACTIVATIONS = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "relu": (lambda z: np.maximum(z, 0), lambda a: a > 0),
}


def numpy_backprop(p, weights, biases, x, y):
    """Forward and backward by hand: (loss, [(dC/dW, dC/db) of each layer])."""
    f, slope = NUMPY_ACTIVATIONS[p.workload.activation]
    activations = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        activations.append(f(activations[-1] @ weight.T + bias))
    z = activations[-1] @ weights[-1].T + biases[-1]
    if p.binary:
        e = np.exp(-np.abs(z))
        loss = np.mean(np.maximum(z, 0) - y * z + np.log1p(e))
        delta = np.where(z >= 0, 1, e) / (1 + e) - y
    else:
        rows = np.arange(len(y))
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - z[rows, y])
        delta = e / total
        delta[rows, y] -= 1
    delta /= len(x)
    gradients = []
    for i in reversed(range(len(weights))):
        gradients.append((delta.T @ activations[i], delta.sum(axis=0)))
        if i > 0:
            delta = delta @ weights[i] * slope(activations[i])
    return loss, gradients[::-1]


def numpy_by_hand(p):
    """Plain NumPy, as one writes it after a first course."""
    p = p.copy()
    orders, lr = p.orders(), p.workload.lr

    def run(epochs):
        means = []
        for order in islice(orders, epochs):
            losses = []
            for batch in order:
                loss, gradients = numpy_backprop(p, p.weights, p.biases, p.x[batch], p.y[batch])
                for weight, bias, (dw, db) in zip(p.weights, p.biases, gradients, strict=True):
                    weight -= lr * dw
                    bias -= lr * db
                losses.append(loss)
            means.append(sum(losses) / len(losses))
        return means

    return Peer(run, lambda: p.weights)


def floor(p):
    """Nothing but the products that every step must form, into memory that is there already: np.dot(out=)."""
    sizes, batch = p.workload.sizes, p.workload.batch
    rng, pairs = np.random.default_rng(0), list(pairwise(sizes))
    a = [rng.normal(size=(batch, size)).astype(p.dtype) for size in sizes]
    delta = [rng.normal(size=(batch, size)).astype(p.dtype) for size in sizes]
    weights = [w.copy() for w in p.weights]
    z, below, dw = ([np.empty_like(array) for array in arrays] for arrays in (a[1:], a, weights))

    def run(epochs):
        for _ in range(epochs * p.workload.steps):
            for i in range(len(pairs)):
                np.dot(a[i], weights[i].T, out=z[i])
            for i in reversed(range(len(pairs))):
                np.dot(delta[i + 1].T, a[i], out=dw[i])
                if i > 0:
                    np.dot(delta[i + 1], weights[i], out=below[i])

    return Peer(run, None)


# ---- PyTorch --------------------------------------------------------------------------------------------


def torch_net(p):
    """The same net as a torch.nn.Sequential, and its loss."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    activation = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}[p.workload.activation]
    layers = []
    for weight, bias in zip(p.weights, p.biases, strict=True):
        linear = nn.Linear(*weight.shape[::-1], dtype=torch.float64 if p.dtype == np.float64 else torch.float32)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1]), nn.BCEWithLogitsLoss() if p.binary else nn.CrossEntropyLoss()


def _torch(item, **options):
    """item: loss.item() in every step, as most loops have it; else the losses are summed as tensors."""

    def make(p):
        import torch

        net, criterion = torch_net(p)
        optimizer = torch.optim.SGD(net.parameters(), lr=p.workload.lr, **options)
        x, y, orders = torch.from_numpy(p.x), torch.from_numpy(p.y), p.orders()

        def run(epochs):
            means = []
            for order in islice(orders, epochs):
                total = 0.0
                for batch in torch.from_numpy(order):
                    optimizer.zero_grad()
                    loss = criterion(net(x[batch]), y[batch])
                    loss.backward()
                    optimizer.step()
                    total += loss.item() if item else loss.detach()
                means.append(float(total) / len(order))
            return means

        return Peer(run, lambda: [layer.weight.detach().numpy() for layer in net[::2]])

    return make


# ---- JAX ------------------------------------------------------------------------------------------------


def jax_loss(p):
    """The mean loss of a batch as a JAX function of (parameters, x, y)."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", p.dtype == np.float64)
    f = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[p.workload.activation]

    def loss(params, x, y):
        for weight, bias in params[:-1]:
            x = f(x @ weight.T + bias)
        weight, bias = params[-1]
        z = x @ weight.T + bias
        if p.binary:
            return jnp.mean(jnp.maximum(z, 0) - y * z + jnp.log1p(jnp.exp(-jnp.abs(z))))
        return -jnp.mean(jnp.sum(jax.nn.log_softmax(z) * y, axis=1))

    return loss


def _jax_arrays(p):
    """x, y and parameters on JAX's side; class numbers as one-hot rows, which is the faster form there."""
    import jax.numpy as jnp

    y = p.y if p.binary else np.eye(p.workload.sizes[-1], dtype=p.dtype)[p.y]
    params = [(jnp.array(w), jnp.array(b)) for w, b in zip(p.weights, p.biases, strict=True)]
    return jnp.array(p.x), jnp.array(y), params


def _jax(scan):
    """scan: the whole epoch is one compiled loop; else one call of a compiled step for each mini-batch."""

    def make(p):
        import jax

        loss, lr = jax_loss(p), p.workload.lr
        x, y, params = _jax_arrays(p)
        orders = p.orders()

        def step(params, batch, x, y):
            value, gradients = jax.value_and_grad(loss)(params, x[batch], y[batch])
            return jax.tree.map(lambda w, g: w - lr * g, params, gradients), value

        def epoch(params, order, x, y):
            return jax.lax.scan(lambda params, batch: step(params, batch, x, y), params, order)

        step, epoch = jax.jit(step, donate_argnums=0), jax.jit(epoch, donate_argnums=0)

        def run(epochs):
            nonlocal params
            kept = []
            for order in islice(orders, epochs):
                order = order.astype(np.int32)
                if scan:
                    params, losses = epoch(params, order, x, y)
                else:
                    losses = []
                    for batch in order:
                        params, value = step(params, batch, x, y)
                        losses.append(value)
                kept.append(losses)
            jax.block_until_ready((params, kept))
            return [float(np.mean(jax.device_get(losses))) for losses in kept]

        return Peer(run, lambda: [np.asarray(w) for w, _ in params])

    return make


# ---- scikit-learn ---------------------------------------------------------------------------------------


def sklearn_partial_fit(p):
    """MLPClassifier; one partial_fit is an epoch in mini-batches, in the order the rows are given in."""
    from sklearn.neural_network import MLPClassifier

    names = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}
    model = MLPClassifier(
        p.workload.sizes[1:-1],
        activation=names[p.workload.activation],
        solver="sgd",
        learning_rate_init=p.workload.lr,
        momentum=0,
        alpha=0,
        batch_size=p.workload.batch,
        shuffle=False,
    )
    y = p.y[:, 0].astype(int) if p.binary else p.y
    orders = p.orders()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a first fit on one batch, which makes the arrays that we then fill
        model.partial_fit(p.x[: p.workload.batch], y[: p.workload.batch], classes=np.unique(y))
    for array, weight in zip(model.coefs_, p.weights, strict=True):
        array[...] = weight.T
    for array, bias in zip(model.intercepts_, p.biases, strict=True):
        array[...] = bias

    def run(epochs):
        means = []
        for order in islice(orders, epochs):
            order = order.ravel()
            model.partial_fit(p.x[order], y[order])
            means.append(model.loss_)
        return means

    return Peer(run, lambda: [w.T for w in model.coefs_])


PEERS = {
    "ours": _minigrad("fused"),
    "ours_python": _minigrad("python"),
    "jax_scan": _jax(scan=True),
    "jax_jit": _jax(scan=False),
    "torch": _torch(item=True),
    "torch_tuned": _torch(item=False, fused=True),
    "sklearn": sklearn_partial_fit,
    "numpy": numpy_by_hand,
    "floor": floor,
}
# What the figures and tables say.
LABELS = {
    "ours": "minigrad",
    "ours_python": "minigrad, Python loop",
    "jax_scan": "JAX, lax.scan over the epoch",
    "jax_jit": "JAX, jit step",
    "torch": "PyTorch eager",
    "torch_tuned": "PyTorch, fused SGD",
    "sklearn": "scikit-learn partial_fit",
    "numpy": "NumPy by hand",
    "floor": "the bare products, np.dot",
}
RIVALS = [name for name in PEERS if not name.startswith("ours") and name != "floor"]
