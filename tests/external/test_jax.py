"""Gradients of random nets against JAX's, and JAX's own check of each of our backwards."""

import copy
import os
from functools import partial

import numpy as np
import pytest
from peers import (
    CASES,
    LAYERS,
    LOSSES,
    TOLERANCE,
    fill,
    largest,
    loss_cases,
    random_case,
    record,
    relative_error,
)

import minigrad as mg

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # compiling takes longer than running here
jax = pytest.importorskip("jax")
jnp = jax.numpy
jax_test = pytest.importorskip("jax.test_util")

COUNT = max(CASES // 20, 1)
FUNCTIONS = {  # of z and alpha, by kind: those that jax.nn does not have by that name, or has otherwise
    "identity": lambda z, _: z,
    "leaky_relu": lambda z, slope: jnp.where(z > 0, z, slope * z),  # jax.nn's has slope 1 at 0
    "elu": lambda z, alpha: jax.nn.elu(z, alpha),
    "gelu": lambda z, _: jax.nn.gelu(z, approximate=False),
    "centered_sigmoid": lambda z, _: jax.nn.sigmoid(z) - 0.5,
}


@pytest.fixture(autouse=True)
def x64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def apply(layer, weights, path, x):
    """layer(x) in JAX, its weights taken from the state_dict under path."""
    if isinstance(layer, mg.Linear):
        z = x @ weights[path + "weight"].T
        return z if layer.bias is None else z + weights[path + "bias"]
    if isinstance(layer, mg.BatchNorm):
        mean, var = weights[path + "running_mean"], weights[path + "running_var"]
        if layer.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
        return (x - mean) / jnp.sqrt(var + layer.eps) * weights[path + "weight"] + weights[path + "bias"]
    if isinstance(layer, mg.Dropout):
        return x  # in the cases drawn here it is in eval mode, or drops nothing
    if isinstance(layer, mg.Sequential):
        out = x
        for i, child in enumerate(layer):
            out = apply(child, weights, f"{path}{i}.", out)
        return x + out if isinstance(layer, mg.Residual) else out
    if layer.kind in FUNCTIONS:
        return FUNCTIONS[layer.kind](x, layer.alpha)
    return getattr(jax.nn, layer.kind)(x)


def jax_loss(loss, a, y):
    if isinstance(loss, mg.MSELoss):
        return ((a - y) ** 2).mean()
    if isinstance(loss, mg.HuberLoss):
        d = jnp.abs(a - y)
        return jnp.where(d <= loss.alpha, d**2 / 2, loss.alpha * (d - loss.alpha / 2)).mean()
    if isinstance(loss, mg.BCELoss):
        return -(y * jnp.log(a) + (1 - y) * jnp.log1p(-a)).mean()
    if isinstance(loss, mg.BCEWithLogitsLoss):
        return -(y * jax.nn.log_sigmoid(a) + (1 - y) * jax.nn.log_sigmoid(-a)).mean()
    if not isinstance(loss, mg.CrossEntropyLoss):
        raise LookupError(f"test_jax.py does not say what {loss} is in JAX")
    log_p = jax.nn.log_softmax(a)
    return -(log_p[jnp.arange(len(y)), y] if y.ndim == 1 else (y * log_p).sum(axis=1)).mean()


def test_random_nets():
    """Loss, output, every delta and every gradient. For JAX a delta is the gradient of a zero added there."""
    for seed in range(20_000, 20_000 + COUNT):
        case = random_case(seed, sizes=(1, 3, 4), batches=(1, 2, 6))  # few shapes: JAX compiles anew for each
        check = f"jax.grad, float64{', BatchNorm in training' if case.couples_samples else ''}"
        weights = case.net.state_dict()
        names = list(case.net.parameters())
        bp = mg.backprop(case.net, case.loss, case.x, case.y)

        def total(trained, nudges, buffers, x, y, case=case):
            a = x + nudges[0]
            for i, layer in enumerate(case.net):
                a = apply(layer, buffers | trained, f"{i}.", a) + nudges[i + 1]
            return jax_loss(case.loss, a, y), a

        nudges = [np.zeros_like(a) for a in bp.activations]
        trained, buffers = ({k: v for k, v in weights.items() if (k in names) is wanted} for wanted in (True, False))
        grad = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))
        (value, output), (gradients, deltas) = grad(trained, nudges, buffers, case.x, case.y)

        sizes = [largest(delta) * case.couples_samples for delta in [*bp.deltas, bp.deltas[-1]]]
        above = [max(sizes[i + 1 :]) for i in range(len(bp.deltas))]
        pairs = [("loss", np.array(bp.loss), value, 0.0), ("output", bp.output, output, 0.0)]
        pairs += [
            (f"deltas[{i}]", a, len(a) * b, above[i]) for i, (a, b) in enumerate(zip(bp.deltas, deltas, strict=True))
        ]
        ours = bp.parameter_gradients()
        assert list(ours) == names
        pairs += [(name, ours[name], gradients[name], above[int(name.partition(".")[0])]) for name in names]
        for name, a, b, scale in pairs:
            error = relative_error(a, b, scale)
            record(check, error, f"{name} of case {seed}")
            assert error <= TOLERANCE, f"{name}: relative error {error:.2g}\n{case}"
        record(check, cases=1)


