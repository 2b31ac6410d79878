"""load_torch and to_torch: the numbers of both libraries side by side, and what they refuse."""

import subprocess
import sys

import catalogue
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import same_bits
from strategies import layer_stacks, seeds

import minigrad as mg
from minigrad.layers.containers import walk

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from minigrad.bridges.torch_nets import load_torch, to_torch  # noqa: E402

torch.set_num_threads(1)

ACTIVATIONS = [
    nn.Identity, nn.Sigmoid, nn.Tanh, nn.ReLU, nn.SELU, nn.SiLU, nn.Mish, nn.GELU, nn.Softplus, nn.LeakyReLU, nn.ELU,
]  # fmt: skip
WITH_ARGUMENTS = [kind() for kind in ACTIVATIONS] + [f(a) for f in (nn.LeakyReLU, nn.ELU) for a in (0.1, 0.7, 1.9)]
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}  # of nets whose BatchNorm may see almost constant columns


def worst(ours, theirs):
    """The largest difference, relative to the largest number, or to 0.1: what cancelled may be smaller."""
    theirs = np.asarray(theirs)
    return abs(ours - theirs).max() / max(abs(theirs).max(), 0.1)


def randomise(module, rng):
    """Random numbers in all arrays of a module, running variances above 0."""
    for name, array in module.state_dict().items():
        if array.is_floating_point():
            values = torch.from_numpy(rng.normal(0, 0.7, tuple(array.shape)))
            array.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module


@st.composite
def modules(draw, width, most=6):
    """(nn.Sequential, its last width): any layers that both libraries have, nested at times, in any mode."""
    rng, layers = np.random.default_rng(draw(seeds)), []
    for part in draw(
        st.lists(st.sampled_from(["linear", "activation", "norm", "nested", "none"]), min_size=1, max_size=most)
    ):
        if part == "linear":
            K = draw(st.integers(1, 6))
            layers.append(nn.Linear(width, K, bias=draw(st.booleans())))
            width = K
        elif part == "activation":
            layers.append(draw(st.sampled_from(ACTIVATIONS))())
        elif part == "norm":
            eps, momentum = rng.uniform(1e-5, 0.1), rng.uniform(0, 1)
            norms = [nn.BatchNorm1d(width, eps, momentum), nn.LayerNorm(width, eps), nn.LeakyReLU(eps), nn.ELU(1 + eps)]
            layers.append(draw(st.sampled_from(norms)))
        elif part == "nested" and most > 2:
            inner, width = draw(modules(width, 2))
            layers.append(inner)
        else:
            layers.append(draw(st.sampled_from([nn.Dropout(0.0), nn.Flatten()])))
    return randomise(nn.Sequential(*layers).train(draw(st.booleans())), rng), width


def both(net, model, x, y):
    """[(name, ours, theirs)]: output, loss, each gradient, each running statistic."""
    given = torch.from_numpy(x)
    given.requires_grad_()
    out = model(given)
    value = nn.MSELoss()(out, torch.from_numpy(y))
    value.backward()
    mode = net.training
    bp = mg.backprop(net, mg.MSELoss(), x, y)
    assert net.training is mode is model.training
    found = [("output", bp.output, out.detach()), ("x", bp.deltas[0] / len(x), given.grad)]
    mine, theirs = bp.parameter_gradients(), dict(model.named_parameters())
    assert list(mine) == list(theirs)
    found += [(name, mine[name], parameter.grad) for name, parameter in theirs.items()]
    state = net.state_dict()
    return found + [(n, state[n], b) for n, b in model.named_buffers() if not n.endswith("tracked")]


# ---- numbers ---------------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from([torch.float32, torch.float64]), st.integers(1, 5), seeds)
def test_any_stack_has_torchs_outputs_gradients_and_statistics(data, dtype, width, seed):
    model, K = data.draw(modules(width))
    model, rng = model.to(dtype), np.random.default_rng(seed)
    x, y = (rng.normal(size=(7, J)).astype(str(dtype)[6:]) for J in (width, K))
    before = {name: array.clone() for name, array in model.state_dict().items()}
    net = load_torch(model)
    assert net.dtype in (None, x.dtype)
    again = to_torch(net).state_dict()
    assert all(torch.equal(again[name], array) for name, array in before.items())
    for name, ours, theirs in both(net, model, x, y):
        assert worst(ours, theirs) < TOLERANCE[str(x.dtype)], name


