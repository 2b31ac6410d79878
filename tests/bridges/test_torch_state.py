"""capture leaves a model as it was, also after an error; and what it refuses, it names with the remedy."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch_case import Call  # noqa: E402
from torch_models import N, made  # noqa: E402

import minigrad as mg  # noqa: E402
from minigrad.bridges.torch import capture  # noqa: E402

torch.set_num_threads(1)
STATEFUL = ("mlp", "frozen_below", "resnet", "lstm", "transformer_encoder_in_eval_mode", "gpt", "checkpointed")


def state(model):
    """Everything that capture must leave as it is."""
    return {
        "modes": [m.training for m in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "grads": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "asks": {n: p.requires_grad for n, p in model.named_parameters()},
        "leaf": [p.is_leaf and not p._backward_hooks for p in model.parameters()],
        "values": {n: p.detach().clone() for n, p in model.named_parameters()},
        "buffers": {n: b.clone() for n, b in model.named_buffers()},
        "attributes": [sorted(vars(m)) for m in model.modules()],
    }


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return one == other


def run(case, **changed):
    case = case._replace(**changed)
    return capture(case.model, case.loss, case.x, case.y, sample_axis=case.sample_axis)


@pytest.mark.parametrize("name", STATEFUL)
def test_the_model_is_as_after_any_forward_pass(name):
    case = made(name)
    for i, p in enumerate(case.model.parameters()):
        p.grad = torch.ones_like(p) if i % 2 else None
    expected = copy.deepcopy(case.model)
    expected(case.x)
    before, x, y = state(case.model), case.x.clone(), case.y.clone()
    run(case)
    after = state(case.model)
    for key in before:
        wanted = state(expected)["buffers"] if key == "buffers" else before[key]
        assert same(after[key], wanted), key
    assert torch.equal(case.x, x)
    assert torch.equal(case.y, y)
    assert case.x.requires_grad is False


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("place", ["forward", "loss", "backward"])
def test_after_an_error_the_model_is_as_before(name, place):
    case = made(name)

    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("on purpose")

    def loss(output, y):
        if place == "loss":
            raise ValueError("on purpose")
        return Fails.apply(case.loss(output, y))

    def forward(m, x):
        out = m.inner(x)
        if place == "forward":
            raise ZeroDivisionError("on purpose")
        return out

    model = Call(forward, inner=case.model)
    before = state(model)
    with pytest.raises((ValueError, ZeroDivisionError), match="on purpose"):
        run(case, model=model, loss=loss)
    assert same(state(model), before)


def test_the_same_random_numbers_are_drawn_as_by_any_forward_pass():
    def loss(output, y):
        return F.mse_loss(F.dropout(output, 0.3), y)

    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    x, y = torch.randn(N, N, 4), torch.randn(N, N, 3)  # the model is run twice, to find the samples
    torch.manual_seed(1)
    expected = loss(model(x), y)
    after = torch.rand(3)
    torch.manual_seed(1)
    c = capture(model, loss, x, y)
    assert c.loss == float(expected)
    assert torch.equal(torch.rand(3), after)


def test_a_second_pass_to_find_the_samples_moves_no_running_statistics():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(N))
    x = torch.randn(N, N, 4)  # as many positions as samples
    expected = copy.deepcopy(model)
    expected(x)
    capture(model, F.mse_loss, x, torch.randn(N, N, 3))
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, dict(expected.named_buffers())[name], rtol=0, atol=0)


def test_it_works_where_gradients_are_switched_off():
    case = made("mlp")
    expected = run(case)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = run(case)
            assert not torch.is_grad_enabled()
        np.testing.assert_array_equal(found.gradients["0.weight"].weight, expected.gradients["0.weight"].weight)


def test_arrays_may_be_given():
    case = made("mlp")
    expected, found = run(case), run(case, x=case.x.double().numpy(), y=case.y.numpy())
    np.testing.assert_array_equal(found.gradients["0.weight"].weight, expected.gradients["0.weight"].weight)
    assert found.gradients["0.weight"].delta.dtype == np.float32


def test_what_was_captured_does_not_change_with_x():
    case = made("mlp")
    c = run(case)
    before = c.gradients["0.weight"].a.copy()
    case.x.zero_()
    np.testing.assert_array_equal(c.gradients["0.weight"].a, before)


# ---- what is refused ------------------------------------------------------------------------------------------


def linear():
    return nn.Linear(4, 3)


X, Y = torch.ones(N, 4), torch.zeros(N, dtype=torch.long)
CE = F.cross_entropy


def each(output, y):
    return CE(output, y, reduction="none")


def reentrant(m, x):
    return torch.utils.checkpoint.checkpoint(m.a, x, use_reentrant=True)


FLOAT32 = r"; use x\.to\(torch\.float32\)"
REFUSED = {
    "a minigrad net": (lambda: mg.mlp([4, 3]), CE, X, Y, TypeError, "expected a torch.nn.Module.*mg.backprop"),
    "a function": (lambda: F.relu, CE, X, Y, TypeError, "expected a torch.nn.Module"),
    "no parameters": (nn.ReLU, CE, X, Y, ValueError, "no parameters"),
    "parameters without a shape": (lambda: nn.LazyLinear(3), CE, X, Y, ValueError, r"call model\(x\) once"),
    "parameters on meta": (lambda: nn.Linear(4, 3, device="meta"), CE, X, Y, ValueError, "device meta"),
    "complex weights": (
        lambda: nn.Linear(4, 3, dtype=torch.complex64),
        CE,
        X,
        Y,
        ValueError,
        "weight of model.*complex64",
    ),
    "x elsewhere": (linear, CE, X.to("meta"), Y, ValueError, r"x is on the device meta.*x\.to\('cpu'\)"),
    "y elsewhere": (linear, CE, X, Y.to("meta"), ValueError, r"y is on the device meta.*y\.to\('cpu'\)"),
    "integers": (linear, CE, X.long(), Y, ValueError, f"int64.*{FLOAT32}"),
    "another float type": (linear, CE, X.double(), Y, ValueError, f"float64.*{FLOAT32}"),
    "another width": (linear, CE, torch.ones(N, 5), Y, ValueError, r"model refuses x.*\(5, 5\)"),
    "no samples": (linear, CE, X[:0], Y[:0], ValueError, "no samples"),
    "x of no tensor": (linear, CE, "x", Y, ValueError, "x is 'x', expected a tensor"),
    "too few targets": (linear, CE, X, Y[:3], ValueError, r"loss_fn refuses .*\(5, 3\).*\(3,\)"),
    "a loss of each sample": (linear, each, X, Y, ValueError, r"\(5,\), expected a single .*mean\(\)"),
    "a loss that is a number": (linear, lambda o, y: 1.0, X, Y, TypeError, "returned a float, expected a tensor"),
    "a detached loss": (linear, lambda o, y: o.detach().sum(), X, Y, ValueError, "does not depend on any"),
    "a loss of integers": (linear, lambda o, y: o.argmax().sum(), X, Y, ValueError, "does not depend on any"),
    "reentrant": (lambda: Call(reentrant, a=linear()), CE, X, Y, ValueError, "use_reentrant=False"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_named_with_its_remedy(name):
    make, loss, x, y, error, message = REFUSED[name]
    with pytest.raises(error, match=f"(?s){message}"):
        capture(make(), loss, x, y)


@pytest.mark.parametrize("kind", ["DataFrame", "Series", "list"])
def test_what_holds_rows_and_is_no_tensor_gets_the_line_that_makes_it_one(kind):
    of_rows = list if kind == "list" else lambda rows: getattr(pytest.importorskip("pandas"), kind)(list(rows))
    fix = r"use torch.tensor\({}\)$" if of_rows is list else r"use {}.to_numpy\(\)$"
    with pytest.raises(ValueError, match="x is a .*" + fix.format("x")):
        capture(linear(), F.cross_entropy, of_rows(X.numpy()), Y)
    with pytest.raises(ValueError, match="(?s)loss_fn refuses the output and y.*" + fix.format("y")):
        capture(linear(), F.cross_entropy, X, of_rows(Y.numpy()))


@pytest.mark.parametrize(("axis", "error"), [(-1, ValueError), (3, ValueError), ("0", TypeError), (0.0, TypeError)])
def test_a_wrong_sample_axis_is_refused(axis, error):
    with pytest.raises(error, match="sample_axis|axis 3"):
        capture(linear(), F.cross_entropy, X, Y, sample_axis=axis)


# ---- other ways to run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["mlp", "lenet", "self_attention", "gpt"])
def test_few_digits(name, dtype):
    case = made(name)
    exact = run(case)
    x = case.x if name == "gpt" else case.x.to(dtype)
    few = run(case, model=copy.deepcopy(case.model).to(dtype), x=x)
    assert not few.unpaired
    assert few.worst_error < 0.05
    for key, g in few.gradients.items():
        assert g.delta.dtype == np.float32
        weight = exact.gradients[key].weight
        assert np.linalg.norm(g.weight - weight) < 0.1 * np.linalg.norm(weight) + 0.01


@pytest.mark.parametrize("name", ["mlp", "lenet", "self_attention", "gpt"])
def test_autocast(name):
    case = made(name)

    def forward(m, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.inner(x)

    c = run(case, model=Call(forward, inner=case.model))
    assert not c.unpaired
    assert c.worst_error < 0.02
    assert set(c.gradients) == {f"inner.{key}" for key in run(case).gradients}


def test_a_compiled_model_is_run_uncompiled():
    case = made("mlp")
    expected = run(case)
    for model in (torch.compile(copy.deepcopy(case.model)), copy.deepcopy(case.model)):
        model.compile()
        found = run(case, model=model)
        assert list(found.gradients) == list(expected.gradients)
        np.testing.assert_array_equal(found.gradients["0.weight"].delta, expected.gradients["0.weight"].delta)


def test_of_a_scripted_module_nothing_is_seen_and_that_is_said():
    model = nn.Sequential(torch.jit.script(nn.Linear(4, 4)), nn.Linear(4, 3))
    c = capture(model, F.cross_entropy, X, Y)
    assert list(c.gradients) == ["1.weight"]
    assert "scripted" in c.unpaired["0.weight"]
    model(X).sum().backward()
    assert c.arrays["0.weight"].shape == (4, 4)


def test_a_weight_that_is_computed_with_a_constant_is_named():
    mask = torch.ones(3, 4).tril()
    weights = {"masked": nn.Parameter(torch.randn(3, 4)), "turned": nn.Parameter(torch.randn(4, 4))}

    def forward(m, x):
        return F.linear(F.linear(x, m.turned + m.turned.triu().T), m.masked * mask)

    c = capture(Call(forward, **weights), F.cross_entropy, X, Y)
    assert list(c.unpaired) == ["masked", "turned"]
    assert "by mul," in c.unpaired["masked"]
    assert "by triu, add," in c.unpaired["turned"]


def test_a_first_state_is_no_weight():
    def forward(m, x):
        return m.out(m.layer(x[:, None], m.state.expand(1, len(x), 4).contiguous())[0][:, 0])

    start = nn.Parameter(torch.randn(1, 1, 4))
    c = capture(
        Call(forward, state=start, layer=nn.GRU(4, 4, batch_first=True), out=nn.Linear(4, 3)), F.cross_entropy, X, Y
    )
    assert not c.unpaired
    assert c.arrays["state"].shape == (1, 1, 4)


def test_reduction_is_told():
    model = nn.Linear(4, 3)
    losses = {
        "mean": F.cross_entropy,
        "sum": lambda o, y: F.cross_entropy(o, y, reduction="sum"),
        "other": lambda o, y: o.square().sum().sqrt(),
    }
    for reduction, loss in losses.items():
        assert capture(model, loss, torch.randn(N, 4), Y).reduction == reduction


def test_a_loss_that_the_model_computes_is_of_an_unknown_reduction():
    model = Call(lambda m, x: {"loss": m.a(x).square().mean(), "logits": m.a(x)}, a=nn.Linear(4, 3))
    c = capture(model, lambda output, y: output["loss"], torch.randn(N, 4), None)
    assert c.reduction == "other"
    assert c.output.shape == (N, 3)