# ---- jax.test_util.check_vjp around each backward ------------------------------------------------------


def in_jax(function, backward, *arguments):
    """A JAX function whose value and whose vjp are NumPy functions of ours."""
    like = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arguments]
    out = function(*arguments)
    out_like = jax.ShapeDtypeStruct(out.shape, out.dtype)

    @jax.custom_vjp
    def f(*args):
        return jax.pure_callback(lambda *a: function(*map(np.array, a)), out_like, *args)

    def f_bwd(args, g):
        return jax.pure_callback(lambda g, *a: backward(np.array(g), *map(np.array, a)), tuple(like), g, *args)

    f.defvjp(lambda *args: (f(*args), args), f_bwd)
    return f


def check_vjp(function, backward, *arguments):
    f = in_jax(function, backward, *arguments)
    jax_test.check_vjp(f, partial(jax.vjp, f), arguments, atol=1e-6, rtol=1e-6, eps=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_check_vjp_of_layers(name):
    rng = np.random.default_rng(8)
    layer = copy.deepcopy(LAYERS[name])
    draws = layer.rng.bit_generator.state if isinstance(layer, mg.Dropout) else None

    def forward(x, *parameters):
        if draws is not None:
            layer.rng.bit_generator.state = draws  # the same mask each time
        for array, parameter in zip(layer.parameters().values(), parameters, strict=True):
            array[...] = parameter
        return layer.forward(x)

    def backward(g, x, *parameters):
        below, gradients = layer.backward(g, forward(x, *parameters)[1])
        gradients = [g.weight if isinstance(g, mg.WeightGradient) else g for g in gradients.values()]
        return below, *(len(x) * g for g in gradients)  # ours are means over the samples, JAX's sums

    x = rng.normal(size=(5, 4))
    x[abs(x) < 1e-2] = 0.1  # no kink within reach of eps
    parameters = [rng.uniform(0.5, 1.5, array.shape) for array in layer.parameters().values()]
    check_vjp(lambda *args: forward(*args)[0], backward, x, *parameters)
    record("jax.test_util.check_vjp of layers", cases=1)


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 3)], ids=str)
def test_check_vjp_of_losses(make, shape):
    for loss, output, y in loss_cases(make, shape, np.random.default_rng(9), 3):
        check_vjp(
            lambda z, loss=loss, y=y: np.array(loss(z, y)),
            lambda g, z, loss=loss, y=y: (g * loss.delta(z, y) / len(z),),
            output,
        )
        record("jax.test_util.check_vjp of losses", cases=1)


def test_check_vjp_of_a_net():
    rng = np.random.default_rng(10)
    net = mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), mg.SiLU(), mg.Linear(4, 2, rng=1))
    fill(net, rng)
    loss, y = mg.CrossEntropyLoss(), rng.integers(2, size=6)

    def run(x, *parameters):
        for array, parameter in zip(net.parameters().values(), parameters, strict=True):
            array[...] = parameter
        return mg.backprop(net, loss, x, y)

    def backward(g, *args):
        bp = run(*args)
        return tuple(g * array for array in (bp.deltas[0] / len(y), *bp.parameter_gradients().values()))

    parameters = [array.copy() for array in net.parameters().values()]
    check_vjp(lambda *args: np.array(run(*args).loss), backward, rng.normal(size=(6, 3)), *parameters)
    record("jax.test_util.check_vjp of nets", cases=1)
