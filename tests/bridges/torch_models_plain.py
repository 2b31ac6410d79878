"""Models of linear layers, and those of whose weights capture sees only a part or nothing."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch_case import Call, Case, N, case, classes, cross_entropy, parameter

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


@case
def other_functions_of_a_weight():
    def forward(m, x):
        return m.bag(x) + m.bilinear(m.table(x)[:, 0], m.table(x)[:, 1])

    parts = {"bag": nn.EmbeddingBag(7, 3), "bilinear": nn.Bilinear(2, 2, 3)}
    parts |= {"table": nn.Embedding(7, 2, scale_grad_by_freq=True)}
    names = ("bag.weight", "bilinear.weight", "table.weight")
    return Case(Call(forward, **parts), classes(7, 4), classes(), cross_entropy, coupled=True, unpaired=names)


@case
def sparse_and_learned_slopes():
    model = nn.Sequential(nn.Embedding(7, 4, sparse=True, max_norm=1.0), nn.PReLU(), nn.Flatten(), nn.Linear(12, 3))
    return Case(model, classes(7, 3), classes(), cross_entropy)
