"""The same net in torch: each minigrad layer's counterpart, its weights, and what torch's autograd finds."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
nn = torch.nn

torch.set_num_threads(1)


class CenteredSigmoid(nn.Module):
    def forward(self, z):
        return torch.sigmoid(z) - 0.5


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


MODULES = {  # by the name of minigrad's class, where torch's has another name or other arguments
    "Linear": lambda m: nn.Linear(m.in_features, m.out_features, bias=m.bias is not None),
    "BatchNorm": lambda m: nn.BatchNorm1d(m.num_features, eps=m.eps, momentum=m.momentum),
    "LayerNorm": lambda m: nn.LayerNorm(m.num_features, eps=m.eps),
    "Sequential": lambda m: nn.Sequential(*map(module, m)),
    "Residual": lambda m: Residual(*map(module, m)),
    "Softplus": lambda m: nn.Softplus(threshold=700),
    "CenteredSigmoid": lambda m: CenteredSigmoid(),
}


def module(layer):
    """The torch module of the same kind, with weights of its own."""
    name = type(layer).__name__
    return MODULES[name](layer) if name in MODULES else getattr(nn, name)(**layer.config())


def twin(net):
    """The torch net with the same weights, buffers, dtype and mode. The state_dict must fit to the letter."""
    other = module(net).to(getattr(torch, str(net.dtype)))
    other.load_state_dict({k: torch.from_numpy(v) for k, v in net.state_dict().items()}, strict=True)
    return other.train(net.training)


def torch_loss(loss):
    return getattr(nn, type(loss).__name__)()


def autograd(net, loss, x, y):
    """What torch finds: (loss, activations, deltas = N dC/da, {parameter: gradient}), all as NumPy arrays.

    net is a torch Sequential; its top-level activations keep their gradients.
    """
    activations = [torch.tensor(x, requires_grad=True)]
    for layer in net:
        activations.append(layer(activations[-1]))
        activations[-1].retain_grad()
    value = torch_loss(loss)(activations[-1], torch.tensor(y))
    value.backward()
    deltas = [len(x) * a.grad.numpy() for a in activations]
    gradients = {name: parameter.grad.numpy() for name, parameter in net.named_parameters()}
    return value.item(), [a.detach().numpy() for a in activations], deltas, gradients


def assert_close(ours, theirs, message, more=0.0):
    """torch's own tolerance: float32: rtol 1.3e-6, atol 1e-5; float64: 1e-7 each; more adds to atol."""
    ours, theirs = (torch.from_numpy(np.array(a)) for a in (ours, theirs))
    tolerance = {"rtol": 1.3e-6, "atol": 1e-5 + more} if more else {}
    torch.testing.assert_close(ours, theirs, **tolerance, msg=lambda text: f"{message}\n{text}")
