"""torch's own gradcheck around each of our backwards: central differences, taken by torch."""

import copy

import numpy as np
import pytest
from peers import LAYERS, LOSSES, fill, loss_cases, random_case, record
from torch_peer import torch

import minigrad as mg

CHECK = {"eps": 1e-6, "atol": 1e-7, "rtol": 1e-5, "nondet_tol": 0.0}


class LayerFunction(torch.autograd.Function):
    """A minigrad layer as a torch function of its input and its parameters."""

    @staticmethod
    def forward(ctx, layer, state, x, *parameters):
        state()
        for array, parameter in zip(layer.parameters().values(), parameters, strict=True):
            array[...] = parameter.detach().numpy()
        out, ctx.saved = layer.forward(x.detach().numpy().copy())
        ctx.layer, ctx.values = layer, [p.detach().numpy().copy() for p in parameters]
        return torch.from_numpy(np.array(out))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        for array, value in zip(ctx.layer.parameters().values(), ctx.values, strict=True):
            array[...] = value
        below, gradients = ctx.layer.backward(grad.numpy().copy(), ctx.saved)
        gradients = [g.weight if isinstance(g, mg.WeightGradient) else g for g in gradients.values()]
        # A parameter's gradient is our mean over the samples, torch's sum.
        return None, None, torch.from_numpy(below), *(torch.from_numpy(g * len(below)) for g in gradients)


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    rng = np.random.default_rng(6)
    layer = copy.deepcopy(LAYERS[name])
    if isinstance(layer, mg.Sequential):
        fill(layer, rng)
    elif isinstance(layer, mg.BatchNorm):
        for array in layer.state().values():
            array[...] = rng.uniform(0.5, 2, array.shape)
    draws = layer.rng.bit_generator.state if isinstance(layer, mg.Dropout) else None

    def same_mask():
        if draws is not None:
            layer.rng.bit_generator.state = draws

    x = rng.normal(size=(5, 4))
    x[abs(x) < 1e-3] = 0.1  # no kink within eps
    inputs = [torch.tensor(a, requires_grad=True) for a in (x, *layer.parameters().values())]
    assert torch.autograd.gradcheck(lambda *t: LayerFunction.apply(layer, same_mask, *t), inputs, **CHECK)
    record("torch.autograd.gradcheck of layers", cases=1)


class LossFunction(torch.autograd.Function):
    """A minigrad loss as a torch function of the output."""

    @staticmethod
    def forward(ctx, loss, y, output):
        value, ctx.delta = loss.value_and_delta(output.detach().numpy().copy(), y)
        return torch.tensor(value, dtype=output.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return None, None, grad * torch.from_numpy(ctx.delta / len(ctx.delta))


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (6, 1), (5, 3)], ids=str)
def test_losses(make, shape):
    for loss, output, y in loss_cases(make, shape, np.random.default_rng(7), 4):
        inputs = [torch.tensor(output, requires_grad=True)]
        assert torch.autograd.gradcheck(lambda z, loss=loss, y=y: LossFunction.apply(loss, y, z), inputs, **CHECK)
        record("torch.autograd.gradcheck of losses", cases=1)


class NetFunction(torch.autograd.Function):
    """The loss of a whole net, with backprop's deltas[0] and parameter gradients as the backward."""

    @staticmethod
    def forward(ctx, case, x, *parameters):
        for array, parameter in zip(case.net.parameters().values(), parameters, strict=True):
            array[...] = parameter.detach().numpy()
        bp = mg.backprop(case.net, case.loss, x.detach().numpy().copy(), case.y)
        ctx.gradients = [bp.deltas[0] / len(x), *bp.parameter_gradients().values()]
        return torch.tensor(bp.loss, dtype=x.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return None, *(grad * torch.from_numpy(g) for g in ctx.gradients)


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_nets(seed):
    case = random_case(seed, sizes=range(1, 5), batches=(1, 3, 6))
    inputs = [torch.tensor(a, requires_grad=True) for a in (case.x, *case.net.parameters().values())]
    assert torch.autograd.gradcheck(lambda *t: NetFunction.apply(case, *t), inputs, **CHECK | {"atol": 1e-6}), str(case)
    record("torch.autograd.gradcheck of nets", cases=1)
