"""torch's own test inputs and reference functions for its modules, given to our layers and losses."""

import importlib
import sys
from unittest import mock

import catalogue
import numpy as np
import pytest
from peers import record, relative_error
from torch_peer import nn, torch

import minigrad as mg

pytest.importorskip("expecttest", reason="torch's own tests need it")

with mock.patch.dict(sys.modules, {"hypothesis": None}):  # else torch changes hypothesis's settings for all of us
    importlib.import_module("torch.testing._internal.common_utils")
module_db = importlib.import_module("torch.testing._internal.common_modules").module_db

DTYPES = (torch.float64, torch.float32)
TESTED = {info.module_cls for info in module_db}
ELEMENTWISE, LOSSES = (
    {peer: ours for ours in known if (peer := getattr(nn, ours.__name__, None)) in TESTED}
    for known in (catalogue.ACTIVATION_CLASSES.values(), catalogue.LOSS_CLASSES)
)


def inputs(cls, dtype, training=True):
    """Of each input: description, module, reference or None, constructor's arguments, forward's arguments."""
    torch.manual_seed(0)
    info = next(info for info in module_db if info.module_cls is cls)
    common = {"device": "cpu", "dtype": dtype, "requires_grad": True, "training": training}
    for item in info.module_inputs_func(info, **common):
        args, kwargs = item.constructor_input.args, item.constructor_input.kwargs
        module = cls(*args, **kwargs).to(dtype).train(training)
        given = (*item.forward_input.args, *item.forward_input.kwargs.values())
        yield item.desc, module, item.reference_fn, (args, kwargs), [t.detach().clone() for t in given]


def close(check, ours, theirs, dtype):
    """1e-10 in float64; in float32 torch's own tolerance."""
    theirs = theirs.detach().numpy()
    if dtype == torch.float64:
        error = relative_error(ours, theirs)
        record(f"torch's module inputs: {check}", error)
        assert error <= 1e-10
    else:
        torch.testing.assert_close(torch.from_numpy(np.array(ours, np.float32)), torch.from_numpy(theirs))


