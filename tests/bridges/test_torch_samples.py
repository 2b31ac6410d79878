"""The pairs' per-sample gradients against torch.func, and laws of random convolutions, slices and embeddings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.func import functional_call, grad, vmap  # noqa: E402
from torch_case import Call  # noqa: E402
from torch_models import N, made  # noqa: E402

from minigrad.bridges.torch import capture  # noqa: E402

torch.set_num_threads(1)
WITH_FUNC = (
    "mlp", "as_many_positions_as_samples", "residual_mlp", "functional", "slices_of_one_weight", "lenet",
    "grouped_strided_dilated", "depthwise_separable", "convolutional_autoencoder", "resnet_with_group_norm", "cells",
    "self_attention", "self_attention_as_many_steps_as_samples", "transformer_encoder", "vision_transformer", "mixer",
    "gpt", "gpt_as_many_steps_as_samples", "dense_mixture_of_experts", "autoencoder_with_tied_weights",
)  # fmt: skip


def per_sample(model, loss, x, y):
    """{parameter name: (N, ...)} by torch.func."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def of_one(parameters, x, y):
        return loss(functional_call(model, parameters, (x[None],)), y[None])

    return vmap(grad(of_one), in_dims=(None, 0, 0))(parameters, x, y)


def assert_alike(c, expected):
    for name, g in c.gradients.items():
        wanted = expected[name].flatten(2).flatten(1 + (expected[name].ndim == 2)).numpy().reshape(N, *g.weight.shape)
        size = np.linalg.norm(wanted, axis=(1, 2))
        error = np.linalg.norm(g.per_sample() - wanted, axis=(1, 2))
        assert (error <= 1e-5 * np.maximum(size, 0.01 * size.max())).all(), name
        np.testing.assert_allclose(g.per_sample_norms(), size, rtol=1e-4, atol=1e-5 * size.max())


@pytest.mark.parametrize("name", WITH_FUNC)
def test_gradients_of_samples_are_those_of_torch_func(name):
    case = made(name)
    c = capture(case.model, case.loss, case.x, case.y)
    assert c.gradients
    assert_alike(c, per_sample(case.model, case.loss, case.x, case.y))


# ---- laws ---------------------------------------------------------------------------------------------------


def check(model, x):
    """The pairs of a random layer against PyTorch's gradients, of the batch and of each sample."""
    y = torch.randn_like(model(x))
    c = capture(model, F.mse_loss, x, y)
    assert not c.unpaired
    F.mse_loss(model(x), y).backward()
    for name, p in model.named_parameters():
        if p.ndim > 1:
            np.testing.assert_allclose(c.parameter_gradients()[name], p.grad, rtol=1e-6, atol=1e-9)
    for n in range(len(x)):
        model.zero_grad()
        F.mse_loss(model(x[n : n + 1]), y[n : n + 1]).backward()
        for name, p in model.named_parameters():
            if p.ndim > 1:
                one = c.gradients[name].per_sample()[n]
                np.testing.assert_allclose(one, p.grad.flatten(1), rtol=1e-6, atol=1e-9)


small = st.integers(1, 3)


