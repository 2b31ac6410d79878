"""Small PyTorch models of many kinds, for the tests of capture: what is called with what, and which loss it has."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

N = 5  # samples


class Case(NamedTuple):
    """model(x) against y. coupled: one sample's output depends on the others. unpaired: the names that it reports."""

    model: nn.Module
    x: Any
    y: Any
    loss: Callable[..., Any]
    coupled: bool = False
    unpaired: tuple[str, ...] = ()
    sample_axis: int = 0


CASES: dict[str, Callable[[], Case]] = {}


def case(make: Callable[[], Case]) -> Callable[[], Case]:
    CASES[make.__name__] = make
    return make


def made(name: str, seed: int = 0) -> Case:
    """The case with that name; twice the same for the same seed."""
    torch.manual_seed(seed)
    return CASES[name]()


class Call(nn.Module):
    """A model whose forward is a function of its modules and x."""

    def __init__(self, forward: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *x: Any) -> Any:
        return self.function(self, *x)


def parameter(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*shape) / shape[-1] ** 0.5)


def classes(count: int = 3, *shape: int) -> torch.Tensor:
    return torch.randint(0, count, (N, *shape))


def cross_entropy(output, y):
    return F.cross_entropy(output, y)


def cross_entropy_of_tokens(output, y):
    return F.cross_entropy(output.flatten(0, 1), y.flatten())


def image(channels=2, size=6):
    return torch.randn(N, channels, size, size)


# ---- plain ------------------------------------------------------------------------------------------------------


@case
def mlp():
    return Case(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)), torch.randn(N, 4), classes(), cross_entropy)


@case
def deep_sigmoid_mlp():
    layers = [layer for _ in range(5) for layer in (nn.Linear(6, 6), nn.Sigmoid())]
    return Case(nn.Sequential(*layers, nn.Linear(6, 2)), torch.randn(N, 6), torch.randn(N, 2), F.mse_loss)


@case
def relu_in_place():
    model = nn.Sequential(nn.ReLU(True), nn.Linear(4, 8), nn.ReLU(True), nn.Linear(8, 3), nn.LeakyReLU(inplace=True))
    return Case(model, torch.randn(N, 4), classes(), cross_entropy)


@case
def without_bias_in_float64():
    model = nn.Sequential(nn.Linear(4, 7, bias=False), nn.GELU(), nn.Linear(7, 3, bias=False)).double()
    return Case(model, torch.randn(N, 4).double(), classes(), cross_entropy)


@case
def positions_of_two_axes():
    model = nn.Sequential(nn.Linear(4, 6), nn.SiLU(), nn.Linear(6, 3))
    return Case(model, torch.randn(N, 2, 3, 4), torch.randn(N, 2, 3, 3), F.mse_loss)


@case
def as_many_positions_as_samples():
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    return Case(model, torch.randn(N, N, 4), torch.randn(N, N, 3), F.mse_loss)


@case
def sum_of_losses():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    return Case(model, torch.randn(N, 4), classes(), lambda o, y: F.cross_entropy(o, y, reduction="sum"))


@case
def residual_mlp():
    def forward(m, x):
        x = x + m.b(torch.relu(m.a(x)))
        return m.out(m.norm(x))

    parts = {"a": nn.Linear(5, 8), "b": nn.Linear(8, 5), "norm": nn.LayerNorm(5), "out": nn.Linear(5, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 5), classes(), cross_entropy)


@case
def frozen_below():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    return Case(model, torch.randn(N, 4), classes(), cross_entropy)


@case
def all_frozen():
    model = nn.Sequential(nn.Embedding(7, 4), nn.Flatten(), nn.Linear(12, 3)).requires_grad_(False)
    return Case(model, classes(7, 3), classes(), cross_entropy)


@case
def autoencoder_with_tied_weights():
    def forward(m, x):
        return F.linear(torch.sigmoid(m.code(x)), m.code.weight.t(), m.bias)

    x = torch.randn(N, 6)
    return Case(Call(forward, code=nn.Linear(6, 3), bias=parameter(6)), x, x, F.mse_loss)


@case
def module_used_twice():
    def forward(m, x):
        return m.out(torch.tanh(m.a(torch.tanh(m.a(x)))))

    return Case(Call(forward, a=nn.Linear(4, 4), out=nn.Linear(4, 3)), torch.randn(N, 4), classes(), cross_entropy)


@case
def siamese_pair():
    def forward(m, x, other):
        return m.out((m.a(x) - m.a(other)).abs())

    x = (torch.randn(N, 4), torch.randn(N, 4))
    return Case(Call(forward, a=nn.Linear(4, 6), out=nn.Linear(6, 3)), x, classes(), cross_entropy)


