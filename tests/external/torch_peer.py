"""The same net in torch: each minigrad layer's counterpart, its weights, and what torch's autograd finds."""

import numpy as np
import pytest

import minigrad as mg

torch = pytest.importorskip("torch")
nn = torch.nn

torch.set_num_threads(1)


class CenteredSigmoid(nn.Module):
    def forward(self, z):
        return torch.sigmoid(z) - 0.5


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


MODULES = {
    mg.Linear: lambda m: nn.Linear(m.in_features, m.out_features, bias=m.bias is not None),
    mg.BatchNorm: lambda m: nn.BatchNorm1d(m.num_features, eps=m.eps, momentum=m.momentum),
    mg.Dropout: lambda m: nn.Dropout(m.p),
    mg.Sequential: lambda m: nn.Sequential(*map(module, m)),
    mg.Residual: lambda m: Residual(*map(module, m)),
    mg.Identity: lambda m: nn.Identity(),
    mg.Sigmoid: lambda m: nn.Sigmoid(),
    mg.Tanh: lambda m: nn.Tanh(),
    mg.ReLU: lambda m: nn.ReLU(),
    mg.LeakyReLU: lambda m: nn.LeakyReLU(m.config().get("negative_slope", 0.01)),
    mg.ELU: lambda m: nn.ELU(m.config().get("alpha", 1.0)),
    mg.SELU: lambda m: nn.SELU(),
    mg.GELU: lambda m: nn.GELU(),
    mg.SiLU: lambda m: nn.SiLU(),
    mg.Softplus: lambda m: nn.Softplus(threshold=700),
    mg.CenteredSigmoid: lambda m: CenteredSigmoid(),
}
LOSSES = {
    mg.MSELoss: nn.MSELoss,
    mg.BCELoss: nn.BCELoss,
    mg.BCEWithLogitsLoss: nn.BCEWithLogitsLoss,
    mg.CrossEntropyLoss: nn.CrossEntropyLoss,
}


def module(layer):
    """The torch module of the same kind, with weights of its own."""
    return MODULES[type(layer)](layer)


def twin(net):
    """The torch net with the same weights, buffers, dtype and mode. The state_dict must fit to the letter."""
    other = module(net).to(getattr(torch, str(net.dtype)))
    other.load_state_dict({k: torch.from_numpy(v) for k, v in net.state_dict().items()}, strict=True)
    return other.train(net.training)


def torch_loss(loss):
    return LOSSES[type(loss)]()


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