@given(st.data(), st.sampled_from([np.float32, np.float64]), seeds)
def test_any_net_has_its_numbers_in_torch_and_comes_back_to_the_bit(data, dtype, seed):
    rng = np.random.default_rng(seed)
    layers, K = data.draw(layer_stacks(4, catalogue.KINDS, coupled=True))
    net = mg.Sequential(*(mg.Dropout(0.0) if isinstance(layer, mg.Dropout) else layer for layer in layers))
    for array in net.parameters().values():
        array += 0.3 * rng.standard_normal(array.shape)
    for _, layer in walk(net):
        for name, array in layer.state().items():
            setattr(layer, name, array.astype(dtype))
    net.train(data.draw(st.booleans()))
    model = to_torch(net)
    back = load_torch(model)
    assert repr(back) == repr(net)
    assert same_bits(back.state_dict(), net.state_dict())
    assert list(net.state_dict()) == [n for n in model.state_dict() if not n.endswith("tracked")]
    x, y = rng.normal(size=(6, 4)).astype(dtype), rng.normal(size=(6, K)).astype(dtype)
    for name, ours, theirs in both(net, model, x, y):
        assert worst(ours, theirs) < TOLERANCE[str(x.dtype)], name


@pytest.mark.parametrize("module", WITH_ARGUMENTS, ids=repr)
@pytest.mark.parametrize("way", ["there", "and back"])
def test_each_activation_has_torchs_values_and_slopes(module, way):
    net = load_torch(nn.Sequential(module))
    # PyTorch's Softplus is z above its threshold of 20.
    tolerance = 3e-9 if type(module) is nn.Softplus and way == "there" else 1e-14
    module = to_torch(net) if way == "and back" else module
    z = torch.tensor(np.concatenate([np.linspace(-60, 60, 1201), [1e-9, -1e-9, 1e-300]])[:, None], requires_grad=True)
    a = module(z)
    a.sum().backward()
    np.testing.assert_allclose(net(z.detach().numpy()), a.detach(), tolerance, tolerance)
    np.testing.assert_allclose(net[0].slope(z.detach().numpy()), z.grad, tolerance, tolerance)


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm1d])
@pytest.mark.parametrize("training", [True, False])
def test_a_norm_keeps_its_eps_and_its_momentum(norm, training, rng):
    settings = {"momentum": 0.35} if norm is nn.BatchNorm1d else {}
    model = randomise(nn.Sequential(norm(4, eps=0.7, **settings)).double().train(training), rng)
    x, y = rng.normal(size=(2, 6, 4))
    for name, ours, theirs in both(load_torch(model), model, x, y):
        assert worst(ours, theirs) < 1e-13, name
    again = to_torch(load_torch(model))[0]
    assert [again.eps, getattr(again, "momentum", 0.35)] == [0.7, 0.35]


def test_every_layer_of_the_catalogue_goes_to_torch(rng):
    x = rng.normal(size=(6, catalogue.WIDTH))
    for layer in [*catalogue.layers(), *catalogue.activations()]:
        if type(layer) is mg.Dropout:
            layer.eval()
        net = mg.Sequential(layer)
        net.training = layer.training
        assert repr(load_torch(to_torch(net))) == repr(net)
        expected = to_torch(net)(torch.from_numpy(x)).detach()
        assert worst(net.forward(x)[0], expected) < 1e-12, layer


@pytest.mark.parametrize("image", [(3, 4, 5), (2, 7), (1, 3, 3), (2, 3, 2, 4)])
@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.BatchNorm1d, None])
def test_an_image_goes_in_with_its_channels_last(image, norm, rng):
    J = int(np.prod(image))
    behind = [norm(J)] if norm else []
    model = nn.Sequential(nn.ReLU(), nn.Flatten(), *behind, nn.Linear(J, 4), nn.Tanh(), nn.Linear(4, 4), nn.Dropout())
    randomise(model.double().eval(), rng)
    x = rng.normal(size=(6, *image))
    net = load_torch(model, image=image)
    rows = np.moveaxis(x, 1, -1).reshape(6, -1)
    expected = model(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(net(rows), expected, 1e-12, 1e-12)
    np.testing.assert_allclose(load_torch(model)(x.reshape(6, -1)), expected, 1e-12, 1e-12)
    back = to_torch(net, image=image)
    np.testing.assert_allclose(back(torch.from_numpy(x)).detach(), expected, 1e-12, 1e-12)
    assert same_bits(
        load_torch(back, image=image).state_dict(), {f"{int(n[0]) + 1}{n[1:]}": a for n, a in net.state_dict().items()}
    )


def test_the_flatten_of_to_torch_takes_the_place_of_an_identity(rng):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3), nn.ReLU(), nn.Linear(3, 2))
    back = to_torch(load_torch(model, image=(3, 2, 2)), image=(3, 2, 2))
    assert repr(back) == repr(model)
    assert all(torch.equal(a, b) for a, b in zip(back.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm1d, (5, 3, 4)), (nn.BatchNorm2d, (5, 3, 4, 2))])
