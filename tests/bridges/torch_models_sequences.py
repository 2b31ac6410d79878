"""Recurrent models, and models with attention."""

import torch
import torch.nn.functional as F
from torch import nn
from torch_case import Call, Case, N, case, classes, cross_entropy, cross_entropy_of_tokens, image, parameter

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
    x = classes(9, N)
    x[:2, :2] = 0  # the padding, whose row gets no gradient
    return Case(Call(forward, **parts), x, classes(9, N), cross_entropy_of_tokens)


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


@case
def positions_that_scale():
    def forward(m, x):
        return m.out(m.tokens(x) * m.scales(torch.arange(N)) + m.kinds(torch.zeros_like(x)))

    parts = {"tokens": nn.Embedding(7, 4), "scales": nn.Embedding(N, 4), "kinds": nn.Embedding(2, 4)}
    model = Call(forward, **parts, out=nn.Linear(4, 3))
    return Case(model, classes(7, N), classes(3, N), cross_entropy_of_tokens, unpaired=("scales.weight",))
