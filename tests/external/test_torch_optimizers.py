"""The optimisers against torch's: 200 steps on given gradients, and 200 steps of training by fit."""

import copy
import functools

import numpy as np
import pytest
from peers import record, relative_error
from torch_peer import assert_close, nn, torch, twin

import minigrad as mg

STEPS = 200
ENGINES = ["python", "auto"]
DTYPES = (np.float64, np.float32)
# name: (ours, torch's, arguments that both know)
OPTIMIZERS = {
    "SGD": (mg.SGD, torch.optim.SGD, {"lr": 0.05}),
    "SGD with weight decay": (mg.SGD, torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": (mg.SGD, torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}),
    "momentum with weight decay": (
        mg.SGD,
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.1},
    ),
    "Nesterov": (mg.SGD, torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "Nesterov with weight decay": (
        mg.SGD,
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.7, "nesterov": True, "weight_decay": 0.1},
    ),
    "RMSprop": (mg.RMSprop, torch.optim.RMSprop, {"lr": 0.003}),
    "RMSprop with weight decay": (
        mg.RMSprop,
        torch.optim.RMSprop,
        {"lr": 0.003, "alpha": 0.9, "eps": 1e-6, "weight_decay": 0.1},
    ),
    "Adam": (mg.Adam, torch.optim.Adam, {"lr": 0.003}),
    "Adam with weight decay": (
        mg.Adam,
        torch.optim.Adam,
        {"lr": 0.003, "betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1},
    ),
    "AdamW": (mg.AdamW, torch.optim.AdamW, {"lr": 0.003}),
    "AdamW with weight decay": (
        mg.AdamW,
        torch.optim.AdamW,
        {"lr": 0.003, "betas": (0.7, 0.95), "weight_decay": 0.3},
    ),
}

pytestmark = [pytest.mark.parametrize("name", OPTIMIZERS), pytest.mark.parametrize("dtype", DTYPES)]


def check(what, ours, theirs, dtype):
    """Within 1e-10 relative in float64 and torch's own tolerance in float32."""
    if dtype == np.float64:
        error = relative_error(ours, theirs)
        record(f"{what}, float64", error)
        assert error <= 1e-10
    else:
        assert_close(ours, theirs, what)


def same_defaults(ours, theirs):
    """Our default arguments are torch's."""
    return {k: v for k, v in theirs.defaults.items() if k in ours.config()} == ours.config()


def test_on_given_gradients(name, dtype):
    """The rule alone: gradients of all sizes, some of them 0, that do not depend on the weights."""
    make, peer, arguments = OPTIMIZERS[name]
    rng = np.random.default_rng(1)
    net = mg.Sequential(mg.Linear(5, 4, dtype=dtype, rng=0))
    other = twin(net)
    ours, theirs = make(**arguments), peer(other.parameters(), **arguments)
    assert same_defaults(ours, theirs)
    size = {key: 10.0 ** rng.uniform(-6, 0, array.shape) for key, array in net.parameters().items()}
    for _ in range(STEPS):
        gradients = {
            key: (size[key] * rng.normal(size=array.shape) * (rng.random(array.shape) > 0.1)).astype(dtype)
            for key, array in net.parameters().items()
        }
        ours.step(net, gradients)
        for key, parameter in other.named_parameters():
            parameter.grad = torch.from_numpy(gradients[key])
        theirs.step()
        for key, parameter in other.named_parameters():
            check("optimiser rules, 200 steps", net.parameters()[key], parameter.detach().numpy(), dtype)
    if dtype == np.float64:
        record("optimiser rules, 200 steps, float64", cases=1)


@functools.cache
def torch_trajectory(name, dtype):
    """40 epochs of 5 steps, in the order of the data: (net at first, x, y, [(loss, accuracy, weights)])."""
    _, peer, arguments = OPTIMIZERS[name]
    rng = np.random.default_rng(2)
    net = mg.mlp([6, 8, 5, 3], activation="tanh", dtype=dtype, rng=0)
    other = twin(net)
    x, y = rng.normal(size=(37, 6)).astype(dtype), rng.integers(3, size=37)
    opt, epochs = peer(other.parameters(), **arguments), []
    for _ in range(STEPS // 5):
        losses, right = [], 0
        for i in range(0, 37, 8):  # the last batch is smaller
            opt.zero_grad()
            logits, wanted = other(torch.from_numpy(x[i : i + 8])), torch.from_numpy(y[i : i + 8])
            loss = nn.functional.cross_entropy(logits, wanted)
            loss.backward()
            opt.step()
            losses.append(loss.item())
            right += (logits.argmax(1) == wanted).sum().item()
        epochs.append(
            (np.mean(losses), right / 37, {k: v.detach().numpy().copy() for k, v in other.named_parameters()})
        )
    return net, x, y, epochs


@pytest.mark.parametrize("engine", ENGINES)
def test_fit_follows_torch(name, dtype, engine):
    net, x, y, epochs = torch_trajectory(name, dtype)
    net = copy.deepcopy(net)
    make, _, arguments = OPTIMIZERS[name]

    def follow(epoch, net, history):
        loss, accuracy, weights = epochs[epoch - 1]
        assert history.loss[-1] == pytest.approx(loss, rel=1e-10 if dtype == np.float64 else 1e-5)
        assert history.accuracy[-1] == pytest.approx(accuracy)
        for key, array in net.parameters().items():
            check("fit, 200 steps", array, weights[key], dtype)

    run = {"epochs": len(epochs), "batch_size": 8, "shuffle": False, "progress": False, "engine": engine}
    history = mg.fit(net, mg.CrossEntropyLoss(), make(**arguments), x, y, callbacks=[follow], **run)
    assert len(history) == len(epochs)
    if dtype == np.float64:
        record("fit, 200 steps, float64", cases=1)