# ---- functional -------------------------------------------------------------------------------------------------


@case
def functional():
    def forward(m, x):
        x = F.relu(F.linear(x, m.w1, m.b1))
        return x @ m.w2

    parts = {"w1": parameter(8, 4), "b1": parameter(8), "w2": parameter(8, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 4), classes(), cross_entropy)


@case
def every_matrix_product():
    def forward(m, x):
        x = torch.tanh(torch.matmul(x, m.a))
        x = torch.tanh(torch.mm(x, m.b.t()))
        x = torch.tanh(torch.addmm(m.bias, x, m.c))
        x = torch.tanh(m.d.mm(x.t()).t())
        return (m.e @ x[..., None])[..., 0]

    parts = {"a": parameter(4, 5), "b": parameter(6, 5), "c": parameter(6, 4), "bias": parameter(4)}
    parts |= {"d": parameter(5, 4), "e": parameter(3, 5)}
    return Case(Call(forward, **parts), torch.randn(N, 4), classes(), cross_entropy)


@case
def slices_of_one_weight():
    def forward(m, x):
        a, b = m.w.chunk(2)
        return F.linear(x, a) * torch.sigmoid(F.linear(x, b)) + F.linear(x[:, :2], m.w[1:4, 2:])

    return Case(Call(forward, w=parameter(6, 4)), torch.randn(N, 4), classes(), cross_entropy)


@case
def views_of_one_weight():
    def forward(m, x):
        x = torch.tanh(F.linear(x, m.w.view(5, 4)))
        return F.linear(x, m.w.view(5, 4)[:, :3].t())

    return Case(Call(forward, w=parameter(5, 4, 1, 1)), torch.randn(N, 4), classes(), cross_entropy)


@case
def looked_up_by_index():
    def forward(m, x):
        return m.out(m.table[x].mean(1))

    parts = {"table": parameter(7, 4), "out": nn.Linear(4, 3)}
    return Case(Call(forward, **parts), classes(7, 3), classes(), cross_entropy)


@case
def two_inputs_by_name():
    def forward(m, left, right):
        return m.out(torch.relu(m.a(left) + m.b(right)))

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.out = nn.Linear(4, 6), nn.Linear(3, 6), nn.Linear(6, 3)

        def forward(self, left, right):
            return forward(self, left, right)

    return Case(Named(), {"left": torch.randn(N, 4), "right": torch.randn(N, 3)}, classes(), cross_entropy)


@case
def dense_mixture_of_experts():
    def forward(m, x):
        shares = torch.softmax(m.gate(x), -1)
        return sum(shares[:, i : i + 1] * expert(x) for i, expert in enumerate(m.experts))

    experts = nn.ModuleList(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)) for _ in range(3))
    return Case(Call(forward, gate=nn.Linear(4, 3), experts=experts), torch.randn(N, 4), classes(), cross_entropy)


@case
def checkpointed():
    def forward(m, x):
        return m.out(checkpoint(m.body, x, use_reentrant=False))

    body = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 4))
    return Case(Call(forward, body=body, out=nn.Linear(4, 3)), torch.randn(N, 4), classes(), cross_entropy)


# ---- convolutions -----------------------------------------------------------------------------------------------


@case
def lenet():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 2, padding=1), nn.Tanh(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3),
    )  # fmt: skip
    return Case(model, image(1), classes(), cross_entropy)


@case
def grouped_strided_dilated():
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=(2, 1), groups=2), nn.ReLU(),
        nn.Conv2d(6, 6, 2, dilation=2, padding="same"), nn.Flatten(1), nn.LazyLinear(3),
    )  # fmt: skip
    x = image(4, 7)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def depthwise_separable():
    model = nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=4, bias=False), nn.Conv2d(8, 5, 1), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip
    return Case(model, image(4), classes(), cross_entropy)


@case
def convolution_over_time():
    model = nn.Sequential(
        nn.Conv1d(3, 6, 3, padding=2, padding_mode="circular"), nn.ELU(), nn.Conv1d(6, 4, 2, stride=2),
        nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    x = torch.randn(N, 3, 9)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def convolution_in_space():
    model = nn.Sequential(nn.Conv3d(2, 3, (2, 3, 1), stride=(1, 2, 1)), nn.SELU(), nn.Flatten(), nn.LazyLinear(3))
    x = torch.randn(N, 2, 3, 5, 2)
    model(x)
    return Case(model, x, classes(), cross_entropy)


@case
def convolutional_autoencoder():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2), nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, dilation=2, padding=2),
    )  # fmt: skip
    x = image()
    return Case(model, x, x, F.mse_loss)


