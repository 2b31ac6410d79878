"""mg.diagnose on PyTorch models: the findings of the same net in minigrad, in PyTorch's names and words."""

import copy
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch_case import Call  # noqa: E402

import minigrad as mg  # noqa: E402
from minigrad.bridges.torch import load_torch  # noqa: E402
from minigrad.bridges.torch_diagnosis import loss_of, optimizer_of  # noqa: E402
from minigrad.bridges.torch_layers import TorchLayer, TorchLoss  # noqa: E402
from minigrad.diagnosis.torch_words import in_torch  # noqa: E402

torch.set_num_threads(1)
SHORT = {"trial": 20, "rng": 0}


def data(scale=1.0, N=120):
    torch.manual_seed(0)
    x = torch.randn(N, 4)
    return scale * x, 2 * x[:, :1] + torch.sin(x[:, 1:2])


def mlp(*layers):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), *layers)


def whole(model):
    """The same as a module with a forward of its own."""
    return Call(lambda m, x: m.body(x), body=model)


def names(d):
    return [(f.name, f.level) for f in d.findings]


CASES = {
    "healthy": (mlp, 1, torch.optim.Adam, 0.01),
    "unscaled": (mlp, 300, torch.optim.SGD, 0.01),
    "far too fast": (mlp, 1, torch.optim.SGD, 10.0),
    "cut off": (lambda: mlp(nn.ReLU()), 1, torch.optim.SGD, 0.05),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sequential_has_the_findings_of_its_twin(name):
    make, scale, optimizer, lr = CASES[name]
    model, (x, y) = make(), data(scale)
    net = load_torch(copy.deepcopy(model))
    ours = {torch.optim.SGD: mg.SGD, torch.optim.Adam: mg.Adam}[optimizer](lr)
    found = mg.diagnose(model, nn.MSELoss(), x, y, optimizer(model.parameters(), lr), **SHORT)
    expected = mg.diagnose(net, mg.MSELoss(), x.numpy(), y.numpy(), ours, **SHORT)
    assert names(found) == names(expected)
    assert [f.measured for f in found.findings] == [f.measured for f in expected.findings]
    assert found.facts == expected.facts
    assert all(f.apply is None for f in found.findings)


@pytest.mark.parametrize("name", CASES)
def test_any_other_model_is_measured_as_a_layer(name):
    make, scale, optimizer, lr = CASES[name]
    model, (x, y) = make(), data(scale)
    found, expected = (
        mg.diagnose(m, nn.MSELoss(), x, y, optimizer(m.parameters(), lr), **SHORT) for m in (whole(model), model)
    )
    for fact in ("loss", "constant_loss", "decades", "lr_limit", "coherence", "reference_score"):
        np.testing.assert_allclose(found.facts[fact], expected.facts[fact], rtol=1e-3)
    assert found.facts["learns"] == expected.facts["learns"]
    np.testing.assert_allclose(found.facts["trial_losses"], expected.facts["trial_losses"], rtol=1e-2)
    assert [layer.path for layer in found.layers] == ["body.0", "body.2"]
    assert [layer.layer for layer in found.layers] == [repr(model[0]), repr(model[2])]
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert one.delta == pytest.approx(other.delta, rel=1e-4)


def test_nothing_of_the_model_changes():
    for make in (mlp, lambda: whole(mlp(nn.BatchNorm1d(1), nn.Dropout(0.5)))):
        model, (x, y) = make().eval(), data()
        before = copy.deepcopy(model.state_dict())
        opt = torch.optim.Adam(model.parameters())
        random = torch.get_rng_state()
        mg.diagnose(model, F.mse_loss, x, y, opt, **SHORT)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert not any(m.training for m in model.modules())
        assert all(p.grad is None and p.requires_grad for p in model.parameters())
        assert not opt.state
        assert torch.equal(torch.get_rng_state(), random)


def digits(N=200):
    x, y, _, _ = mg.datasets.load("digits")
    return torch.tensor(x[:N].reshape(-1, 1, 8, 8), dtype=torch.float32) / 16, torch.tensor(y[:N])


def cnn(*layers):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(54, 10), *layers)


def test_a_convolutional_net_with_a_softmax_too_many():
    model, (x, y) = cnn(nn.Softmax(1)), digits()
    d = mg.diagnose(model, nn.CrossEntropyLoss(), x, y, torch.optim.Adam(model.parameters(), 0.01), **SHORT)
    [finding] = [f for f in d.findings if f.name == "softmax_twice"]
    assert "torch.nn.Sequential(*list(model)[:" in finding.code
    assert [layer.path for layer in d.layers] == ["0.0", "2"]
    assert d.layers[0].layer == repr(model[0][0])