@given(data=st.data(), axes=small, groups=small, samples=st.integers(1, 4), transposed=st.booleans())
def test_convolutions_of_any_shape(data, axes, groups, samples, transposed):
    kernel, stride, dilation = (data.draw(st.tuples(*[small] * axes)) for _ in range(3))
    J, K = groups * data.draw(small), groups * data.draw(small)
    options = {"stride": stride, "dilation": dilation, "groups": groups, "bias": data.draw(st.booleans())}
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    torch.manual_seed(data.draw(st.integers(0, 99)))
    if transposed:
        options["padding"] = tuple(data.draw(st.integers(0, (s - 1) // 2)) for s in span)
        longer = tuple(max(s, d) for s, d in zip(stride, dilation, strict=True))
        options["output_padding"] = tuple(data.draw(st.integers(0, s - 1)) for s in longer)
        size, kind = data.draw(st.tuples(*[st.integers(2, 4)] * axes)), f"ConvTranspose{axes}d"
    else:
        options["padding"] = tuple(data.draw(st.integers(0, 2)) for _ in range(axes))
        size, kind = [s + data.draw(st.integers(0, 3)) for s in span], f"Conv{axes}d"
    model = getattr(nn, kind)(J, K, kernel, **options).double()
    check(model, torch.randn(samples, J, *size).double())


@given(data=st.data(), K=st.integers(2, 6), J=st.integers(2, 5), uses=small)
def test_any_blocks_of_a_weight(data, K, J, uses):
    def block(size):
        start = data.draw(st.integers(0, size - 1))
        return slice(start, data.draw(st.integers(start + 1, size)))

    blocks = [(block(K), block(J), data.draw(st.booleans())) for _ in range(uses)]

    def forward(m, x):
        out = []
        for rows, columns, turned in blocks:
            weight = m.w[rows, columns]
            weight = weight.t() if turned else weight
            out.append(F.linear(x[:, : weight.shape[1]], weight))
        return torch.cat(out, 1)

    torch.manual_seed(0)
    model = Call(forward, w=nn.Parameter(torch.randn(K, J))).double()
    check(model, torch.randn(4, 6).double())


@given(samples=st.integers(2, 6), steps=st.integers(1, 6), time_first=st.booleans(), merged=st.booleans())
def test_the_samples_are_found_whatever_the_sizes(samples, steps, time_first, merged):
    def forward(m, x):
        x = x.transpose(0, 1) if time_first else x
        sizes = x.shape[:2]
        x = torch.tanh(m.a(x.flatten(0, 1) if merged else x))
        x = x.unflatten(0, sizes) if merged else x
        return m.b(x.transpose(0, 1) if time_first else x)

    torch.manual_seed(0)
    model = Call(forward, a=nn.Linear(3, 4), b=nn.Linear(4, 2)).double()
    check(model, torch.randn(samples, steps, 3).double())


@given(samples=st.integers(2, 5), windows=st.integers(1, 4), steps=st.integers(2, 5), batch_first=st.booleans())
def test_samples_cut_into_windows(samples, windows, steps, batch_first):
    def forward(m, x):
        x = torch.tanh(m.a(x.flatten(0, 1)))  # (samples * windows, steps, J)
        x = x if batch_first else x.transpose(0, 1)
        x = m.attention(x, x, x, need_weights=False)[0]
        return (x if batch_first else x.transpose(0, 1)).unflatten(0, (-1, windows)).mean(1)

    torch.manual_seed(0)
    attention = nn.MultiheadAttention(4, 2, batch_first=batch_first)
    model = Call(forward, a=nn.Linear(3, 4), attention=attention).double()
    x = torch.randn(samples, windows, steps, 3).double()
    y = torch.randn(samples, steps, 4).double()
    c = capture(model, F.mse_loss, x, y)
    assert len(c.gradients) == 3
    parameters = dict(model.named_parameters())
    for n in range(samples):
        loss = F.mse_loss(model(x[n : n + 1]), y[n : n + 1])
        for name, g in c.gradients.items():
            (expected,) = torch.autograd.grad(loss, parameters[name], retain_graph=True)
            np.testing.assert_allclose(g.per_sample()[n], expected, rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("learned", [False, True])
def test_words_of_letters(kind, learned):
    """The first state, zero or learned, is the same for all words: where the samples are, later steps tell."""

    def forward(m, x):
        words = x.flatten(0, 1)
        state = m.state.expand(1, len(words), 4)
        h = m.letters(words, None if not learned else (state, state) if kind == "LSTM" else state)[0][:, -1]
        return h.unflatten(0, x.shape[:2]).mean(1)

    torch.manual_seed(0)
    layer = getattr(nn, kind)(3, 4, batch_first=True)
    model = Call(forward, letters=layer, state=nn.Parameter(torch.randn(1, 1, 4))).double()
    x, y = torch.randn(3, 2, 5, 3).double(), torch.randn(3, 4).double()
    c = capture(model, F.mse_loss, x, y)
    assert list(c.gradients) == ["letters.weight_ih_l0", "letters.weight_hh_l0"]
    for n in range(3):
        loss = F.mse_loss(model(x[n : n + 1]), y[n : n + 1])
        for name, g in c.gradients.items():
            (expected,) = torch.autograd.grad(loss, model.get_parameter(name), retain_graph=True)
            np.testing.assert_allclose(g.per_sample()[n], expected, rtol=1e-8, atol=1e-12, err_msg=name)


def between(m, x):
    """x (N, 2, 2, J) as rows of which those of a sample are neither side by side nor N apart."""
    rows = m.a(x.transpose(0, 1).flatten(0, 2))
    return rows.unflatten(0, (2, N, 2)).transpose(0, 1)


def constant(m, x):
    """2 N rows that come from no sample."""
    return x[..., :2] * m.a(m.queries).sum(0)


@pytest.mark.parametrize("forward", [between, constant])
def test_rows_that_are_not_those_of_the_samples_have_no_pair(forward):
    torch.manual_seed(0)
    model = Call(forward, a=nn.Linear(3, 2), queries=nn.Buffer(torch.randn(2 * N, 3))).double()
    x, y = torch.randn(N, 2, 2, 3).double(), torch.randn(N, 2, 2, 2).double()
    c = capture(model, F.mse_loss, x, y)
    assert not c.gradients
    assert "no axis is known to hold the 5 samples" in c.unpaired["a.weight"]


@given(samples=st.integers(1, 5), steps=st.integers(1, 5), vocabulary=st.integers(1, 6), tied=st.booleans())
def test_embeddings_of_tokens_and_of_positions(samples, steps, vocabulary, tied):
    def forward(m, x):
        h = m.tokens(x.long()[..., 0]) + m.places(torch.arange(x.shape[1]))
        return F.linear(h, m.tokens.weight) if tied else h

    torch.manual_seed(samples)
    model = Call(forward, tokens=nn.Embedding(vocabulary, 3), places=nn.Embedding(6, 3)).double()
    x = torch.randint(0, vocabulary, (samples, steps, 1))
    if samples > 1 and bool((x == x[:1]).all()):
        return  # all samples are alike: nothing tells where they are
    check(model, x)