@case
def transposed_over_time_and_space():
    def forward(m, x):
        return m.b(m.a(x).unsqueeze(-1).unsqueeze(-1))

    parts = {"a": nn.ConvTranspose1d(2, 3, 4, stride=3), "b": nn.ConvTranspose3d(3, 1, 2)}
    return Case(Call(forward, **parts), torch.randn(N, 2, 3), torch.randn(N, 1, 11, 2, 2), F.mse_loss)


class Block(nn.Module):
    """A residual block, with or without BatchNorm."""

    def __init__(self, J, K, norm):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(J, K, 3, padding=1, bias=False), nn.Conv2d(K, K, 3, padding=1, bias=False)
        self.norm1, self.norm2 = norm(K), norm(K)
        self.short = nn.Conv2d(J, K, 1)

    def forward(self, x):
        out = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(out)) + self.short(x), inplace=True)


@case
def resnet():
    model = nn.Sequential(Block(2, 4, nn.BatchNorm2d), Block(4, 4, nn.BatchNorm2d), nn.Flatten(), nn.Linear(144, 3))
    return Case(model, image(), classes(), cross_entropy, coupled=True)


@case
def resnet_in_eval_mode():
    return resnet()._replace(model=resnet().model.eval(), coupled=False)


@case
def resnet_with_group_norm():
    def norm(K):
        return nn.GroupNorm(2, K)

    model = nn.Sequential(Block(2, 4, norm), Block(4, 4, norm), nn.Flatten(), nn.Linear(144, 3))
    return Case(model, image().to(memory_format=torch.channels_last), classes(), cross_entropy)


@case
def channels_last_weights():
    return resnet_with_group_norm()._replace(model=resnet_with_group_norm().model.to(memory_format=torch.channels_last))


@case
def one_filter_for_two_sizes():
    def forward(m, x):
        big, small = m.conv(x), m.conv(F.avg_pool2d(x, 2))
        return m.out(torch.cat([big.mean((2, 3)), small.mean((2, 3))], 1))

    parts = {"conv": nn.Conv2d(2, 4, 3, groups=2), "out": nn.Linear(8, 3)}
    return Case(Call(forward, **parts), image(2, 8), classes(), cross_entropy)


@case
def densenet():
    def forward(m, x):
        for conv in m.convs:
            x = torch.cat([x, torch.relu(conv(x))], 1)
        return m.out(x.mean((2, 3)))

    convs = nn.ModuleList(nn.Conv2d(2 + 3 * i, 3, 3, padding=1) for i in range(3))
    return Case(Call(forward, convs=convs, out=nn.Linear(11, 3)), image(), classes(), cross_entropy)


@case
def unet():
    def forward(m, x):
        down = torch.relu(m.down(x))
        up = m.up(torch.relu(m.middle(F.max_pool2d(down, 2))))
        return m.out(torch.cat([down, up], 1))

    parts = {"down": nn.Conv2d(2, 4, 3, padding=1), "middle": nn.Conv2d(4, 6, 3, padding=1)}
    parts |= {"up": nn.ConvTranspose2d(6, 4, 2, stride=2), "out": nn.Conv2d(8, 3, 1)}
    return Case(Call(forward, **parts), image(), classes(3, 6, 6), cross_entropy)


@case
def frames_of_a_film():
    def forward(m, x):
        each = torch.relu(m.conv(x.flatten(0, 1))).mean((2, 3))
        return m.out(each.unflatten(0, x.shape[:2]).amax(1))

    parts = {"conv": nn.Conv2d(2, 4, 3, padding=1), "out": nn.Linear(4, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 3, 2, 5, 5), classes(), cross_entropy)


# ---- recurrent --------------------------------------------------------------------------------------------------


def recurrent(cls, T=4, batch_first=True, sample_axis=0, **options):
    """A recurrent layer, and a linear one on what it ends with."""

    def forward(m, x):
        out, _ = m.layer(x)
        return m.out(out[:, -1] if batch_first else out[-1])

    width = (options.get("proj_size") or 6) * (2 if options.get("bidirectional") else 1)
    layer = cls(3, 6, batch_first=batch_first, **options)
    x = torch.randn(N, T, 3) if batch_first else torch.randn(T, N, 3)
    model = Call(forward, layer=layer, out=nn.Linear(width, 3))
    return Case(model, x, classes(), cross_entropy, sample_axis=0 if batch_first else 1)


@case
def rnn():
    return recurrent(nn.RNN)


@case
def rnn_with_relu_time_first():
    return recurrent(nn.RNN, nonlinearity="relu", batch_first=False)