def test_of_images_the_channels_are_the_features():
    model, (x, y) = cnn(), digits()
    d = mg.diagnose(model, nn.CrossEntropyLoss(), 500 * x + 100, y, torch.optim.SGD(model.parameters(), 0.1), **SHORT)
    [finding] = [f for f in d.findings if f.name == "unscaled_input"]
    assert ".mean(dim=(0, 2, 3), keepdim=True)" in finding.code
    x = 500 * x + 100
    local = {"x": x}
    exec(finding.code, {}, local)  # our own line, of a fixed form
    assert local["x"].shape == x.shape
    assert abs(float(local["x"].mean())) < 1e-4
    assert abs(float(local["x"].std()) - 1) < 1e-2


def test_deep_sigmoids_vanish_in_a_module_of_ones_own():
    def forward(m, x):
        for layer in m.layers:
            x = torch.sigmoid(layer(x))
        return m.out(x)

    torch.manual_seed(0)
    layers = nn.ModuleList(nn.Linear(4 if i == 0 else 20, 20) for i in range(5))
    model, (x, y) = Call(forward, layers=layers, out=nn.Linear(20, 1)), data(N=300)
    d = mg.diagnose(model, F.mse_loss, x, y, torch.optim.SGD(model.parameters(), 0.2), rng=0)
    assert "vanishing" in [f.name for f in d.findings]
    assert not d.ok
    [finding] = [f for f in d.findings if f.name == "vanishing"]
    assert finding.layer == "layers.0"
    assert "torch.nn.init.xavier_normal_" in finding.code


def test_a_recurrent_model():
    torch.manual_seed(0)
    model = Call(lambda m, x: m.out(m.lstm(x)[0][:, -1]), lstm=nn.LSTM(3, 8, batch_first=True), out=nn.Linear(8, 2))
    x = torch.randn(80, 5, 3)
    y = (x.sum((1, 2)) > 0).long()
    d = mg.diagnose(model, F.cross_entropy, x, y, torch.optim.Adam(model.parameters(), 0.02), **SHORT)
    assert d.ok
    assert [layer.path for layer in d.layers] == ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "out"]


def test_a_loss_of_ones_own_that_adds_up():
    model, (x, y) = mlp(), data()
    d = mg.diagnose(model, nn.MSELoss(reduction="sum"), x, y, torch.optim.SGD(model.parameters(), 1e-3), **SHORT)
    [finding] = [f for f in d.findings if f.name == "sum_loss"]
    assert finding.code == "loss = lambda output, y: loss_fn(output, y) / len(output)"


def test_the_shape_of_targets_is_a_finding():
    model, (x, y) = mlp(), data()
    d = mg.diagnose(model, nn.MSELoss(), x, y[:, 0])
    assert [f.name for f in d.findings] == ["target_shape"]


# ---- losses, optimizers, words ------------------------------------------------------------------------------


def test_losses():
    output = torch.zeros(2, 3)
    same = {
        nn.CrossEntropyLoss(): "CrossEntropyLoss()",
        F.mse_loss: "MSELoss()",
        nn.HuberLoss(delta=2.0): "HuberLoss(delta=2.0)",
    }
    for loss, text in same.items():
        assert repr(loss_of(loss, output)) == text
    for loss in (
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.MSELoss(reduction="sum"),
        nn.L1Loss(),
        lambda o, y: o.mean(),
    ):
        assert isinstance(loss_of(loss, output), TorchLoss)
    assert isinstance(loss_of(F.cross_entropy, torch.zeros(2, 3, 4)), TorchLoss)
    with pytest.raises(TypeError, match="loss is 'mse'"):
        loss_of("mse", output)


def test_a_loss_of_pytorch_has_the_delta_of_minigrads():
    rng = np.random.default_rng(0)
    output, y = rng.standard_normal((6, 3)), rng.standard_normal((6, 3))
    value, delta = TorchLoss(F.mse_loss).value_and_delta(output, y)
    expected, expected_delta = mg.MSELoss().value_and_delta(output, y)
    assert value == pytest.approx(expected)
    np.testing.assert_allclose(delta, expected_delta)
    with pytest.raises(ValueError, match="loss_fn refuses"):
        TorchLoss(F.cross_entropy).value_and_delta(output, np.zeros(4, int))