@pytest.mark.parametrize("training", [True, False])
def test_batchnorm_of_positions_has_its_channels_first_there_and_last_here(norm, shape, training, rng):
    model = randomise(nn.Sequential(norm(3, momentum=0.3), nn.Tanh(), norm(3)).double().train(training), rng)
    net, x = load_torch(model), rng.normal(size=shape)
    ours = net.forward(np.moveaxis(x, 1, -1))[0]
    np.testing.assert_allclose(np.moveaxis(ours, -1, 1), model(torch.from_numpy(x)).detach(), 1e-12, 1e-12)
    for name, array in net.state_dict().items():
        np.testing.assert_allclose(array, model.state_dict()[name], 1e-12, 1e-14)


def test_nets_with_positions_are_the_same_in_torch(rng):
    net = mg.Sequential(mg.Linear(3, 4, rng=0), mg.BatchNorm(4), mg.Residual(mg.LayerNorm(4), mg.Linear(4, 4, rng=1)))
    model, x = to_torch(net), rng.normal(size=(5, 4, 3))  # as many positions as channels
    for name, ours, theirs in both(net, model, x, rng.normal(size=(5, 4, 4))):
        assert worst(ours, theirs) < 1e-12, name


# ---- what is shared, what is copied, what is left alone --------------------------------------------------


def test_a_weight_and_a_module_that_are_used_twice_stay_one():
    first, again = nn.Linear(4, 4), nn.Linear(4, 4)
    again.weight = first.weight
    model = nn.Sequential(first, nn.Tanh(), again, first)
    net = load_torch(model)
    assert net[0].weight is net[2].weight
    assert net[0].bias is not net[2].bias
    assert net[3] is net[0]
    assert list(net.parameters()) == [name for name, _ in model.named_parameters()]
    back = to_torch(net)
    assert back[0].weight is back[2].weight
    assert back[3] is back[0]
    x, y = np.ones((2, 4), np.float32), np.zeros((2, 4), np.float32)
    assert all(worst(ours, theirs) < 1e-5 for _, ours, theirs in both(net, back, x, y))


def test_weights_are_copies_and_random_numbers_stay_as_they_were(rng):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    state = torch.random.get_rng_state()
    net = load_torch(model)
    back = to_torch(net)
    assert torch.equal(torch.random.get_rng_state(), state)
    kept = net.state_dict()
    for other in (model, back):
        for array in other.state_dict().values():
            array += 1
    assert same_bits(net.state_dict(), kept)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_modes_are_taken_over_one_by_one():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(0.3)))
    model[1].eval()
    net = load_torch(model)
    assert [net.training, net[1].training, net[2].training, net[2][0].training] == [True, False, True, True]
    again = to_torch(net)
    assert [m.training for m in again.modules()] == [m.training for m in model.modules()]


def test_dropout_has_the_masks_of_rng():
    model = nn.Sequential(nn.Dropout(0.5), nn.Identity())
    x = np.ones((9, 9))
    one, other, third = (load_torch(model, rng=seed)(x) for seed in (1, 1, 2))
    assert (one == other).all()
    assert (one != third).any()


@pytest.mark.parametrize("own", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_float_type_is_the_models_own_unless_another_is_asked_for(own):
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh()).to(own)
    net = load_torch(model)
    assert net.dtype == (np.float64 if own is torch.float64 else np.float32)
    np.testing.assert_array_equal(net[0].weight, model[0].weight.detach().to(torch.float64).numpy())
    assert load_torch(model, "float64").dtype == np.float64
    assert load_torch(model, np.float32).dtype == np.float32


def test_names_of_an_ordered_dict_and_subclasses_of_sequential_are_taken():
    class Net(nn.Sequential):
        pass

    model = Net(nn.Sequential())
    model.add_module("last", nn.Linear(2, 2))
    net = load_torch(model)
    np.testing.assert_array_equal(net[1].weight, model.last.weight.detach())


# ---- what is refused -------------------------------------------------------------------------------------


def bent(module):
    class Bent(type(module)):
        def forward(self, x):
            return 2 * super().forward(x)

    module.__class__ = Bent
    return module


def hooked(module, pre=False):
    (module.register_forward_pre_hook if pre else module.register_forward_hook)(lambda module, *values: values[-1])
    return module