@case
def gru_with_two_layers():
    return recurrent(nn.GRU, num_layers=2, T=N)


@case
def lstm():
    return recurrent(nn.LSTM)


@case
def lstm_of_both_directions_time_first():
    return recurrent(nn.LSTM, num_layers=2, bidirectional=True, batch_first=False, T=N, bias=False)


@case
def lstm_with_projection():
    return recurrent(nn.LSTM, proj_size=2, num_layers=2, bidirectional=True)


@case
def gru_of_both_directions():
    return recurrent(nn.GRU, bidirectional=True, bias=False)


@case
def cells():
    def forward(m, x):
        h, (c, d), k = x.new_zeros(N, 4), (x.new_zeros(N, 4), x.new_zeros(N, 4)), x.new_zeros(N, 4)
        if len(x) != N:
            h, (c, d), k = h[: len(x)], (c[: len(x)], d[: len(x)]), k[: len(x)]
        for t in range(x.shape[1]):
            h = m.rnn(x[:, t], h)
            c, d = m.lstm(h, (c, d))
            k = m.gru(c, k)
        return m.out(k)

    parts = {"rnn": nn.RNNCell(3, 4), "lstm": nn.LSTMCell(4, 4), "gru": nn.GRUCell(4, 4), "out": nn.Linear(4, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 3, 3), classes(), cross_entropy)


@case
def text_with_lstm():
    def forward(m, x):
        return m.out(m.lstm(m.embed(x))[0])

    parts = {
        "embed": nn.Embedding(9, 4, padding_idx=0),
        "lstm": nn.LSTM(4, 6, batch_first=True),
        "out": nn.Linear(6, 9),
    }
    return Case(Call(forward, **parts), classes(9, N), classes(9, N), cross_entropy_of_tokens)


# ---- attention --------------------------------------------------------------------------------------------------


def attention(T=4, batch_first=True, mode=True, **options):
    def forward(m, x):
        return m.out(m.layer(x, x, x, need_weights=False)[0].mean(1 if batch_first else 0))

    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first, **options)
    x = torch.randn(N, T, 8) if batch_first else torch.randn(T, N, 8)
    model = Call(forward, layer=layer, out=nn.Linear(8, 3)).train(mode)
    return Case(model, x, classes(), cross_entropy, sample_axis=0 if batch_first else 1)


@case
def self_attention():
    return attention()


@case
def self_attention_as_many_steps_as_samples():
    return attention(T=N)


@case
def self_attention_time_first():
    return attention(T=N, batch_first=False)


@case
def self_attention_in_eval_mode():
    return attention(mode=False)


@case
def self_attention_with_bias_and_zeros():
    return attention(add_bias_kv=True, add_zero_attn=True)


@case
def cross_attention_of_other_widths():
    def forward(m, x, memory):
        mask = torch.triu(torch.ones(3, 4, dtype=torch.bool), 2)
        out, shares = m.layer(x, memory, memory, attn_mask=mask)
        return m.out(out.mean(1) + shares.sum((1, 2))[:, None])

    layer = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True, bias=False)
    x = (torch.randn(N, 3, 8), torch.randn(N, 4, 6))
    return Case(Call(forward, layer=layer, out=nn.Linear(8, 3)), x, classes(), cross_entropy)


@case
def transformer_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Case(nn.Sequential(encoder, nn.Linear(8, 3)), torch.randn(N, N, 8), torch.randn(N, N, 3), F.mse_loss)


@case
def transformer_encoder_in_eval_mode():
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    return Case(nn.Sequential(encoder, nn.Linear(8, 3)).eval(), torch.randn(N, 3, 8), torch.randn(N, 3, 3), F.mse_loss)


@case
def transformer_time_first():
    def forward(m, x, y):
        return m.out(m.layer(x, y))

    layer = nn.Transformer(8, 2, 1, 1, 12, dropout=0.0)
    x = (torch.randn(N, N, 8), torch.randn(3, N, 8))
    model = Call(forward, layer=layer, out=nn.Linear(8, 2))
    return Case(model, x, torch.randn(3, N, 2), F.mse_loss, sample_axis=1)


class GPT(nn.Module):
    """Causal self-attention; positions that are looked up once for all samples, and an embedding tied to the head."""

    def __init__(self, vocabulary=11, width=8, longest=6):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(longest, width)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, numbers):
        x = self.tokens(numbers) + self.positions(torch.arange(numbers.shape[1]))
        q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in self.qkv(self.norm1(x)).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.project(mixed.transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x))


@case
def gpt():
    return Case(GPT(), classes(11, 4), classes(11, 4), cross_entropy_of_tokens)