def test_optimizers_keep_their_settings():
    parameters = list(mlp().parameters())
    cases = {
        torch.optim.SGD(parameters, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01): mg.SGD(0.1, 0.9, True, 0.01),
        torch.optim.Adam(parameters, 0.2, betas=(0.8, 0.9), eps=1e-6): mg.Adam(0.2, (0.8, 0.9), 1e-6),
        torch.optim.AdamW(parameters, 0.3): mg.AdamW(0.3),
        torch.optim.RMSprop(parameters, 0.4, alpha=0.8): mg.RMSprop(0.4, 0.8),
    }
    for theirs, ours in cases.items():
        assert repr(optimizer_of(theirs)) == repr(ours)
    assert optimizer_of(None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: torch.optim.Adagrad(p), "Adagrad, expected one of torch.optim.SGD.*leave it out"),
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.5, dampening=0.1), "dampening=0.1"),
        (lambda p: torch.optim.Adam(p, amsgrad=True), "amsgrad=True"),
        (lambda p: torch.optim.RMSprop(p, centered=True), "centered=True"),
        (lambda p: torch.optim.SGD([{"params": p[:1]}, {"params": p[1:], "lr": 0.2}], 0.1), "groups of parameters"),
        (lambda p: "adam", "opt is 'adam'"),
    ],
)
def test_an_optimizer_that_minigrad_has_not_is_refused(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        optimizer_of(make(list(mlp().parameters())))


@pytest.mark.parametrize(
    ("x", "model", "error", "message"),
    [
        (torch.zeros(5, 4, dtype=torch.long), mlp(), ValueError, "x is of int64.*capture"),
        ((torch.zeros(5, 4),), mlp(), ValueError, "x is a tuple.*capture"),
        (torch.zeros(5, 3), mlp(), ValueError, r"model refuses x of shape \(5, 3\)"),
        (torch.zeros(5, 4), mlp().half(), ValueError, r"float16.*\.float\(\)"),
        (torch.zeros(5, 4), Call(lambda m, x: (m.a(x),), a=nn.Linear(4, 1)), TypeError, "puts out a tuple"),
        (torch.zeros(5, 4), nn.ReLU(), ValueError, "no parameters"),
    ],
)
def test_what_cannot_be_diagnosed_is_said(x, model, error, message):
    with pytest.raises(error, match=message):
        mg.diagnose(model, F.mse_loss, x, torch.zeros(5, 1))


def test_no_remedy_speaks_of_minigrad():
    for words in (
        "net = mg.Sequential(*list(net)[:2]); loss = mg.BCEWithLogitsLoss()", "opt.lr = 0.1", "net[2].weight *= 0.1",
        "mg.Linear(..., bias=True)", "mg.Dropout(0.2)", "mg.BatchNorm(..., momentum=0.1)",
    ):  # fmt: skip
        said = in_torch(words, images=False)
        assert said != words
        assert not re.search(r"\bmg\.|\bnet\b|opt\.lr", said)


# ---- the layer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: mlp(nn.Tanh()), lambda: mlp(nn.LayerNorm(1), nn.Softplus())])
def test_the_layer_passes_gradcheck(make):
    net = mg.Sequential(mg.Linear(4, 4, rng=0), TorchLayer(make().double()))
    x, y = (t.double().numpy() for t in data(N=7))
    assert max(mg.gradcheck(net, mg.MSELoss(), x, y).values()) < 1e-5


def test_copies_are_trained_apart():
    layer = TorchLayer(mlp())
    net, (x, y) = mg.Sequential(layer), data()
    other = copy.deepcopy(net)
    before = net(x.numpy()).copy()
    mg.fit(other, mg.MSELoss(), mg.Adam(0.01), x.numpy(), y.numpy(), epochs=3, rng=0, progress=False)
    np.testing.assert_array_equal(net(x.numpy()), before)
    loss = mg.MSELoss()
    assert loss(other(x.numpy()), y.numpy()) < 0.9 * loss(before, y.numpy())
    with torch.no_grad():
        np.testing.assert_array_equal(other[0].module(x).numpy(), other(x.numpy()))


def test_training_the_layer_is_training_the_module():
    model, (x, y) = mlp(), data()
    theirs = copy.deepcopy(model)
    net = mg.Sequential(TorchLayer(model))
    opt, other = mg.SGD(0.05, momentum=0.9), torch.optim.SGD(theirs.parameters(), 0.05, momentum=0.9)
    for _ in range(5):
        opt.step(net, mg.backprop(net, mg.MSELoss(), x.numpy(), y.numpy()))
        other.zero_grad()
        F.mse_loss(theirs(x), y).backward()
        other.step()
    for ours, expected in zip(model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
