"""Every instrument measures of a capture what it measures of the same net in minigrad."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch_case import Call  # noqa: E402
from torch_models import made  # noqa: E402

import minigrad as mg  # noqa: E402
from minigrad import diagnostics as dg  # noqa: E402
from minigrad.bridges.torch import capture, load_torch  # noqa: E402

torch.set_num_threads(1)
N = 12


def twins(positions=()):
    """(capture, backprop, the minigrad net, x) of the same net: in float64, with a dead unit and saturated ones."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 7, bias=False), nn.Sigmoid(),
        nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3),
    ).double()  # fmt: skip
    with torch.no_grad():
        model[0].weight[2], model[0].bias[2] = 0, -1
        model[2].weight *= 20
    x, y = torch.randn(N, *positions, 6).double(), torch.randn(N, *positions, 3).double()
    net = load_torch(copy.deepcopy(model))
    return capture(model, F.mse_loss, x, y), mg.backprop(net, mg.MSELoss(), x.numpy(), y.numpy()), net, x.numpy()


@pytest.fixture(params=[(), (4,), (2, 3), (N,)], ids=str)
def both(request):
    return twins(request.param)


close = {"rtol": 1e-9, "atol": 1e-13}


def test_what_is_captured_is_what_backprop_finds(both):
    c, bp, _, _ = both
    np.testing.assert_allclose(c.loss, bp.loss, **close)
    for found, expected in zip(c.activations, (bp.activations[0], bp.activations[-1]), strict=True):
        np.testing.assert_allclose(found, expected, **close)
    for found, expected in zip(c.deltas, (bp.deltas[0], bp.deltas[-1]), strict=True):
        np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(c.output, bp.output, **close)
    assert list(c.gradients) == [f"{path}.weight" for path in bp.gradients]
    for path, g in bp.gradients.items():
        np.testing.assert_allclose(c.gradients[f"{path}.weight"].delta, g.delta, **close)
        np.testing.assert_allclose(c.gradients[f"{path}.weight"].a, g.a, **close)
    expected = bp.parameter_gradients()
    for name, gradient in c.parameter_gradients().items():
        np.testing.assert_allclose(gradient, expected[name], **close)


def test_attenuation(both):
    c, bp, _, _ = both
    found, expected = dg.attenuation(c), dg.attenuation(bp)
    assert found.paths == [f"{path}.weight" for path in expected.paths]
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, **close)


@pytest.mark.parametrize("instrument", [dg.curvature_outlier, dg.delta_agreement])
def test_instruments_of_each_layer(both, instrument):
    c, bp, _, _ = both
    found, expected = instrument(c), instrument(bp)
    assert list(found) == [f"{path}.weight" for path in expected]
    np.testing.assert_allclose(list(found.values()), list(expected.values()), **close)


@pytest.mark.parametrize("threshold", [0.01, 0.2])
def test_saturation_and_dead_units(both, threshold):
    c, _, net, x = both
    assert dg.saturation(c, threshold=threshold) == dg.saturation(net, x, threshold)
    assert dg.saturation(c, threshold=threshold)["3"].low > 0.05
    found, expected = dg.dead_units(c), dg.dead_units(net, x)
    assert list(found) == list(expected) == ["1", "3", "5"]
    for path in expected:
        np.testing.assert_array_equal(found[path], expected[path])
    assert found["1"][2]


OF_A_PAIR = {
    "single_signed_share": dg.single_signed_share,
    "of each sample": lambda g: dg.single_signed_share(g, per_sample=True),
    "zero_rows": lambda g: dg.zero_rows(g).mean(),
    "orthant_pairs": dg.orthant_pairs,
    "sign_entropy_bits": dg.sign_entropy_bits,
    "batch_survival": lambda g: dg.batch_survival(g, 4, rng=0),
    "mean_fluctuation_split": lambda g: dg.mean_fluctuation_split(g).share,
    "condition_number": lambda g: dg.condition_number(g.a, bias=True),
    "max_stable_lr": lambda g: dg.max_stable_lr(g, loss=mg.MSELoss()),
    "coherence": lambda g: dg.coherence(g.a),
    "critical_batch": lambda g: dg.critical_batch(g.a),
}


@pytest.mark.parametrize("name", OF_A_PAIR)
def test_instruments_of_a_pair(both, name):
    c, bp, _, _ = both
    for path, g in bp.gradients.items():
        found, expected = OF_A_PAIR[name](c.gradients[f"{path}.weight"]), OF_A_PAIR[name](g)
        for one, other in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


def test_an_optimizer_steps_by_a_capture():
    c, bp, net, _ = twins()
    other = copy.deepcopy(net)
    mg.SGD(0.1).step(net, c)
    mg.SGD(0.1).step(other, bp)
    for name, array in other.parameters().items():
        np.testing.assert_allclose(net.parameters()[name], array, **close)


def test_of_a_convolution_units_are_channels():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3), nn.ReLU())
    with torch.no_grad():
        model[1].bias[1] = -100
    c = capture(model, F.mse_loss, torch.randn(N, 2, 6, 6), torch.randn(N, 3))
    assert dg.dead_units(c)["2"].tolist() == [False, True, False, False]
    assert dg.dead_units(c)["5"].shape == (3,)