def rows(t):
    """(N, C, L, ...) -> (N L ..., C): every position is a sample."""
    return t.movedim(1, -1).reshape(-1, t.shape[1]) if t.ndim > 1 else t.reshape(1, -1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", ELEMENTWISE, ids=lambda cls: cls.__name__)
def test_activations(cls, dtype):
    used = 0
    for _, module, reference, (args, kwargs), (x,) in inputs(cls, dtype):
        beta, threshold = getattr(module, "beta", 1), getattr(module, "threshold", 20)
        if cls is nn.Softplus and (beta != 1 or threshold < 0):
            continue  # ours has neither
        if cls is nn.LeakyReLU and module.negative_slope == 0:
            continue  # that is ReLU, and refused
        layer = ELEMENTWISE[cls]() if cls is nn.GELU else ELEMENTWISE[cls](*args, **kwargs)
        x.requires_grad_()
        out = module(x)
        g = torch.randn_like(out)
        out.backward(g)
        ours, saved = layer.forward(x.detach().numpy().reshape(1, -1))
        close(cls.__name__, ours.reshape(x.shape), out, dtype)
        if reference is not None:
            close(cls.__name__, ours.reshape(x.shape), reference(module, x.detach()), dtype)
        close(cls.__name__, layer(x.detach().numpy()), out, dtype)  # any shape
        below, _ = layer.backward(g.numpy().reshape(1, -1), saved)
        close(cls.__name__, below.reshape(x.shape), x.grad, dtype)
        used += 1
    assert used >= 2
    record(f"torch's module inputs: {cls.__name__}", cases=used * (dtype == torch.float64))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_linear(dtype):
    used = 0
    for _, module, reference, (args, kwargs), (x,) in inputs(nn.Linear, dtype):
        layer = mg.Linear(*args, **kwargs, dtype=str(dtype).removeprefix("torch."))
        layer.load_state_dict({k: v.numpy() for k, v in module.state_dict().items()})
        x.requires_grad_()
        out = module(x)
        g = torch.randn_like(out)
        out.backward(g)
        ours, saved = layer.forward(x.detach().numpy().reshape(-1, args[0]))
        close("Linear", ours.reshape(out.shape), out, dtype)
        close("Linear", ours.reshape(out.shape), reference(module, x.detach()), dtype)
        below, gradients = layer.backward(g.numpy().reshape(len(ours), -1), saved)
        close("Linear", below.reshape(x.shape), x.grad, dtype)
        close("Linear", gradients["weight"].weight * len(ours), module.weight.grad, dtype)
        if module.bias is not None:
            close("Linear", gradients["bias"] * len(ours), module.bias.grad, dtype)
        used += 1
    assert used >= 3
    record("torch's module inputs: Linear", cases=used * (dtype == torch.float64))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_batchnorm(dtype, training):
    used = 0
    for desc, module, _, _, (x,) in inputs(nn.BatchNorm1d, dtype, training):
        if training and len(x) == 0:
            continue  # refused: the mean of no samples
        layer = mg.BatchNorm(
            module.num_features,
            eps=module.eps,
            # None is the plain average of all batches: of the first one, the batch's own statistics.
            momentum=1.0 if module.momentum is None else module.momentum,
            dtype=str(dtype).removeprefix("torch."),
        )
        state = module.state_dict()
        for name in {"weight", "bias"} & set(state):
            state[name].uniform_(0.5, 2)
            getattr(layer, name)[...] = state[name].numpy()
        layer.train(training or not module.track_running_stats)
        x.requires_grad_()
        out = module(x)
        g = torch.randn_like(out)
        out.backward(g)
        ours, saved = layer.forward(rows(x.detach()).numpy())
        close("BatchNorm1d", ours, rows(out), dtype)
        below, gradients = layer.backward(rows(g).numpy(), saved) if len(ours) else (np.zeros_like(ours), {})
        if dtype == torch.float64 or not desc.startswith("3d") or not training:
            close("BatchNorm1d", below, rows(x.grad), dtype)
        for name, parameter in module.named_parameters():
            close("BatchNorm1d", gradients[name] * len(ours), parameter.grad, dtype)
        if module.track_running_stats:
            close("BatchNorm1d", layer.running_mean, module.running_mean, dtype)
            close("BatchNorm1d", layer.running_var, module.running_var, dtype)
        used += 1
    assert used >= 6
    record("torch's module inputs: BatchNorm1d", cases=used * (dtype == torch.float64))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_losses(cls, dtype):
    used = 0
    for _, module, reference, (_, kwargs), (x, y) in inputs(cls, dtype):
        if not set(kwargs) <= {"reduction", "label_smoothing"}:
            continue  # weights and ignored classes: ours has none
        classes = cls is nn.CrossEntropyLoss
        x.requires_grad_()
        values = module(x, y)
        # Ours is the mean. "none" keeps the terms and "sum" adds them up, K per sample, or one with classes.
        count = x.numel() // ((x.shape[1] if x.ndim > 1 else len(x)) if classes else 1)
        scale = count if kwargs.get("reduction", "mean") == "mean" else 1
        (values.sum() * scale).backward()
        output, wanted = rows(x.detach()), y
        if classes:
            wanted = rows(y) if y.is_floating_point() else y.reshape(-1)
            if smoothing := kwargs.get("label_smoothing", 0.0):
                soft = wanted if y.is_floating_point() else nn.functional.one_hot(wanted, output.shape[1]).to(dtype)
                wanted = (1 - smoothing) * soft + smoothing / output.shape[1]
        else:
            wanted = rows(y)
        loss = LOSSES[cls]()
        ours, delta = loss.value_and_delta(output.numpy(), wanted.numpy())
        close(cls.__name__, np.array(ours), values.sum() * scale / count, dtype)
        if reference is not None:
            close(cls.__name__, np.array(ours), reference(module, x.detach(), y).sum() * scale / count, dtype)
        # count times dC/dz is the gradient of the sum: delta, times K where c_n is a mean over k.
        close(cls.__name__, delta * (1 if classes else delta.shape[1]), rows(x.grad), dtype)
        used += 1
    assert used >= 4
    record(f"torch's module inputs: {cls.__name__}", cases=used * (dtype == torch.float64))