REFUSED = [
    (nn.Sequential(nn.Tanh(), hooked(nn.Linear(2, 2))), r"layer 1, Linear.*forward hooks.*remove"),
    (nn.Sequential(hooked(nn.Sequential(nn.Tanh()), pre=True)), r"layer 0, Sequential.*forward hooks.*remove"),
    (nn.Sequential(nn.Conv2d(3, 4, 3)), r"layer 0, Conv2d.*minigrad has not"),
    (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh(), nn.Hardtanh())), r"layer 1\.1, Hardtanh"),
    (nn.Sequential(nn.Sequential(bent(nn.Linear(2, 2)))), r"layer 0\.0, Bent"),
    (nn.Sequential(bent(nn.Sequential(nn.Tanh()))), r"layer 0, Bent"),
    (nn.Sequential(nn.GELU("tanh")), r"layer 0, GELU.*exact"),
    (nn.Sequential(nn.Softplus(2)), r"layer 0, Softplus.*beta"),
    (nn.Sequential(nn.Softplus(1, 5)), r"layer 0, Softplus.*threshold"),
    (nn.Sequential(nn.LeakyReLU(0)), r"layer 0, LeakyReLU.*negative_slope"),
    (nn.Sequential(nn.Dropout(1.0)), r"layer 0, Dropout.*p is 1"),
    (nn.Sequential(nn.BatchNorm1d(3, affine=False)), r"layer 0, BatchNorm1d.*affine"),
    (nn.Sequential(nn.BatchNorm1d(3, momentum=None)), r"layer 0, BatchNorm1d.*momentum"),
    (nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False)), r"layer 0, BatchNorm1d.*running statistics"),
    (nn.Sequential(nn.LayerNorm((3, 4))), r"layer 0, LayerNorm.*last axis"),
    (nn.Sequential(nn.LayerNorm(3, bias=False)), r"layer 0, LayerNorm.*no bias"),
    (nn.Sequential(nn.LayerNorm(3, elementwise_affine=False)), r"layer 0, LayerNorm.*no weight"),
    (
        nn.Sequential(nn.Linear(2, 3), nn.LogSoftmax(1)),
        r"layer 1, LogSoftmax.*load_torch\(model\[:-1\]\).*CrossEntropyLoss",
    ),
    (nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 2)), r"layer 1, Linear.*takes 4 features, and gets 3"),
    (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(4)), r"layer 1, BatchNorm1d.*axis 1 of \(N, C, L\)"),
    (nn.Sequential(nn.Linear(2, 3), nn.Flatten(), nn.Linear(6, 2)), r"layer 2, Linear.*Flatten"),
    (nn.Sequential(nn.Flatten(0)), r"layer 0, Flatten.*other axes"),
    (nn.Sequential(nn.BatchNorm2d(3), nn.Linear(3, 3)), r"layer 1, Linear.*another axis"),
    (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm2d(3)), r"layer 1, BatchNorm2d.*another axis"),
    (nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 3)), r"layer 1, Flatten.*normalised"),
    (nn.Sequential(nn.Linear(2, 2, device="meta")), r"layer 0, Linear.*meta"),
    (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))), r"layer 0, ParametrizedLinear"),
    (nn.Sequential(nn.utils.spectral_norm(nn.Linear(2, 2))), r"layer 0, Linear.*weight_orig"),
]


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_minigrad_has_not_is_refused_by_path_and_class_with_a_remedy(model, message):
    before = [(name, type(module), module.training) for name, module in model.named_modules()]
    with pytest.raises(ValueError, match=message) as caught:
        load_torch(model)
    assert "capture" in str(caught.value)
    assert before == [(name, type(module), module.training) for name, module in model.named_modules()]


@pytest.mark.parametrize(
    "model", [None, "net", nn.Linear(2, 3), nn.Conv2d(1, 1, 1), bent(nn.Sequential(nn.Tanh())), mg.mlp([2, 2])]
)
def test_what_is_no_sequential_is_a_type_error(model):
    with pytest.raises(TypeError, match=r"model is .*expected an nn.Sequential"):
        load_torch(model)


def test_an_image_that_meets_no_flatten_is_refused():
    model = nn.Sequential(nn.Linear(12, 3), nn.Flatten(), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="image is given, but no Flatten"):
        load_torch(model, image=(3, 2, 2))
    with pytest.raises(ValueError, match=r"layer 1, Linear.*takes 12 features, and gets 27"):
        load_torch(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), image=(3, 3, 3))
    with pytest.raises(ValueError, match=r"image\[0\] is 0"):
        load_torch(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), image=(0, 3, 3))


def test_a_residual_that_would_add_two_orders_is_refused():
    net = mg.Sequential(mg.Residual(mg.Linear(12, 12, rng=0)), mg.Linear(12, 2, rng=1))
    with pytest.raises(ValueError, match="image: the Residual"):
        to_torch(net, image=(3, 2, 2))


class Twice(mg.Layer):
    def forward(self, x):
        return 2 * x, None


def test_a_layer_of_ones_own_is_refused_by_path_and_class():
    with pytest.raises(ValueError, match=r"layer 1\.0, Twice.*layer of your own.*state_dict"):
        to_torch(mg.Sequential(mg.Tanh(), mg.Sequential(Twice())))
    with pytest.raises(TypeError, match="net is a Linear, expected a Sequential"):
        to_torch(mg.Linear(2, 2))


def test_without_torch_the_error_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import minigrad.bridges.torch_nets"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: this bridge needs torch, which is not installed: pip install torch" in run.stderr
