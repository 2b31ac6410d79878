"""What PyTorch's users bring: tensors NumPy cannot read, models, losses and optimizers, and their state_dicts."""

import re

import numpy as np
import pytest
from torch_peer import nn, torch

import minigrad as mg

X = torch.arange(12.0).reshape(4, 3) / 8
NET = mg.mlp([3, 4, 2], rng=0)
CE = mg.CrossEntropyLoss()
TENSORS = {
    "bfloat16": (X.bfloat16(), "torch.Tensor of torch.bfloat16 on cpu, which NumPy cannot read", "x.float()"),
    "float8": (X.to(torch.float8_e4m3fn), "of torch.float8_e4m3fn on cpu", "x.float()"),
    "half": (X.half(), "x has dtype float16", "x.float()"),
    "bool": (X > 1, "x has dtype bool", "x.float()"),
    "in training": (X.clone().requires_grad_(), "torch.float32 on cpu that requires grad", "x.detach()"),
    "a parameter": (nn.Parameter(X), "a torch.nn.parameter.Parameter of torch.float32", "x.detach()"),
    "both": (X.bfloat16().requires_grad_(), "that requires grad", "x.detach().cpu().to_dense().float()"),
    "sparse": (X.to_sparse(), "which NumPy cannot read", "x.to_dense()"),
    "compressed": (X.to_sparse_csr(), "which NumPy cannot read", "x.to_dense()"),
    "quantized": (torch.quantize_per_tensor(X, 0.1, 0, torch.qint8), "of torch.qint8 on cpu", "x.dequantize()"),
    "negated": (torch.complex(X, X).conj().imag, "which NumPy cannot read", "x.resolve_neg()"),
    "a list": (list(X.clone().requires_grad_()), r"x\[0\] is a torch.Tensor", "[row.detach() for row in x]"),
    "meta": (X.to("meta"), "torch.float32 on meta, which NumPy cannot read$", None),
    "complex": (torch.complex(X, X), "x has dtype complex64, expected float32, float64 or integers$", None),
    "a loader": (torch.utils.data.DataLoader(X), "torch.utils.data.dataloader.DataLoader, expected an array$", None),
}


@pytest.mark.parametrize("case", TENSORS)
def test_a_tensor_is_called_what_it_is_and_the_advice_works(case):
    x, words, line = TENSORS[case]
    with pytest.raises(TypeError, match=words) as error:
        NET(x)
    assert re.findall("; use (.*)$", str(error.value)) == ([line] if line else [])
    if line:
        assert NET(eval(line, {"x": x})).shape == (4, 2)


class Model(nn.Module):
    pass


STRANGERS = {
    "nn.Sequential": ({"net": nn.Sequential(nn.Linear(3, 2))}, "a torch.nn.modules.container.Sequential, expected a "
                      "minigrad Sequential: this is a PyTorch model; build the same layers"),
    "a model": ({"net": Model()}, "Model, expected a minigrad Sequential: this is a PyTorch model; build"),
    "nn.Linear": ({"net": nn.Linear(3, 2)}, "net is a torch.nn.modules.linear.Linear, .*: this is a PyTorch model"),
    "a loss": ({"loss": nn.CrossEntropyLoss()}, r"minigrad Loss: this is a PyTorch loss; use mg.CrossEntropyLoss\(\)$"),
    "the class of a loss": ({"loss": nn.MSELoss}, r"is the class torch.*MSELoss, .* PyTorch loss; use mg.MSELoss\(\)$"),
    "an unknown loss": ({"loss": nn.L1Loss()}, "expected a minigrad Loss: this is a PyTorch loss$"),
    "an optimizer": ({"opt": torch.optim.Adam([X])}, r"opt is a torch.optim.adam.Adam, .* optimizer; use mg.Adam\(\)$"),
    "the class of one": ({"opt": torch.optim.SGD}, r"is the class torch.*SGD, .* optimizer; use mg.SGD\(lr=...\)$"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGERS)
def test_what_is_pytorchs_is_called_so(case):
    change, words = STRANGERS[case]
    arguments = {"net": NET, "loss": CE, "opt": mg.SGD(0.1), "x": X, "y": [0, 1, 1, 0], "epochs": 1} | change
    with pytest.raises(TypeError, match=words):
        mg.fit(**arguments)
    if "net" in change:
        with pytest.raises(TypeError, match="PyTorch model"):
            mg.Sequential(change["net"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_state_of_a_model_of_the_same_layers_is_loaded(dtype):
    model = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU()),
        nn.Linear(4, 2),
    ).to(dtype)  # fmt: skip
    model(X.to(dtype))  # now the running statistics are of something
    assert "1.num_batches_tracked" in model.state_dict()
    for ours in (np.float32, np.float64):
        net = mg.Sequential(
            mg.Linear(3, 4, dtype=ours), mg.BatchNorm(4, dtype=ours), mg.Tanh(),
            mg.Sequential(mg.Linear(4, 4, bias=False, dtype=ours), mg.ReLU()), mg.Linear(4, 2, dtype=ours),
        )  # fmt: skip
        net.load_state_dict(model.state_dict())
        with torch.no_grad():
            expected = model.eval()(X.to(dtype)).numpy()
        np.testing.assert_allclose(net.eval()(X), expected, rtol=1e-5, atol=1e-6)
        model.load_state_dict({k: torch.from_numpy(v) for k, v in net.state_dict().items()}, strict=False)  # and back
    model.load_state_dict(model.state_dict())


def test_a_state_that_is_still_in_training_is_refused_whole():
    model, net = nn.Sequential(nn.Linear(3, 2)), mg.mlp([3, 2], rng=0)
    before = net.state_dict()
    with pytest.raises(TypeError, match=r"state\['0.weight'\] is a .*; use state\['0.weight'\].detach\(\)$"):
        net.load_state_dict(dict(model.named_parameters()))
    with pytest.raises(TypeError, match=r"state is a torch.*Sequential, .*; use state.state_dict\(\)$"):
        net.load_state_dict(model)
    with pytest.raises(KeyError, match=r"missing entries \['0.weight', '0.bias'\] and unexpected .*'fc.weight'"):
        net.load_state_dict({"fc.weight": model[0].weight.detach()})
    np.testing.assert_equal(net.state_dict(), before)
    net.load_state_dict(model.state_dict())