def test_where_delta_and_a_have_changed_places_instruments_take_the_error_signal():
    class Transposed(nn.Module):
        def __init__(self, linear):
            super().__init__()
            self.weight, self.bias = nn.Parameter(linear.weight.detach().t().contiguous()), linear.bias

        def forward(self, x):
            return torch.addmm(self.bias, x, self.weight)

    linear = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    turned = nn.Sequential(Transposed(linear[0]), nn.Tanh(), Transposed(linear[2]))
    x, y = torch.randn(N, 6), torch.randn(N, 3)
    one, other = capture(linear, F.mse_loss, x, y), capture(turned, F.mse_loss, x, y)
    np.testing.assert_allclose(other.gradients["0.weight"].delta, one.gradients["0.weight"].a[:, None])
    np.testing.assert_allclose(dg.attenuation(other).norms, dg.attenuation(one).norms, rtol=1e-6)
    for instrument in (dg.curvature_outlier, dg.delta_agreement):
        np.testing.assert_allclose(list(instrument(other).values()), list(instrument(one).values()), rtol=1e-5)


def test_an_embedding_attenuates_what_comes_to_it():
    case = made("text_with_lstm")
    c = capture(case.model, case.loss, case.x, case.y)
    found = dg.attenuation(c)
    lookup = c.signals()["embed.weight"]
    expected = np.sqrt(np.square(lookup.delta).sum() / len(case.x))
    assert lookup.delta.shape == (*case.x.shape, 4)
    np.testing.assert_allclose(found.norms[found.paths.index("embed.weight")], expected, rtol=1e-6)


def test_paths_of_functions_inside_a_module():
    def forward(m, x):
        return torch.relu(m.b(torch.sigmoid(m.act(m.a(x)))))

    model = nn.Sequential(Call(forward, a=nn.Linear(6, 4), b=nn.Linear(4, 3), act=nn.GELU()), nn.Tanh())
    c = capture(model, F.mse_loss, torch.randn(N, 6), torch.randn(N, 3))
    assert list(dg.saturation(c)) == ["0.act", "0.sigmoid", "0.relu", "1"]
    same = nn.ReLU()
    c = capture(
        nn.Sequential(nn.Linear(6, 3), same, nn.Linear(3, 3), same), F.mse_loss, torch.randn(N, 6), torch.randn(N, 3)
    )
    assert list(dg.saturation(c)) == ["1", "1 2"]


FUNCTIONS = {
    "relu": (F.relu, mg.ReLU()), "sigmoid": (torch.sigmoid, mg.Sigmoid()), "tanh": (torch.Tensor.tanh, mg.Tanh()),
    "gelu": (F.gelu, mg.GELU()), "silu": (F.silu, mg.SiLU()), "mish": (F.mish, mg.Mish()), "elu": (F.elu, mg.ELU()),
    "leaky": (lambda z: F.leaky_relu(z, 0.2), mg.LeakyReLU(0.2)), "softplus": (F.softplus, mg.Softplus()),
    "selu": (F.selu, mg.SELU()), "in place": (lambda z: (z * 1).relu_(), mg.ReLU()),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_slopes_are_those_of_minigrad(name):
    function, expected = FUNCTIONS[name]
    model = Call(lambda m, x: function(m.a(x)), a=nn.Linear(3, 5).double())
    c = capture(model, F.mse_loss, 3 * torch.randn(N, 3).double(), torch.randn(N, 5).double())
    [(_, found, z)] = c.activation_inputs()
    np.testing.assert_allclose(found.slope(z), expected.slope(z), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found(z), expected(z), rtol=1e-6, atol=1e-12)


OVERWRITING = {
    "tanh_": (torch.tanh_, torch.tanh), "sigmoid_": (torch.sigmoid_, torch.sigmoid),
    "method tanh_": (torch.Tensor.tanh_, torch.tanh), "method sigmoid_": (torch.Tensor.sigmoid_, torch.sigmoid),
    "inplace by its name": (lambda z: F.elu(z, inplace=True), F.elu),
    "inplace by its place": (lambda z: F.leaky_relu(z, 0.2, True), lambda z: F.leaky_relu(z, 0.2)),
    "ReLU(inplace=True)": (nn.ReLU(inplace=True), nn.ReLU()),
    "Hardtanh(inplace=True)": (nn.Hardtanh(inplace=True), nn.Hardtanh()),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERWRITING)
def test_z_is_what_it_was_before_it_was_overwritten(name):
    linear, x, y = nn.Linear(3, 5).double(), 3 * torch.randn(N, 3).double(), torch.randn(N, 5).double()
    found, expected = (
        capture(Call(lambda m, x, f=f: f(m.a(x)), a=linear), F.mse_loss, x, y) for f in OVERWRITING[name]
    )
    [(_, function, z)], [(_, other, _)] = found.activation_inputs(), expected.activation_inputs()
    np.testing.assert_allclose(z, linear(x).detach(), rtol=1e-12)
    np.testing.assert_allclose(function.slope(z), other.slope(z), rtol=1e-12)
    assert list(dg.saturation(found).values()) == list(dg.saturation(expected).values())


def test_what_a_net_refuses_is_refused():
    with pytest.raises(TypeError, match="net is"):
        dg.saturation(mg.backprop(mg.mlp([2, 1], rng=0), mg.MSELoss(), np.ones((3, 2)), np.ones((3, 1))))
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    c = capture(model, F.mse_loss, torch.full((3, 2), torch.nan), torch.zeros(3, 2))
    with pytest.raises(ValueError, match="NaN"):
        dg.saturation(c)