@case
def gpt_as_many_steps_as_samples():
    return Case(GPT(), classes(11, N), classes(11, N), cross_entropy_of_tokens)


@case
def vision_transformer():
    def forward(m, x):
        x = m.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([m.first.expand(len(x), -1, -1), x], 1) + m.place
        return m.out(m.layer(x)[:, 0])

    layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
    parts = {"patch": nn.Conv2d(2, 8, 3, stride=3), "first": parameter(1, 1, 8), "place": parameter(1, 5, 8)}
    return Case(Call(forward, **parts, layer=layer, out=nn.Linear(8, 3)), image(), classes(), cross_entropy)


@case
def mixer():
    def forward(m, x):
        x = x + m.along_time(x.transpose(1, 2)).transpose(1, 2)
        return m.out((x + m.along_features(x)).mean(1))

    parts = {"along_time": nn.Linear(4, 4), "along_features": nn.Linear(6, 6), "out": nn.Linear(6, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 4, 6), classes(), cross_entropy)


# ---- what is not taken apart ------------------------------------------------------------------------------------


@case
def einsum():
    def forward(m, x):
        return m.out(torch.einsum("nj,kj->nk", x, m.w))

    parts = {"w": parameter(5, 4), "out": nn.Linear(5, 3)}
    return Case(Call(forward, **parts), torch.randn(N, 4), classes(), cross_entropy, unpaired=("w",))


@case
def normalised_weights():
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)), nn.ReLU(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 3)),
    )  # fmt: skip
    w = "parametrizations.weight"
    names = (f"0.{w}.original0", f"0.{w}.original1", f"2.{w}.original")
    return Case(model.eval(), torch.randn(N, 4), classes(), cross_entropy, unpaired=names)


@case
def experts_in_three_axes():
    def forward(m, x):
        return torch.bmm(x.expand(3, *x.shape), m.experts).mean(0) + F.linear(x, m.experts[0].t())

    return Case(
        Call(forward, experts=parameter(3, 4, 3)), torch.randn(N, 4), classes(), cross_entropy, unpaired=("experts",)
    )


@case
def weight_of_low_rank_added():
    def forward(m, x):
        return F.linear(x, m.w + m.b @ m.a)

    parts = {"w": parameter(3, 4), "a": parameter(2, 4), "b": parameter(3, 2)}
    return Case(Call(forward, **parts), torch.randn(N, 4), classes(), cross_entropy, unpaired=("w", "a", "b"))


@case
def seen_only_in_part():
    def forward(m, x):
        return m.a(x) + torch.einsum("nj,kj->nk", x, m.a.weight)

    return Case(Call(forward, a=nn.Linear(4, 3)), torch.randn(N, 4), classes(), cross_entropy, unpaired=("a.weight",))


@case
def packed_sequences():
    def forward(m, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [4, 4, 3, 2, 1][: len(x)], batch_first=True)
        return m.out(m.lstm(packed)[1][0][-1])

    parts = {"lstm": nn.LSTM(3, 4, batch_first=True), "out": nn.Linear(4, 3)}
    names = ("lstm.weight_ih_l0", "lstm.weight_hh_l0")
    return Case(Call(forward, **parts), torch.randn(N, 4, 3), classes(), cross_entropy, coupled=True, unpaired=names)


@case
def rows_chosen_by_a_router():
    def forward(m, x):
        chosen = m.gate(x).argmax(-1)
        out = x.new_zeros(*x.shape[:2], 3)
        for i, expert in enumerate(m.experts):
            out[chosen == i] = expert(x[chosen == i])
        return out + m.gate(x).amax(-1, keepdim=True)

    experts = nn.ModuleList(nn.Linear(4, 3) for _ in range(2))
    model = Call(forward, gate=nn.Linear(4, 2), experts=experts)
    names = ("experts.0.weight", "experts.1.weight")
    return Case(model, torch.randn(N, 3, 4), torch.randn(N, 3, 3), F.mse_loss, unpaired=names)


@case
def one_weight_for_all_samples():
    def forward(m, x):
        return x @ m.make(m.seed).view(4, 3)

    model = Call(forward, make=nn.Linear(2, 12), seed=parameter(2))
    return Case(model, torch.randn(N, 4), classes(), cross_entropy, unpaired=("make.weight",))


@case
def never_used():
    model = nn.Sequential(nn.Linear(4, 3))
    model.spare = nn.Linear(2, 2)
    return Case(
        Call(lambda m, x: m.all[0](x), all=model),
        torch.randn(N, 4),
        classes(),
        cross_entropy,
        unpaired=("all.spare.weight",),
    )
